//! A modal dialog on the browser's own `<dialog>`: it keeps the focus, Escape closes it, and the
//! focus returns to where it was.

use leptos::html;
use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// A dialog with a title; its content is made when it opens.
#[component]
pub fn Dialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The heading.
    #[prop(into)]
    title: Signal<String>,
    /// The content.
    children: ChildrenFn,
) -> impl IntoView {
    let node: NodeRef<html::Dialog> = NodeRef::new();
    Effect::new(move |_| {
        let Some(dialog) = node.get() else { return };
        if open.get() && !dialog.open() {
            // Fails only for a dialog that is open or not in the document; it is neither.
            let _ = dialog.show_modal();
        } else if !open.get() && dialog.open() {
            dialog.close();
        }
    });
    // A click on the backdrop has the dialog itself as its target.
    let on_click = move |event: web_sys::MouseEvent| {
        let backdrop = node.get_untracked().is_some_and(|dialog| {
            let dialog: &web_sys::EventTarget = dialog.as_ref();
            event.target().as_ref() == Some(dialog)
        });
        if backdrop {
            open.set(false);
        }
    };
    let children = StoredValue::new(children);
    view! {
        <dialog node_ref=node class="dialog" on:close=move |_| open.set(false) on:click=on_click aria-label=move || title.get()>
            <Show when=move || open.get()>
                <div class="dialog-box">
                    <header>
                        <h2>{move || title.get()}</h2>
                        <button type="button" class="icon-button" aria-label="Close" on:click=move |_| open.set(false)>
                            <Glyph icon=Icon::Close />
                        </button>
                    </header>
                    {children.with_value(|children| children())}
                </div>
            </Show>
        </dialog>
    }
}
