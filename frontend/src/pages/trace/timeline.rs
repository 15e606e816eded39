//! The waterfall: a ruler, and rows in tiles around what is visible. Tiles lie in the scrolled
//! area, so the browser moves names and bars together.

use leptos::html;
use leptos::prelude::*;
use spanloom_analysis::{nice_step_ns, tick_label, ticks};
use wasm_bindgen::JsCast;

use super::canvas::ROW_PX;
use super::colors::Colors;
use super::dom::{Splitter, capture, is_inside, pointer_in, use_stored_px};
use super::state::ViewState;
use super::tile::{Shared, Tile, block_of, tile_count};
use super::viewport::{self, Scale, ZOOM_STEP};
use crate::charts::size::use_size;

/// A label every so many pixels at most.
const TICK_PX: f64 = 110.0;
/// Right of the last moment, for the labels of bars that end there.
const LABEL_PX: f64 = 76.0;
/// Less movement is a click.
const BRUSH_MIN_PX: f64 = 4.0;

/// The waterfall.
#[component]
pub fn Timeline(
    /// The page's state.
    state: ViewState,
    /// Colours.
    colors: RwSignal<Colors>,
) -> impl IntoView {
    let model = state.model();
    let scroller: NodeRef<html::Div> = NodeRef::new();
    let space: NodeRef<html::Div> = NodeRef::new();
    let view_size = use_size(scroller);
    // Narrower than the scroller by its scroll bar.
    let space_size = use_size(space);
    let name_px = use_stored_px("trace.name_px", 360.0);
    let scroll_top = RwSignal::new(0.0);
    let hovered: RwSignal<Option<usize>> = RwSignal::new(None);
    let cursor_px: RwSignal<Option<f64>> = RwSignal::new(None);
    let brush: RwSignal<Option<(f64, f64)>> = RwSignal::new(None);

    let row_count = Memo::new(move |_| state.rows.with(spanloom_analysis::Rows::len));
    let tiles = Memo::new(move |_| tile_count(view_size.get().1));
    // The names never take all of a narrow page.
    let name_max_px = Signal::derive(move || (space_size.get().0 * 0.5).max(160.0));
    let name_width = Memo::new(move |_| name_px.get().min(name_max_px.get()).round());
    let bars_width = Memo::new(move |_| (space_size.get().0 - name_width.get()).max(0.0));
    let scale = Memo::new(move |_| {
        let width_px = bars_width.get();
        Scale { range: state.range.get(), width_px: width_px - LABEL_PX.min(width_px / 4.0) }
    });
    let marks = Memo::new(move |_| {
        let scale = scale.get();
        let most = (scale.width_px / TICK_PX).floor().max(1.0) as usize;
        let step_ns = nice_step_ns(scale.range.duration_ns(), most);
        (step_ns, ticks(scale.range.start_ns, scale.at_ns(bars_width.get()), step_ns))
    });

    let shared = Shared { state, colors, scale, ticks: marks, name_width, bars_width };

    // Fulfils wishes to see a row, also the one that was there before the first measurement.
    let tree_model = model.clone();
    Effect::new(move |_| {
        let Some(wish) = state.scroll_to.get() else { return };
        let height_px = view_size.get().1;
        let Some(element) = scroller.get() else { return };
        if height_px <= 0.0 {
            return;
        }
        let row = state.rows.with_untracked(|rows| rows.row_of(&tree_model.tree, wish.span));
        state.scroll_to.set(None);
        let Some(row) = row else { return };
        let (top_px, now_px) = (row as f64 * ROW_PX, f64::from(element.scroll_top()));
        let target_px = if wish.centre && (top_px < now_px || top_px + ROW_PX > now_px + height_px) {
            top_px - height_px / 2.0
        } else if top_px < now_px + ROW_PX {
            top_px - ROW_PX
        } else if top_px + 2.0 * ROW_PX > now_px + height_px {
            top_px + 2.0 * ROW_PX - height_px
        } else {
            return;
        };
        // The space may have grown just now; the rows must be there before the browser scrolls.
        request_animation_frame(move || element.set_scroll_top(target_px.max(0.0) as i32));
    });

    let row_at = move |y_px: f64| {
        let row = ((y_px + scroll_top.get_untracked()) / ROW_PX).floor();
        (row >= 0.0).then_some(row as usize)
    };
    let lookup = model.clone();
    let span_at = move |row: usize| state.rows.with_untracked(|rows| rows.span_at(&lookup.tree, row));

    let on_down = move |event: web_sys::PointerEvent| {
        let Some((x_px, _)) = pointer_in(&event) else { return };
        let bars_px = x_px - name_width.get_untracked();
        if event.button() == 0 && bars_px >= 0.0 && bars_px <= bars_width.get_untracked() {
            brush.set(Some((bars_px, bars_px)));
        }
    };
    let on_move = move |event: web_sys::PointerEvent| {
        let Some((x_px, y_px)) = pointer_in(&event) else { return };
        let bars_px = x_px - name_width.get_untracked();
        cursor_px.set((bars_px >= 0.0 && bars_px <= bars_width.get_untracked()).then_some(bars_px));
        let row = row_at(y_px).filter(|&row| row < row_count.get_untracked());
        if hovered.get_untracked() != row {
            hovered.set(row);
        }
        if let Some((from_px, _)) = brush.get_untracked() {
            if event.buttons() & 1 == 0 {
                brush.set(None);
                return;
            }
            if (bars_px - from_px).abs() >= BRUSH_MIN_PX {
                capture(&event);
            }
            brush.set(Some((from_px, bars_px.clamp(0.0, bars_width.get_untracked()))));
        }
    };
    let on_up = move |_: web_sys::PointerEvent| {
        let Some((from_px, to_px)) = brush.get_untracked() else { return };
        if (to_px - from_px).abs() < BRUSH_MIN_PX {
            brush.set(None);
            return;
        }
        let scale = scale.get_untracked();
        state.set_range(viewport::between(scale.at_ns(from_px), scale.at_ns(to_px), state.model().bounds));
        // The click that follows a brush must not select: it sees the brush and ends it.
    };
    let clicked = span_at.clone();
    let on_click = move |event: web_sys::MouseEvent| {
        if brush.get_untracked().is_some() {
            brush.set(None);
            return;
        }
        let Some(span) = pointer_in(&event).and_then(|(_, y_px)| row_at(y_px)).and_then(&clicked) else {
            return;
        };
        if is_inside(&event, ".trace-expander") {
            state.toggle(span);
        } else {
            state.select(span);
            state.detail_open.set(true);
        }
    };
    let on_double_click = move |event: web_sys::MouseEvent| {
        let Some((x_px, y_px)) = pointer_in(&event) else { return };
        let Some(span) = row_at(y_px).and_then(&span_at) else { return };
        if x_px >= name_width.get_untracked() {
            state.zoom_to_span(span);
        } else if !is_inside(&event, ".trace-expander") {
            state.toggle(span);
        }
    };
    let on_wheel = move |event: web_sys::WheelEvent| {
        let sideways = event.delta_x().abs() > event.delta_y().abs();
        if event.ctrl_key() || event.meta_key() {
            event.prevent_default();
            let Some((x_px, _)) = pointer_in(&event) else { return };
            let anchor = ((x_px - name_width.get_untracked()) / scale.get_untracked().width_px.max(1.0))
                .clamp(0.0, 1.0);
            // A touchpad sends many small steps, a wheel few large ones.
            state.zoom(ZOOM_STEP.powf((-event.delta_y() / 100.0).clamp(-1.0, 1.0)), anchor);
        } else if event.shift_key() || sideways {
            event.prevent_default();
            let by_px = if sideways { event.delta_x() } else { event.delta_y() };
            state.pan(by_px / scale.get_untracked().width_px.max(1.0));
        }
    };

    let selected_row = {
        let model = model.clone();
        Memo::new(move |_| {
            let span = state.selected.get()?;
            state.rows.with(|rows| rows.row_of(&model.tree, span))
        })
    };
    let title = {
        let model = model.clone();
        move || {
            let row = hovered.get()?;
            state.rows.with(|rows| rows.span_at(&model.tree, row)).map(|span| model.path_text(span))
        }
    };
    let top = |row: usize| format!("translateY({}px)", row as f64 * ROW_PX);
    view! {
        <div class="trace-timeline" style:--name-w=move || format!("{}px", name_width.get())>
            <div class="trace-ruler">
                <div class="trace-ruler-name">
                    <span>"Service and operation"</span>
                    <span class="trace-ruler-buttons">
                        <button type="button" class="trace-mini" title="Expand all ( ] )" aria-label="Expand all" on:click=move |_| state.set_all_collapsed(false)>"⊞"</button>
                        <button type="button" class="trace-mini" title="Collapse all ( [ )" aria-label="Collapse all" on:click=move |_| state.set_all_collapsed(true)>"⊟"</button>
                    </span>
                </div>
                <div class="trace-ruler-time" style:width=move || format!("{}px", bars_width.get())>
                    {move || {
                        let scale = scale.get();
                        marks.with(|(step_ns, ticks)| {
                            ticks
                                .iter()
                                .map(|&at_ns| {
                                    let x = scale.x(at_ns);
                                    // At the right end the text stands left of its line.
                                    let class = if x + 60.0 > bars_width.get() { "trace-tick end" } else { "trace-tick" };
                                    view! { <span class=class style:left=format!("{x:.1}px")>{tick_label(at_ns, *step_ns)}</span> }
                                })
                                .collect_view()
                        })
                    }}
                    {move || {
                        let (x, scale) = (cursor_px.get()?, scale.get());
                        let at_ns = scale.at_ns(x);
                        let class = if x + 90.0 > bars_width.get() { "trace-cursor-label end" } else { "trace-cursor-label" };
                        // A pixel's worth of digits.
                        let step_ns = nice_step_ns(scale.range.duration_ns(), scale.width_px.max(1.0) as usize);
                        let at_ns = at_ns / step_ns * step_ns;
                        Some(view! { <span class=class style:left=format!("{x}px")>{tick_label(at_ns, step_ns)}</span> })
                    }}
                </div>
            </div>
            <div
                class="trace-scroll"
                node_ref=scroller
                role="tree"
                tabindex="0"
                aria-label="Spans"
                aria-activedescendant=move || {
                    selected_row.get().and(state.selected.get()).map(|span| format!("trace-span-{span}"))
                }
                title=title
                on:scroll=move |event| {
                    if let Some(element) = event.current_target().and_then(|it| it.dyn_into::<web_sys::Element>().ok()) {
                        scroll_top.set(f64::from(element.scroll_top()));
                    }
                }
                on:pointerdown=on_down
                on:pointermove=on_move
                on:pointerup=on_up
                on:pointerleave=move |_| {
                    hovered.set(None);
                    cursor_px.set(None);
                }
                on:click=on_click
                on:dblclick=on_double_click
                on:wheel=on_wheel
            >
                <div class="trace-space" node_ref=space style:height=move || format!("{}px", row_count.get() as f64 * ROW_PX)>
                    {move || hovered.get().map(|row| view! { <div class="trace-mark hovered" style:transform=top(row)></div> })}
                    {move || selected_row.get().map(|row| view! { <div class="trace-mark selected" style:transform=top(row)></div> })}
                    {move || {
                        let count = tiles.get();
                        (0..count)
                            .map(|slot| {
                                let block = Memo::new(move |_| block_of(slot, count, scroll_top.get()));
                                view! { <Tile shared=shared block=block /> }
                            })
                            .collect_view()
                    }}
                </div>
            </div>
            <div class="trace-overlay" aria-hidden="true">
                {move || cursor_px.get().map(|x| view! { <i class="trace-cursor" style:transform=format!("translateX({x}px)")></i> })}
                {move || {
                    let (a, b) = brush.get().filter(|(a, b)| (a - b).abs() >= BRUSH_MIN_PX)?;
                    let (left, width) = (a.min(b), (a - b).abs());
                    Some(view! { <i class="trace-brush" style:left=format!("{left}px") style:width=format!("{width}px")></i> })
                }}
            </div>
            <div class="trace-split-at">
                <Splitter width_px=name_px min_px=160.0 max_px=name_max_px label="Width of the names" />
            </div>
        </div>
    }
}
