//! A column heading that sorts.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// How a column is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorted {
    /// By another column.
    No,
    /// The smallest first.
    Up,
    /// The largest first.
    Down,
}

impl Sorted {
    /// The value of `aria-sort`.
    pub fn aria(self) -> &'static str {
        match self {
            Self::No => "none",
            Self::Up => "ascending",
            Self::Down => "descending",
        }
    }
}

/// The button inside a heading; the heading itself carries `aria-sort`.
#[component]
pub fn SortButton(
    /// The heading.
    #[prop(into)]
    label: String,
    /// What hovering tells.
    #[prop(into)]
    title: String,
    /// How the column is sorted.
    #[prop(into)]
    sorted: Signal<Sorted>,
    /// Sorts by it, or turns the order around.
    #[prop(into)]
    sort: Callback<()>,
) -> impl IntoView {
    let icon =
        Signal::derive(move || if sorted.get() == Sorted::Up { Icon::SortUp } else { Icon::SortDown });
    view! {
        <button
            type="button"
            class="sort"
            title=title
            aria-pressed=move || (sorted.get() != Sorted::No).to_string()
            on:click=move |_| sort.run(())>
            {label}
            <Glyph icon=icon />
        </button>
    }
}
