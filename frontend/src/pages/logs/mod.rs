//! Log records: form, chart, list, details. The URL holds all of it.

pub mod detail;
mod filter;
mod filter_bar;
pub mod item;
pub mod list;
mod results;

use leptos::html;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

use self::detail::LogDetail;
use self::filter::Filter;
use self::filter_bar::FilterBar;
use self::list::{HEAD_HEIGHT, Items, LogList, ROW_HEIGHT};
use self::results::Results;
use crate::charts::level_chart::LevelChart;
use crate::charts::size::use_size;
use crate::components::copy_button::CopyButton;
use crate::components::list_keys::list_keys;
use crate::components::log_links::use_log_links;
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::components::virtual_rows::VirtualRows;
use crate::pages::trace::dom::{Splitter, use_stored_px};
use crate::state::page::{Crumb, KeyHelp, is_typing, use_page};
use crate::state::query::Query;
use crate::state::range::{use_change_query, use_range, use_set_range};
use crate::state::time_range::TimeRange;

const KEYS: &[KeyHelp] = &[
    ("j k", "Next, previous record"),
    ("Enter", "Its details"),
    ("Esc", "Close the details"),
    ("m", "Load more"),
    ("drag", "In the chart: narrow the time"),
];

/// The page.
#[component]
pub fn LogsPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Logs")], KEYS);
    let range = use_range();
    let results = Results::new();
    let links = use_log_links();
    let selected = RwSignal::new(None::<usize>);
    let open = RwSignal::new(false);
    let count = Signal::derive(move || results.count());
    let rows = VirtualRows::new(count, ROW_HEIGHT, HEAD_HEIGHT);
    let choose = Callback::new(move |at: usize| {
        selected.set(Some(at));
        open.set(true);
    });
    list_keys(count, selected, move |at| rows.show(at), move |at| choose.run(at));
    let more_keys = window_event_listener(leptos::ev::keydown, move |event| {
        if is_typing(&event) {
            return;
        }
        match event.key().as_str() {
            "m" => results.load_more(),
            "Escape" => open.set(false),
            _ => {}
        }
    });
    on_cleanup(move || more_keys.remove());
    follow_url(results, selected, open, rows);

    let retry = Callback::new(move |()| results.first.reload());
    let shown = Memo::new(move |_| {
        let count = results.rows.with(|rows| rows.as_ref().map(|rows| rows.len()));
        match (count, results.first.error.get()) {
            (None, None) => Shown::Skeleton,
            (None, Some(error)) => Shown::Failed(error),
            (Some(0), None) => Shown::Nothing,
            (Some(_), error) => Shown::List(error),
        }
    });
    let has_chart =
        Memo::new(move |_| results.filter.with(|filter| filter.chart_query(range.window.get()).is_some()));
    let items = Signal::derive(move || -> Items { results.rows.get().unwrap_or_default() });
    let list = move || match shown.get() {
        Shown::Skeleton => view! { <SkeletonRows rows=18 /> }.into_any(),
        Shown::Failed(error) => view! { <ErrorState error=error retry=retry /> }.into_any(),
        Shown::Nothing => view! { <NothingFound filter=results.filter /> }.into_any(),
        Shown::List(error) => view! {
            {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
            <div class="statement"><span role="status">{move || results.statement()}</span></div>
            <LogList items=items rows=rows selected=selected choose=choose>
                <ListEnd results=results />
            </LogList>
        }
        .into_any(),
    };
    let body: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(body);
    let detail_px = use_stored_px("logs.detail_px", 400.0);
    let detail_max_px = Signal::derive(move || (size.get().0 - 460.0).max(280.0));
    let detail_width = move || format!("{}px", detail_px.get().min(detail_max_px.get()));
    let detail = Memo::new(move |_| {
        let at = selected.get().filter(|_| open.get())?;
        results.rows.with(|rows| rows.as_ref().and_then(|rows| rows.get(at).cloned()))
    });
    let has_detail = Memo::new(move |_| detail.with(Option::is_some));
    let close = Callback::new(move |()| open.set(false));
    view! {
        <div class="search-page">
            <FilterBar filter=results.filter />
            <div class="search-results" aria-busy=move || results.first.loading.get().to_string()>
                <span class="progress" class:on=move || results.first.loading.get() aria-hidden="true"></span>
                <Show when=move || has_chart.get() && shown.get() != Shown::Nothing>
                    <LevelChart histogram=results.histogram.value window=range.window />
                </Show>
                <div class="logs-body" node_ref=body>
                    <div class="logs-list">{list}</div>
                    <Show when=move || has_detail.get()>
                        <Splitter width_px=detail_px min_px=280.0 max_px=detail_max_px right=true label="Width of the details" />
                        <aside class="trace-detail" aria-label="Details of the record" style:width=detail_width>
                            {move || detail.get().map(|item| view! { <LogDetail item=item.as_ref().clone() links=links close=close /> })}
                        </aside>
                    </Show>
                </div>
            </div>
        </div>
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Shown {
    Skeleton,
    Failed(crate::api::ApiError),
    Nothing,
    List(Option<crate::api::ApiError>),
}

/// The record whose details are open stands in the URL: a link to it opens it.
fn follow_url(
    results: Results,
    selected: RwSignal<Option<usize>>,
    open: RwSignal<bool>,
    rows: VirtualRows,
) {
    let query = use_range().query_at("/logs");
    let said = Memo::new(move |_| query.with(|query| query.get("log").unwrap_or_default().to_owned()));
    // Which answer the selection is about.
    Effect::new(move |previous: Option<()>| {
        results.first.value.track();
        let wanted = said.get_untracked();
        let place = results.rows.with_untracked(|rows| {
            rows.as_ref().and_then(|rows| rows.iter().position(|item| item.entry.id == wanted))
        });
        if place.is_some() {
            selected.set(place);
            open.set(true);
            if let Some(place) = place {
                request_animation_frame(move || rows.show(place));
            }
        } else if previous.is_some() {
            selected.set(None);
            rows.to_top();
        }
    });
    let navigate = use_navigate();
    let location = use_location();
    Effect::new(move |_| {
        let at = selected.get().filter(|_| open.get());
        let id = at.and_then(|at| results.at(at)).map(|item| item.entry.id.clone()).unwrap_or_default();
        let path = location.pathname.get_untracked();
        // Before the first answer nothing is selected, and the link is still to be followed.
        if id == said.get_untracked() || path != "/logs" || results.rows.with_untracked(Option::is_none) {
            return;
        }
        let mut query = Query::parse(&location.search.get_untracked());
        query.set("log", id);
        // Looking around is no step in the history.
        let options =
            NavigateOptions { replace: true, scroll: false, resolve: false, ..NavigateOptions::default() };
        navigate(&query.href(&path), options);
    });
}

/// Below the last row: more, or why there is no more.
#[component]
fn ListEnd(results: Results) -> impl IntoView {
    view! {
        <div class="list-end">
            {move || results.more_error.get().map(|error| view! { <span class="error-text" role="alert">{error.line()}</span> })}
            {move || results.next_cursor().map(|_| view! {
                <button type="button" class="button" disabled=move || results.loading_more.get() on:click=move |_| results.load_more()>
                    {move || if results.loading_more.get() { "Loading…" } else { "Load more" }}
                </button>
            })}
        </div>
    }
}

#[component]
fn NothingFound(filter: Memo<Filter>) -> impl IntoView {
    let range = use_range();
    let set_range = StoredValue::new_local(use_set_range());
    let change = StoredValue::new_local(use_change_query());
    let widen = move |_| {
        let window = range.window.get_untracked();
        let longer_s = (window.length_ms() / 1000).saturating_mul(6).clamp(3600, 30 * 86_400);
        set_range.with_value(|set| set(TimeRange::last(longer_s)));
    };
    let clear = move |_| change.with_value(|change| change(&|query| Filter::default().write(query)));
    let is_open = filter.with_untracked(Filter::is_empty);
    view! {
        <EmptyState title="No log records found">
            {if is_open {
                view! {
                    <p>"Choose a longer time range, or send the first records. Any OpenTelemetry logs exporter or Collector can:"</p>
                    <SendGuide />
                }
                .into_any()
            } else {
                view! { <p>"Every condition must hold for the same record; all words must occur in its message. Search a longer time, or with fewer conditions."</p> }
                    .into_any()
            }}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=widen>"Search a longer time"</button>
                <button type="button" class="button" hidden=move || filter.with(Filter::is_empty) on:click=clear>"Clear all filters"</button>
            </div>
        </EmptyState>
    }
}

/// How to send log records here.
#[component]
fn SendGuide() -> impl IntoView {
    let host = location().hostname().unwrap_or_default();
    let host = if host.is_empty() { "localhost".to_owned() } else { host };
    let settings = format!(
        "export OTEL_LOGS_EXPORTER=otlp\nexport OTEL_SERVICE_NAME=my-service\nexport OTEL_EXPORTER_OTLP_ENDPOINT=http://{host}:4317\nexport OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
    );
    view! {
        <div class="code-block">
            <pre><code>{settings.clone()}</code></pre>
            <CopyButton text=settings label="Copy settings" />
        </div>
        <p>"Records that are told within a span carry its ids, and are shown in its trace."</p>
    }
}
