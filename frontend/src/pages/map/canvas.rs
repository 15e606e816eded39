//! The drawing: moved with the pointer, zoomed with the wheel, walked through with the arrow keys.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::cards::{CardView, CurveView};
use super::filter::{Selection, kind_label};
use super::state::MapState;
use crate::charts::size::use_size;
use crate::components::icon::{Glyph, Icon};
use crate::format;

/// A drag shorter than this is a click.
const DRAG_MIN: f64 = 4.0;

/// What one step of a button or key zooms.
pub const ZOOM_STEP: f64 = 1.3;

/// Below these scales names are drawn larger, and then not at all.
const FAR: f64 = 0.6;
const VERY_FAR: f64 = 0.28;

/// The map on the page.
#[component]
pub fn Canvas(
    /// The page's state.
    state: MapState,
) -> impl IntoView {
    let node: NodeRef<html::Div> = NodeRef::new();
    let measured = use_size(node);
    Effect::new(move |_| {
        state.size.set(measured.get());
        if state.camera.with_untracked(Option::is_none) {
            state.fit();
        }
        // The panel that opens must not cover what it is about.
        if let Some(Selection::Node(id)) = state.filter.with_untracked(|filter| filter.selection.clone()) {
            state.reveal(&id);
        }
    });
    let emphasis = state.emphasis();
    let drag = RwSignal::new(None::<Drag>);
    let at = move |event: &web_sys::MouseEvent| {
        let rect = node.get_untracked().map(|node| node.get_bounding_client_rect());
        let (left, top) = rect.map_or((0.0, 0.0), |rect| (rect.left(), rect.top()));
        (f64::from(event.client_x()) - left, f64::from(event.client_y()) - top)
    };

    let on_down = move |event: web_sys::PointerEvent| {
        if event.button() == 0 {
            drag.set(Some(Drag { last: at(&event), length: 0.0 }));
        }
    };
    let on_move = move |event: web_sys::PointerEvent| {
        let Some(held) = drag.get_untracked() else { return };
        let (x, y) = at(&event);
        let (dx, dy) = (x - held.last.0, y - held.last.1);
        let length = held.length + dx.abs() + dy.abs();
        if length >= DRAG_MIN && held.length < DRAG_MIN {
            // Without capture a drag ends at the edge, which is bearable.
            let _ = node.get_untracked().map(|node| node.set_pointer_capture(event.pointer_id()));
            state.hovered.set(None);
        }
        drag.set(Some(Drag { last: (x, y), length }));
        if length >= DRAG_MIN {
            state.camera.update(|camera| *camera = camera.map(|camera| camera.moved(dx, dy)));
        }
    };
    let on_up = move |_| {
        let moved = drag.get_untracked().is_some_and(|drag| drag.length >= DRAG_MIN);
        // The click that follows still has to know whether this was one.
        if !moved {
            drag.set(None);
        }
    };
    let on_click = move |event: web_sys::MouseEvent| {
        let moved = drag.get_untracked().is_some_and(|drag| drag.length >= DRAG_MIN);
        drag.set(None);
        if moved {
            return;
        }
        let selection = target(&event);
        state.hovered.set(None);
        if let Some(Selection::Node(id)) = &selection {
            state.current.set(Some(id.clone()));
        }
        state.select(selection);
    };
    let on_hover = move |event: web_sys::PointerEvent| {
        if drag.with_untracked(Option::is_none) {
            state.hovered.set(target(&event).map(|target| (target, at(&event))));
        }
    };
    let on_wheel = move |event: web_sys::WheelEvent| {
        event.prevent_default();
        let factor = (-event.delta_y().clamp(-200.0, 200.0) / 400.0).exp();
        let point = at(&event);
        state.camera.update(|camera| *camera = camera.map(|camera| camera.zoomed(factor, point)));
    };

    let transform = move || {
        let camera = state.camera.get()?;
        Some(format!("translate({:.2} {:.2}) scale({:.4})", camera.x, camera.y, camera.scale))
    };
    let distance = Memo::new(move |_| match state.camera.get().map(|camera| camera.scale) {
        Some(scale) if scale < VERY_FAR => "map-svg far very-far",
        Some(scale) if scale < FAR => "map-svg far",
        _ => "map-svg",
    });
    let cards = Memo::new(move |_| {
        state.drawing.with(|drawing| drawing.cards.keys().cloned().collect::<Vec<String>>())
    });
    let curves = Memo::new(move |_| {
        state.drawing.with(|drawing| drawing.curves.keys().cloned().collect::<Vec<_>>())
    });
    let label = move || {
        let cards = cards.with(Vec::len) as u64;
        format!(
            "Service map, {}; arrow keys go from node to node, Enter selects",
            format::plural(cards, "node")
        )
    };
    view! {
        <div
            class="map-canvas"
            class:dragging=move || drag.with(|drag| drag.as_ref().is_some_and(|drag| drag.length >= DRAG_MIN))
            node_ref=node
            on:pointerdown=on_down
            on:pointermove=move |event| {
                on_move(event.clone());
                on_hover(event);
            }
            on:pointerup=on_up
            on:pointercancel=move |_| drag.set(None)
            on:pointerleave=move |_| state.hovered.set(None)
            on:click=on_click
            on:wheel=on_wheel
        >
            <svg class=move || distance.get() width="100%" height="100%" role="group" aria-label=label>
                <defs>
                    {["good", "warning", "bad"].map(|health| view! {
                        <marker
                            id=format!("map-arrow-{health}")
                            viewBox="0 0 8 8"
                            refX="7"
                            refY="4"
                            markerWidth="9"
                            markerHeight="9"
                            markerUnits="userSpaceOnUse"
                            orient="auto"
                        >
                            <path class=format!("map-arrow {health}") d="M0 .5 8 4 0 7.5Z" />
                        </marker>
                    }).collect_view()}
                </defs>
                <g id="map-content" class:emphasized=move || emphasis.with(Option::is_some) transform=transform>
                    <For each=move || curves.get() key=Clone::clone let:key>
                        <CurveView state=state edge=key emphasis=emphasis />
                    </For>
                    <For each=move || cards.get() key=Clone::clone let:id>
                        <CardView state=state id=id emphasis=emphasis />
                    </For>
                </g>
            </svg>
            <Controls state=state />
            {move || tooltip(state)}
        </div>
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Drag {
    last: (f64, f64),
    length: f64,
}

/// The node or edge under the pointer.
fn target(event: &web_sys::MouseEvent) -> Option<Selection> {
    let element = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    let element = element.closest("[data-callee]").ok().flatten()?;
    let callee = element.get_attribute("data-callee")?;
    Some(match element.get_attribute("data-caller") {
        Some(caller) => Selection::Edge(caller, callee),
        None => Selection::Node(callee),
    })
}

#[component]
fn Controls(state: MapState) -> impl IntoView {
    let stop = |event: web_sys::PointerEvent| event.stop_propagation();
    let button = |label: &'static str, icon: Icon, run: Callback<()>| {
        view! {
            <button
                type="button"
                class="icon-button"
                aria-label=label
                title=label
                on:click=move |event| {
                    event.stop_propagation();
                    run.run(());
                }
            >
                <Glyph icon=icon />
            </button>
        }
    };
    view! {
        <div class="map-controls" on:pointerdown=stop>
            {button("Zoom in (+)", Icon::Plus, Callback::new(move |()| state.zoom(ZOOM_STEP)))}
            {button("Zoom out (-)", Icon::Minus, Callback::new(move |()| state.zoom(1.0 / ZOOM_STEP)))}
            {button("Show all (0)", Icon::Fit, Callback::new(move |()| state.fit()))}
        </div>
        <ul class="map-legend" aria-label="Legend">
            <li><i class="map-key good"></i>"below 1 % errors"</li>
            <li><i class="map-key warning"></i>"from 1 %"</li>
            <li><i class="map-key bad"></i>"from 5 %"</li>
            <li><i class="map-key wide"></i>"wider: more calls"</li>
        </ul>
    }
}

/// Rate, errors and durations of what the pointer is on.
fn tooltip(state: MapState) -> Option<impl IntoView> {
    let (target, (x, y)) = state.hovered.get()?;
    let row = |name: String, red: &spanloom_model::api::RedSummary| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td>{format::rate(red.rate_per_second)}</td>
                <td class:error-text={red.error_rate > 0.0}>{format::percent(red.error_rate)}</td>
                <td>{format::duration_f64(red.p50_ns)}</td>
                <td>{format::duration_f64(red.p95_ns)}</td>
                <td>{format::duration_f64(red.p99_ns)}</td>
            </tr>
        }
    };
    let (title, rows) = state.drawing.with(|drawing| match &target {
        Selection::Node(id) => {
            let card = drawing.cards.get(id)?;
            Some((card.name.clone(), vec![row(String::new(), &card.red)]))
        }
        Selection::Edge(caller, callee) => {
            let curve = drawing.curves.get(&(caller.clone(), callee.clone()))?;
            let name =
                |id: &String| drawing.cards.get(id).map(|card| card.name.clone()).unwrap_or_default();
            let rows = curve.calls.iter().map(|(kind, red)| row(kind_label(*kind).to_owned(), red));
            Some((format!("{} → {}", name(caller), name(callee)), rows.collect()))
        }
    })?;
    let (width, height) = state.size.get();
    let place = |at: f64, size: f64| {
        if at < size / 2.0 {
            (format!("{:.0}px", at + 14.0), "auto".to_owned())
        } else {
            ("auto".to_owned(), format!("{:.0}px", size - at + 14.0))
        }
    };
    let ((left, right), (top, bottom)) = (place(x, width), place(y, height));
    Some(view! {
        <div class="tooltip map-tooltip" style:left=left style:right=right style:top=top style:bottom=bottom>
            <b class="clip">{title}</b>
            <table>
                <thead>
                    <tr><th></th><th>"rate"</th><th>"errors"</th><th>"p50"</th><th>"p95"</th><th>"p99"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    })
}
