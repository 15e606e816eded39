//! Records as rows: only those on the screen exist. The page of logs and a trace's tab share it.

use std::fmt::Display;
use std::sync::Arc;

use chrono::{DateTime, TimeZone, Utc};
use leptos::prelude::*;

use super::item::LogItem;
use crate::components::level_mark::LevelMark;
use crate::components::service_chip::ServiceName;
use crate::components::virtual_rows::VirtualRows;
use crate::format;
use crate::state::range::{ZONE, now_ms};

/// Matches `.log-row` in the style sheet.
pub const ROW_HEIGHT: f64 = 26.0;

/// Matches `.log-head`.
pub const HEAD_HEIGHT: f64 = 26.0;

/// Records in their order.
pub type Items = Arc<Vec<Arc<LogItem>>>;

/// The clock with milliseconds today, the day and the clock on others. Pure.
fn clock<Z: TimeZone>(time: DateTime<Utc>, now: DateTime<Utc>, zone: &Z) -> String
where
    Z::Offset: Display,
{
    let (local, today) = (time.with_timezone(zone), now.with_timezone(zone).date_naive());
    let format = if local.date_naive() == today { "%H:%M:%S%.3f" } else { "%-d %b %H:%M:%S" };
    local.format(format).to_string()
}

/// The rows.
#[component]
pub fn LogList(
    /// What is shown.
    #[prop(into)]
    items: Signal<Items>,
    /// The scrolling rows.
    rows: VirtualRows,
    /// The row that the keyboard is on.
    selected: RwSignal<Option<usize>>,
    /// A row was chosen.
    choose: Callback<usize>,
    /// What stands in the column of times: the clock, unless told otherwise.
    #[prop(optional, into)]
    time_label: Option<Callback<Arc<LogItem>, String>>,
    /// Below the last row.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let count = move || items.with(|items| items.len());
    let visible = move || {
        let (start, end) = rows.range.get();
        let items = items.get();
        (start..end.min(items.len())).map(|at| (at, items[at].clone())).collect::<Vec<_>>()
    };
    let row = move |(at, item): (usize, Arc<LogItem>)| {
        let time = item.entry.time;
        let label = time_label.map_or_else(
            || clock(time, DateTime::from_timestamp_millis(now_ms()).unwrap_or(time), &ZONE),
            |label| label.run(item.clone()),
        );
        let line = item.line();
        view! {
            <li class="log-row-place" style:top=format!("{}px", at as f64 * ROW_HEIGHT) aria-posinset=at + 1 aria-setsize=untrack(count)>
                <button
                    type="button"
                    class=format!("log-row {}", item.entry.level.name())
                    class:selected=move || selected.get() == Some(at)
                    aria-pressed=move || (selected.get() == Some(at)).to_string()
                    on:click=move |_| choose.run(at)
                >
                    <time class="mono" datetime=time.to_rfc3339() title=format::full_time(time, &ZONE)>{label}</time>
                    <LevelMark level=item.entry.level />
                    <ServiceName name=item.service().to_owned() />
                    <span class="log-line">{line}</span>
                    <span class="log-flag" title="Belongs to a trace" aria-hidden="true">{item.entry.trace_id.map(|_| "◆")}</span>
                </button>
            </li>
        }
    };
    view! {
        <div class="log-scroll" node_ref=rows.node tabindex="-1" on:scroll=move |_| rows.scrolled()>
            <div class="log-head" aria-hidden="true">
                <span>"Time"</span>
                <span>"Level"</span>
                <span>"Service"</span>
                <span>"Message"</span>
            </div>
            <ol class="log-rows" aria-label="Log records" style:height=move || format!("{}px", count() as f64 * ROW_HEIGHT)>
                <For each=visible key=|(at, item)| (*at, item.entry.id.clone(), item.entry.time) children=row />
            </ol>
            {children.map(|children| children())}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_day_is_named() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2026-11-25T12:00:00Z");
        assert_eq!(clock(at("2026-11-25T09:08:07.6543Z"), now, &Utc), "09:08:07.654");
        assert_eq!(clock(at("2026-11-24T23:59:59.9Z"), now, &Utc), "24 Nov 23:59:59");
    }
}
