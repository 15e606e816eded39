//! Line icons, 16 by 16, drawn with the text's colour.

use leptos::prelude::*;

/// An icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Logo,
    Services,
    Traces,
    Metrics,
    Map,
    Logs,
    Settings,
    Storage,
    Sampling,
    Search,
    Refresh,
    Sun,
    Moon,
    Clock,
    ChevronDown,
    ChevronRight,
    Close,
    Copy,
    Check,
    Error,
    Fatal,
    External,
    Warning,
    Plus,
    Minus,
    Fit,
    Arrange,
    Download,
    Key,
    People,
    Lock,
    LogOut,
    Help,
    SortUp,
    SortDown,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            // A shuttle between warp threads.
            Self::Logo => {
                "M3 2v12M8 2v3.2M8 10.8V14M13 2v12M1.2 8C4 5.4 12 5.4 14.8 8 12 10.6 4 10.6 1.2 8Z"
            }
            Self::Services => "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
            Self::Traces => "M2 3.5h8M4.5 8h9M7 12.5h5.5",
            Self::Metrics => "M2.5 2v11.5H14M4.8 10.6l2.7-4 2.6 2.2 3.2-5",
            // Two nodes that a third one calls.
            Self::Map => {
                "M2 6.2h3.6v3.6H2zM10.4 2H14v3.6h-3.6zM10.4 10.4H14V14h-3.6zM5.6 8H8M8 3.8v8.4M8 3.8h2.4M8 12.2h2.4"
            }
            Self::Logs => "M3 2.5h10v11H3zM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
            Self::Settings => "M2 4.5h5M11 4.5h3M2 11.5h3M9 11.5h5M9 2.8v3.4M7 9.8v3.4",
            Self::Storage => {
                "M8 6.4c2.9 0 5.2-.9 5.2-2S10.9 2.4 8 2.4s-5.2.9-5.2 2 2.3 2 5.2 2ZM2.8 4.4v7.2c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2V4.4M2.8 8c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2"
            }
            // A funnel.
            Self::Sampling => "M2 2.8h12L9.4 8.4v4.8l-2.8-1.6V8.4Z",
            Self::Search => "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14",
            Self::Refresh => "M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.8v2.7h-2.7",
            Self::Sun => {
                "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.2v1.3M8 13.5v1.3M3.2 3.2l.9.9M11.9 11.9l.9.9M1.2 8h1.3M13.5 8h1.3M3.2 12.8l.9-.9M11.9 4.1l.9-.9"
            }
            Self::Moon => "M13.6 9.6A6 6 0 0 1 6.4 2.4a6 6 0 1 0 7.2 7.2Z",
            Self::Clock => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.4",
            Self::ChevronDown => "m4 6 4 4 4-4",
            Self::ChevronRight => "m6 4 4 4-4 4",
            Self::Close => "m4 4 8 8M12 4l-8 8",
            Self::Copy => "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
            Self::Check => "m3 8.5 3.2 3.2L13 4.8",
            Self::Error => "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4ZM8 4.8v3.9M8 11v.2",
            // An octagon, as a stop sign.
            Self::Fatal => "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5ZM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
            Self::External => "M6.5 3.5h-3v9h9v-3M9 2.5h4.5V7M13.2 2.8 7.5 8.5",
            Self::Warning => "M8 2.2 14.4 13.4H1.6ZM8 6.4v3.4M8 11.6v.2",
            Self::Plus => "M8 3v10M3 8h10",
            Self::Minus => "M3 8h10",
            Self::Fit => "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
            Self::Arrange => "M2 3h3v3H2zM2 10h3v3H2zM11 6.5h3v3h-3zM5 4.5h3v7H5M8 8h3",
            Self::Download => "M8 2v8M4.5 6.8 8 10.3l3.5-3.5M2.5 13.5h11",
            Self::Key => "M5.2 13.4a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM7.2 8.7l5.6-5.6M10.4 5.5l2 2",
            Self::People => {
                "M6 7.4a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6ZM1.6 13.2c.3-2.2 2.1-3.5 4.4-3.5s4.1 1.3 4.4 3.5M10.6 3a2.3 2.3 0 0 1 0 4.2M12 9.9c1.4.5 2.3 1.7 2.5 3.3"
            }
            Self::Lock => "M3.5 7.2h9v6.3h-9zM5.3 7.2V5a2.7 2.7 0 0 1 5.4 0v2.2",
            Self::LogOut => "M6.5 13.5h-4v-11h4M10.3 11l3-3-3-3M13.3 8H6",
            Self::Help => {
                "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4ZM6.2 6.3a1.85 1.85 0 1 1 2.7 1.65c-.6.3-.9.7-.9 1.35M8 11.3v.2"
            }
            Self::SortUp => "M8 12.5v-9M4.5 7 8 3.5 11.5 7",
            Self::SortDown => "M8 3.5v9M4.5 9 8 12.5 11.5 9",
        }
    }
}

/// Draws an icon; hidden from screen readers, because the control around it has the name.
#[component]
pub fn Glyph(
    /// Which one.
    #[prop(into)]
    icon: Signal<Icon>,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
            <path d=move || icon.get().path() />
        </svg>
    }
}
