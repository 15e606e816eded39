//! Copies a text and says so.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use super::icon::{Glyph, Icon};
use crate::state::toasts::use_toasts;

/// A button that copies `text` to the clipboard.
#[component]
pub fn CopyButton(
    /// What is copied.
    #[prop(into)]
    text: Signal<String>,
    /// The button's name, "Copy trace id" for example.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let toasts = use_toasts();
    let copy = move |event: web_sys::MouseEvent| {
        event.stop_propagation();
        let text = text.get_untracked();
        spawn_local(async move {
            if !copy_text(&text).await {
                toasts.failed(
                    "The browser does not let this page use the clipboard: select and copy by hand.",
                );
                return;
            }
            copied.try_set(true);
            set_timeout(
                move || {
                    copied.try_set(false);
                },
                Duration::from_millis(1500),
            );
        });
    };
    let icon = Signal::derive(move || if copied.get() { Icon::Check } else { Icon::Copy });
    let title = label.clone();
    view! {
        <button type="button" class="icon-button copy" class:done=copied on:click=copy aria-label=label title=title>
            <Glyph icon=icon />
            <span class="visually-hidden" role="status">{move || copied.get().then_some("Copied")}</span>
        </button>
    }
}

/// Writes to the clipboard; false where the browser refuses, which it does outside https and
/// localhost.
pub async fn copy_text(text: &str) -> bool {
    let navigator = window().navigator();
    let available = js_sys::Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|it| it.is_object());
    available && JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}
