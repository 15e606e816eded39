//! One group of errors: what it says, where and since when it happens, and what was done about it.

mod parts;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use spanloom_model::api::{ErrorDetail, ErrorState, Role};

use self::parts::{History, Samples, shares};
use crate::api;
use crate::charts::line_chart::{ChartData, LineChart};
use crate::charts::lines::{Line, Steps, Stroke, Unit};
use crate::components::error_group::{StateBadge, change_state, title};
use crate::components::icon::{Glyph, Icon};
use crate::components::service_chip::ServiceName;
use crate::components::stack_trace::StackTrace;
use crate::components::states::{EmptyState, ErrorBar, ErrorState as Failed, SkeletonRows};
use crate::components::time_cell::TimeCell;
use crate::format;
use crate::state::load::load;
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::query::encode;
use crate::state::range::use_range;
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

const KEYS: &[KeyHelp] =
    &[("← →", "In the chart: the step before, after"), ("Esc", "In the chart: no step")];

/// The trend as the chart shows it. Pure.
fn chart(detail: &ErrorDetail) -> ChartData {
    let values: Vec<Option<f64>> = detail.group.trend.iter().copied().map(Some).collect();
    let steps = Steps {
        start_ms: detail.start_time.timestamp_millis(),
        step_ms: detail.step_seconds * 1_000,
        count: values.len(),
    };
    ChartData { steps, lines: vec![Line { name: "occurrences".to_owned(), stroke: Stroke::Error, values }] }
}

/// The page.
#[component]
pub fn ErrorPage() -> impl IntoView {
    let page = use_page();
    let range = use_range();
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let detail = load(
        move || Some((id.get(), range.window.get())),
        |(id, window), signal| async move { api::error(&id, window, signal).await },
    );
    let retry = Callback::new(move |()| detail.reload());
    let name = Memo::new(move |_| {
        detail.value.with(|it| it.as_ref().map_or("Error".to_owned(), |it| title(&it.group).0))
    });
    Effect::new(move |_| page.set(vec![Crumb::link("Errors", "/errors"), Crumb::here(name.get())], KEYS));

    // The chart stays where it is while data is refreshed: only these build it anew.
    let crosshair_ms = RwSignal::new(None::<f64>);
    let data = Memo::new(move |_| detail.value.with(|it| it.as_ref().map(|it| chart(it))));
    let is_known = Memo::new(move |_| detail.value.with(Option::is_some));
    let error = Memo::new(move |_| detail.error.get());
    let content = move || match (is_known.get(), error.get()) {
        (false, Some(error)) if error.status == 404 => view! { <Unknown /> }.into_any(),
        (false, Some(error)) => view! { <Failed error=error retry=retry /> }.into_any(),
        (false, None) => view! { <SkeletonRows rows=12 /> }.into_any(),
        (true, error) => view! {
            {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
            {move || detail.value.get().map(|detail| view! { <Head detail=(*detail).clone() /> })}
            <div class="error-chart">
                <LineChart title="Occurrences" unit=Unit::Count data=data crosshair_ms=crosshair_ms />
            </div>
            {move || detail.value.get().map(|detail| view! { <Body detail=(*detail).clone() /> })}
        }
        .into_any(),
    };
    view! {
        <div class="toolbar">
            {move || detail.value.get().map(|detail| {
                let group = detail.group.clone();
                let service = group.service.clone();
                let href = move || range.href(&format!("/services/{}", encode(&service)));
                view! {
                    <StateBadge state=group.state />
                    <strong class="service-title clip" title=title(&group).0>{title(&group).0}</strong>
                    <a class="error-of" href=href><ServiceName name=group.service.clone() /></a>
                    <Actions detail=(*detail).clone() done=retry />
                }
            })}
            <span class="progress" class:on=move || detail.loading.get() aria-hidden="true"></span>
        </div>
        <div class="page-scroll" aria-busy=move || detail.loading.get().to_string()>{content}</div>
    }
}

/// What can be done about it.
#[component]
fn Actions(detail: ErrorDetail, done: Callback<()>) -> impl IntoView {
    let session = use_session();
    let toasts = use_toasts();
    let (id, state) = (detail.group.id, detail.group.state);
    let button = move |label: &'static str, hint: &'static str, to: ErrorState, next: bool| {
        let change = move |_| change_state(vec![id], to, next, toasts, done);
        view! { <button type="button" class="button small" title=hint on:click=change>{label}</button> }
    };
    let is_done = matches!(state, ErrorState::Resolved | ErrorState::Ignored);
    view! {
        <span class="head-links">
            <Show when=move || session.has_role(Role::Editor)>
                {(!is_done).then(|| button("Resolve", "It is gone; the next occurrence makes it regressed", ErrorState::Resolved, false))}
                {(!is_done).then(|| button("Resolve in next version", "Only a version that did not have it makes it regressed", ErrorState::Resolved, true))}
                {(!is_done).then(|| button("Ignore", "It does not matter, however often it occurs", ErrorState::Ignored, false))}
                {(state != ErrorState::Open).then(|| button("Reopen", "It matters again", ErrorState::Open, false))}
            </Show>
        </span>
    }
}

/// The message and the numbers.
#[component]
fn Head(detail: ErrorDetail) -> impl IntoView {
    let group = &detail.group;
    let (_, message) = title(group);
    let pattern = (group.message != group.example).then(|| {
        view! { <p class="faint error-pattern">"Without what varies: " <code>{group.message.clone()}</code></p> }
    });
    let waits = detail
        .resolved_in_next_version
        .then(|| view! { <p class="faint">"Waits for a version that did not have it before."</p> });
    view! {
        <div class="error-head">
            {(!message.is_empty()).then(|| view! { <p class="error-text-block mono">{message}</p> })}
            {pattern}
            {waits}
            <dl class="head-stats">
                <div><dt>"In this range"</dt><dd>{format::count(group.count)}</dd></div>
                <div><dt>"Ever"</dt><dd>{format::count(group.total_count)}</dd></div>
                <div><dt>"First seen"</dt><dd><TimeCell time=Some(group.first_seen) none="" /></dd></div>
                <div><dt>"Last seen"</dt><dd><TimeCell time=Some(group.last_seen) none="" /></dd></div>
            </dl>
        </div>
    }
}

/// Everything below the chart.
#[component]
fn Body(detail: ErrorDetail) -> impl IntoView {
    let service = detail.group.service.clone();
    let stack = detail.stack_trace.clone();
    let has_stack = !stack.is_empty();
    view! {
        <div class="error-body">
            <div class="error-main">
                <h2 class="section-title">"Stack trace"</h2>
                {if has_stack {
                    view! { <StackTrace text=stack /> }.into_any()
                } else {
                    view! { <p class="error-none">"None was sent: errors with this message are one group."</p> }.into_any()
                }}
                <h2 class="section-title">"Sample traces"</h2>
                <Samples samples=detail.samples.clone() />
            </div>
            <div class="error-side">
                {shares("Operations", "operation", &service, &detail.operations)}
                {shares("Versions", "version", &service, &detail.versions)}
                <h2 class="section-title">"History"</h2>
                <History events=detail.events.clone() />
            </div>
        </div>
    }
}

/// A link that was too early, too late, or mistyped.
#[component]
fn Unknown() -> impl IntoView {
    let range = use_range();
    view! {
        <EmptyState title="No such group of errors">
            <p>
                <Glyph icon=Icon::Clock />
                " An error that arrived just now is counted within seconds. One that nobody met for three months is forgotten, and of a service with more than 1,000 kinds of errors the rest is one group."
            </p>
            <a class="button" href=move || range.href("/errors")>"All errors"</a>
        </EmptyState>
    }
}
