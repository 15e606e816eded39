//! The results as points: time by duration. Hover tells, a click opens, a drag narrows the time.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use spanloom_model::TraceId;
use spanloom_model::api::TraceSummary;

use super::points::{Blank, Plot, Point, reaching_back, shown_window};
use crate::charts::frame::Frame;
use crate::charts::scale::time_ticks;
use crate::charts::size::use_size;
use crate::components::service_chip::ServiceName;
use crate::format;
use crate::state::range::{ZONE, use_range, use_set_range};
use crate::state::time_range::TimeRange;

const HEIGHT: f64 = 172.0;
const MARGIN_LEFT: f64 = 60.0;
const MARGIN_RIGHT: f64 = 20.0;
const MARGIN_TOP: f64 = 10.0;
const MARGIN_BOTTOM: f64 = 22.0;

/// A drag shorter than this is a click.
const DRAG_MIN: f64 = 6.0;

/// The plot.
#[component]
pub fn Scatter(
    /// The results, in the order of the list.
    rows: Memo<Option<Arc<Vec<TraceSummary>>>>,
    /// The trace under the pointer, here or in the list.
    hovered: RwSignal<Option<TraceId>>,
    /// Opens a trace.
    open: Callback<TraceId>,
    /// What of the results is not loaded yet.
    #[prop(into)]
    blank: Signal<Blank>,
    /// From where on the search is complete, in milliseconds since the epoch.
    #[prop(into)]
    complete_from_ms: Signal<Option<i64>>,
) -> impl IntoView {
    let range = use_range();
    let set_range = StoredValue::new_local(use_set_range());
    let node: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(node);
    let frame = Memo::new(move |_| Frame {
        left: MARGIN_LEFT,
        right: (size.get().0 - MARGIN_RIGHT).max(MARGIN_LEFT + 50.0),
        top: MARGIN_TOP,
        bottom: HEIGHT - MARGIN_BOTTOM,
    });
    let plot = Memo::new(move |_| {
        let rows = rows.get().unwrap_or_default();
        let window = reaching_back(range.window.get(), &rows);
        Plot::new(&rows, shown_window(window, blank.get()), frame.get())
    });
    // The index of the hovered trace, whoever hovers it.
    let current = Memo::new(move |_| {
        let id = hovered.get()?;
        rows.with(|rows| rows.as_ref().and_then(|rows| rows.iter().position(|row| row.trace_id == id)))
    });
    let is_pointing = RwSignal::new(false);
    let drag = RwSignal::new(None::<(f64, f64)>);

    let at = move |event: &web_sys::MouseEvent| {
        let rect = node.get_untracked().map(|node| node.get_bounding_client_rect());
        let (left, top) = rect.map_or((0.0, 0.0), |rect| (rect.left(), rect.top()));
        (f64::from(event.client_x()) - left, f64::from(event.client_y()) - top)
    };
    let id_at = move |index: usize| {
        rows.with_untracked(|rows| rows.as_ref().and_then(|rows| rows.get(index)).map(|row| row.trace_id))
    };
    let inside = move |x: f64| frame.with_untracked(|frame| x.clamp(frame.left, frame.right));
    let on_move = move |event: web_sys::PointerEvent| {
        let (x, y) = at(&event);
        if let Some((start, _)) = drag.get_untracked() {
            drag.set(Some((start, inside(x))));
            return;
        }
        is_pointing.set(true);
        let nearest = plot.with_untracked(|plot| plot.nearest(x, y)).and_then(id_at);
        if hovered.get_untracked() != nearest {
            hovered.set(nearest);
        }
    };
    let on_down = move |event: web_sys::PointerEvent| {
        if event.button() != 0 {
            return;
        }
        // Without capture a drag ends at the edge, which is bearable.
        if let Some(node) = node.get_untracked() {
            let _ = node.set_pointer_capture(event.pointer_id());
        }
        let x = inside(at(&event).0);
        drag.set(Some((x, x)));
    };
    let on_up = move |event: web_sys::PointerEvent| {
        let Some((start, end)) = drag.get_untracked() else { return };
        drag.set(None);
        if (end - start).abs() < DRAG_MIN {
            let (x, y) = at(&event);
            if let Some(id) = plot.with_untracked(|plot| plot.nearest(x, y)).and_then(id_at) {
                open.run(id);
            }
            return;
        }
        let time = plot.with_untracked(|plot| plot.time);
        let chosen =
            TimeRange::between_ms(time.value(start).round() as i64, time.value(end).round() as i64);
        hovered.set(None);
        set_range.with_value(|set_range| set_range(chosen));
    };
    let on_leave = move |_| {
        is_pointing.set(false);
        if drag.get_untracked().is_none() {
            hovered.set(None);
        }
    };
    let summary = move || {
        let count = rows.with(|rows| rows.as_ref().map_or(0, |rows| rows.len()));
        let errors = plot.with(|plot| plot.points.iter().filter(|point| point.has_error).count());
        format!(
            "Duration of {} over time, {errors} with errors. The list below has the same traces.",
            format::plural(count as u64, "trace")
        )
    };

    view! {
        <div
            class="scatter"
            class:pointing=move || current.get().is_some()
            node_ref=node
            on:pointermove=on_move
            on:pointerdown=on_down
            on:pointerup=on_up
            on:pointercancel=move |_| drag.set(None)
            on:pointerleave=on_leave
        >
            <svg width="100%" height=HEIGHT role="img" aria-label=summary>
                {move || axes(&plot.get(), frame.get())}
                {move || not_loaded(&plot.get(), frame.get(), blank.get())}
                {move || unsearched(&plot.get(), frame.get(), complete_from_ms.get())}
                <g>{move || plot.with(|plot| plot.points.iter().copied().map(mark).collect_view())}</g>
                {move || {
                    let point = plot.with(|plot| current.get().and_then(|at| plot.points.get(at).copied()));
                    point.map(ring)
                }}
                {move || drag.get().map(|drag| brush(drag, frame.get()))}
            </svg>
            {move || {
                let at = current.get().filter(|_| is_pointing.get() && drag.with(Option::is_none))?;
                let trace = rows.with(|rows| rows.as_ref().and_then(|rows| rows.get(at).cloned()))?;
                let point = plot.with(|plot| plot.points.get(at).copied())?;
                Some(tooltip(&trace, point, size.get().0))
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

fn axes(plot: &Plot, frame: Frame) -> impl IntoView + use<> {
    let rows = plot.duration.ticks(5).into_iter().map(|ns| {
        let y = plot.duration.place(ns).round() + 0.5;
        view! {
            <line class="grid" x1=frame.left x2=frame.right y1=y y2=y />
            <text class="tick" x=frame.left - 8.0 y=y + 4.0 text-anchor="end">{format::duration(ns)}</text>
        }
    });
    let room = ((frame.right - frame.left) / 96.0) as usize;
    let (from, to) = plot.time.domain;
    let columns = time_ticks(from as i64, to as i64, room, &ZONE).into_iter().map(|tick| {
        let x = plot.time.place(tick.at_ms as f64).round() + 0.5;
        view! {
            <line class="grid" x1=x x2=x y1=frame.top y2=frame.bottom />
            <text class="tick" x=x y=HEIGHT - 6.0 text-anchor="middle">{tick.label}</text>
        }
    });
    view! {
        <g aria-hidden="true">
            {rows.collect_view()}
            {columns.collect_view()}
            <line class="axis" x1=frame.left x2=frame.right y1=frame.bottom + 0.5 y2=frame.bottom + 0.5 />
        </g>
    }
}

/// Where the loaded traces end, the plot says so.
fn not_loaded(plot: &Plot, frame: Frame, blank: Blank) -> AnyView {
    let (left, right, top, label) = match blank {
        Blank::Nothing => return ().into_any(),
        Blank::Before(oldest_ms) => {
            let right = plot.time.place(oldest_ms as f64) - 1.0;
            (frame.left, right, frame.top, "older: not loaded")
        }
        Blank::Below(shortest_ns) => {
            (frame.left, frame.right, plot.duration.place(shortest_ns) + 8.0, "shorter: not loaded")
        }
    };
    let (width, height) = ((right - left).max(0.0), (frame.bottom - top).max(0.0));
    let has_room = width > 100.0 && height > 14.0;
    view! {
        <rect class="blank" x=left y=top width=width height=height />
        {has_room.then(|| view! { <text class="blank-label" x=left + 6.0 y=frame.bottom - 5.0>{label}</text> })}
    }
    .into_any()
}

/// What the search did not get to is hatched: no points there means nothing.
fn unsearched(plot: &Plot, frame: Frame, complete_from_ms: Option<i64>) -> impl IntoView + use<> {
    let x = plot.time.place(complete_from_ms? as f64).clamp(frame.left, frame.right);
    (x > frame.left + 1.0).then(|| {
        view! {
            <rect class="unsearched" x=frame.left y=frame.top width=x - frame.left height=frame.bottom - frame.top>
                <title>"Not searched completely"</title>
            </rect>
        }
    })
}

/// Errors differ in shape, not only in colour.
fn mark(point: Point) -> AnyView {
    let Point { x, y, radius, hue, has_error } = point;
    if has_error {
        view! { <path class="mark bad" d=diamond(x, y, radius + 1.5) /> }.into_any()
    } else {
        view! { <circle class="mark" cx=x cy=y r=radius style=("--hue", hue.to_string()) /> }.into_any()
    }
}

fn diamond(x: f64, y: f64, radius: f64) -> String {
    format!(
        "M{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}Z",
        y - radius,
        x + radius,
        y + radius,
        x - radius
    )
}

fn ring(point: Point) -> impl IntoView {
    view! { <circle class="ring" cx=point.x cy=point.y r=point.radius + 4.0 /> }
}

fn brush((start, end): (f64, f64), frame: Frame) -> impl IntoView {
    let (left, width) = (start.min(end), (end - start).abs());
    view! { <rect class="brush" x=left y=frame.top width=width height=frame.bottom - frame.top /> }
}

fn tooltip(trace: &TraceSummary, point: Point, width: f64) -> impl IntoView + use<> {
    let on_left = point.x > width / 2.0;
    let x = if on_left { width - point.x + 14.0 } else { point.x + 14.0 };
    let spans = format::plural(trace.span_count, "span");
    let services = format::plural(trace.services.len() as u64, "service");
    let errors = (trace.error_count > 0).then(|| {
        view! { <span class="error-text">{format!("● {}", format::plural(trace.error_count, "error"))}</span> }
    });
    view! {
        <div
            class="tooltip"
            style:left=if on_left { "auto".to_owned() } else { format!("{x}px") }
            style:right=if on_left { format!("{x}px") } else { "auto".to_owned() }
        >
            <ServiceName name=trace.root.service.clone() />
            <strong class="clip">{trace.root.operation.clone()}</strong>
            <span><b>{format::duration(trace.duration_ns)}</b>" · "{spans}" · "{services}</span>
            {errors}
            <span class="faint">{format::full_time(trace.start_time, &ZONE)}</span>
        </div>
    }
}
