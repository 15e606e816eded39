//! A moment in a table: how long ago, exactly on hover.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::format;
use crate::state::range::{ZONE, now_ms};

/// The moment.
#[component]
pub fn TimeCell(
    /// When.
    time: Option<DateTime<Utc>>,
    /// What is said if never.
    none: &'static str,
) -> impl IntoView {
    match time {
        None => view! { <span class="faint">{none}</span> }.into_any(),
        Some(time) => view! {
            <time datetime=time.to_rfc3339() title=format::full_time(time, &ZONE)>
                {format::ago(time.timestamp_millis(), now_ms())}
            </time>
        }
        .into_any(),
    }
}
