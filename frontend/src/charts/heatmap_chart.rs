//! Counts by time and duration as a grid of colours. The pointer tells what a cell holds; a drag or the
//! arrow keys with shift choose an area, whose spans' traces can be opened.

use leptos::html;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::canvas::prepare;
use super::frame::Frame;
use super::heatmap::{Area, Brush, Cell, Cells, HeatData, HeatPlot};
use super::heatmap_parts::{
    HEIGHT, MARGIN_BOTTOM, MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, Popover, area_name, axes, draw, legend,
    outline, tooltip,
};
use super::heatmap_ramp::Ramp;
use super::size::use_size;
use crate::state::theme::{Theme, use_theme};

/// Durations that are marked at most.
const TICKS_MAX: usize = 6;

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
