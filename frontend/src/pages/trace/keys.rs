//! The page's keys.

use leptos::ev;
use leptos::prelude::*;
use spanloom_analysis::Step;
use wasm_bindgen::JsCast;

use super::dom::is_inside;
use super::state::{Tab, ViewState};
use super::viewport::ZOOM_STEP;
use crate::state::page::{KeyHelp, is_typing};

/// What `?` shows.
pub const KEYS: &[KeyHelp] = &[
    ("j k", "Next, previous span"),
    ("h l", "Collapse, expand; then parent, child"),
    ("[ ]", "Collapse all, expand all"),
    ("Enter", "Details of the span"),
    ("Esc", "Close details, clear selection"),
    ("+ -", "Zoom in, out"),
    ("z", "Zoom to the span"),
    ("0", "The whole trace"),
    ("< >", "Earlier, later while zoomed"),
    ("f", "Find"),
    ("n N", "Next, previous error"),
    ("c", "Critical path"),
];

/// Listens while the page is there.
pub fn listen(state: ViewState, tab: Memo<Tab>) {
    let listener = window_event_listener(ev::keydown, move |event| {
        if is_typing(&event) {
            return;
        }
        // Controls keep the keys that operate them; the expander, for the mouse only, has none.
        let on_control = is_inside(&event, "button:not(.trace-expander), a, summary, [role=separator]");
        // The keys are about rows, and the table has none of a span.
        if tab.get_untracked() == Tab::Timeline && press(state, &event.key(), on_control) {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}

/// Does what the key is for; false if it is for nothing here.
fn press(state: ViewState, key: &str, on_control: bool) -> bool {
    match key {
        "Enter" | "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight" | "Home" | "End" | "PageUp"
        | "PageDown"
            if on_control =>
        {
            return false;
        }
        "j" | "ArrowDown" => state.move_selection(1),
        "k" | "ArrowUp" => state.move_selection(-1),
        "PageDown" => state.move_selection(20),
        "PageUp" => state.move_selection(-20),
        "Home" => state.select_end(false),
        "End" => state.select_end(true),
        "h" | "ArrowLeft" => state.collapse_selected(),
        "l" | "ArrowRight" => state.expand_selected(),
        "[" => state.set_all_collapsed(true),
        "]" => state.set_all_collapsed(false),
        "+" | "=" => state.zoom_to_selection(ZOOM_STEP),
        "-" => state.zoom_to_selection(1.0 / ZOOM_STEP),
        "z" => match state.selected.get_untracked() {
            Some(span) => state.zoom_to_span(span),
            None => return false,
        },
        "0" => state.reset_zoom(),
        "<" | "," => state.pan(-0.25),
        ">" | "." => state.pan(0.25),
        "f" => focus_find(),
        "n" => state.step_error(Step::Next),
        "N" => state.step_error(Step::Previous),
        "c" => state.critical.update(|critical| *critical = !*critical),
        "Enter" => {
            if state.selected.get_untracked().is_none() {
                return false;
            }
            state.detail_open.set(true);
        }
        "Escape" => {
            if state.selected.get_untracked().is_some() && state.detail_open.get_untracked() {
                state.detail_open.set(false);
            } else {
                state.selected.set(None);
            }
        }
        _ => return false,
    }
    true
}

fn focus_find() {
    let field = document().get_element_by_id("trace-find");
    if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlInputElement>().ok()) {
        // A field that cannot take the focus stays as it is.
        let _ = field.focus();
        field.select();
    }
}
