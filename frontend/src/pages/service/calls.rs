//! Who calls the service, and what it calls.

use leptos::prelude::*;
use spanloom_model::api::{DependenciesResponse, DependencyEdge};

use crate::api;
use crate::components::service_chip::ServiceName;
use crate::components::states::{ErrorBar, SkeletonRows};
use crate::format;
use crate::pages::map::filter::kind_label;
use crate::state::load::{Loaded, load};
use crate::state::query::{Query, encode};
use crate::state::range::{RangeState, use_range};

/// Neighbours that are listed at either side; the map shows all.
const LISTED_MAX: usize = 15;

/// Two tables side by side.
#[component]
pub fn Calls(
    /// `service.name`.
    service: Memo<String>,
) -> impl IntoView {
    let range = use_range();
    let id = Memo::new(move |_| format!("service:{}", service.get()));
    let graph: Loaded<DependenciesResponse> = load(
        move || Some((id.get(), range.window.get())),
        |(id, window), signal| async move { api::dependencies(&id, Some(1), window, signal).await },
    );
    let retry = Callback::new(move |()| graph.reload());
    let list = move |is_caller: bool| {
        move || {
            let Some(answer) = graph.value.get() else {
                return match graph.error.get() {
                    Some(error) => view! { <ErrorBar error=error retry=retry /> }.into_any(),
                    None => view! { <SkeletonRows rows=3 /> }.into_any(),
                };
            };
            id.with(|id| table(range, edges(&answer.graph.edges, id, is_caller), is_caller)).into_any()
        }
    };
    let map = move || range.href_with("/map", Query::default().with("focus", id.get()).with("depth", "1"));
    view! {
        <div class="section-head">
            <h2 class="section-title">"Calls"</h2>
            <a class="button small" href=map>"On the map"</a>
        </div>
        <div class="service-calls">
            {list(true)}
            {list(false)}
        </div>
    }
}

/// The edges to or from the node, the busiest first.
fn edges(all: &[DependencyEdge], id: &str, is_caller: bool) -> Vec<DependencyEdge> {
    let is_it = |edge: &&DependencyEdge| if is_caller { edge.callee == id } else { edge.caller == id };
    let mut edges: Vec<DependencyEdge> = all.iter().filter(is_it).cloned().collect();
    edges.sort_by(|a, b| b.red.rate_per_second.total_cmp(&a.red.rate_per_second));
    edges
}

fn table(range: RangeState, edges: Vec<DependencyEdge>, is_caller: bool) -> impl IntoView + use<> {
    let more = edges.len().saturating_sub(LISTED_MAX);
    let is_empty = edges.is_empty();
    let nobody =
        if is_caller { "Nobody that sends spans calls it." } else { "It calls nothing that is known." };
    let rows = edges.into_iter().take(LISTED_MAX).map(|edge| {
        let other = if is_caller { &edge.caller } else { &edge.callee };
        let name = if let Some(name) = other.strip_prefix("service:").map(str::to_owned) {
            let href = format!("/services/{}", encode(&name));
            view! { <a class="row-name" href=move || range.href(&href)><ServiceName name=name /></a> }
                .into_any()
        } else {
            let name = other.split_once(':').map_or(other.as_str(), |(_, name)| name).to_owned();
            view! { <span class="clip">{name}</span> }.into_any()
        };
        let query =
            Query::default().with("caller", edge.caller.as_str()).with("callee", edge.callee.as_str());
        let traces = move || range.href_with("/traces", query.clone());
        let has_errors = edge.red.error_rate > 0.0;
        view! {
            <tr>
                <td>{name}</td>
                <td><a class="faint" href=traces title="Traces of these calls">{kind_label(edge.kind)}</a></td>
                <td class="num">{format::rate(edge.red.rate_per_second)}</td>
                <td class="num" class:error-text=has_errors class:faint=!has_errors>
                    {format::percent(edge.red.error_rate)}
                </td>
                <td class="num">{format::duration_f64(edge.red.p95_ns)}</td>
            </tr>
        }
    });
    let rows: Vec<_> = rows.collect();
    view! {
        <table class="table">
            <thead>
                <tr>
                    <th scope="col">{if is_caller { "Called by" } else { "Calls" }}</th>
                    <th scope="col">"How"</th>
                    <th scope="col" class="num">"Rate"</th>
                    <th scope="col" class="num">"Errors"</th>
                    <th scope="col" class="num">"p95"</th>
                </tr>
            </thead>
            <tbody>
                {rows}
                {is_empty.then(|| view! { <tr><td colspan="5" class="faint">{nobody}</td></tr> })}
                {(more > 0).then(|| view! { <tr><td colspan="5" class="faint">{format!("and {more} more on the map")}</td></tr> })}
            </tbody>
        </table>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::{DependencyKind, RedSummary};

    // Catches neighbours of neighbours, and callers among the callees.
    #[test]
    fn either_side_has_its_own_edges() {
        let edge = |caller: &str, callee: &str, rate| DependencyEdge {
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            kind: DependencyKind::Http,
            red: RedSummary { rate_per_second: rate, ..RedSummary::default() },
        };
        let all = [edge("a", "b", 1.0), edge("b", "c", 1.0), edge("b", "d", 2.0), edge("c", "d", 9.0)];
        let names = |is_caller| -> Vec<(String, String)> {
            edges(&all, "b", is_caller).into_iter().map(|edge| (edge.caller, edge.callee)).collect()
        };
        assert_eq!(names(true), [("a".to_owned(), "b".to_owned())]);
        assert_eq!(names(false), [("b".to_owned(), "d".to_owned()), ("b".to_owned(), "c".to_owned())]);
    }
}
