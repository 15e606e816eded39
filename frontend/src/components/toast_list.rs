//! The messages of `state::toasts` on the screen.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};
use crate::state::toasts::{ToastKind, use_toasts};

/// All messages, in a corner.
#[component]
pub fn ToastList() -> impl IntoView {
    let toasts = use_toasts();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.list.get() key=|toast| toast.id let:toast>
                <div class="toast" class:failed=toast.kind == ToastKind::Failed>
                    <Glyph icon=if toast.kind == ToastKind::Failed { Icon::Error } else { Icon::Check } />
                    <span>{toast.text.clone()}</span>
                    <button type="button" class="icon-button" aria-label="Dismiss" on:click=move |_| toasts.dismiss(toast.id)>
                        <Glyph icon=Icon::Close />
                    </button>
                </div>
            </For>
        </div>
    }
}
