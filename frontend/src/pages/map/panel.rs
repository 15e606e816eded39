//! What is known of the selected node or edge.

use leptos::prelude::*;
use spanloom_model::api::{DependencyNodeType, MetricsResponse, RedSummary};

use super::cards::type_label;
use super::drawing::{Card, Drawing};
use super::filter::{Selection, kind_label};
use super::state::{MapState, service_name, traces_href};
use crate::api;
use crate::charts::line_chart::{ChartData, LineChart};
use crate::charts::lines::Unit;
use crate::components::icon::{Glyph, Icon};
use crate::components::service_chip::ServiceName;
use crate::components::states::{ErrorBar, SkeletonRows};
use crate::format;
use crate::pages::service::ENTRY_KINDS;
use crate::pages::service::model::{ChartOf, DURATIONS, ERRORS, METRICS, RATE, chart};
use crate::state::load::{Loaded, load};
use crate::state::query::encode;
use crate::state::range::use_range;

/// Neighbours and affected services that are listed; more are counted.
const LISTED_MAX: usize = 12;

/// The panel beside the map.
#[component]
pub fn Panel(
    /// The page's state.
    state: MapState,
) -> impl IntoView {
    let selection = Memo::new(move |_| state.filter.with(|filter| filter.selection.clone()));
    move || {
        let selection = selection.get()?;
        let title = match &selection {
            Selection::Node(id) => view! { <NodeHead state=state id=id.clone() /> }.into_any(),
            Selection::Edge(caller, callee) => view! {
                <EdgeHead state=state caller=caller.clone() callee=callee.clone() />
                <Kinds state=state caller=caller.clone() callee=callee.clone() />
            }
            .into_any(),
        };
        let lists = match &selection {
            Selection::Node(id) => Some(view! {
                <Neighbours state=state id=id.clone() />
                <Affected id=id.clone() />
            }),
            Selection::Edge(..) => None,
        };
        Some(view! {
            <aside class="map-panel" aria-label="Selection">
                <button
                    type="button"
                    class="icon-button map-close"
                    aria-label="Close"
                    title="Close (Esc)"
                    on:click=move |_| state.select(None)
                >
                    <Glyph icon=Icon::Close />
                </button>
                {title}
                <Charts selection=selection />
                {lists}
            </aside>
        })
    }
}

/// A node's name as far as the map knows it.
fn name_of(drawing: &Drawing, id: &str) -> String {
    let rest = || id.split_once(':').map_or(id, |(_, name)| name).to_owned();
    drawing.cards.get(id).map_or_else(rest, |card| card.name.clone())
}

fn title(card: Option<&Card>, name: String) -> impl IntoView + use<> {
    match card.map(|card| card.node_type) {
        Some(DependencyNodeType::Service) => view! { <ServiceName name=name /> }.into_any(),
        _ => view! { <span class="clip">{name}</span> }.into_any(),
    }
}

#[component]
fn NodeHead(state: MapState, id: String) -> impl IntoView {
    let range = use_range();
    let card = {
        let id = id.clone();
        Memo::new(move |_| state.drawing.with(|drawing| drawing.cards.get(&id).cloned()))
    };
    let selection = Selection::Node(id.clone());
    let failed = selection.clone();
    let service = service_name(&id).map(str::to_owned);
    let focus = move |depth: Option<u32>, label: &'static str, title: &'static str| {
        let id = id.clone();
        let is_it = {
            let id = id.clone();
            move || state.filter.with(|filter| filter.focus == id && filter.depth == depth)
        };
        view! {
            <button
                type="button"
                class="button small"
                title=title
                aria-pressed=move || is_it().to_string()
                on:click=move |_| state.focus(id.clone(), depth)
            >
                {label}
            </button>
        }
    };
    let head_id = selection.clone();
    view! {
        <header>
            <h2>{move || {
                let Selection::Node(id) = &head_id else { return None };
                let name = state.drawing.with(|drawing| name_of(drawing, id));
                Some(card.with(|card| title(card.as_ref(), name)))
            }}</h2>
            <p class="faint">{move || card.with(|card| card.as_ref().map(|card| type_label(card.node_type)))}</p>
        </header>
        {move || card.with(|card| card.as_ref().map(|card| facts(&card.red)))}
        <div class="button-row">
            {service.map(|service| {
                view! {
                    <a class="button small" href=move || range.href(&format!("/services/{}", encode(&service)))>
                        "Service"
                    </a>
                }
            })}
            <a class="button small" href=move || traces_href(range, &selection, "")>"Traces"</a>
            <a class="button small" href=move || traces_href(range, &failed, "error")>"Failed traces"</a>
        </div>
        <div class="map-focus" role="group" aria-label="Show only what is around it">
            <span class="faint">"Only around it:"</span>
            {focus(Some(1), "1 call", "Whoever calls it or is called by it")}
            {focus(Some(2), "2 calls", "Within two calls")}
            {focus(None, "all", "Everything that reaches it or that it reaches")}
        </div>
    }
}

#[component]
fn EdgeHead(state: MapState, caller: String, callee: String) -> impl IntoView {
    let range = use_range();
    let selection = Selection::Edge(caller.clone(), callee.clone());
    let failed = selection.clone();
    let end = move |id: String| {
        let to = id.clone();
        view! {
            <button
                type="button"
                class="map-link"
                on:click=move |_| state.select(Some(Selection::Node(to.clone())))
            >
                {move || state.drawing.with(|drawing| {
                    title(drawing.cards.get(&id), name_of(drawing, &id))
                })}
            </button>
        }
    };
    view! {
        <header>
            <h2 class="map-edge-title">
                {end(caller)}
                <span aria-label="calls">"→"</span>
                {end(callee)}
            </h2>
        </header>
        <div class="button-row">
            <a class="button small" href=move || traces_href(range, &selection, "")>"Traces of these calls"</a>
            <a class="button small" href=move || traces_href(range, &failed, "error")>"Failed"</a>
        </div>
    }
}

fn facts(red: &RedSummary) -> impl IntoView + use<> {
    let has_errors = red.error_rate > 0.0;
    let duration = |ns: f64| if red.count > 0.0 { format::duration_f64(ns) } else { "–".to_owned() };
    view! {
        <dl class="map-facts">
            <div><dt>"Rate"</dt><dd>{format::rate(red.rate_per_second)}</dd></div>
            <div>
                <dt>"Errors"</dt>
                <dd class:error-text=has_errors>{has_errors.then_some("● ")}{format::percent(red.error_rate)}</dd>
            </div>
            <div><dt>"p50"</dt><dd>{duration(red.p50_ns)}</dd></div>
            <div><dt>"p95"</dt><dd>{duration(red.p95_ns)}</dd></div>
            <div><dt>"p99"</dt><dd>{duration(red.p99_ns)}</dd></div>
        </dl>
    }
}

/// Rate, errors and durations over time.
#[component]
fn Charts(selection: Selection) -> impl IntoView {
    let range = use_range();
    let metrics: Loaded<MetricsResponse> = load(
        move || Some((selection.clone(), range.window.get())),
        |(selection, window), signal| async move {
            match &selection {
                Selection::Edge(caller, callee) => {
                    api::call_metrics(caller, callee, &METRICS, window, signal).await
                }
                Selection::Node(id) => match service_name(id) {
                    Some(name) => api::service_metrics(name, &METRICS, ENTRY_KINDS, window, signal).await,
                    None => api::call_metrics("", id, &METRICS, window, signal).await,
                },
            }
        },
    );
    let crosshair_ms = RwSignal::new(None::<f64>);
    let data = move |of: ChartOf| -> Signal<Option<ChartData>> {
        Memo::new(move |_| metrics.value.with(|it| it.as_ref().map(|it| chart(it, of)))).into()
    };
    let retry = Callback::new(move |()| metrics.reload());
    view! {
        {move || metrics.error.get().map(|error| view! { <ErrorBar error=error retry=retry /> })}
        <LineChart title="Rate" unit=Unit::PerSecond data=data(RATE) crosshair_ms=crosshair_ms />
        <LineChart title="Errors" unit=Unit::Share data=data(ERRORS) crosshair_ms=crosshair_ms />
        <LineChart title="Duration" unit=Unit::Duration data=data(DURATIONS) crosshair_ms=crosshair_ms />
    }
}

/// Who calls the node, and whom it calls: the way to edges without a pointer.
#[component]
fn Neighbours(state: MapState, id: String) -> impl IntoView {
    let list = move |is_caller: bool| {
        let id = id.clone();
        move || {
            state.drawing.with(|drawing| {
                let mut edges: Vec<_> = drawing
                    .curves
                    .iter()
                    .filter(|((caller, callee), _)| *(if is_caller { callee } else { caller }) == id)
                    .collect();
                edges.sort_by(|a, b| b.1.rate.total_cmp(&a.1.rate));
                let more = edges.len().saturating_sub(LISTED_MAX);
                let rows = edges.into_iter().take(LISTED_MAX).map(|(key, curve)| {
                    let other = if is_caller { &key.0 } else { &key.1 };
                    let name = title(drawing.cards.get(other), name_of(drawing, other));
                    let to = Selection::Edge(key.0.clone(), key.1.clone());
                    let has_errors = curve.error_rate > 0.0;
                    view! {
                        <tr>
                            <td>
                                <button
                                    type="button"
                                    class="map-link"
                                    on:click=move |_| state.select(Some(to.clone()))
                                >
                                    {name}
                                </button>
                            </td>
                            <td class="num">{format::rate(curve.rate)}</td>
                            <td class="num" class:error-text=has_errors>{format::percent(curve.error_rate)}</td>
                        </tr>
                    }
                });
                let rows: Vec<_> = rows.collect();
                let is_empty = rows.is_empty();
                view! {
                    <table class="map-list">
                        <thead>
                            <tr>
                                <th scope="col">{if is_caller { "Called by" } else { "Calls" }}</th>
                                <th scope="col" class="num">"Rate"</th>
                                <th scope="col" class="num">"Errors"</th>
                            </tr>
                        </thead>
                        <tbody>
                            {rows}
                            {is_empty.then(|| view! { <tr><td colspan="3" class="faint">"nobody that sends spans"</td></tr> })}
                            {(more > 0).then(|| view! { <tr><td colspan="3" class="faint">{format!("and {more} more")}</td></tr> })}
                        </tbody>
                    </table>
                }
            })
        }
    };
    let (callers, callees) = (list(true), list(false));
    view! {
        {callers}
        {callees}
    }
}

/// Who is affected if the node fails.
#[component]
fn Affected(id: String) -> impl IntoView {
    let range = use_range();
    let impact = load(
        move || Some((id.clone(), range.window.get())),
        |(id, window), signal| async move { api::impact(&id, window, signal).await },
    );
    let retry = Callback::new(move |()| impact.reload());
    let rows = move || {
        let Some(answer) = impact.value.get() else {
            return match impact.error.get() {
                Some(error) => view! { <ErrorBar error=error retry=retry /> }.into_any(),
                None => view! { <SkeletonRows rows=2 /> }.into_any(),
            };
        };
        if answer.services.is_empty() {
            return view! { <p class="faint">"Nobody that sends spans depends on it."</p> }.into_any();
        }
        let more = answer.services.len().saturating_sub(LISTED_MAX);
        let rows = answer.services.iter().take(LISTED_MAX).map(|service| {
            let width = format!("{:.1}%", service.share.clamp(0.0, 1.0) * 100.0);
            view! {
                <tr title=format!("{} away", format::plural(u64::from(service.distance), "call"))>
                    <td><ServiceName name=service.name.clone() /></td>
                    <td class="num">
                        <span class="cell-bar" aria-hidden="true"><i style:width=width></i></span>
                        <span class="cell-num">{format::percent(service.share)}</span>
                    </td>
                </tr>
            }
        });
        view! {
            <table class="map-list">
                <tbody>
                    {rows.collect_view()}
                    {(more > 0).then(|| view! { <tr><td colspan="2" class="faint">{format!("and {more} more")}</td></tr> })}
                </tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <h3 title="Share of each service's own calls that go towards it, directly or through others">
            "If it fails: share of calls affected"
        </h3>
        {rows}
    }
}

/// The edge's numbers by kind.
#[component]
fn Kinds(state: MapState, caller: String, callee: String) -> impl IntoView {
    let key = (caller, callee);
    move || {
        state.drawing.with(|drawing| {
            let calls = drawing.curves.get(&key).map(|curve| curve.calls.clone()).unwrap_or_default();
            let rows = calls.into_iter().map(|(kind, red)| {
                view! {
                    <h3>{kind_label(kind)}</h3>
                    {facts(&red)}
                }
            });
            rows.collect_view()
        })
    }
}
