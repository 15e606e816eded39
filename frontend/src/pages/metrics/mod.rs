//! The metrics that people defined, each with its latest number and its course. Not at `/metrics`, where
//! Prometheus reads the server's own.

mod backfill;
mod draft;
pub mod edit;
mod form;
pub mod metric;
mod model;
mod preview;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::api::{BackfillState, CustomMetric, CustomMetricsResponse, Role};

use crate::api;
use crate::charts::frame::Frame;
use crate::charts::lines::LinePlot;
use crate::components::icon::{Glyph, Icon};
use crate::components::list_keys::list_keys;
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::components::time_cell::TimeCell;
use crate::format;
use crate::state::find::score;
use crate::state::load::{Loaded, load};
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::range::use_range;
use crate::state::session::use_session;

const KEYS: &[KeyHelp] = &[("j k", "Next, previous metric"), ("Enter", "Open the metric"), ("/", "Filter")];

/// The page.
#[component]
pub fn MetricsPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Metrics")], KEYS);
    let (range, session) = (use_range(), use_session());
    let metrics: Loaded<CustomMetricsResponse> = load(
        move || Some(range.refreshed_at_ms()),
        |_, signal| async move { api::custom_metrics(signal).await },
    );
    let filter = RwSignal::new(String::new());
    let rows = Memo::new(move |_| -> Option<Vec<CustomMetric>> {
        metrics.value.with(|it| {
            let fits = |metric: &&CustomMetric| {
                filter.with(|filter| score(&metric.definition.name, filter)).is_some()
            };
            it.as_ref().map(|it| it.metrics.iter().filter(fits).cloned().collect())
        })
    });
    let selected = RwSignal::new(None::<usize>);
    let navigate = use_navigate();
    list_keys(
        Signal::derive(move || rows.with(|rows| rows.as_ref().map_or(0, Vec::len))),
        selected,
        |_| {},
        move |at| {
            let id =
                rows.with_untracked(|rows| rows.as_ref().and_then(|rows| rows.get(at).map(|row| row.id)));
            if let Some(id) = id {
                navigate(
                    &untrack(|| range.href(&format!("/custom-metrics/{id}"))),
                    NavigateOptions::default(),
                );
            }
        },
    );
    let may_edit = Memo::new(move |_| session.has_role(Role::Editor));
    let retry = Callback::new(move |()| metrics.reload());
    let content = move || {
        let error = metrics.error.get();
        match (metrics.value.with(|it| it.as_ref().map(|it| it.metrics.is_empty())), error) {
            (None, Some(error)) => view! { <ErrorState error=error retry=retry /> }.into_any(),
            (None, None) => view! { <SkeletonRows rows=8 /> }.into_any(),
            (Some(true), None) => view! { <NoMetrics may_edit=may_edit /> }.into_any(),
            (Some(_), error) => view! {
                {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                <Table rows=rows selected=selected />
            }
            .into_any(),
        }
    };
    view! {
        <div class="toolbar">
            <input
                class="input filter-input"
                type="search"
                data-search=""
                placeholder="Filter metrics"
                aria-label="Filter metrics"
                prop:value=move || filter.get()
                on:input=move |event| {
                    filter.set(event_target_value(&event));
                    selected.set(None);
                }
            />
            <span class="faint" role="status">
                {move || rows.with(|rows| rows.as_ref().map(|rows| format::plural(rows.len() as u64, "metric")))}
            </span>
            <span class="grow"></span>
            <Show when=move || may_edit.get()>
                <a class="button primary" href=move || range.href("/custom-metrics/new")>
                    <Glyph icon=Icon::Plus />
                    "New metric"
                </a>
            </Show>
            <span class="progress" class:on=move || metrics.loading.get() aria-hidden="true"></span>
        </div>
        <div class="page-scroll" aria-busy=move || metrics.loading.get().to_string()>{content}</div>
    }
}

/// Nobody has defined one yet.
#[component]
fn NoMetrics(may_edit: Memo<bool>) -> impl IntoView {
    let range = use_range();
    view! {
        <EmptyState title="No metrics yet">
            <p>"A metric counts spans of your choice: orders by payment method, the 95th percentile of a cart's value, distinct customers who saw an error. It is counted as spans come, before sampling, and back over the spans that are stored."</p>
            <dl class="metric-facts">
                <div><dt>"Which spans"</dt><dd>"service = checkout, kind = server"</dd></div>
                <div><dt>"Value"</dt><dd>"p95 of cart.total"</dd></div>
                <div><dt>"By"</dt><dd>"payment.method"</dd></div>
            </dl>
            <Show
                when=move || may_edit.get()
                fallback=|| view! { <p>"Somebody with the role Editor can define one."</p> }
            >
                <a class="button primary" href=move || range.href("/custom-metrics/new")>"Define a metric"</a>
            </Show>
        </EmptyState>
    }
}

/// The URL names one that is not there.
#[component]
fn NoSuchMetric() -> impl IntoView {
    let range = use_range();
    view! {
        <EmptyState title="There is no such metric">
            <p>"It may have been deleted. "<a href=move || range.href("/custom-metrics")>"All metrics"</a></p>
        </EmptyState>
    }
}

#[component]
fn Table(rows: Memo<Option<Vec<CustomMetric>>>, selected: RwSignal<Option<usize>>) -> impl IntoView {
    let body = move || {
        let rows = rows.get().unwrap_or_default();
        if rows.is_empty() {
            return view! { <tr><td colspan="5" class="faint">"No metric fits."</td></tr> }.into_any();
        }
        rows.into_iter()
            .enumerate()
            .map(|(at, metric)| view! { <Row at=at metric=metric selected=selected /> })
            .collect_view()
            .into_any()
    };
    view! {
        <table class="table metrics">
            <thead>
                <tr>
                    <th>"Metric"</th>
                    <th>"Counts"</th>
                    <th class="num" title="Of the last step of the time range that is over, all groups together">"Latest"</th>
                    <th>"Over time"</th>
                    <th>"Changed"</th>
                </tr>
            </thead>
            <tbody>{body}</tbody>
        </table>
    }
}

#[component]
fn Row(at: usize, metric: CustomMetric, selected: RwSignal<Option<usize>>) -> impl IntoView {
    let range = use_range();
    let id = metric.id.to_string();
    let path = format!("/custom-metrics/{id}");
    let total = load(
        move || Some((id.clone(), range.window.get())),
        |(id, window), signal| async move { api::metric_total(&id, window, signal).await },
    );
    let definition = metric.definition.clone();
    let latest = {
        let definition = definition.clone();
        move || match (total.value.get(), total.error.get()) {
            (Some(answer), _) => model::current(&answer)
                .map_or("–".to_owned(), |value| model::value_label(&definition, value)),
            (None, Some(error)) => error.title.clone(),
            (None, None) => String::new(),
        }
    };
    let spark = {
        let definition = definition.clone();
        move || total.value.get().map(|answer| sparkline(&model::chart(&definition, &answer), &definition))
    };
    let by = model::group_names(&definition);
    let running = backfill::of(&metric);
    let progress = (running.state == BackfillState::Running)
        .then(|| format!("back-fill {:.0}%", running.percent.floor()));
    view! {
        <tr class:selected=move || selected.get() == Some(at) data-row=at>
            <td>
                <a class="row-name" href=move || range.href(&path)>{definition.name.clone()}</a>
                {progress.map(|progress| view! { <span class="badge">{progress}</span> })}
                {(!definition.description.is_empty())
                    .then(|| view! { <div class="faint clip">{definition.description.clone()}</div> })}
            </td>
            <td>
                <div class="clip">{model::computed(&definition)}</div>
                {(!by.is_empty()).then(|| view! { <div class="faint clip">{format!("by {by}")}</div> })}
            </td>
            <td class="num">{latest}</td>
            <td class="spark-cell">{spark}</td>
            <td class="faint"><TimeCell time=Some(metric.updated_at) none="" />{format!(" by {}", metric.author)}</td>
        </tr>
    }
}

const SPARK: Frame = Frame { left: 1.0, right: 159.0, top: 2.0, bottom: 26.0 };

fn sparkline(
    data: &crate::charts::line_chart::ChartData,
    definition: &spanloom_model::api::CustomMetricDefinition,
) -> impl IntoView + use<> {
    let plot = LinePlot::new(&data.lines, data.steps, model::unit_of(definition), SPARK);
    let path = data.lines.first().map(|line| plot.path(&line.values)).unwrap_or_default();
    view! {
        <svg class="spark" viewBox="0 0 160 28" width="160" height="28" aria-hidden="true">
            <path class="line stroke-1" d=path />
        </svg>
    }
}
