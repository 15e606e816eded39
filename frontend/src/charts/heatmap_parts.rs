//! What the heatmap is put together from: its axes, cells, legend, tooltip, and what can be done with the
//! chosen cells.

use leptos::prelude::*;
use web_sys::CanvasRenderingContext2d;

use super::frame::Frame;
use super::heatmap::{Area, Cell, Cells, HeatData, HeatPlot, durations_name};
use super::heatmap_ramp::Ramp;
use super::scale::time_ticks;
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::range::{ZONE, use_set_range};
use crate::state::theme::Theme;
use crate::state::time_range::TimeRange;

/// Of the chart in CSS pixels.
pub const HEIGHT: f64 = 232.0;
/// Left of the plot, for the names of durations.
pub const MARGIN_LEFT: f64 = 60.0;
/// Right of the plot.
pub const MARGIN_RIGHT: f64 = 12.0;
/// Above the plot.
pub const MARGIN_TOP: f64 = 8.0;
/// Below the plot, for the names of times.
pub const MARGIN_BOTTOM: f64 = 22.0;

/// Pixels that a label of the time axis needs.
const TIME_LABEL_WIDTH: f64 = 72.0;

/// Cells at least so wide and high have a gap between them.
const GAP_MIN: f64 = 4.0;

/// Between the lines that hatch steps without spans.
const HATCH: f64 = 7.0;

/// About as wide as the pop-over is.
const POPOVER_WIDTH: f64 = 300.0;

/// What is chosen and what can be done with it.
#[component]
pub fn Popover(
    /// What is chosen.
    text: String,
    /// The same as numbers.
    area: Area,
    /// Where its traces are.
    href: String,
    /// Left, top, width and height of the area, and the chart's width.
    place: ((f64, f64, f64, f64), f64),
    /// Chooses nothing.
    close: Callback<()>,
) -> impl IntoView {
    let set_range = StoredValue::new_local(use_set_range());
    let ((left, top, width, height), chart_width) = place;
    let x = (left + width / 2.0 - POPOVER_WIDTH / 2.0).clamp(0.0, (chart_width - POPOVER_WIDTH).max(0.0));
    // Below, where it hides no cells that last longer; above, where there is no room.
    let below = top + height + 8.0;
    let (from_top, from_bottom) = if below <= HEIGHT * 0.72 {
        (format!("{below}px"), "auto".to_owned())
    } else {
        ("auto".to_owned(), format!("{}px", HEIGHT - top + 8.0))
    };
    let zoom = move |_| {
        close.run(());
        set_range.with_value(|set_range| set_range(TimeRange::between_ms(area.from_ms, area.to_ms)));
    };
    let has_spans = area.count > 0.0;
    view! {
        <div
            class="heat-popover"
            role="group"
            aria-label="Chosen area"
            style:left=format!("{x}px")
            style:top=from_top
            style:bottom=from_bottom
        >
            <p title="Counted before sampling: of what sampling left out there are no traces">{text}</p>
            <div class="heat-actions">
                {has_spans.then(|| view! { <a class="button small primary" href=href>"Open traces"</a> })}
                <button type="button" class="button small" on:click=zoom>"Zoom to this time"</button>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Choose nothing"
                    title="Choose nothing (Esc)"
                    on:click=move |_| close.run(())
                >
                    <Glyph icon=Icon::Close />
                </button>
            </div>
        </div>
    }
}

/// `214 spans, 12.3 ms to 80 ms, 13:05 to 13:20`.
pub fn area_name(data: &HeatData, area: &Area) -> String {
    format!(
        "{}, {}, {}",
        spans(area.count),
        // The bound that the last row ends before.
        durations_name(area.low_ns as f64, area.high_ns as f64 + 1.0),
        data.time_name(area.from_ms, area.to_ms, &ZONE)
    )
}

fn spans(count: f64) -> String {
    if (count - 1.0).abs() < 1e-9 { "1 span".to_owned() } else { format!("{} spans", format::count(count)) }
}

/// What the colours mean.
pub fn legend(ramp: &Ramp, has_gaps: bool) -> impl IntoView + use<> {
    let labels = ramp.labels().into_iter().map(|(count, level)| {
        view! { <span style:left=format!("{:.1}%", level * 100.0)>{format::count(count)}</span> }
    });
    view! {
        <span class="heat-legend">
            {has_gaps.then(|| view! {
                <span class="heat-key"><i class="heat-gap" aria-hidden="true"></i>"no spans at all"</span>
            })}
            <span class="heat-key">
                "spans in a cell"
                <span class="heat-scale">
                    <i style:background=ramp.gradient() aria-hidden="true"></i>
                    {labels.collect_view()}
                </span>
            </span>
        </span>
    }
}

/// Durations and times, below the cells.
pub fn axes(plot: &HeatPlot, frame: Frame) -> impl IntoView + use<> {
    let rows = plot.ticks.iter().map(|&(tick, y)| {
        let y = y.round() + 0.5;
        view! {
            <line class="grid" x1=frame.left x2=frame.right y1=y y2=y />
            <text class="tick" x=frame.left - 8.0 y=y + 4.0 text-anchor="end">{format::duration(tick)}</text>
        }
    });
    let room = ((frame.right - frame.left) / TIME_LABEL_WIDTH) as usize;
    let (from, to) = plot.time.domain;
    let columns = time_ticks(from as i64, to as i64, room, &ZONE).into_iter().map(|tick| {
        let x = plot.time.place(tick.at_ms as f64).round() + 0.5;
        // At the very end there is no room for half a label.
        let is_last = x > frame.right - TIME_LABEL_WIDTH / 4.0;
        let (label_x, anchor) = if is_last { (frame.right + MARGIN_RIGHT, "end") } else { (x, "middle") };
        view! {
            <line class="grid" x1=x x2=x y1=frame.top y2=frame.bottom />
            <text class="tick" x=label_x y=HEIGHT - 6.0 text-anchor=anchor>{tick.label}</text>
        }
    });
    let base = frame.bottom + 0.5;
    view! {
        {rows.collect_view()}
        {columns.collect_view()}
        <line class="axis" x1=frame.left x2=frame.right y1=base y2=base />
    }
}

/// A frame around cells.
pub fn outline(plot: &HeatPlot, cells: &Cells, class: &'static str) -> impl IntoView + use<> {
    let (x, y, width, height) = plot.place(cells);
    let (x, y) = (x - 0.5, y - 0.5);
    view! {
        <rect class="heat-halo" x=x y=y width=width height=height />
        <rect class=class x=x y=y width=width height=height />
    }
}

/// What a cell holds, beside it.
pub fn tooltip(
    data: &HeatData,
    cell: Cell,
    (x, _, cell_width, _): (f64, f64, f64, f64),
    width: f64,
) -> impl IntoView + use<> {
    // On the side where there is more room.
    let (left, right) = if x < width / 2.0 {
        (format!("{}px", x + cell_width + 12.0), "auto".to_owned())
    } else {
        ("auto".to_owned(), format!("{}px", width - x + 12.0))
    };
    let start_ms = data.steps.start_of(cell.step);
    let (low, high) = data.durations(cell.row);
    let content = match data.count(cell) {
        None => view! { <span>"no spans at all"</span> }.into_any(),
        Some(count) => {
            let total = data.total(cell.step);
            let share = format::percent(count / total.max(f64::MIN_POSITIVE));
            view! {
                <span>{durations_name(low, high)}</span>
                <span><b>{spans(count)}</b>{format!(", {share} of {}", format::count(total))}</span>
            }
            .into_any()
        }
    };
    view! {
        <div class="tooltip" style:left=left style:right=right>
            <span class="faint">{data.time_name(start_ms, start_ms + data.steps.step_ms, &ZONE)}</span>
            {content}
        </div>
    }
}

/// Paints all cells.
pub fn draw(
    context: &CanvasRenderingContext2d,
    data: &HeatData,
    plot: &HeatPlot,
    frame: Frame,
    (ramp, theme): (Ramp, Theme),
) {
    if data.rows() == 0 {
        return;
    }
    context.set_stroke_style_str(if theme == Theme::Dark {
        "rgb(62, 68, 78)"
    } else {
        "rgb(200, 205, 212)"
    });
    for step in 0..data.steps.count {
        let all = Cells { steps: step..=step, rows: 0..=data.rows() - 1 };
        let (left, _, width, _) = plot.place(&all);
        if !data.has_spans(step) {
            hatch(context, left, left + width, frame);
            continue;
        }
        for row in 0..data.rows() {
            let cell = Cell { step, row };
            let Some(count) = data.count(cell).filter(|count| *count > 0.0) else { continue };
            let (x, y, width, height) = plot.place(&Cells::one(cell));
            let gap = |length: f64| if length >= GAP_MIN { 1.0 } else { 0.0 };
            context.set_fill_style_str(&ramp.color(count));
            context.fill_rect(x, y, width - gap(width), height - gap(height));
        }
    }
}

/// Slanted lines from `left` to `right`, where they would be if all the plot were hatched.
fn hatch(context: &CanvasRenderingContext2d, left: f64, right: f64, frame: Frame) {
    let height = frame.bottom - frame.top;
    context.save();
    context.begin_path();
    context.rect(left, frame.top, right - left, height);
    context.clip();
    context.begin_path();
    let mut x = (left / HATCH).floor() * HATCH;
    while x < right + height {
        context.move_to(x, frame.top);
        context.line_to(x - height, frame.bottom);
        x += HATCH;
    }
    context.stroke();
    context.restore();
}
