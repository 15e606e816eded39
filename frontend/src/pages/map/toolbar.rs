//! What is shown of the map, and what to do with it.

use leptos::prelude::*;

use super::cards::go_to;
use super::drawing::Drawing;
use super::export::download;
use super::filter::{KINDS, Selection};
use super::state::MapState;
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::toasts::use_toasts;

const ERRORS: [(&str, f64); 4] = [("Any errors", 0.0), ("≥ 0.1 %", 0.1), ("≥ 1 %", 1.0), ("≥ 5 %", 5.0)];
const RATES: [(&str, f64); 5] =
    [("Any rate", 0.0), ("≥ 0.1/s", 0.1), ("≥ 1/s", 1.0), ("≥ 10/s", 10.0), ("≥ 100/s", 100.0)];

/// The bar above the map.
#[component]
pub fn Toolbar(
    /// The page's state.
    state: MapState,
    /// Whether data is on its way.
    #[prop(into)]
    loading: Signal<bool>,
    /// Lays the map out anew.
    arrange: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let export = move |_| {
        let bounds = state.drawing.with_untracked(Drawing::bounds);
        if !bounds.is_some_and(download) {
            toasts.failed("The map could not be saved.");
        }
    };
    let counts = move || {
        state.drawing.with(|drawing| {
            let (nodes, edges) = (drawing.cards.len() as u64, drawing.curves.len() as u64);
            format!("{}, {}", format::plural(nodes, "node"), format::plural(edges, "connection"))
        })
    };
    view! {
        <div class="toolbar map-toolbar">
            <Find state=state />
            <span class="faint map-counts" role="status">{counts}</span>
            <Focus state=state />
            <div class="map-kinds" role="group" aria-label="Kinds of calls">
                {KINDS.map(|(kind, _, label)| {
                    let is_shown = move || !state.filter.with(|filter| filter.hidden.contains(&kind));
                    let toggle = move |_| {
                        state.change(|filter| {
                            let before = filter.hidden.len();
                            filter.hidden.retain(|hidden| *hidden != kind);
                            if filter.hidden.len() == before {
                                filter.hidden.push(kind);
                            }
                        });
                    };
                    view! {
                        <button
                            type="button"
                            class="map-kind"
                            aria-pressed=move || is_shown().to_string()
                            on:click=toggle
                        >
                            {label}
                        </button>
                    }
                }).collect_view()}
            </div>
            {choice(
                "Least share of errors",
                &ERRORS,
                Signal::derive(move || state.filter.with(|filter| filter.errors_min)),
                Callback::new(move |least| state.change(|filter| filter.errors_min = least)),
            )}
            {choice(
                "Least rate",
                &RATES,
                Signal::derive(move || state.filter.with(|filter| filter.rate_min)),
                Callback::new(move |least| state.change(|filter| filter.rate_min = least)),
            )}
            <span class="grow"></span>
            <button
                type="button"
                class="icon-button"
                aria-label="Arrange anew"
                title="Arrange anew: nodes stay where they are while data changes"
                on:click=move |_| arrange.run(())
            >
                <Glyph icon=Icon::Arrange />
            </button>
            <button type="button" class="icon-button" aria-label="Save as SVG" title="Save as SVG" on:click=export>
                <Glyph icon=Icon::Download />
            </button>
            <span class="progress" class:on=move || loading.get() aria-hidden="true"></span>
        </div>
    }
}

/// A number chosen from some; one that only the URL knows is shown as it is.
fn choice(
    label: &'static str,
    choices: &'static [(&'static str, f64)],
    value: Signal<f64>,
    choose: Callback<f64>,
) -> impl IntoView {
    let other = move || {
        let value = value.get();
        let is_known = choices.iter().any(|(_, known)| (known - value).abs() < 1e-9);
        (!is_known).then(|| view! { <option value=value.to_string()>{format!("≥ {value}")}</option> })
    };
    view! {
        <select
            class="select small"
            aria-label=label
            prop:value=move || value.get().to_string()
            on:change=move |event| choose.run(event_target_value(&event).parse().unwrap_or(0.0))
        >
            {choices.iter().map(|(name, value)| view! { <option value=value.to_string()>{*name}</option> }).collect_view()}
            {other}
        </select>
    }
}

/// The focus that the map has, and the way out of it.
#[component]
fn Focus(state: MapState) -> impl IntoView {
    move || {
        let (focus, depth) = state.filter.with(|filter| (filter.focus.clone(), filter.depth));
        if focus.is_empty() {
            return None;
        }
        let name = focus.split_once(':').map_or(focus.clone(), |(_, name)| name.to_owned());
        let within = depth.map_or("all calls".to_owned(), |depth| format::plural(u64::from(depth), "call"));
        Some(view! {
            <span class="map-focused">
                <span class="clip">{format!("Around {name}, {within}")}</span>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Show the whole map"
                    title="Show the whole map"
                    on:click=move |_| state.focus(String::new(), None)
                >
                    <Glyph icon=Icon::Close />
                </button>
            </span>
        })
    }
}

/// Finds nodes by name: Enter selects the first, and then the next.
#[component]
fn Find(state: MapState) -> impl IntoView {
    let on_key = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            event.prevent_default();
            let found = untrack(|| state.found());
            let current = state.filter.with_untracked(|filter| filter.selection.clone());
            let at = found.iter().position(|id| current == Some(Selection::Node(id.clone())));
            let next = at.map_or(0, |at| (at + 1) % found.len().max(1));
            match found.get(next) {
                Some(id) => {
                    state.select(Some(Selection::Node(id.clone())));
                    state.reveal(id);
                }
                // A map that is too large to be drawn can still be entered by a name.
                None if state.drawing.with_untracked(|drawing| drawing.cards.is_empty()) => {
                    let typed = state.find.get_untracked().trim().to_owned();
                    state.find.set(String::new());
                    state.focus(typed, Some(1));
                }
                None => {}
            }
        }
        "Escape" => state.find.set(String::new()),
        "ArrowDown" => {
            if let Some(id) = untrack(|| state.found()).first() {
                event.prevent_default();
                go_to(state, id);
            }
        }
        _ => {}
    };
    view! {
        <input
            class="input filter-input map-find"
            type="search"
            data-search=""
            placeholder="Find a node"
            aria-label="Find a node"
            prop:value=move || state.find.get()
            on:input=move |event| state.find.set(event_target_value(&event))
            on:keydown=on_key
        />
    }
}
