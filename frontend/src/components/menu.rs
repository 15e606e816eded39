//! A button that opens a panel below itself: closes on Escape, on a click outside, and when the
//! focus leaves.

use leptos::ev;
use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// The panel's state; pass it to [`Popover`] and to what opens it.
#[derive(Clone, Copy)]
pub struct PopoverState {
    /// Whether it is open.
    pub open: RwSignal<bool>,
    root: NodeRef<Div>,
}

impl PopoverState {
    /// Closed.
    pub fn new() -> Self {
        Self { open: RwSignal::new(false), root: NodeRef::new() }
    }

    /// Closes it and gives the focus back to the button.
    pub fn close(self) {
        self.open.set(false);
        let button =
            self.root.get_untracked().and_then(|root| root.query_selector("button").ok().flatten());
        if let Some(button) = button.and_then(|button| button.dyn_into::<web_sys::HtmlElement>().ok()) {
            // A browser that cannot focus leaves the focus where it is.
            let _ = button.focus();
        }
    }

    fn holds(self, target: Option<web_sys::EventTarget>) -> bool {
        let node = target.and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        self.root.get_untracked().is_some_and(|root| root.contains(node.as_ref()))
    }
}

/// The button and its panel.
#[component]
pub fn Popover(
    /// Open or closed.
    state: PopoverState,
    /// The button's accessible name.
    #[prop(into)]
    label: Signal<String>,
    /// The button's content.
    #[prop(into)]
    button: ViewFn,
    /// A class for the button.
    #[prop(default = "button quiet")]
    button_class: &'static str,
    /// A class for the panel.
    #[prop(default = "")]
    panel_class: &'static str,
    /// The panel's content, made when it opens.
    children: ChildrenFn,
) -> impl IntoView {
    let outside = window_event_listener(ev::pointerdown, move |event| {
        if state.open.get_untracked() && !state.holds(event.target()) {
            state.open.set(false);
        }
    });
    on_cleanup(move || outside.remove());
    let on_key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" && state.open.get_untracked() {
            event.prevent_default();
            event.stop_propagation();
            state.close();
        }
    };
    let on_focus_out = move |event: web_sys::FocusEvent| {
        if event.related_target().is_some() && !state.holds(event.related_target()) {
            state.open.set(false);
        }
    };
    let children = StoredValue::new(children);
    view! {
        <div class="popover" node_ref=state.root on:keydown=on_key on:focusout=on_focus_out>
            <button
                type="button"
                class=button_class
                aria-haspopup="dialog"
                aria-expanded=move || state.open.get().to_string()
                aria-label=move || label.get()
                title=move || label.get()
                on:click=move |_| state.open.update(|open| *open = !*open)
            >
                {button.run()}
            </button>
            <Show when=move || state.open.get()>
                <div class=format!("popover-panel {panel_class}") role="dialog" aria-label=move || label.get()>
                    {children.with_value(|children| children())}
                </div>
            </Show>
        </div>
    }
}
