//! Storage: what is stored, how it grows, how long it is kept, what went.

mod chart;
mod model;
mod tables;

use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::api::{StorageFlavour, StorageResponse};

use self::chart::DayChart;
use self::model::{By, outlook};
use crate::api;
use crate::components::list_keys::list_keys;
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::format;
use crate::state::load::load;
use crate::state::page::KeyHelp;
use crate::state::query::Query;
use crate::state::range::{ZONE, use_change_query, use_range};

/// The section's own keys.
pub const KEYS: &[KeyHelp] = &[
    ("j k", "Next, previous service"),
    ("Enter", "Its traces"),
    ("← →", "Day of the chart, once it has the focus"),
];

/// Days that one may choose, as the URL says them.
const DAYS: [(&str, &str); 4] = [("7", "7 days"), ("14", "14 days"), ("30", "30 days"), ("90", "90 days")];
const DAYS_DEFAULT: &str = "14";

const BY: [(By, &str, &str); 2] = [(By::Table, "", "Tables"), (By::Service, "service", "Services")];

/// The section.
#[component]
pub fn StorageSection() -> impl IntoView {
    let range = use_range();
    let days = Memo::new(move |_| {
        range.query.with(|query| {
            let wanted = query.get("days").unwrap_or(DAYS_DEFAULT);
            DAYS.into_iter().find(|(days, _)| *days == wanted).map_or(DAYS_DEFAULT, |(days, _)| days)
        })
    });
    let storage = load(
        move || Some((days.get(), range.refreshed_at_ms())),
        |(days, _), signal| async move { api::storage(days, signal).await },
    );
    let retry = Callback::new(move |()| storage.reload());
    let change = StoredValue::new_local(use_change_query());
    let choose_days = Callback::new(move |chosen: &'static str| {
        let chosen = if chosen == DAYS_DEFAULT { "" } else { chosen };
        change.with_value(|change| change(&|query| query.set("days", chosen)));
    });
    let content = move || match (storage.value.get(), storage.error.get()) {
        (None, Some(error)) => view! { <ErrorState error=error retry=retry /> }.into_any(),
        (None, None) => view! { <SkeletonRows rows=12 /> }.into_any(),
        (Some(answer), error) => view! {
            {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
            <Answer answer=answer />
        }
        .into_any(),
    };
    view! {
        <section class="settings-section storage" aria-busy=move || storage.loading.get().to_string()>
            <header>
                <div>
                    <h2>"Storage"</h2>
                    <p class="hint">{move || storage.value.get().map(|answer| measured(&answer))}</p>
                </div>
                <div class="choices" role="group" aria-label="Days shown">
                    {DAYS
                        .map(|(value, label)| choice(label, Signal::derive(move || days.get() == value), move || choose_days.run(value)))
                        .collect_view()}
                </div>
            </header>
            {content}
        </section>
    }
}

fn choice(label: &'static str, pressed: Signal<bool>, choose: impl Fn() + 'static) -> impl IntoView {
    view! {
        <button
            type="button"
            class="button small"
            aria-pressed=move || pressed.get().to_string()
            on:click=move |_| choose()
        >
            {label}
        </button>
    }
}

fn measured(answer: &StorageResponse) -> String {
    let flavour = match answer.flavour {
        StorageFlavour::Timescale => "TimescaleDB",
        StorageFlavour::Postgres => "plain PostgreSQL",
    };
    let at = format::clock(answer.measured_at, answer.measured_at, &ZONE);
    format!(
        "On {flavour}, measured at {at}. Days are in UTC and are those of the data, not of its arrival."
    )
}

#[component]
fn Answer(answer: Arc<StorageResponse>) -> impl IntoView {
    let range = use_range();
    let change = StoredValue::new_local(use_change_query());
    let by = Memo::new(move |_| {
        let is_service = range.query.with(|query| query.get("by") == Some("service"));
        if is_service { By::Service } else { By::Table }
    });
    let switch = BY
        .map(|(which, value, label)| {
            let pressed = Signal::derive(move || by.get() == which);
            choice(label, pressed, move || {
                change.with_value(|change| change(&|query| query.set("by", value)));
            })
        })
        .collect_view();
    let has_data = answer.signals.iter().any(|signal| signal.oldest.is_some());
    let data = if has_data {
        view! {
            <div class="section-head">
                <h3 id="storage-days">"Bytes by day"</h3>
                <div class="choices" role="group" aria-label="What the bars are made of">{switch}</div>
            </div>
            <DayChart answer=answer.clone() by=by />
            <Services answer=answer.clone() />
        }
        .into_any()
    } else {
        view! {
            <EmptyState title="Nothing is stored yet">
                <p>"As soon as something sends spans, this page tells how much room they take. "<a href=move || range.href("/")>"How to send spans"</a></p>
            </EmptyState>
        }
        .into_any()
    };
    view! {
        {summary(&answer)}
        {data}
        <h3 id="storage-retention">"How long it is kept"</h3>
        {tables::retention(&answer.signals)}
        <p class="hint">
            "Whole partitions go, the oldest first; the open one never. Set "<code>"[storage.retention]"</code>" and "<code>"storage.bytes_max"</code>" in the configuration."
        </p>
        <h3 id="storage-tables">"Tables"</h3>
        <div class="table-scroll">{tables::tables(&answer.tables)}</div>
        <h3 id="storage-events">"Dropped lately"</h3>
        {tables::events(&answer.events)}
        {tables::partitions(&answer.partitions, answer.partition_count)}
    }
}

#[component]
fn Services(answer: Arc<StorageResponse>) -> impl IntoView {
    let range = use_range();
    let selected = RwSignal::new(None::<usize>);
    let navigate = use_navigate();
    let names: Vec<String> = answer.services.iter().map(|it| it.name.clone()).collect();
    let count = names.len();
    let show = |at: usize| {
        let row = document().query_selector(&format!("[data-row='{at}']")).ok().flatten();
        if let Some(row) = row {
            let options = web_sys::ScrollIntoViewOptions::new();
            options.set_block(web_sys::ScrollLogicalPosition::Nearest);
            row.scroll_into_view_with_scroll_into_view_options(&options);
        }
    };
    list_keys(Signal::derive(move || count), selected, show, move |at| {
        if let Some(name) = names.get(at) {
            let href =
                untrack(|| range.href_with("/traces", Query::default().with("service", name.clone())));
            navigate(&href, NavigateOptions::default());
        }
    });
    let note = if answer.services_complete {
        "An estimate: samples of each day tell how its bytes are shared."
    } else {
        "An estimate from samples. There was not enough time for all of them: some days are of no service."
    };
    view! {
        <h3 id="storage-services">"Services"</h3>
        <p class="hint">{note}</p>
        {tables::services(&answer, selected)}
    }
}

fn summary(answer: &StorageResponse) -> impl IntoView + use<> {
    let used = answer.bytes_max.map(|max| {
        let share = answer.database_bytes as f64 / max as f64;
        let width = format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
        let is_nearly_full = share > 0.9;
        let text = format!("{} of {}", format::percent(share), format::bytes(max));
        view! {
            <span class="gauge" class:over=is_nearly_full aria-hidden="true"><i style:width=width></i></span>
            <span class="hint">{text}</span>
        }
        .into_any()
    });
    let used = used.unwrap_or_else(|| view! { <span class="hint">"without a bound"</span> }.into_any());
    let growth = answer.growth.bytes_per_day.map(|bytes| format!("{} a day", format::bytes(bytes)));
    let growth_hint = match answer.growth.days_measured {
        0 => "after the first whole day of data".to_owned(),
        1 => "the last whole day".to_owned(),
        days => format!("mean of the last {days} whole days"),
    };
    let (outlook, outlook_hint) = outlook(&answer.growth, answer.bytes_max);
    let exact = format!("{} bytes", format::grouped(answer.database_bytes));
    view! {
        <dl class="tiles">
            <div>
                <dt>"Database"</dt>
                <dd><strong title=exact>{format::bytes(answer.database_bytes)}</strong> {used}</dd>
            </div>
            <div>
                <dt>"Growth"</dt>
                <dd>
                    <strong>{growth.unwrap_or_else(|| "Not known yet".to_owned())}</strong>
                    <span class="hint">{growth_hint}</span>
                </dd>
            </div>
            <div>
                <dt>"Outlook"</dt>
                <dd><strong>{outlook}</strong> <span class="hint">{outlook_hint}</span></dd>
            </div>
        </dl>
    }
}
