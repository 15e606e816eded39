//! Attributes as a list of keys and values; a click searches for traces or log records with the same.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use spanloom_model::{AttrValue, Attributes};

use super::groups::searchable;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::query::Query;
use crate::state::range::{RangeState, use_range};

/// What a value is searched in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchIn {
    /// Traces, by it alone.
    Traces,
    /// Log records; on their page it joins the conditions that are there.
    Logs,
}

impl SearchIn {
    fn words(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    fn href(self, range: RangeState, here: &str, tag: &str) -> String {
        if self == Self::Logs && here == "/logs" {
            let mut query = range.query.get();
            // The record that was selected may not be among the results.
            query.remove("log");
            if !query.all("tag").any(|known| known == tag) {
                query.push("tag", tag);
            }
            return query.href(here);
        }
        range.href_with(&format!("/{}", self.words()), Query::default().with("tag", tag))
    }
}

/// Keys and values; `filter` offers a search for traces with the same value.
pub fn entries<'a>(entries: impl Iterator<Item = (&'a str, &'a AttrValue)>, filter: bool) -> AnyView {
    searchable_entries(entries, filter.then_some(SearchIn::Traces))
}

/// Keys and values, with a search for the same value.
pub fn searchable_entries<'a>(
    entries: impl Iterator<Item = (&'a str, &'a AttrValue)>,
    search_in: Option<SearchIn>,
) -> AnyView {
    let range = use_range();
    let path = use_location().pathname;
    let rows: Vec<_> = entries
        .map(|(key, value)| {
            let text = value.to_string();
            let search = search_in.and_then(|search_in| {
                let tag = format!("{key}={}", searchable(value)?);
                let href = move || search_in.href(range, &path.get(), &tag);
                let words = search_in.words();
                Some(view! {
                    <a class="icon-button" href=href aria-label=format!("Find {words} with this {key}") title=format!("Find {words} with this")>
                        <Glyph icon=Icon::Search />
                    </a>
                })
            });
            let class = match value {
                AttrValue::Int(_) | AttrValue::Double(_) | AttrValue::Bool(_) => "trace-value number",
                _ => "trace-value",
            };
            let kind = match value {
                AttrValue::Bytes(bytes) => Some(format::plural(bytes.len() as u64, "byte")),
                _ => None,
            };
            view! {
                <div class="trace-attribute">
                    <dt>{key.to_owned()}</dt>
                    <dd class=class>{text.clone()}{kind.map(|kind| view! { <span class="faint">" "{kind}" as base64"</span> })}</dd>
                    <dd class="trace-actions">
                        {search}
                        <CopyButton text=Signal::stored(text) label=format!("Copy {key}") />
                    </dd>
                </div>
            }
        })
        .collect();
    view! { <dl class="trace-attributes">{rows}</dl> }.into_any()
}

/// A section that can be folded.
pub fn section(
    title: impl Into<String>,
    count: Option<usize>,
    open: bool,
    content: impl IntoView + 'static,
) -> impl IntoView {
    view! {
        <details class="trace-section" open=open>
            <summary>{title.into()}{count.map(|count| view! { <span class="faint">" "{count}</span> })}</summary>
            {content}
        </details>
    }
}

/// What the client left out: `3 attributes dropped by the client`.
pub fn dropped(count: u32, what: &str) -> Option<impl IntoView + use<>> {
    (count > 0).then(|| {
        let text = format!("{} dropped by the client", format::plural(u64::from(count), what));
        view! { <p class="trace-note">{text}</p> }
    })
}

/// A section of attributes without groups; none if there are none.
pub fn plain_section(
    title: &'static str,
    attributes: &Attributes,
    dropped_count: u32,
    open: bool,
) -> Option<AnyView> {
    if attributes.is_empty() && dropped_count == 0 {
        return None;
    }
    let content = view! { {entries(attributes.iter(), true)} {dropped(dropped_count, "attribute")} };
    Some(section(title, Some(attributes.len()), open, content).into_any())
}
