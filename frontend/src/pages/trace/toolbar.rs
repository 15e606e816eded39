//! Views, search, errors, critical path, zoom.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use spanloom_analysis::Step;

use super::logs::use_logs;
use super::state::{Tab, ViewState};
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::range::use_range;

/// The line below the minimap.
#[component]
pub fn Toolbar(
    /// The page's state.
    state: ViewState,
    /// The view that is shown.
    tab: Memo<Tab>,
) -> impl IntoView {
    let model = state.model();
    let bounds = model.bounds;
    let query = use_range().query;
    let path = use_location().pathname;
    let link = move |target: Tab, label: &'static str| {
        let href = move || query.get().with("view", target.name()).href(&path.get());
        view! {
            <a class="trace-tab" href=href aria-current=move || (tab.get() == target).then_some("page")>{label}</a>
        }
    };
    view! {
        <div class="trace-toolbar">
            <nav class="trace-tabs" aria-label="View">
                {link(Tab::Timeline, "Timeline")}
                {link(Tab::Table, "Table")}
                {link(Tab::Logs, "Logs")}
                {log_count()}
            </nav>
            <span class="grow"></span>
            <Show when=move || tab.get() == Tab::Timeline>
                <Find state=state />
                <Errors state=state />
                <label class="trace-check" title="Critical path (c)">
                    <input type="checkbox" prop:checked=move || state.critical.get() on:change=move |event| state.critical.set(event_target_checked(&event)) />
                    "Critical path"
                </label>
                <button type="button" class="button quiet small" title="The whole trace (0)" class:unused=move || state.range.get() == bounds on:click=move |_| state.reset_zoom()>"Reset zoom"</button>
            </Show>
        </div>
    }
}

/// How many log records there are, beside their tab.
fn log_count() -> impl IntoView {
    let loaded = use_logs();
    let count = move || {
        let logs = loaded.value.get()?;
        let more = if logs.truncated { "+" } else { "" };
        Some(format!("{}{more}", format::grouped(logs.items.len() as u64)))
    };
    view! { <span class="trace-tab-count" title="Log records of this trace">{count}</span> }
}

/// The search field with its hits.
#[component]
fn Find(state: ViewState) -> impl IntoView {
    let model = state.model();
    // Which hit is selected, counted from 1.
    let place = Memo::new(move |_| {
        let position = model.tree.position(state.selected.get()?);
        state.hits.with(|hits| hits.binary_search(&position).ok()).map(|index| index + 1)
    });
    let text = move || {
        if state.find_text.with(|text| text.trim().is_empty()) {
            return String::new();
        }
        let count = format::grouped(state.hits.with(Vec::len) as u64);
        match place.get() {
            Some(place) => format!("{place}/{count}"),
            None => count,
        }
    };
    let none = move || state.hits.with(Vec::is_empty);
    let on_key = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            event.prevent_default();
            // Faster typists than the pause before a search still get what they typed.
            state.search();
            state.step_hit(if event.shift_key() { Step::Previous } else { Step::Next });
        }
        "Escape" => {
            event.prevent_default();
            event.stop_propagation();
            if state.find_text.with_untracked(String::is_empty) {
                focus_tree();
            } else {
                state.find_text.set(String::new());
            }
        }
        _ => {}
    };
    view! {
        <div class="trace-find" role="search">
            <Glyph icon=Icon::Search />
            <input
                id="trace-find"
                class="input"
                type="text"
                autocomplete="off"
                spellcheck="false"
                data-search=""
                placeholder="Find service, operation, key=value, id"
                aria-label="Find in this trace"
                prop:value=move || state.find_text.get()
                on:input=move |event| state.find_text.set(event_target_value(&event))
                on:keydown=on_key
            />
            <span class="trace-count" role="status" class:error-text=move || none() && !text().is_empty()>{text}</span>
            <button type="button" class="icon-button" aria-label="Previous hit" title="Previous (Shift Enter)" disabled=none on:click=move |_| state.step_hit(Step::Previous)>"‹"</button>
            <button type="button" class="icon-button" aria-label="Next hit" title="Next (Enter)" disabled=none on:click=move |_| state.step_hit(Step::Next)>"›"</button>
        </div>
    }
}

/// Through the spans that failed; nothing if none did.
#[component]
fn Errors(state: ViewState) -> impl IntoView {
    let model = state.model();
    let count = model.errors.len();
    if count == 0 {
        return ().into_any();
    }
    let text = move || {
        let place = state
            .selected
            .get()
            .and_then(|span| model.errors.binary_search(&model.tree.position(span)).ok());
        let count = format::grouped(count as u64);
        match place {
            Some(index) => format!("{}/{count}", index + 1),
            None => count,
        }
    };
    view! {
        <div class="trace-errors" role="group" aria-label="Errors">
            <Glyph icon=Icon::Error />
            <span class="trace-count">{text}</span>
            <button type="button" class="icon-button" aria-label="Previous error" title="Previous error (N)" on:click=move |_| state.step_error(Step::Previous)>"‹"</button>
            <button type="button" class="icon-button" aria-label="Next error" title="Next error (n)" on:click=move |_| state.step_error(Step::Next)>"›"</button>
        </div>
    }
    .into_any()
}

fn focus_tree() {
    use wasm_bindgen::JsCast;
    let tree = document().query_selector(".trace-scroll").ok().flatten();
    if let Some(tree) = tree.and_then(|tree| tree.dyn_into::<web_sys::HtmlElement>().ok()) {
        // A tree that cannot take the focus leaves it where it is.
        let _ = tree.focus();
    }
}
