//! The whole trace in a strip: drag to zoom, drag the handle to move, double click to see all.

use leptos::html;
use leptos::prelude::*;
use spanloom_analysis::Interval;

use super::canvas::draw_minimap;
use super::colors::Colors;
use super::dom::{capture, pointer_in};
use super::state::ViewState;
use super::viewport::{self, Scale};
use crate::charts::canvas::prepare;
use crate::charts::size::use_size;

/// How close to the handle's edge a pointer takes hold of it.
const GRAB_PX: f64 = 6.0;
/// Less movement is a click.
const DRAG_MIN_PX: f64 = 3.0;

/// What the pointer is dragging.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Drag {
    /// A new range that starts here.
    Brush(i64),
    /// The whole range: where it was and where it was taken.
    Move(Interval, i64),
    /// One end; the other stays here.
    Edge(i64),
}

/// What a pointer at `x_px` takes hold of.
fn grab(x_px: f64, range: Interval, scale: Scale) -> Drag {
    let at_ns = scale.at_ns(x_px);
    if range == scale.range {
        return Drag::Brush(at_ns);
    }
    let (left_px, right_px) = (scale.x(range.start_ns), scale.x(range.end_ns));
    if (x_px - left_px).abs() <= GRAB_PX && x_px < f64::midpoint(left_px, right_px) {
        return Drag::Edge(range.end_ns);
    }
    if (x_px - right_px).abs() <= GRAB_PX {
        return Drag::Edge(range.start_ns);
    }
    if x_px > left_px && x_px < right_px { Drag::Move(range, at_ns) } else { Drag::Brush(at_ns) }
}

/// The range while dragging to `at_ns`.
fn dragged(drag: Drag, at_ns: i64, bounds: Interval) -> Interval {
    match drag {
        Drag::Brush(from_ns) | Drag::Edge(from_ns) => viewport::between(from_ns, at_ns, bounds),
        Drag::Move(range, from_ns) => {
            let start_ns = range.start_ns + (at_ns - from_ns);
            viewport::clamp(Interval::new(start_ns, range.duration_ns()), bounds)
        }
    }
}

/// The strip.
#[component]
pub fn Minimap(
    /// The page's state.
    state: ViewState,
    /// Colours.
    colors: RwSignal<Colors>,
) -> impl IntoView {
    let model = state.model();
    let bounds = model.bounds;
    let strip: NodeRef<html::Div> = NodeRef::new();
    let canvas: NodeRef<html::Canvas> = NodeRef::new();
    let size = use_size(strip);
    let drag: RwSignal<Option<(Drag, f64, bool)>> = RwSignal::new(None);

    Effect::new(move |_| {
        let (Some(canvas), (width_px, height_px)) = (canvas.get(), size.get()) else { return };
        if width_px <= 0.0 {
            return;
        }
        if let Some(context) = prepare(&canvas, width_px, height_px) {
            colors.with(|colors| draw_minimap(&context, &model, colors, width_px, height_px));
        }
    });

    let scale = move || Scale { range: bounds, width_px: size.get_untracked().0 };
    let on_down = move |event: web_sys::PointerEvent| {
        let Some((x_px, _)) = pointer_in(&event) else { return };
        if event.button() != 0 {
            return;
        }
        capture(&event);
        drag.set(Some((grab(x_px, state.range.get_untracked(), scale()), x_px, false)));
    };
    let on_move = move |event: web_sys::PointerEvent| {
        let (Some((x_px, _)), Some((what, from_px, moved))) = (pointer_in(&event), drag.get_untracked())
        else {
            return;
        };
        if !moved && (x_px - from_px).abs() < DRAG_MIN_PX {
            return;
        }
        drag.set(Some((what, from_px, true)));
        let x_px = x_px.clamp(0.0, size.get_untracked().0);
        state.set_range(dragged(what, scale().at_ns(x_px), bounds));
    };
    let zoomed = move || state.range.get() != bounds;
    let share = move |at_ns: i64| (at_ns - bounds.start_ns) as f64 / bounds.duration_ns() as f64 * 100.0;
    let left = move || format!("{}%", share(state.range.get().start_ns));
    let right = move || format!("{}%", 100.0 - share(state.range.get().end_ns));
    view! {
        <div
            class="trace-minimap"
            class:zoomed=zoomed
            class:dragging=move || drag.get().is_some()
            node_ref=strip
            role="img"
            aria-label="The whole trace. Zoom with + and -, see all with 0."
            title="Drag to zoom, double click to see all"
            on:pointerdown=on_down
            on:pointermove=on_move
            on:pointerup=move |_| drag.set(None)
            on:pointercancel=move |_| drag.set(None)
            on:dblclick=move |_| state.reset_zoom()
        >
            <canvas node_ref=canvas aria-hidden="true"></canvas>
            <Show when=zoomed>
                <i class="trace-shade left" style:width=left></i>
                <i class="trace-shade right" style:width=right></i>
                <i class="trace-handle" style:left=left style:right=right></i>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Interval = Interval { start_ns: 0, end_ns: 1_000 };
    const SCALE: Scale = Scale { range: BOUNDS, width_px: 1_000.0 };

    #[test]
    fn edges_move_the_inside_pans_and_the_outside_brushes() {
        let range = Interval { start_ns: 200, end_ns: 400 };
        assert_eq!(grab(203.0, range, SCALE), Drag::Edge(400));
        assert_eq!(grab(398.0, range, SCALE), Drag::Edge(200));
        assert_eq!(grab(300.0, range, SCALE), Drag::Move(range, 300));
        assert_eq!(grab(700.0, range, SCALE), Drag::Brush(700));
        assert_eq!(grab(300.0, BOUNDS, SCALE), Drag::Brush(300), "unzoomed there is nothing to move");
        // A handle of a few pixels must still have both edges.
        let narrow = Interval { start_ns: 500, end_ns: 504 };
        assert_eq!(grab(500.0, narrow, SCALE), Drag::Edge(504));
        assert_eq!(grab(504.0, narrow, SCALE), Drag::Edge(500));
    }

    #[test]
    fn an_edge_dragged_beyond_the_other_swaps_with_it() {
        assert_eq!(dragged(Drag::Edge(400), 700, BOUNDS), Interval { start_ns: 400, end_ns: 700 });
        let range = Interval { start_ns: 200, end_ns: 400 };
        assert_eq!(dragged(Drag::Move(range, 300), 100, BOUNDS), Interval { start_ns: 0, end_ns: 200 });
    }
}
