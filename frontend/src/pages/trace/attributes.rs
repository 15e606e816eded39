//! Attributes as a list of keys and values; a click searches for traces with the same.

use leptos::prelude::*;
use spanloom_model::{AttrValue, Attributes};

use super::groups::searchable;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::query::Query;
use crate::state::range::use_range;

/// Keys and values; `filter` offers a search for the same value.
pub fn entries<'a>(entries: impl Iterator<Item = (&'a str, &'a AttrValue)>, filter: bool) -> AnyView {
    let range = use_range();
    let rows: Vec<_> = entries
        .map(|(key, value)| {
            let text = value.to_string();
            let tag = filter.then(|| searchable(value)).flatten().map(|text| format!("{key}={text}"));
            let search = tag.map(|tag| {
                let href = move || range.href_with("/traces", Query::default().with("tag", tag.clone()));
                view! {
                    <a class="icon-button" href=href aria-label=format!("Find traces with this {key}") title="Find traces with this">
                        <Glyph icon=Icon::Search />
                    </a>
                }
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
