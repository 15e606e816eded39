//! Samples, where it happens, history.

use leptos::prelude::*;
use spanloom_model::api::{ErrorEvent, ErrorEventKind, ErrorSample, ErrorShare};

use crate::components::time_cell::TimeCell;
use crate::format;
use crate::state::query::Query;
use crate::state::range::use_range;

/// Shown of operations and of versions.
const SHARES_MAX: usize = 12;

/// Spans with the error; each opens its trace there.
#[component]
pub fn Samples(
    /// The newest first.
    samples: Vec<ErrorSample>,
) -> impl IntoView {
    let range = use_range();
    if samples.is_empty() {
        return view! { <p class="error-none">"No trace with it is stored: sampling dropped them, or they are too old."</p> }
            .into_any();
    }
    let row = |sample: ErrorSample| {
        let path = format!("/traces/{}", sample.trace_id);
        let span = sample.span_id.to_string();
        let href = move || range.href_with(&path, Query::default().with("span", span.clone()));
        let message = if sample.message.is_empty() { sample.trace_id.to_string() } else { sample.message };
        view! {
            <tr>
                <td class="sample-message"><a class="row-name clip" href=href title=message.clone()>{message.clone()}</a></td>
                <td class="sample-operation"><span class="clip">{sample.operation}</span></td>
                <td class="faint">{sample.version}</td>
                <td class="num"><TimeCell time=Some(sample.start_time) none="" /></td>
            </tr>
        }
    };
    view! {
        <table class="table samples" aria-label="Sample traces">
            <thead>
                <tr>
                    <th scope="col">"Message"</th>
                    <th scope="col">"Operation"</th>
                    <th scope="col">"Version"</th>
                    <th scope="col" class="num">"Start"</th>
                </tr>
            </thead>
            <tbody>{samples.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// Operations or versions by how often it happens there; each leads to its failed traces or errors.
pub fn shares(
    label: &'static str,
    filter: &'static str,
    service: &str,
    shares: &[ErrorShare],
) -> impl IntoView + use<> {
    let range = use_range();
    let total: f64 = shares.iter().map(|share| share.count).sum();
    let service = service.to_owned();
    let row = |share: &ErrorShare| {
        let part = if total > 0.0 { share.count / total } else { 0.0 };
        let name = if share.name.is_empty() { "not told".to_owned() } else { share.name.clone() };
        let (service, value) = (service.clone(), share.name.clone());
        let href = move || {
            let query = Query::default().with("service", service.clone()).with("state", "all");
            range.href_with("/errors", query.with(filter, value.clone()))
        };
        view! {
            <li>
                <a class="clip" href=href title=format!("Errors of this {filter}")>{name}</a>
                <span class="cell-bar" aria-hidden="true"><i style:width=format!("{:.1}%", part * 100.0)></i></span>
                <span class="cell-num">{format::count(share.count)}</span>
            </li>
        }
    };
    let rows = shares.iter().take(SHARES_MAX).map(row).collect_view();
    let rest = shares.len().saturating_sub(SHARES_MAX);
    let is_empty = shares.is_empty();
    view! {
        <h2 class="section-title">{label}</h2>
        {is_empty.then(|| view! { <p class="error-none">"None in this time range."</p> })}
        <ul class="shares" aria-label=label>{rows}</ul>
        {(rest > 0).then(|| view! { <p class="error-none">{format!("and {rest} more")}</p> })}
    }
}

/// What became of it.
#[component]
pub fn History(
    /// The newest first.
    events: Vec<ErrorEvent>,
) -> impl IntoView {
    let row = |event: ErrorEvent| {
        let what = match event.kind {
            ErrorEventKind::New => "First seen",
            ErrorEventKind::Regressed => "Came back",
            ErrorEventKind::Resolved => "Resolved",
            ErrorEventKind::Ignored => "Ignored",
            ErrorEventKind::Reopened => "Reopened",
        };
        let by = match (event.actor, event.version) {
            (Some(actor), _) => format!(" by {actor}"),
            (None, Some(version)) => format!(" in {version}"),
            (None, None) => String::new(),
        };
        view! {
            <li class:came-back=event.kind == ErrorEventKind::Regressed>
                <span><b>{what}</b>{by}</span>
                <span class="faint"><TimeCell time=Some(event.at) none="" /></span>
            </li>
        }
    };
    view! { <ol class="history" aria-label="History">{events.into_iter().map(row).collect_view()}</ol> }
}
