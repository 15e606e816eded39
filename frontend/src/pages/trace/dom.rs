//! Small helpers for elements whose size and position matter.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

/// How far the pointer is from the left and top edge of the element that listens.
pub fn pointer_in(event: &web_sys::MouseEvent) -> Option<(f64, f64)> {
    let element: web_sys::Element = event.current_target()?.dyn_into().ok()?;
    let rect = element.get_bounding_client_rect();
    Some((f64::from(event.client_x()) - rect.left(), f64::from(event.client_y()) - rect.top()))
}

/// Whether the event comes from inside an element that matches the selector.
pub fn is_inside(event: &web_sys::Event, selector: &str) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    target.is_some_and(|element| element.closest(selector).is_ok_and(|found| found.is_some()))
}

/// Makes the listening element receive the pointer's events until it is released.
pub fn capture(event: &web_sys::PointerEvent) {
    let element = event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    if let Some(element) = element {
        // Without capture, dragging ends at the element's edge; that is all.
        let _ = element.set_pointer_capture(event.pointer_id());
    }
}

/// A number that the browser remembers; `key` is made unique to the application.
pub fn use_stored_px(key: &'static str, default_px: f64) -> RwSignal<f64> {
    let key = format!("spanloom.{key}");
    let storage = || window().local_storage().ok().flatten();
    let stored =
        storage().and_then(|storage| storage.get_item(&key).ok()?).and_then(|text| text.parse().ok());
    let signal = RwSignal::new(stored.filter(|px: &f64| px.is_finite()).unwrap_or(default_px));
    Effect::new(move |before: Option<f64>| {
        let now = signal.get();
        if before.is_some_and(|before| (before - now).abs() > 0.5)
            && let Some(storage) = storage()
        {
            // Without storage the width lasts as long as the page.
            let _ = storage.set_item(&key, &now.to_string());
        }
        now
    });
    signal
}

/// A handle between two columns: drag it, or use the arrow keys.
#[component]
pub fn Splitter(
    /// The width of the column that it resizes.
    width_px: RwSignal<f64>,
    /// The narrowest.
    min_px: f64,
    /// The widest.
    max_px: Signal<f64>,
    /// Whether the column is on the right of the handle.
    #[prop(default = false)]
    right: bool,
    /// What it resizes.
    label: &'static str,
) -> impl IntoView {
    let grabbed: RwSignal<Option<(f64, f64)>> = RwSignal::new(None);
    let set = move |px: f64| width_px.set(px.min(max_px.get_untracked()).max(min_px));
    let sign = if right { -1.0 } else { 1.0 };
    let on_down = move |event: web_sys::PointerEvent| {
        event.prevent_default();
        event.stop_propagation();
        capture(&event);
        grabbed.set(Some((f64::from(event.client_x()), width_px.get_untracked())));
    };
    let on_move = move |event: web_sys::PointerEvent| {
        if let Some((from_px, width)) = grabbed.get_untracked() {
            set(width + (f64::from(event.client_x()) - from_px) * sign);
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let by_px = match event.key().as_str() {
            "ArrowLeft" => -16.0,
            "ArrowRight" => 16.0,
            _ => return,
        };
        event.prevent_default();
        event.stop_propagation();
        set(width_px.get_untracked() + by_px * sign);
    };
    view! {
        <div
            class="trace-splitter"
            class:dragging=move || grabbed.get().is_some()
            role="separator"
            aria-orientation="vertical"
            aria-label=label
            aria-valuenow=move || width_px.get().round().to_string()
            aria-valuemin=min_px.to_string()
            aria-valuemax=move || max_px.get().round().to_string()
            tabindex="0"
            on:pointerdown=on_down
            on:pointermove=on_move
            on:pointerup=move |_| grabbed.set(None)
            on:pointercancel=move |_| grabbed.set(None)
            on:keydown=on_key
        ></div>
    }
}
