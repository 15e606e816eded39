//! Parts of the form: the bounds of durations, and the conditions that came with a link.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::filter::Filter;
use super::filter_bar::{Apply, Change, Draft};
use crate::components::icon::{Glyph, Icon};

/// The call that the service map asked for, and the way back to all traces.
pub fn call_chip(filter: Memo<Filter>, apply: Apply) -> Option<impl IntoView> {
    let (caller, callee) = filter.with(|filter| (filter.caller.clone(), filter.callee.clone()));
    if callee.is_empty() {
        return None;
    }
    let from = if caller.is_empty() { "any service".to_owned() } else { caller };
    Some(chip("Call", format!("{from} → {callee}"), "Any call", move || apply.run(Change::AnyCall)))
}

/// The kinds of the span, as a chart counted them.
pub fn kind_chip(filter: Memo<Filter>, apply: Apply) -> Option<impl IntoView> {
    let kinds = filter.with(|filter| filter.kinds.join(" or "));
    let any = move || apply.run(Change::AnyKind);
    (!kinds.is_empty()).then(|| chip("Kind", kinds, "Any kind", any))
}

/// That the range is the span's.
pub fn time_chip(filter: Memo<Filter>, apply: Apply) -> Option<impl IntoView> {
    let of_trace = move || apply.run(Change::TimeOfTrace);
    let text = "of the span".to_owned();
    filter.with(|filter| filter.of_span).then(|| chip("Time", text, "Time of the trace", of_trace))
}

/// A condition that came with a link, and the way to be rid of it.
fn chip(
    label: &'static str,
    text: String,
    without: &'static str,
    remove: impl Fn() + 'static,
) -> impl IntoView {
    view! {
        <div class="filter-field call">
            <span class="label" aria-hidden="true">{label}</span>
            <span class="call-chip">
                <span class="clip">{text}</span>
                <button
                    type="button"
                    class="icon-button"
                    aria-label=without
                    title=without
                    on:click=move |_| remove()
                >
                    <Glyph icon=Icon::Close />
                </button>
            </span>
        </div>
    }
}

/// How long the span itself lasts.
#[component]
pub fn SpanDuration(
    /// What is typed.
    draft: Draft,
    /// Runs a search.
    apply: Apply,
    /// What is wrong with it.
    wrong: Memo<Option<&'static str>>,
    /// Whether the person has just asked for it.
    focus: RwSignal<bool>,
) -> impl IntoView {
    let node: NodeRef<leptos::html::Div> = NodeRef::new();
    Effect::new(move |_| {
        let input = node.get().and_then(|node| node.query_selector("input").ok().flatten());
        if let Some(input) = input.and_then(|it| it.dyn_into::<web_sys::HtmlElement>().ok())
            && focus.get_untracked()
        {
            let _ = input.focus();
        }
    });
    view! {
        <div class="filter-field span-duration" node_ref=node>
            <span class="label" aria-hidden="true">"Duration of the span"</span>
            <div class="duration-pair removable">
                <DurationInput label="Minimum duration of the span" placeholder="min" text=draft.span_min wrong=wrong />
                <span class="faint" aria-hidden="true">"–"</span>
                <DurationInput label="Maximum duration of the span" placeholder="max" text=draft.span_max wrong=wrong />
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Spans of any duration"
                    title="Spans of any duration"
                    on:click=move |_| apply.run(Change::AnySpanDuration)
                >
                    <Glyph icon=Icon::Close />
                </button>
            </div>
        </div>
    }
}

/// One bound of a duration.
#[component]
pub fn DurationInput(
    /// For screen readers.
    label: &'static str,
    /// Where nothing is typed.
    placeholder: &'static str,
    /// What is typed.
    text: RwSignal<String>,
    /// What is wrong with both bounds.
    wrong: Memo<Option<&'static str>>,
) -> impl IntoView {
    view! {
        <input
            class="input"
            type="text"
            autocomplete="off"
            spellcheck="false"
            aria-label=label
            placeholder=placeholder
            aria-invalid=move || (wrong.get().is_some() && !text.with(String::is_empty)).to_string()
            prop:value=move || text.get()
            on:input=move |event| text.set(event_target_value(&event))
        />
    }
}
