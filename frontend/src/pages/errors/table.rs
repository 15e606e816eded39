//! The table of groups.

use std::collections::HashSet;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::api::{ErrorGroup, ErrorState};
use uuid::Uuid;

use super::filter::{self, COUNT, FIRST, LAST, OrderChoice, TREND};
use crate::charts::spark_bars::SparkBars;
use crate::components::error_group::{StateBadge, title, trend_label};
use crate::components::service_chip::ServiceName;
use crate::components::sort_header::{SortButton, Sorted};
use crate::components::time_cell::TimeCell;
use crate::format;
use crate::state::range::{RangeState, use_change_query, use_range};

/// The page of a group, with the page's time range; tracks it.
pub fn page_of(range: RangeState, id: Uuid) -> String {
    range.href(&format!("/errors/{id}"))
}

/// Scrolls until the row is on the screen.
pub fn show_row(at: usize) {
    let row = document().query_selector(&format!("[data-row='{at}']")).ok().flatten();
    if let Some(row) = row {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        row.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Chooses a group, or not any more.
pub fn toggle(chosen: RwSignal<HashSet<Uuid>>, id: Uuid) {
    chosen.update(|chosen| {
        if !chosen.remove(&id) {
            chosen.insert(id);
        }
    });
}

/// Type, message and where; leads to the group.
pub fn name_cell(group: &ErrorGroup) -> impl IntoView + use<> {
    let range = use_range();
    let (id, (name, message)) = (group.id, title(group));
    let state = group.state;
    let both = format!("{name}\n{message}");
    view! {
        <a class="error-name" href=move || page_of(range, id) title=both>
            <span class="error-kind">
                {(state != ErrorState::Open).then(|| view! { <StateBadge state=state /> })}
                <b class="clip">{name}</b>
            </span>
            <span class="error-message clip">{message}</span>
        </a>
    }
}

/// The table; rows can be chosen by those who may change them.
#[component]
pub fn ErrorTable(
    /// None until they are loaded.
    rows: Memo<Option<Vec<ErrorGroup>>>,
    /// Occurrences of all groups that the filter lets through.
    total: f64,
    /// The row of the keyboard.
    selected: RwSignal<Option<usize>>,
    /// The groups that are to be changed together.
    chosen: RwSignal<HashSet<Uuid>>,
    /// Whether the person may change them.
    may_choose: Memo<bool>,
) -> impl IntoView {
    let all = move || rows.with(|rows| rows.iter().flatten().map(|row| row.id).collect::<HashSet<Uuid>>());
    let is_all = move || chosen.with(|chosen| !chosen.is_empty() && *chosen == all());
    let choose_all = move |_| {
        let next = if untrack(is_all) { HashSet::new() } else { untrack(all) };
        chosen.set(next);
    };
    let body = move || {
        let rows = rows.get().unwrap_or_default();
        rows.iter()
            .enumerate()
            .map(|(at, group)| row(at, group, total, selected, chosen, may_choose))
            .collect_view()
    };
    view! {
        <table class="table errors">
            <thead>
                <tr>
                    <th scope="col" class="choose">
                        <Show when=move || may_choose.get()>
                            <input type="checkbox" aria-label="Select all" prop:checked=is_all on:change=choose_all />
                        </Show>
                    </th>
                    <th scope="col">"Error"</th>
                    <th scope="col">"Service"</th>
                    {[TREND, COUNT, FIRST, LAST].map(heading).into_iter().collect_view()}
                </tr>
            </thead>
            <tbody>{body}</tbody>
        </table>
    }
}

/// A heading that orders by its column; the server knows one direction only, the worst first.
fn heading((name, label, explained): OrderChoice) -> impl IntoView {
    let range = use_range();
    let change = StoredValue::new_local(use_change_query());
    let sorted = Signal::derive(move || {
        let is_it = range.query.with(|query| filter::order(query).0 == name);
        if is_it { Sorted::Down } else { Sorted::No }
    });
    let sort = Callback::new(move |()| {
        change.with_value(|change| change(&|query| query.set("sort", name)));
    });
    view! {
        <th scope="col" class:num=name == COUNT.0 aria-sort=move || sorted.get().aria()>
            <SortButton label=label title=explained sorted=sorted sort=sort />
        </th>
    }
}

fn row(
    at: usize,
    group: &ErrorGroup,
    total: f64,
    selected: RwSignal<Option<usize>>,
    chosen: RwSignal<HashSet<Uuid>>,
    may_choose: Memo<bool>,
) -> impl IntoView + use<> {
    let range = use_range();
    let navigate = use_navigate();
    let id = group.id;
    let go = move |event: web_sys::MouseEvent| {
        // Links and fields deal with clicks on themselves.
        let on_control = event_target::<web_sys::Element>(&event)
            .closest("a, input, td.choose")
            .is_ok_and(|it| it.is_some());
        if !on_control
            && !event.default_prevented()
            && !event.ctrl_key()
            && !event.meta_key()
            && event.button() == 0
        {
            navigate(&untrack(|| page_of(range, id)), NavigateOptions::default());
        }
    };
    let label = format!("Select {}", title(group).0);
    let share = if total > 0.0 { group.count / total } else { 0.0 };
    let exact = format!("{} of all that are listed here", format::percent(share));
    let width = format!("{:.1}%", share * 100.0);
    view! {
        <tr class="row-link" class:selected=move || selected.get() == Some(at) data-row=at on:click=go>
            <td class="choose">
                <Show when=move || may_choose.get()>
                    <input
                        type="checkbox"
                        aria-label=label.clone()
                        prop:checked=move || chosen.with(|chosen| chosen.contains(&id))
                        on:change=move |_| toggle(chosen, id)
                    />
                </Show>
            </td>
            <td class="error-cell">{name_cell(group)}</td>
            <td class="error-service"><ServiceName name=group.service.clone() /></td>
            <td><SparkBars values=group.trend.clone() label=trend_label(group) /></td>
            <td class="num" title=exact>
                <span class="cell-bar" aria-hidden="true"><i style:width=width></i></span>
                <span class="cell-num">{format::count(group.count)}</span>
            </td>
            <td><TimeCell time=Some(group.first_seen) none="" /></td>
            <td><TimeCell time=Some(group.last_seen) none="" /></td>
        </tr>
    }
}
