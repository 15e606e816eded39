//! How severe a log record is: a word, and a shape where it matters.

use leptos::prelude::*;
use spanloom_model::LogLevel;

use super::icon::{Glyph, Icon};

/// The word for a level.
pub fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Unset => "no level",
        other => other.name(),
    }
}

/// The word with its shape.
#[component]
pub fn LevelMark(
    /// Which level.
    level: LogLevel,
) -> impl IntoView {
    let icon = match level {
        LogLevel::Fatal => Some(Icon::Fatal),
        LogLevel::Error => Some(Icon::Error),
        LogLevel::Warn => Some(Icon::Warning),
        _ => None,
    };
    let word = if level == LogLevel::Unset { "–" } else { level.name() };
    view! {
        <span class=format!("level-mark {}", level.name()) title=level_name(level)>
            <span class="level-shape">{icon.map(|icon| view! { <Glyph icon=icon /> })}</span>
            {word}
        </span>
    }
}
