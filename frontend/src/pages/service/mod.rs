//! A service: how often it is called, how much fails, how long it takes, and which operations do that.

mod calls;
mod errors;
mod exemplars;
pub mod model;
mod operations;
mod versions;
mod versions_model;

use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use spanloom_model::api::{Metric, MetricsResponse, OperationSummary};

use crate::api;
use crate::charts::heatmap::{Area, HeatData};
use crate::charts::heatmap_chart::HeatmapChart;
use crate::charts::line_chart::{ChartData, LineChart, Mark};
use crate::charts::lines::Unit;
use crate::components::service_chip::ServiceName;
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::format;
use crate::state::load::load;
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::query::Query;
use crate::state::range::use_range;

use self::calls::Calls;
use self::errors::TopErrors;
use self::exemplars::{OfService, use_exemplars};
use self::model::{ChartOf, DURATIONS, ERRORS, METRICS, RATE, area_search, chart, total};
use self::operations::Operations;
use self::versions::Versions;
use self::versions_model::{Version, deployments, versions};

const KEYS: &[KeyHelp] = &[
    ("← →", "In a chart: the step before, after"),
    ("n N", "In a line chart: the next exemplar, the one before"),
    ("← → ↑ ↓", "In the heatmap: the next cell; with shift: an area"),
    ("Enter", "The exemplar's trace; in the heatmap: the traces of the chosen cells"),
    ("Esc", "In a chart: nothing chosen"),
];

/// What counts for a service, as on the page of all services.
pub const ENTRY_KINDS: &[&str] = &["server", "consumer"];

/// Whether the answer has spans at all.
fn has_spans(answer: &MetricsResponse) -> bool {
    total(answer, Metric::Rate).is_some_and(|rate| rate > 0.0)
}

/// The page.
#[component]
pub fn ServicePage() -> impl IntoView {
    let page = use_page();
    let range = use_range();
    let params = use_params_map();
    let service = Memo::new(move |_| params.with(|params| params.get("service").unwrap_or_default()));
    Effect::new(move |_| page.set(vec![Crumb::link("Services", "/"), Crumb::here(service.get())], KEYS));

    let question = move || Some((service.get(), range.window.get()));
    let metrics = load(question, |(service, window), signal| async move {
        let entries = api::service_metrics(&service, &METRICS, ENTRY_KINDS, window, signal.clone()).await?;
        if has_spans(&entries) {
            return Ok((entries, true));
        }
        // A service that is never called counts all its spans.
        Ok((api::service_metrics(&service, &METRICS, &[], window, signal).await?, false))
    });
    let OfService { durations: duration_exemplars, errors: error_exemplars } =
        use_exemplars(service, metrics);
    let operations = load(question, |(service, window), signal| async move {
        api::operations(&service, window, signal).await
    });
    // Nothing is missing without it but the marks and the table.
    let by_version = load(question, |(service, window), signal| async move {
        api::service_versions(&service, &versions_model::METRICS, window, signal).await
    });
    let found_versions = Memo::new(move |_| -> Vec<Version> {
        by_version.value.with(|it| it.as_ref().map(|it| versions(it)).unwrap_or_default())
    });
    let marks: Signal<Vec<Mark>> =
        Memo::new(move |_| found_versions.with(|versions| deployments(versions))).into();
    let retry = Callback::new(move |()| {
        metrics.reload();
        operations.reload();
    });
    let rows = Memo::new(move |_| -> Option<Vec<OperationSummary>> {
        operations.value.with(|it| it.as_ref().map(|it| it.operations.clone()))
    });
    let crosshair_ms = RwSignal::new(None::<f64>);
    let data = move |of: ChartOf| -> Signal<Option<ChartData>> {
        Memo::new(move |_| metrics.value.with(|it| it.as_ref().map(|it| chart(&it.0, of)))).into()
    };
    let heat: Signal<Option<HeatData>> =
        Memo::new(move |_| metrics.value.with(|it| it.as_ref().and_then(|it| HeatData::of(&it.0)))).into();
    let area_href = Callback::new(move |area: Area| {
        let is_entries = metrics.value.with_untracked(|it| it.as_ref().is_some_and(|it| it.1));
        area_search(&service.get_untracked(), if is_entries { ENTRY_KINDS } else { &[] }, area)
            .href("/traces")
    });
    let traces = move || range.href_with("/traces", Query::default().with("service", service.get()));
    let failed = move || {
        let query = Query::default().with("service", service.get()).with("status", "error");
        range.href_with("/traces", query)
    };

    // Charts stay where they are while data is refreshed: only these two build them anew.
    let error = Memo::new(move |_| metrics.error.get().or_else(|| operations.error.get()));
    let is_known = Memo::new(move |_| {
        let has_none = rows.with(|rows| rows.as_ref().is_some_and(Vec::is_empty));
        metrics.value.with(|it| it.as_ref().map(|it| has_spans(&it.0) || !has_none))
    });
    let content = move || {
        match (is_known.get(), error.get()) {
            (None, Some(error)) => view! { <ErrorState error=error retry=retry /> }.into_any(),
            (Some(false), None) => view! { <NoSpans service=service /> }.into_any(),
            (_, error) => view! {
                {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                <div class="service-charts">
                    <LineChart title="Rate" unit=Unit::PerSecond data=data(RATE) crosshair_ms=crosshair_ms marks=marks />
                    <LineChart title="Errors" unit=Unit::Share data=data(ERRORS) crosshair_ms=crosshair_ms marks=marks exemplars=error_exemplars />
                    <LineChart title="Duration" unit=Unit::Duration data=data(DURATIONS) crosshair_ms=crosshair_ms marks=marks exemplars=duration_exemplars />
                </div>
                <div class="service-heat">
                    <HeatmapChart title="Distribution of durations" data=heat crosshair_ms=crosshair_ms href=area_href />
                </div>
                <TopErrors service=service />
                <h2 class="section-title">"Operations"</h2>
                <Show when=move || rows.with(Option::is_some) fallback=|| view! { <SkeletonRows rows=6 /> }>
                    <Operations service=service operations=rows />
                </Show>
                <Versions service=service versions=found_versions />
                <Calls service=service />
            }
            .into_any(),
        }
    };
    view! {
        <div class="toolbar service-head">
            <strong class="service-title">{move || view! { <ServiceName name=service.get() /> }}</strong>
            {move || metrics.value.get().map(|answer| summary(&answer))}
            <span class="head-links">
                <a class="button small" href=failed>"Failed traces"</a>
                <a class="button small" href=traces>"Traces"</a>
            </span>
            <span
                class="progress"
                class:on=move || metrics.loading.get() || operations.loading.get()
                aria-hidden="true"
            ></span>
        </div>
        <div class="page-scroll" aria-busy=move || metrics.loading.get().to_string()>{content}</div>
    }
}

/// The range in numbers.
fn summary(answer: &Arc<(MetricsResponse, bool)>) -> impl IntoView + use<> {
    let (answer, is_entries) = answer.as_ref();
    let value = |metric, text: fn(f64) -> String| total(answer, metric).map_or("–".to_owned(), text);
    let errors = total(answer, Metric::ErrorRate).unwrap_or_default();
    let what = if *is_entries {
        "calls: spans of kind server and consumer"
    } else {
        "all spans: it is never called"
    };
    view! {
        <dl class="head-stats" title=what>
            <div><dt>"Rate"</dt><dd>{value(Metric::Rate, format::rate)}</dd></div>
            <div>
                <dt>"Errors"</dt>
                <dd class:error-text=errors.gt(&0.0)>
                    {(errors > 0.0).then_some("● ")}
                    {value(Metric::ErrorRate, format::percent)}
                </dd>
            </div>
            <div><dt>"p50"</dt><dd>{value(Metric::P50, format::duration_f64)}</dd></div>
            <div><dt>"p95"</dt><dd>{value(Metric::P95, format::duration_f64)}</dd></div>
            <div><dt>"p99"</dt><dd>{value(Metric::P99, format::duration_f64)}</dd></div>
        </dl>
    }
}

/// Nothing in the range: perhaps another range, perhaps a name that nobody has.
#[component]
fn NoSpans(service: Memo<String>) -> impl IntoView {
    let range = use_range();
    view! {
        <EmptyState title="No spans in this time range">
            <p>
                {move || format!("“{}” sent nothing in it. Choose a longer time range above, or another of ", service.get())}
                <a href=move || range.href("/")>"the services"</a>
                "."
            </p>
        </EmptyState>
    }
}
