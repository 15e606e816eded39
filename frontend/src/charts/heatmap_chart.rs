//! Counts by time and duration as a grid of colours. The pointer tells what a cell holds; a drag or the
//! arrow keys with shift choose an area, whose spans' traces can be opened.

use leptos::html;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use web_sys::CanvasRenderingContext2d;

use super::canvas::prepare;
use super::frame::Frame;
use super::heatmap::{Area, Brush, Cell, Cells, HeatData, HeatPlot, durations_name};
use super::heatmap_ramp::Ramp;
use super::scale::time_ticks;
use super::size::use_size;
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::range::{ZONE, use_set_range};
use crate::state::theme::{Theme, use_theme};
use crate::state::time_range::TimeRange;

const HEIGHT: f64 = 232.0;
const MARGIN_LEFT: f64 = 60.0;
const MARGIN_RIGHT: f64 = 12.0;
const MARGIN_TOP: f64 = 8.0;
const MARGIN_BOTTOM: f64 = 22.0;

/// Pixels that a label of the time axis needs.
const TIME_LABEL_WIDTH: f64 = 72.0;

/// Durations that are marked at most.
const TICKS_MAX: usize = 6;

/// Cells at least so wide and high have a gap between them.
const GAP_MIN: f64 = 4.0;

/// Between the lines that hatch steps without spans.
const HATCH: f64 = 7.0;

/// About as wide as the pop-over is.
const POPOVER_WIDTH: f64 = 300.0;

/// The chart with its title and legend.
#[component]
pub fn HeatmapChart(
    /// What it shows, for people and for screen readers.
    title: &'static str,
    /// None until it is loaded.
    #[prop(into)]
    data: Signal<Option<HeatData>>,
    /// The moment under the pointer, milliseconds since the epoch; shared by the charts of a page.
    crosshair_ms: RwSignal<Option<f64>>,
    /// Where the traces of an area are.
    href: Callback<Area, String>,
) -> impl IntoView {
    let node: NodeRef<html::Div> = NodeRef::new();
    let canvas: NodeRef<html::Canvas> = NodeRef::new();
    let size = use_size(node);
    let theme = use_theme().theme;
    let navigate = StoredValue::new_local(use_navigate());
    let brush = RwSignal::new(None::<Brush>);
    let is_dragging = RwSignal::new(false);
    let hovered = RwSignal::new(None::<Cell>);

    let frame = Memo::new(move |_| Frame {
        left: MARGIN_LEFT,
        right: (size.get().0 - MARGIN_RIGHT).max(MARGIN_LEFT + 50.0),
        top: MARGIN_TOP,
        bottom: HEIGHT - MARGIN_BOTTOM,
    });
    let plot = Memo::new(move |_| {
        data.with(|data| data.as_ref().map(|data| HeatPlot::new(data, frame.get(), TICKS_MAX)))
    });
    let ramp = Memo::new(move |_| {
        let max = data.with(|data| data.as_ref().map_or(0.0, HeatData::max));
        Ramp::new(theme.get() == Theme::Dark, max)
    });
    // Both follow the data: the cells of what was chosen may be others after a refresh.
    let chosen = Memo::new(move |_| -> Option<(Cells, Area)> {
        let brush = brush.get()?;
        data.with(|data| {
            let data = data.as_ref()?;
            let cells = data.cells(brush)?;
            let area = data.area(&cells);
            Some((cells, area))
        })
    });
    let current = Memo::new(move |_| {
        let time_ms = crosshair_ms.get()?;
        data.with(|data| data.as_ref().and_then(|data| data.steps.at(time_ms)))
    });
    Effect::new(move |_| {
        let (width, _) = size.get();
        let Some(canvas) = canvas.get() else { return };
        let Some(context) = prepare(&canvas, width, HEIGHT) else { return };
        let colors = (ramp.get(), theme.get());
        plot.with(|plot| {
            data.with(|data| {
                if let (Some(plot), Some(data)) = (plot, data) {
                    draw(&context, data, plot, frame.get(), colors);
                }
            });
        });
    });

    let point_at =
        move |cell: Cell| data.with_untracked(|data| data.as_ref().map(|data| data.corner(cell)));
    let cell_at = move |event: &web_sys::PointerEvent| {
        let rect = node.get_untracked()?.get_bounding_client_rect();
        let (x, y) = (f64::from(event.client_x()) - rect.left(), f64::from(event.client_y()) - rect.top());
        plot.with_untracked(|plot| plot.as_ref().and_then(|plot| plot.cell(x, y)))
    };
    let show_step = move |cell: Cell| {
        let middle = data.with_untracked(|data| {
            data.as_ref()
                .map(|data| data.steps.start_of(cell.step) as f64 + data.steps.step_ms as f64 / 2.0)
        });
        crosshair_ms.set(middle);
    };
    let on_move = move |event: web_sys::PointerEvent| {
        let Some(cell) = cell_at(&event) else { return };
        if hovered.get_untracked() != Some(cell) {
            hovered.set(Some(cell));
        }
        show_step(cell);
        if is_dragging.get_untracked()
            && let Some(head) = point_at(cell)
        {
            brush.update(|brush| *brush = brush.map(|brush| Brush { head, ..brush }));
        }
    };
    let on_down = move |event: web_sys::PointerEvent| {
        let Some(corner) = cell_at(&event).and_then(point_at).filter(|_| event.button() == 0) else {
            return;
        };
        // Without capture a drag ends at the edge, which is bearable.
        if let Some(node) = node.get_untracked() {
            let _ = node.set_pointer_capture(event.pointer_id());
        }
        is_dragging.set(true);
        let anchor = brush.get_untracked().filter(|_| event.shift_key()).map_or(corner, |it| it.anchor);
        brush.set(Some(Brush { anchor, head: corner }));
    };
    let on_up = move |_| {
        if !is_dragging.get_untracked() {
            return;
        }
        is_dragging.set(false);
        // A click on nothing is the way to choose nothing.
        if chosen.with_untracked(|chosen| chosen.as_ref().is_none_or(|(_, area)| area.count <= 0.0)) {
            brush.set(None);
        }
    };
    let on_leave = move |_| {
        hovered.set(None);
        if !is_dragging.get_untracked() {
            crosshair_ms.set(None);
        }
    };
    let clear = move || {
        brush.set(None);
        crosshair_ms.set(None);
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let by = match event.key().as_str() {
            "ArrowLeft" => (-1, 0),
            "ArrowRight" => (1, 0),
            "ArrowUp" => (0, 1),
            "ArrowDown" => (0, -1),
            "Enter" => {
                if let Some((_, area)) = chosen.get_untracked() {
                    event.prevent_default();
                    let href = href.run(area);
                    navigate.with_value(|navigate| navigate(&href, NavigateOptions::default()));
                }
                return;
            }
            _ => return,
        };
        event.prevent_default();
        let old = brush.get_untracked().filter(|_| chosen.with_untracked(Option::is_some));
        let next = data.with_untracked(|data| {
            let data = data.as_ref()?;
            match old {
                None => data.first(),
                Some(old) => Some(data.moved(data.nearest(old.head)?, by)),
            }
        });
        let Some((cell, head)) = next.and_then(|cell| Some((cell, point_at(cell)?))) else { return };
        let anchor = old.filter(|_| event.shift_key()).map_or(head, |old| old.anchor);
        brush.set(Some(Brush { anchor, head }));
        show_step(cell);
    };
    // In the pop-over too.
    let on_escape = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" && brush.get_untracked().is_some() {
            event.prevent_default();
            clear();
            if let Some(node) = node.get_untracked() {
                let _ = node.focus();
            }
        }
    };
    let said = move || {
        let (_, area) = chosen.get()?;
        data.with(|data| data.as_ref().map(|data| area_name(data, &area)))
    };
    let is_empty = move || data.with(|data| data.as_ref().is_some_and(|data| data.rows() == 0));

    view! {
        <figure class="line-chart heatmap" on:keydown=on_escape>
            <figcaption>
                <span>{title}</span>
                {move || {
                    let gaps = data.with(|data| data.as_ref().is_some_and(HeatData::has_gaps));
                    let has_cells = data.with(|data| data.as_ref().is_some_and(|data| data.rows() > 0));
                    has_cells.then(|| legend(&ramp.get(), gaps))
                }}
            </figcaption>
            <div class="heat-place">
                <div
                    class="heat-plot"
                    node_ref=node
                    tabindex="0"
                    role="group"
                    aria-label=format!(
                        "{title} over time; the arrow keys go from cell to cell, with shift they choose an area, Enter opens its traces",
                    )
                    on:pointermove=on_move
                    on:pointerdown=on_down
                    on:pointerup=on_up
                    on:pointercancel=on_up
                    on:pointerleave=on_leave
                    on:keydown=on_key
                    on:blur=move |_| crosshair_ms.set(None)
                >
                    <svg width="100%" height=HEIGHT aria-hidden="true">
                        {move || plot.with(|plot| plot.as_ref().map(|plot| axes(plot, frame.get())))}
                    </svg>
                    <canvas node_ref=canvas aria-hidden="true"></canvas>
                    <svg class="heat-over" width="100%" height=HEIGHT aria-hidden="true">
                        {move || {
                            let step = current.get()?;
                            let frame = frame.get();
                            let x = plot.with(|plot| plot.as_ref().map(|plot| plot.x(step)))?;
                            Some(view! { <line class="crosshair" x1=x x2=x y1=frame.top y2=frame.bottom /> })
                        }}
                        {move || {
                            let cell = hovered.get().filter(|_| !is_dragging.get())?;
                            plot.with(|plot| plot.as_ref().map(|plot| outline(plot, &Cells::one(cell), "heat-hover")))
                        }}
                        {move || {
                            let (cells, _) = chosen.get()?;
                            plot.with(|plot| plot.as_ref().map(|plot| outline(plot, &cells, "heat-brush")))
                        }}
                    </svg>
                    {move || data.with(Option::is_none).then(|| view! { <div class="skeleton line-skeleton"></div> })}
                    {move || is_empty().then(|| view! { <p class="heat-empty">"No spans in this time range"</p> })}
                    {move || {
                        let cell = hovered.get().filter(|_| !is_dragging.get())?;
                        // What is chosen is told beside it.
                        if chosen.with(|it| it.as_ref().is_some_and(|(cells, _)| *cells == Cells::one(cell))) {
                            return None;
                        }
                        let place = plot.with(|plot| plot.as_ref().map(|plot| plot.place(&Cells::one(cell))))?;
                        data.with(|data| data.as_ref().map(|data| tooltip(data, cell, place, size.get().0)))
                    }}
                    <p class="visually-hidden" role="status">{said}</p>
                </div>
                {move || {
                    let (cells, area) = chosen.get()?;
                    let place = plot.with(|plot| plot.as_ref().map(|plot| plot.place(&cells)))?;
                    let text = data.with(|data| data.as_ref().map(|data| area_name(data, &area)))?;
                    let place = (place, size.get().0);
                    Some(view! {
                        <Popover text=text area=area href=href.run(area) place=place close=Callback::new(move |()| clear()) />
                    })
                }}
            </div>
        </figure>
    }
}

/// What is chosen and what can be done with it.
#[component]
fn Popover(
    text: String,
    area: Area,
    href: String,
    /// Left, top, width and height of the area, and the chart's width.
    place: ((f64, f64, f64, f64), f64),
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
fn area_name(data: &HeatData, area: &Area) -> String {
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

fn legend(ramp: &Ramp, has_gaps: bool) -> impl IntoView + use<> {
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

fn axes(plot: &HeatPlot, frame: Frame) -> impl IntoView + use<> {
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

fn outline(plot: &HeatPlot, cells: &Cells, class: &'static str) -> impl IntoView + use<> {
    let (x, y, width, height) = plot.place(cells);
    let (x, y) = (x - 0.5, y - 0.5);
    view! {
        <rect class="heat-halo" x=x y=y width=width height=height />
        <rect class=class x=x y=y width=width height=height />
    }
}

fn tooltip(
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

fn draw(
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
