//! Tags as chips, with completion of keys and then of values.

use leptos::prelude::*;
use spanloom_model::api::{TagKeysResponse, TagValuesResponse};

use super::filter::{Filter, complete_tag};
use super::filter_bar::{Apply, Change, Draft};
use crate::api;
use crate::components::combobox::{Choice, Combobox, fitting};
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::load::{Loaded, load};
use crate::state::range::use_range;

/// The chips and the field.
#[component]
pub fn TagField(
    /// What the URL says.
    filter: Memo<Filter>,
    /// What is typed.
    draft: Draft,
    /// Runs a search.
    apply: Apply,
    /// Opens the trace of a pasted id; false if there is none in the text.
    open_trace: Callback<String, bool>,
) -> impl IntoView {
    let choices = tag_choices(draft);
    let text = draft.tag;
    let pick = Callback::new(move |value: String| match complete_tag(&value) {
        Some(tag) => apply.run(Change::AddTag(tag)),
        // A key: its values come next.
        None => text.set(value),
    });
    let enter = Callback::new(move |()| {
        if !open_trace.run(text.get_untracked()) {
            apply.run(Change::Run);
        }
    });
    let remove_last = Callback::new(move |()| {
        if let Some(last) = filter.with_untracked(|filter| filter.tags.len().checked_sub(1)) {
            apply.run(Change::RemoveTag(last));
        }
    });
    let incomplete = move || text.with(|text| !text.is_empty() && !text.contains('='));
    let placeholder = "key=value, or a trace id";
    view! {
        <div class="tag-box">
            {move || {
                let tags = filter.with(|filter| filter.tags.clone());
                tags.into_iter().enumerate().map(|(at, tag)| chip(at, tag, apply)).collect_view()
            }}
            <Combobox
                id="filter-tag"
                label="Tag as key=value, or a trace id"
                placeholder=placeholder
                text=text
                choices=choices
                takes_first=Signal::derive(incomplete)
                pick=pick
                enter=enter
                backspace=remove_last
                paste=open_trace
                is_search=true
            />
        </div>
    }
}

fn chip(at: usize, tag: String, apply: Apply) -> impl IntoView {
    let (key, value) = tag.split_once('=').unwrap_or((&tag, ""));
    let (key, value) = (key.to_owned(), value.to_owned());
    view! {
        <span class="chip" title=tag.clone()>
            <span class="clip"><span class="faint">{key}"="</span>{value}</span>
            <button
                type="button"
                aria-label=format!("Remove {tag}")
                on:click=move |_| apply.run(Change::RemoveTag(at))
            >
                <Glyph icon=Icon::Close />
            </button>
        </span>
    }
}

/// Keys until there is a `=`, then values of that key; both as they occur in the range.
fn tag_choices(draft: Draft) -> Memo<Vec<Choice>> {
    let range = use_range();
    let text = draft.tag;
    let keys: Loaded<TagKeysResponse> = load(
        // Only what is looked at is asked for: nothing before the first letter.
        move || {
            let wanted = text.with(|text| !text.is_empty());
            wanted.then(|| (draft.service.get().trim().to_owned(), range.window.get()))
        },
        |(service, window), signal| async move { api::tag_keys(&service, window, signal).await },
    );
    let values: Loaded<TagValuesResponse> = load(
        move || {
            let key = text.with(|text| text.split_once('=').map(|(key, _)| key.trim().to_owned()))?;
            Some((key, draft.service.get().trim().to_owned(), range.window.get()))
                .filter(|(key, ..)| !key.is_empty())
        },
        |(key, service, window), signal| async move { api::tag_values(&key, &service, window, signal).await },
    );
    let spans = |count: u64| format!("{} spans", format::count(count as f64));
    Memo::new(move |_| {
        let typed = text.get();
        let choices: Vec<Choice> = match typed.split_once('=') {
            None => keys.value.with(|it| {
                let keys = it.iter().flat_map(|it| it.keys.iter());
                keys.map(|it| Choice { value: format!("{}=", it.key), detail: spans(it.spans) }).collect()
            }),
            Some((key, _)) => values.value.with(|it| {
                let values = it.iter().flat_map(|it| it.values.iter());
                let key = key.trim();
                values
                    .map(|it| Choice { value: format!("{key}={}", it.value), detail: spans(it.spans) })
                    .collect()
            }),
        };
        fitting(&choices, &typed)
    })
}
