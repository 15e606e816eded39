//! The versions of a service side by side: whether a deployment made it better or worse.

use leptos::prelude::*;

use super::versions_model::Version;
use crate::components::time_cell::TimeCell;
use crate::format;
use crate::pages::services::history::{change, change_label};
use crate::state::query::Query;
use crate::state::range::use_range;

/// Versions that are listed; more are counted.
const LISTED_MAX: usize = 10;

/// The table; nothing if the service tells no version.
#[component]
pub fn Versions(
    /// `service.name`.
    service: Memo<String>,
    /// The newest first.
    versions: Memo<Vec<Version>>,
) -> impl IntoView {
    move || {
        let versions = versions.get();
        if versions.iter().all(|version| version.name.is_empty()) {
            return None;
        }
        let more = versions.len().saturating_sub(LISTED_MAX);
        let total: f64 = versions.iter().map(|version| version.count).sum();
        let rows = versions.iter().enumerate().take(LISTED_MAX).map(|(at, version)| {
            // Compared with the version before it.
            row(service, version, versions.get(at + 1), version.count / total.max(1.0))
        });
        let rows: Vec<_> = rows.collect();
        Some(view! {
            <h2 class="section-title">"Versions"</h2>
            <table class="table versions">
                <thead>
                    <tr>
                        <th scope="col">"Version"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col" class="num" title="Share of the calls in the range">"Share"</th>
                        <th scope="col" class="num">"Calls"</th>
                        <th scope="col" class="num" title="And the change from the version before">"Errors"</th>
                        <th scope="col" class="num" title="And the change from the version before">"p50"</th>
                        <th scope="col" class="num" title="And the change from the version before">"p95"</th>
                    </tr>
                </thead>
                <tbody>
                    {rows}
                    {(more > 0).then(|| view! { <tr><td colspan="7" class="faint">{format!("and {more} more")}</td></tr> })}
                </tbody>
            </table>
        })
    }
}

fn row(
    service: Memo<String>,
    version: &Version,
    before: Option<&Version>,
    share: f64,
) -> impl IntoView + use<> {
    let range = use_range();
    let name = version.name.clone();
    let label = if name.is_empty() { "not told".to_owned() } else { name.clone() };
    let href = move || {
        let mut query = Query::default().with("service", service.get());
        if !name.is_empty() {
            query.push("tag", format!("service.version={name}"));
        }
        range.href_with("/traces", query)
    };
    let since = version.since_ms.and_then(chrono::DateTime::from_timestamp_millis);
    let worse = |now: Option<f64>, then: Option<f64>| {
        let change = change(now?, then)?;
        Some(view! { <span class="change" class:worse={change > 0.0}>{change_label(change)}</span> })
    };
    let duration = |ns: Option<f64>| ns.map_or("–".to_owned(), format::duration_f64);
    let has_errors = version.error_rate > 0.0;
    view! {
        <tr>
            <td><a class="row-name" href=href title="Its traces">{label}</a></td>
            <td><TimeCell time=since none="before this range" /></td>
            <td class="num">{format::percent(share)}</td>
            <td class="num">{format::count(version.count)}</td>
            <td class="num" class:error-text=has_errors>
                {worse(Some(version.error_rate), before.map(|it| it.error_rate))}
                {format::percent(version.error_rate)}
            </td>
            <td class="num">
                {worse(version.p50_ns, before.and_then(|it| it.p50_ns))}
                {duration(version.p50_ns)}
            </td>
            <td class="num">
                {worse(version.p95_ns, before.and_then(|it| it.p95_ns))}
                {duration(version.p95_ns)}
            </td>
        </tr>
    }
}
