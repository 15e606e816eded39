//! The log records of the trace: loaded beside it, by span for the timeline and the details, as a list
//! in a tab of their own.

use std::collections::HashMap;
use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use spanloom_model::api::{LogLink, TraceLogsResponse};
use spanloom_model::log_link::LinkValues;

use super::attributes::section;
use super::dom::{Splitter, use_stored_px};
use super::model::TraceModel;
use super::state::ViewState;
use crate::api;
use crate::charts::size::use_size;
use crate::components::level_mark::LevelMark;
use crate::components::list_keys::list_keys;
use crate::components::log_links::{LogLinkButtons, around};
use crate::components::states::{EmptyState, ErrorState, SkeletonRows};
use crate::components::virtual_rows::VirtualRows;
use crate::format;
use crate::pages::logs::detail::LogDetail;
use crate::pages::logs::item::{LogItem, items};
use crate::pages::logs::list::{HEAD_HEIGHT, Items, LogList, ROW_HEIGHT};
use crate::state::load::{Loaded, load};
use crate::state::range::use_range;

/// More in the details of a span would take longer to build than to read.
const SHOWN_MAX: usize = 200;

/// The records of a trace.
#[derive(Debug, Default, PartialEq)]
pub struct TraceLogs {
    /// In order of time.
    pub items: Items,
    /// Nanoseconds after the start of the trace, moved with the span where its clock was not trusted.
    pub offsets_ns: Vec<i64>,
    /// Whether there are more than were loaded.
    pub truncated: bool,
    /// Indices into `items` by span, in order of time.
    by_span: HashMap<usize, Vec<usize>>,
}

impl TraceLogs {
    /// Puts the records where they belong in the trace.
    pub fn new(model: &TraceModel, response: &TraceLogsResponse) -> Self {
        let items = items(&response.logs, &response.resources, &response.scopes);
        let start_ns = model.trace.start_time.timestamp_nanos_opt().unwrap_or_default();
        let mut by_span: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut offsets_ns = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let span = item.entry.span_id.and_then(|id| model.find_id(id));
            let skew_ns = span.map_or(0, |span| model.span(span).skew_ns);
            offsets_ns.push(item.time_ns().saturating_sub(start_ns).saturating_add(skew_ns));
            if let Some(span) = span {
                by_span.entry(span).or_default().push(index);
            }
        }
        Self { items: Arc::new(items), offsets_ns, truncated: response.truncated, by_span }
    }

    /// The records of a span, as indices into `items`.
    pub fn of(&self, span: usize) -> &[usize] {
        self.by_span.get(&span).map_or(&[], Vec::as_slice)
    }
}

/// Loads them once the trace is there, and again with it; for all parts of the page.
pub fn provide_logs(state: ViewState) {
    let range = use_range();
    let trace_id = state.model().trace.trace_id;
    let loaded: Loaded<TraceLogs> = load(
        move || Some(range.refreshed_at_ms()),
        move |_, signal| async move {
            let response = api::trace_logs(trace_id, signal).await?;
            Ok(TraceLogs::new(&state.model(), &response))
        },
    );
    provide_context(loaded);
}

/// The records, in any part of the page.
#[expect(clippy::expect_used, reason = "the view of a trace provides them to its parts")]
pub fn use_logs() -> Loaded<TraceLogs> {
    use_context().expect("the view of a trace provides its logs")
}

/// The tab.
#[component]
pub fn Logs(
    /// The page's state.
    state: ViewState,
    /// Links to external systems.
    links: Loaded<Vec<LogLink>>,
) -> impl IntoView {
    let loaded = use_logs();
    let logs = move || loaded.value.get();
    let items =
        Signal::derive(move || -> Items { logs().map(|logs| logs.items.clone()).unwrap_or_default() });
    let count = Signal::derive(move || items.with(|items| items.len()));
    let rows = VirtualRows::new(count, ROW_HEIGHT, HEAD_HEIGHT);
    let selected = RwSignal::new(None::<usize>);
    let open = RwSignal::new(false);
    let show = move |at: usize| {
        let item = items.with_untracked(|items| items.get(at).cloned());
        // The span is the page's selection: the timeline and the URL know it.
        if let Some(span) =
            item.and_then(|item| item.entry.span_id).and_then(|id| state.model().find_id(id))
        {
            state.go_to(span);
        }
    };
    let choose = Callback::new(move |at: usize| {
        selected.set(Some(at));
        open.set(true);
        show(at);
    });
    list_keys(
        count,
        selected,
        move |at| {
            rows.show(at);
            show(at);
        },
        move |at| choose.run(at),
    );
    // From a span's place in the timeline to its first record.
    let first = logs().zip(state.selected.get_untracked());
    if let Some(at) = first.and_then(|(logs, span)| logs.of(span).first().copied()) {
        selected.set(Some(at));
        request_animation_frame(move || rows.show(at));
    }
    let time_label = Callback::new(move |item: Arc<LogItem>| {
        let offset_ns = logs().and_then(|logs| {
            let at = logs.items.iter().position(|known| Arc::ptr_eq(known, &item))?;
            logs.offsets_ns.get(at).copied()
        });
        offset_ns.map(offset_label).unwrap_or_default()
    });
    let body: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(body);
    let detail_px = use_stored_px("logs.detail_px", 400.0);
    let detail_max_px = Signal::derive(move || (size.get().0 - 460.0).max(280.0));
    let detail_width = move || format!("{}px", detail_px.get().min(detail_max_px.get()));
    let detail = Memo::new(move |_| {
        let at = selected.get().filter(|_| open.get())?;
        items.with(|items| items.get(at).cloned())
    });
    let has_detail = Memo::new(move |_| detail.with(Option::is_some));
    let close = Callback::new(move |()| open.set(false));
    let list = move || {
        match (loaded.value.get(), loaded.error.get()) {
            (None, Some(error)) => {
                view! { <ErrorState error=error retry=Callback::new(move |()| loaded.reload()) /> }.into_any()
            }
            (None, None) => view! { <SkeletonRows rows=12 /> }.into_any(),
            (Some(logs), _) if logs.items.is_empty() => view! {
                <EmptyState title="No log records of this trace">
                    <p>"Records that are told within a span and sent over OTLP appear here, on the timeline and with their span."</p>
                </EmptyState>
            }
            .into_any(),
            (Some(logs), _) => view! {
                {logs.truncated.then(|| view! { <p class="trace-note">"Only the first records are shown: the trace has more."</p> })}
                <LogList items=items rows=rows selected=selected choose=choose time_label=time_label />
            }
            .into_any(),
        }
    };
    view! {
        <div class="logs-body" node_ref=body>
            <div class="logs-list">{list}</div>
            <Show when=move || has_detail.get()>
                <Splitter width_px=detail_px min_px=280.0 max_px=detail_max_px right=true label="Width of the details" />
                <aside class="trace-detail" aria-label="Details of the record" style:width=detail_width>
                    {move || detail.get().map(|item| view! { <LogDetail item=item.as_ref().clone() links=links leads_to_trace=false close=close /> })}
                </aside>
            </Show>
        </div>
    }
}

/// `+12.3 ms`, or before the trace began `-3 ms`. Pure.
fn offset_label(offset_ns: i64) -> String {
    let sign = if offset_ns < 0 { '-' } else { '+' };
    format!("{sign}{}", format::duration(offset_ns.saturating_abs()))
}

/// The section of a span's details; nothing without records.
pub fn of_span(state: ViewState, span: usize) -> impl IntoView {
    let loaded = use_logs();
    move || {
        let logs = loaded.value.get()?;
        let of_span = logs.of(span);
        if of_span.is_empty() {
            return None;
        }
        let start_ns = state.model().times[span].start_ns;
        let record = |&at: &usize| {
            let item = &logs.items[at];
            let after = offset_label(logs.offsets_ns[at] - start_ns);
            view! {
                <li>
                    <div class="trace-event log-of-span">
                        <LevelMark level=item.entry.level />
                        <span class="faint" title="after the start of the span">{after}</span>
                        <span class="trace-log-line">{item.line()}</span>
                    </div>
                </li>
            }
        };
        let shown: Vec<_> = of_span.iter().take(SHOWN_MAX).map(record).collect();
        let rest = of_span.len().saturating_sub(SHOWN_MAX);
        let content = view! {
            <ol class="trace-events">{shown}</ol>
            {(rest > 0).then(|| view! { <p class="trace-note">{format!("{rest} more in the tab Logs")}</p> })}
        };
        Some(section("Logs", Some(of_span.len()), true, content).into_any())
    }
}

/// Buttons to external systems, for the time of the span.
pub fn external(links: Loaded<Vec<LogLink>>, model: &TraceModel, span: usize) -> impl IntoView + use<> {
    let trace_ns = model.trace.start_time.timestamp_nanos_opt().unwrap_or_default();
    let time = model.times[span];
    let (start_ns, end_ns) =
        around(trace_ns.saturating_add(time.start_ns), trace_ns.saturating_add(time.end_ns));
    let values = LinkValues {
        trace_id: Some(model.trace.trace_id),
        span_id: Some(model.span(span).span_id),
        service: model.service(span).to_owned(),
        start_ns,
        end_ns,
    };
    view! { <LogLinkButtons links=links values=values /> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::logs::item::tests::entry;
    use crate::pages::trace::model::tests::{span, trace};

    // Catches records at the wrong span, or at the time of a clock that the page has corrected.
    #[test]
    fn records_stand_with_their_span_and_its_clock() {
        let mut spans = vec![span(1, 0, 0, 0, 100), span(2, 1, 0, 10, 50)];
        spans[1].skew_ns = 1_000;
        let mut trace = trace(&["web"], spans);
        trace.start_time = "2026-11-25T09:00:00Z".parse().unwrap();
        let model = TraceModel::new(trace).unwrap();
        let mut logs = vec![entry(1, "a"), entry(2, "b"), entry(3, "elsewhere")];
        logs[0].span_id = model.span(1).span_id.into();
        logs[1].span_id = model.span(0).span_id.into();
        let response = TraceLogsResponse { logs, ..TraceLogsResponse::default() };
        let logs = TraceLogs::new(&model, &response);
        assert_eq!((logs.of(0), logs.of(1)), (&[1][..], &[0][..]));
        assert_eq!(logs.offsets_ns, [1_000, 0, 0]);
        assert_eq!(offset_label(-2_000_000), "-2 ms");
    }
}
