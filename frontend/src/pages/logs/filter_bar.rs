//! The form above the results. What is typed becomes the search on Enter; what is chosen, at once.

use leptos::prelude::*;
use spanloom_model::LogLevel;
use spanloom_model::api::ServicesResponse;

use super::filter::{Change, Filter};
use crate::api;
use crate::components::combobox::{Choice, Combobox, fitting};
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::pages::search::filter::{complete_tag, pasted_trace};
use crate::state::load::{Loaded, load};
use crate::state::query::Query;
use crate::state::range::{use_change_query, use_range};

/// Levels that can be chosen.
const LEVELS: [LogLevel; 6] =
    [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Fatal];

/// The form.
#[component]
pub fn FilterBar(
    /// What the URL says.
    filter: Memo<Filter>,
) -> impl IntoView {
    let range = use_range();
    let change_url = use_change_query();
    let apply_now = StoredValue::new_local(move |change: Change| {
        let next = filter.get_untracked().changed(change);
        if next == filter.get_untracked() {
            range.refresh();
        } else {
            change_url(&|query: &mut Query| next.write(query));
        }
    });
    let apply = Callback::new(move |change| apply_now.with_value(|apply| apply(change)));
    let text = RwSignal::new(String::new());
    Effect::new(move |_| text.set(filter.with(|filter| filter.text.clone())));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        match pasted_trace(&text.get_untracked()) {
            Some(id) => apply.run(Change::Trace(Some(id))),
            None => apply.run(Change::Text(text.get_untracked())),
        }
    };
    let level = move || filter.with(|filter| filter.level.map(LogLevel::name).unwrap_or_default());
    let pending = Memo::new(move |_| text.with(|text| text.trim() != filter.with(|it| it.text.clone())));
    view! {
        <form class="filter-bar" role="search" aria-label="Logs" on:submit=submit>
            <div class="filter-field log-text">
                <label class="label" for="log-text">"Text"</label>
                <input
                    id="log-text"
                    class="input"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    data-search=""
                    placeholder="Words of the message, or a trace id"
                    prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                />
            </div>
            <div class="filter-field log-level">
                <label class="label" for="log-level">"Severity"</label>
                <select
                    id="log-level"
                    class="select"
                    prop:value=level
                    on:change=move |event| apply.run(Change::Level(LogLevel::named(&event_target_value(&event))))
                >
                    <option value="">"Any"</option>
                    {LEVELS
                        .into_iter()
                        .map(|level| view! { <option value=level.name()>{format!("{} and above", level.name())}</option> })
                        .collect_view()}
                </select>
            </div>
            <ServiceField filter=filter apply=apply />
            <TagField filter=filter apply=apply />
            <div class="filter-actions">
                <button type="submit" class="button" class:primary=move || pending.get()>
                    "Run"
                    <span aria-hidden="true">"⏎"</span>
                </button>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Clear all filters"
                    title="Clear all filters"
                    hidden=move || filter.with(Filter::is_empty)
                    on:click=move |_| apply.run(Change::Clear)
                >
                    <Glyph icon=Icon::Close />
                </button>
            </div>
            {move || filter.with(|filter| filter.trace).map(|id| view! {
                <p class="hint log-trace">
                    "Only the records of trace "<code>{id.to_string()}</code>", whenever they were told."
                    <button type="button" class="button small" on:click=move |_| apply.run(Change::Trace(None))>"All traces"</button>
                </p>
            })}
        </form>
    }
}

fn chip(label: String, remove: impl Fn() + 'static) -> impl IntoView {
    let (name, title) = (format!("Remove {label}"), label.clone());
    view! {
        <span class="chip" title=title>
            <span class="clip">{label}</span>
            <button type="button" aria-label=name on:click=move |_| remove()><Glyph icon=Icon::Close /></button>
        </span>
    }
}

#[component]
fn ServiceField(filter: Memo<Filter>, apply: Callback<Change>) -> impl IntoView {
    let range = use_range();
    let text = RwSignal::new(String::new());
    let services: Loaded<ServicesResponse> = load(
        move || Some(range.window.get()),
        |window, signal| async move { api::services(window, signal).await },
    );
    let choices = Memo::new(move |_| {
        let chosen = filter.with(|filter| filter.services.clone());
        let known: Vec<Choice> = services.value.with(|it| {
            let services = it.iter().flat_map(|it| it.services.iter());
            services
                .filter(|it| !chosen.contains(&it.name))
                .map(|it| Choice { value: it.name.clone(), detail: format::rate(it.red.rate_per_second) })
                .collect()
        });
        text.with(|text| fitting(&known, text))
    });
    // Enter completes half a name; a whole one is taken as it is.
    let is_half_a_name = Signal::derive(move || {
        text.with(|text| {
            !text.is_empty() && choices.with(|choices| choices.iter().all(|choice| choice.value != *text))
        })
    });
    let add = Callback::new(move |name: String| {
        text.set(String::new());
        apply.run(Change::AddService(name));
    });
    // A service that sends logs and no spans is in no list, and can be typed.
    let enter = Callback::new(move |()| {
        let name = text.with_untracked(|text| text.trim().to_owned());
        if !name.is_empty() {
            add.run(name);
        }
    });
    let remove_last = Callback::new(move |()| {
        if let Some(last) = filter.with_untracked(|filter| filter.services.len().checked_sub(1)) {
            apply.run(Change::RemoveService(last));
        }
    });
    view! {
        <div class="filter-field log-services">
            <span class="label" aria-hidden="true">"Services"</span>
            <div class="tag-box">
                {move || {
                    let services = filter.with(|filter| filter.services.clone());
                    let chips = services.into_iter().enumerate();
                    chips.map(|(at, name)| chip(name, move || apply.run(Change::RemoveService(at)))).collect_view()
                }}
                <Combobox
                    id="log-service"
                    label="Service"
                    placeholder="Any service"
                    text=text
                    choices=choices
                    takes_first=is_half_a_name
                    pick=add
                    enter=enter
                    backspace=remove_last
                />
            </div>
        </div>
    }
}

#[component]
fn TagField(filter: Memo<Filter>, apply: Callback<Change>) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let on_key = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            if let Some(tag) = text.with_untracked(|text| complete_tag(text)) {
                event.prevent_default();
                text.set(String::new());
                apply.run(Change::AddTag(tag));
            }
        }
        "Backspace" if text.with_untracked(String::is_empty) => {
            if let Some(last) = filter.with_untracked(|filter| filter.tags.len().checked_sub(1)) {
                apply.run(Change::RemoveTag(last));
            }
        }
        _ => {}
    };
    view! {
        <div class="filter-field tags">
            <label class="label" for="log-tag">"Attributes"</label>
            <div class="tag-box">
                {move || {
                    let tags = filter.with(|filter| filter.tags.clone());
                    let chips = tags.into_iter().enumerate();
                    chips.map(|(at, tag)| chip(tag, move || apply.run(Change::RemoveTag(at)))).collect_view()
                }}
                <input
                    id="log-tag"
                    class="input grow"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder="key=value"
                    prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                    on:keydown=on_key
                />
            </div>
        </div>
    }
}
