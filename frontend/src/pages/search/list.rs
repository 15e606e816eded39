//! The results as rows: only those on the screen exist.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use spanloom_model::TraceId;
use spanloom_model::api::{TraceService, TraceSummary};

use super::filter::Filter;
use super::results::{Results, SortBy};
use crate::components::service_chip::ServiceName;
use crate::components::service_color::hue;
use crate::components::sort_header::{SortButton, Sorted};
use crate::components::virtual_rows::VirtualRows;
use crate::format;
use crate::state::range::{ZONE, now_ms, use_change_query, use_range};

/// Matches `.result-row` in the style sheet.
pub const ROW_HEIGHT: f64 = 32.0;

/// Matches `.result-head`.
pub const HEAD_HEIGHT: f64 = 28.0;

/// Services shown as squares in a row; the others are counted.
const SQUARES_MAX: usize = 8;

/// A row's services beside the pointer.
#[derive(Debug, Clone, PartialEq)]
struct HoverCard {
    left: f64,
    top: f64,
    services: Vec<TraceService>,
}

/// The list.
#[component]
pub fn ResultList(
    /// The search.
    results: Results,
    /// The scrolling rows.
    rows: VirtualRows,
    /// The row that the keyboard is on.
    selected: RwSignal<Option<usize>>,
    /// The trace under the pointer, here or in the plot.
    hovered: RwSignal<Option<TraceId>>,
) -> impl IntoView {
    let traces = results.rows;
    let count = move || traces.with(|traces| traces.as_ref().map_or(0, |traces| traces.len()));
    let longest_ns = Memo::new(move |_| {
        traces.with(|traces| {
            traces.iter().flat_map(|traces| traces.iter()).map(|trace| trace.duration_ns).max().unwrap_or(1)
        })
    });
    let card = RwSignal::new(None::<HoverCard>);
    let range = use_range();
    let visible = move || {
        let (start, end) = rows.range.get();
        let traces = traces.get().unwrap_or_default();
        (start..end.min(traces.len())).map(|at| (at, traces.clone())).collect::<Vec<_>>()
    };
    // A row is drawn anew when another trace takes its place or when "ago" has moved on.
    let key = move |(at, traces): &(usize, Arc<Vec<TraceSummary>>)| {
        (*at, traces[*at].trace_id, range.refreshed_at_ms(), longest_ns.get())
    };
    view! {
        <div
            class="result-scroll"
            node_ref=rows.node
            tabindex="-1"
            on:scroll=move |_| {
                rows.scrolled();
                card.set(None);
            }
            on:mouseleave=move |_| {
                hovered.set(None);
                card.set(None);
            }
        >
            <div class="result-head" role="group" aria-label="Order">
                <Headings />
            </div>
            <ol class="result-rows" aria-label="Traces" style:height=move || format!("{}px", count() as f64 * ROW_HEIGHT)>
                <For each=visible key=key children=move |(at, traces)| {
                    row(at, &traces[at], longest_ns.get_untracked(), untrack(count), selected, hovered, card)
                } />
            </ol>
            <ListEnd results=results />
        </div>
        {move || card.get().map(hover_card)}
    }
}

#[component]
fn Headings() -> impl IntoView {
    let range = use_range();
    let change = StoredValue::new_local(use_change_query());
    let query = range.query_at("/traces");
    let by = Memo::new(move |_| query.with(|query| SortBy::parse(query.get("sort"))));
    let longest = Memo::new(move |_| query.with(|query| Filter::parse(query).longest_first));
    let heading = move |label: &'static str,
                        class: &'static str,
                        title: &'static str,
                        order: &'static str,
                        sort: SortBy| {
        let is_longest = order == "duration";
        let sorted = Signal::derive(move || {
            let is_it = by.get() == sort && (sort != SortBy::AsSearched || longest.get() == is_longest);
            if is_it { Sorted::Down } else { Sorted::No }
        });
        let choose = Callback::new(move |()| {
            change.with_value(|change| {
                change(&|query| {
                    query.set("sort", sort.name());
                    if sort == SortBy::AsSearched {
                        query.set("order", order);
                    }
                });
            });
        });
        view! {
            <span class=class>
                <SortButton label=label title=title sorted=sorted sort=choose />
            </span>
        }
    };
    view! {
        <span>"Root"</span>
        <span>"Services"</span>
        {heading("Spans", "num", "Sorts the loaded traces: most spans first", "", SortBy::Spans)}
        {heading("Errors", "num", "Sorts the loaded traces: most errors first", "", SortBy::Errors)}
        {heading("Duration", "duration-head", "Searches the longest traces of the range", "duration", SortBy::AsSearched)}
        {heading("Start", "num", "Searches the newest traces of the range", "", SortBy::AsSearched)}
    }
}

fn row(
    at: usize,
    trace: &TraceSummary,
    longest_ns: i64,
    set_size: usize,
    selected: RwSignal<Option<usize>>,
    hovered: RwSignal<Option<TraceId>>,
    card: RwSignal<Option<HoverCard>>,
) -> impl IntoView + use<> {
    let range = use_range();
    let id = trace.trace_id;
    let share = trace.duration_ns as f64 / longest_ns.max(1) as f64;
    let width = format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
    let has_error = trace.error_count > 0;
    let services = trace.services.clone();
    let show_card = move |event: web_sys::MouseEvent| {
        let target: web_sys::Element = event_target(&event);
        let rect = target.get_bounding_client_rect();
        card.set(Some(HoverCard { left: rect.left(), top: rect.bottom(), services: services.clone() }));
    };
    view! {
        <li
            class="result-row-place"
            style:top=format!("{}px", at as f64 * ROW_HEIGHT)
            aria-posinset=at + 1
            aria-setsize=set_size
        >
            <a
                class="result-row"
                class:selected=move || selected.get() == Some(at)
                class:hovered=move || hovered.get() == Some(id)
                href=move || range.href(&format!("/traces/{id}"))
                on:mouseenter=move |_| hovered.set(Some(id))
                on:focus=move |_| selected.set(Some(at))
            >
                <span class="result-root">
                    <ServiceName name=trace.root.service.clone() />
                    <span class="clip result-operation">{trace.root.operation.clone()}</span>
                    {(!trace.has_root).then(|| view! {
                        <span class="badge" title="The root span has not arrived; this is the earliest span">"no root yet"</span>
                    })}
                </span>
                <span class="result-services" on:mouseenter=show_card on:mouseleave=move |_| card.set(None)>
                    {squares(&trace.services)}
                    <span class="faint">
                        {trace.services.len()}
                        <span class="visually-hidden">" services"</span>
                    </span>
                </span>
                <span class="num">
                    {format::count(trace.span_count as f64)}
                    <span class="visually-hidden">" spans"</span>
                </span>
                <span class="num" class:error-text=has_error class:faint=!has_error>
                    {if has_error { format!("● {}", format::count(trace.error_count as f64)) } else { "–".to_owned() }}
                    <span class="visually-hidden">" errors"</span>
                </span>
                <span class="result-duration">
                    <span class="duration-track" aria-hidden="true"><i class:bad=has_error style:width=width></i></span>
                    <b>{format::duration(trace.duration_ns)}</b>
                </span>
                <span class="num" title=format::full_time(trace.start_time, &ZONE)>
                    {start(trace.start_time)}
                </span>
            </a>
        </li>
    }
}

fn start(time: DateTime<Utc>) -> impl IntoView {
    let now = DateTime::from_timestamp_millis(now_ms()).unwrap_or(time);
    view! {
        <span class="faint result-ago">{format::ago(time.timestamp_millis(), now.timestamp_millis())}</span>
        {format::clock(time, now, &ZONE)}
    }
}

fn squares(services: &[TraceService]) -> impl IntoView + use<> {
    let square = |service: &TraceService| {
        let hue = hue(&service.name).to_string();
        view! { <i class="swatch" class:bad=service.error_count != 0 style=("--hue", hue)></i> }
    };
    let shown = services.iter().take(SQUARES_MAX).map(square).collect_view();
    view! { <span class="squares" aria-hidden="true">{shown}</span> }
}

fn hover_card(card: HoverCard) -> impl IntoView {
    let rows = card.services.into_iter().map(|service| {
        view! {
            <ServiceName name=service.name />
            <span class="num">{format::grouped(service.span_count)}</span>
            <span class="num error-text">
                {(service.error_count > 0).then(|| format!("● {}", format::grouped(service.error_count)))}
            </span>
        }
    });
    // Near the lower edge the card opens upwards.
    let room = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(900.0);
    let upwards = card.top > room * 0.6;
    let vertical = if upwards {
        ("auto".to_owned(), format!("{}px", room - card.top + ROW_HEIGHT))
    } else {
        (format!("{}px", card.top), "auto".to_owned())
    };
    view! {
        <div class="hover-card" aria-hidden="true" style:left=format!("{}px", card.left) style:top=vertical.0 style:bottom=vertical.1>
            <span class="faint">"Service"</span>
            <span class="faint num">"Spans"</span>
            <span class="faint num">"Errors"</span>
            {rows.collect_view()}
        </div>
    }
}

/// Below the last row: more, or why there is no more.
#[component]
fn ListEnd(results: Results) -> impl IntoView {
    view! {
        <div class="list-end">
            {move || results.more_error.get().map(|error| view! { <span class="error-text" role="alert">{error.line()}</span> })}
            {move || results.next_cursor().map(|_| view! {
                <button
                    type="button"
                    class="button"
                    disabled=move || results.loading_more.get()
                    on:click=move |_| results.load_more()
                >
                    {move || if results.loading_more.get() { "Loading…" } else { "Load more" }}
                </button>
            })}
        </div>
    }
}
