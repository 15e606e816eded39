//! Log records by level over time: the pointer tells a step's counts, a drag zooms the page's time
//! range.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use spanloom_model::LogLevel;
use spanloom_model::api::{LogCounts, LogHistogram};

use super::frame::Frame;
use super::level_bars::{Bar, LevelPlot, ORDER};
use super::scale::time_ticks;
use super::size::use_size;
use crate::components::level_mark::level_name;
use crate::format;
use crate::state::range::{ZONE, use_set_range};
use crate::state::time_range::{TimeRange, Window};

const HEIGHT: f64 = 118.0;
const MARGIN_LEFT: f64 = 60.0;
const MARGIN_RIGHT: f64 = 20.0;
const MARGIN_TOP: f64 = 10.0;
const MARGIN_BOTTOM: f64 = 22.0;

/// A drag shorter than this is none.
const DRAG_MIN: f64 = 6.0;

/// The chart.
#[component]
pub fn LevelChart(
    /// None until it is loaded.
    #[prop(into)]
    histogram: Signal<Option<Arc<LogHistogram>>>,
    /// The time that the page is about.
    #[prop(into)]
    window: Signal<Window>,
) -> impl IntoView {
    let node: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(node);
    let set_range = StoredValue::new_local(use_set_range());
    let pointer = RwSignal::new(None::<f64>);
    let drag = RwSignal::new(None::<(f64, f64)>);
    let frame = Memo::new(move |_| Frame {
        left: MARGIN_LEFT,
        right: (size.get().0 - MARGIN_RIGHT).max(MARGIN_LEFT + 50.0),
        top: MARGIN_TOP,
        bottom: HEIGHT - MARGIN_BOTTOM,
    });
    let plot = Memo::new(move |_| {
        let histogram = histogram.get();
        let steps: Vec<(i64, LogCounts)> = histogram
            .iter()
            .flat_map(|it| it.buckets.iter())
            .map(|bucket| (bucket.time.timestamp_millis(), bucket.counts))
            .collect();
        let step_ms = histogram.as_ref().map_or(60_000, |it| i64::from(it.step_seconds) * 1_000);
        let window = window.get();
        LevelPlot::new(&steps, step_ms, (window.from_ms, window.to_ms), frame.get())
    });
    let x_of = move |event: &web_sys::PointerEvent| {
        let left = node.get_untracked().map_or(0.0, |node| node.get_bounding_client_rect().left());
        frame.with_untracked(|frame| (f64::from(event.client_x()) - left).clamp(frame.left, frame.right))
    };
    let on_move = move |event: web_sys::PointerEvent| {
        let x = x_of(&event);
        if let Some((start, _)) = drag.get_untracked() {
            drag.set(Some((start, x)));
        }
        pointer.set(Some(x));
    };
    let on_down = move |event: web_sys::PointerEvent| {
        if event.button() != 0 {
            return;
        }
        // Without capture a drag ends at the edge, which is bearable.
        if let Some(node) = node.get_untracked() {
            let _ = node.set_pointer_capture(event.pointer_id());
        }
        let x = x_of(&event);
        drag.set(Some((x, x)));
    };
    let on_up = move |_| {
        let Some((start, end)) = drag.get_untracked() else { return };
        drag.set(None);
        if (end - start).abs() < DRAG_MIN {
            return;
        }
        let time = plot.with_untracked(|plot| plot.time);
        let chosen =
            TimeRange::between_ms(time.value(start).round() as i64, time.value(end).round() as i64);
        pointer.set(None);
        set_range.with_value(|set_range| set_range(chosen));
    };
    let said = move || {
        let total = plot.with(|plot| total(&plot.bars));
        let parts: Vec<String> = present(&total)
            .map(|level| format!("{} {}", format::grouped(total.of(level)), level_name(level)))
            .collect();
        format!("Log records over time by level: {}. The list below has the records.", parts.join(", "))
    };
    view! {
        <div
            class="level-chart"
            node_ref=node
            on:pointermove=on_move
            on:pointerdown=on_down
            on:pointerup=on_up
            on:pointercancel=move |_| drag.set(None)
            on:pointerleave=move |_| pointer.set(None)
        >
            <svg width="100%" height=HEIGHT role="img" aria-label=said>
                {move || plot.with(|plot| axes(plot, frame.get()))}
                {move || unsearched(histogram.get().as_deref(), &plot.get(), frame.get())}
                {move || plot.with(|plot| plot.bars.iter().map(bar).collect_view())}
                {move || drag.get().map(|(start, end)| {
                    let (left, width) = (start.min(end), (end - start).abs());
                    view! { <rect class="brush" x=left y=MARGIN_TOP width=width height=HEIGHT - MARGIN_TOP - MARGIN_BOTTOM /> }
                })}
            </svg>
            {move || {
                let x = pointer.get().filter(|_| drag.get().is_none())?;
                plot.with(|plot| plot.at(x).map(|bar| tooltip(bar, plot.step_ms, size.get().0)))
            }}
            {move || {
                let (start, end) = drag.get().filter(|(start, end)| (end - start).abs() >= DRAG_MIN)?;
                let time = plot.with(|plot| plot.time);
                let chosen = TimeRange::between_ms(time.value(start) as i64, time.value(end) as i64);
                let left = format!("{}px", f64::midpoint(start, end));
                Some(view! { <div class="brush-label" style:left=left>{chosen.label(&ZONE)}</div> })
            }}
        </div>
    }
}

/// Levels that occur, the most severe first.
fn present(counts: &LogCounts) -> impl Iterator<Item = LogLevel> {
    let counts = *counts;
    ORDER.into_iter().filter(move |level| counts.of(*level) > 0)
}

fn total(bars: &[Bar]) -> LogCounts {
    let mut total = LogCounts::default();
    for bar in bars {
        for level in ORDER {
            total.add(level, bar.counts.of(level));
        }
    }
    total
}

fn axes(plot: &LevelPlot, frame: Frame) -> impl IntoView + use<> {
    let rows = plot.ticks.iter().map(|&tick| {
        let y = plot.count.place(tick).round() + 0.5;
        view! {
            <line class="grid" x1=frame.left x2=frame.right y1=y y2=y />
            <text class="tick" x=frame.left - 8.0 y=y + 4.0 text-anchor="end">{format::count(tick)}</text>
        }
    });
    let room = ((frame.right - frame.left) / 96.0) as usize;
    let (from, to) = plot.time.domain;
    let columns = time_ticks(from as i64, to as i64, room, &ZONE).into_iter().map(|tick| {
        let x = plot.time.place(tick.at_ms as f64).round() + 0.5;
        view! { <text class="tick" x=x y=HEIGHT - 6.0 text-anchor="middle">{tick.label}</text> }
    });
    view! {
        <g aria-hidden="true">
            {rows.collect_view()}
            {columns.collect_view()}
            <line class="axis" x1=frame.left x2=frame.right y1=frame.bottom + 0.5 y2=frame.bottom + 0.5 />
        </g>
    }
}

/// What was not counted is hatched: no bars there means nothing.
fn unsearched(histogram: Option<&LogHistogram>, plot: &LevelPlot, frame: Frame) -> Option<AnyView> {
    let searched = &histogram?.searched;
    let from_ms = searched.complete_from.timestamp_millis() as f64;
    let x = plot.time.place(from_ms).clamp(frame.left, frame.right);
    (!searched.complete).then(|| {
        view! {
            <rect class="unsearched" x=frame.left y=frame.top width=x - frame.left height=frame.bottom - frame.top>
                <title>"Not counted"</title>
            </rect>
        }
        .into_any()
    })
}

fn bar(bar: &Bar) -> AnyView {
    let (left, width) = (bar.left, bar.width);
    let segments = bar.segments.iter().map(|segment| {
        let class = format!("level-bar {}", segment.level.name());
        view! { <rect class=class x=left width=width y=segment.top height=segment.height /> }
    });
    segments.collect_view().into_any()
}

fn tooltip(bar: &Bar, step_ms: i64, width: f64) -> impl IntoView + use<> {
    let on_left = bar.left > width / 2.0;
    let x = if on_left { width - bar.left + 10.0 } else { bar.left + bar.width + 10.0 };
    let counts = bar.counts;
    let rows = present(&counts).map(|level| {
        let class = format!("level-key {}", level.name());
        view! { <span><i class=class></i>{level_name(level)}" "<b>{format::grouped(counts.of(level))}</b></span> }
    });
    view! {
        <div
            class="tooltip"
            style:left=if on_left { "auto".to_owned() } else { format!("{x}px") }
            style:right=if on_left { format!("{x}px") } else { "auto".to_owned() }
        >
            <span class="faint">{TimeRange::between_ms(bar.start_ms, bar.start_ms + step_ms).label(&ZONE)}</span>
            {rows.collect_view()}
        </div>
    }
}
