//! A metric: its series by group, what it counts, how far its back-fill is.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map};
use spanloom_model::api::{
    BackfillState, CustomMetric, CustomMetricDefinition, CustomMetricSeriesResponse, Role,
};

use super::backfill::{self, Backfill};
use super::{NoSuchMetric, model};
use crate::api;
use crate::charts::line_chart::{ChartData, LineChart};
use crate::components::confirm::Confirm;
use crate::components::states::{ErrorBar, ErrorState, SkeletonRows};
use crate::format;
use crate::state::load::{Loaded, load};
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::range::use_range;
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

const KEYS: &[KeyHelp] = &[("← →", "In a chart: the step before, after"), ("Esc", "In a chart: no step")];

/// How often the page asks how far the back-fill is.
const POLL: Duration = Duration::from_secs(2);

/// Groups in the table; the first of them are lines.
const TOP: usize = 20;

/// The page.
#[component]
pub fn MetricPage() -> impl IntoView {
    let page = use_page();
    let (range, session) = (use_range(), use_session());
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let metric: Loaded<CustomMetric> = load(
        move || Some((id.get(), range.refreshed_at_ms())),
        |(id, _), signal| async move { api::custom_metric(&id, signal).await },
    );
    let known = Memo::new(move |_| metric.value.get().map(|metric| CustomMetric::clone(&metric)));
    let definition =
        Memo::new(move |_| known.with(|known| known.as_ref().map(|metric| metric.definition.clone())));
    Effect::new(move |_| {
        let name = definition.with(|it| it.as_ref().map(|it| it.name.clone())).unwrap_or_default();
        page.set(vec![Crumb::link("Metrics", "/custom-metrics"), Crumb::here(name)], KEYS);
    });
    // What the back-fill has added since is loaded too.
    let done_from =
        Memo::new(move |_| known.with(|known| known.as_ref().map(|metric| metric.backfill.done_from)));
    let series: Loaded<CustomMetricSeriesResponse> = load(
        move || {
            done_from.get().map(|done_from| (id.get(), range.window.get(), done_from, definition.get()))
        },
        |(id, window, ..), signal| async move { api::metric_series(&id, window, TOP, signal).await },
    );
    let is_running = Memo::new(move |_| {
        known.with(|known| {
            known.as_ref().is_some_and(|metric| backfill::of(metric).state == BackfillState::Running)
        })
    });
    let timer = set_interval_with_handle(
        move || {
            if is_running.get_untracked() && !metric.loading.get_untracked() {
                metric.reload();
            }
        },
        POLL,
    );
    on_cleanup(move || {
        if let Ok(timer) = timer {
            timer.clear();
        }
    });
    let retry = Callback::new(move |()| {
        metric.reload();
        series.reload();
    });

    // The chart stays where it is while numbers are refreshed.
    let shown = Memo::new(move |_| definition.get().filter(|_| metric.value.with(Option::is_some)));
    let error = Memo::new(move |_| metric.error.get().or_else(|| series.error.get()));
    let content = move || match (shown.get(), error.get()) {
        (None, Some(error)) if error.status == 404 => view! { <NoSuchMetric /> }.into_any(),
        (None, Some(error)) => view! { <ErrorState error=error retry=retry /> }.into_any(),
        (None, None) => view! { <SkeletonRows rows=8 /> }.into_any(),
        (Some(definition), error) => view! {
            {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
            <Content definition=definition series=series />
        }
        .into_any(),
    };
    view! {
        <div class="toolbar">
            <strong class="service-title">{move || definition.with(|it| it.as_ref().map(|it| it.name.clone()))}</strong>
            <span class="faint clip">
                {move || definition.with(|it| it.as_ref().map(|it| it.description.clone()))}
            </span>
            <span class="grow"></span>
            <Show when=move || session.has_role(Role::Editor) && known.with(Option::is_some)>
                <Actions metric=known />
            </Show>
            <span class="progress" class:on=move || series.loading.get() aria-hidden="true"></span>
        </div>
        <div class="page-scroll metric-page" aria-busy=move || series.loading.get().to_string()>
            <Backfill metric=known stopped=Callback::new(move |()| metric.reload()) />
            {content}
        </div>
    }
}

#[component]
fn Actions(metric: Memo<Option<CustomMetric>>) -> impl IntoView {
    let (range, toasts) = (use_range(), use_toasts());
    let asking = RwSignal::new(false);
    let navigate = StoredValue::new_local(use_navigate());
    let id = move || metric.with(|metric| metric.as_ref().map(|it| it.id.to_string())).unwrap_or_default();
    let name = move || {
        metric.with(|metric| metric.as_ref().map(|it| it.definition.name.clone())).unwrap_or_default()
    };
    let delete = Callback::new(move |()| {
        let (id, name) = (untrack(id), untrack(name));
        spawn_local(async move {
            match api::delete_metric(&id).await {
                Ok(()) => {
                    toasts.done(format!("{name} is deleted"));
                    let path = untrack(|| range.href("/custom-metrics"));
                    navigate.try_with_value(|navigate| navigate(&path, NavigateOptions::default()));
                }
                Err(error) => toasts.failed(format!("Not deleted: {}", error.line())),
            }
        });
    });
    view! {
        <a class="button small" href=move || range.href(&format!("/custom-metrics/{}/edit", id()))>"Edit"</a>
        <button type="button" class="button small" on:click=move |_| asking.set(true)>"Delete"</button>
        <Confirm
            open=asking
            title=Signal::derive(move || format!("Delete {}?", name()))
            detail=Signal::stored("What it counted goes with it. Defining it again counts the stored spans anew.".to_owned())
            action="Delete"
            confirm=delete
        />
    }
}

#[component]
fn Content(
    definition: CustomMetricDefinition,
    series: Loaded<CustomMetricSeriesResponse>,
) -> impl IntoView {
    let of_chart = definition.clone();
    let data: Memo<Option<ChartData>> = Memo::new(move |_| {
        series.value.with(|answer| answer.as_ref().map(|answer| model::chart(&of_chart, answer)))
    });
    let unit = model::unit_of(&definition);
    let crosshair_ms = RwSignal::new(None::<f64>);
    let of_table = definition.clone();
    let table = move || series.value.get().map(|answer| groups(&of_table, &answer));
    view! {
        <div class="metric-chart">
            <LineChart title="Value" unit=unit data=data crosshair_ms=crosshair_ms />
        </div>
        <Facts definition=definition />
        {table}
    }
}

/// The definition in words.
#[component]
pub fn Facts(
    /// What is told.
    definition: CustomMetricDefinition,
) -> impl IntoView {
    let conditions = model::conditions(&definition);
    let which = if conditions.is_empty() { "all".to_owned() } else { conditions.join(", ") };
    let by = model::group_names(&definition);
    let by = if by.is_empty() {
        "one series".to_owned()
    } else {
        format!("{by}; at most {} groups", format::grouped(u64::from(definition.groups_max)))
    };
    view! {
        <dl class="metric-facts">
            <div><dt>"Value"</dt><dd>{model::computed(&definition)}</dd></div>
            <div><dt>"Which spans"</dt><dd>{which}</dd></div>
            <div><dt>"By"</dt><dd>{by}</dd></div>
            {(!definition.unit.is_empty()).then(|| view! { <div><dt>"Unit"</dt><dd>{definition.unit.clone()}</dd></div> })}
        </dl>
    }
}

/// The groups with most, with their value over the whole range.
fn groups(
    definition: &CustomMetricDefinition,
    answer: &CustomMetricSeriesResponse,
) -> impl IntoView + use<> {
    if definition.group_by.is_empty() {
        let total = answer.series.first().and_then(|series| series.total);
        let total = total.map_or("–".to_owned(), |total| model::value_label(definition, total));
        return view! { <p class="metric-total">"Over the whole range: "<b>{total}</b></p> }.into_any();
    }
    let heads = definition.group_by.iter().map(|group| view! { <th>{group.label().to_owned()}</th> });
    let rows = answer.series.iter().map(|series| {
        let cells = definition.group_by.iter().map(|group| {
            let value = series.labels.get(group.label()).cloned().unwrap_or_default();
            let value = match value.as_str() {
                "" => "(none)".to_owned(),
                spanloom_model::api::CUSTOM_METRIC_OTHER => "all others".to_owned(),
                _ => value,
            };
            view! { <td class="clip">{value}</td> }
        });
        let total = series.total.map_or("–".to_owned(), |total| model::value_label(definition, total));
        view! { <tr>{cells.collect_view()}<td class="num">{total}</td></tr> }
    });
    let more = answer.groups.saturating_sub(answer.series.len() as u64);
    let notes = [
        (more > 0).then(|| format!("{} more with less.", format::plural(more, "group"))),
        answer.overflowed.then(|| {
            format!(
                "There were more than {} groups: what came later is together as “all others”.",
                format::grouped(u64::from(definition.groups_max))
            )
        }),
        answer.series.is_empty().then(|| "No span in this time range counts.".to_owned()),
    ];
    view! {
        <h2 class="section-title">"Groups"</h2>
        <table class="table metric-groups" aria-label="Groups">
            <thead><tr>{heads.collect_view()}<th class="num">"Whole range"</th></tr></thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
        {notes.into_iter().flatten().map(|note| view! { <p class="hint metric-note">{note}</p> }).collect_view()}
    }
    .into_any()
}
