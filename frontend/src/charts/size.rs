//! The width of an element as a signal.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

/// The element's width and height in CSS pixels; 0 until it is on the page.
pub fn use_size<E>(node: NodeRef<E>) -> ReadSignal<(f64, f64)>
where
    E: leptos::html::ElementType,
    E::Output: JsCast + Clone + 'static,
{
    let size = RwSignal::new((0.0, 0.0));
    let observer: StoredValue<Option<web_sys::ResizeObserver>, LocalStorage> = StoredValue::new_local(None);
    Effect::new(move |_| {
        let Some(element) = node.get().and_then(|node| node.dyn_into::<web_sys::Element>().ok()) else {
            return;
        };
        let watched = element.clone();
        let measure = Closure::<dyn Fn()>::new(move || {
            let rect = watched.get_bounding_client_rect();
            let measured = (rect.width(), rect.height());
            if size.try_get_untracked().is_some_and(|known| known != measured) {
                size.set(measured);
            }
        });
        if let Ok(created) = web_sys::ResizeObserver::new(measure.as_ref().unchecked_ref()) {
            created.observe(&element);
            observer.set_value(Some(created));
        }
        // Garbage-collected with the observer.
        drop(measure.into_js_value());
    });
    on_cleanup(move || {
        observer.try_update_value(|observer| {
            if let Some(observer) = observer.take() {
                observer.disconnect();
            }
        });
    });
    size.read_only()
}
