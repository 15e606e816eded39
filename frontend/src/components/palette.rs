//! Ctrl+K: go to a service, a trace, a page; do something.

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::dialog::Dialog;
use super::icon::{Glyph, Icon};
use super::service_chip::ServiceName;
use crate::api;
use crate::state::find::{score, trace_id_in};
use crate::state::load::load;
use crate::state::query::Query;
use crate::state::range::{RangeState, use_range};
use crate::state::theme::use_theme;

/// What an entry does.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    Go(String),
    Service(String),
    Trace(String),
    Refresh,
    Theme,
    Keys,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    label: String,
    hint: &'static str,
    icon: Icon,
    target: Target,
}

fn entry(label: &str, hint: &'static str, icon: Icon, target: Target) -> Entry {
    Entry { label: label.to_owned(), hint, icon, target }
}

const SHOWN_MAX: usize = 12;

/// The entries that fit what is typed, the best first.
fn entries(text: &str, services: &[String]) -> Vec<Entry> {
    if let Some(id) = trace_id_in(text) {
        let label = format!("Open trace {id}");
        return vec![entry(&label, "Trace", Icon::Traces, Target::Trace(id.to_string()))];
    }
    let mut all = vec![
        entry("Services", "Page", Icon::Services, Target::Go("/".into())),
        entry("Traces", "Page", Icon::Traces, Target::Go("/traces".into())),
        entry("Metrics", "Page", Icon::Metrics, Target::Go("/custom-metrics".into())),
        entry("Service map", "Page", Icon::Map, Target::Go("/map".into())),
        entry("Errors", "Page", Icon::Error, Target::Go("/errors".into())),
        entry("Logs", "Page", Icon::Logs, Target::Go("/logs".into())),
        entry("Settings", "Page", Icon::Settings, Target::Go("/settings".into())),
        entry("API keys", "Page", Icon::Key, Target::Go("/settings/keys".into())),
        entry("Storage", "Page", Icon::Storage, Target::Go("/settings/storage".into())),
        entry("Sampling", "Page", Icon::Sampling, Target::Go("/settings/sampling".into())),
        entry("Log links", "Page", Icon::External, Target::Go("/settings/log-links".into())),
        entry("People", "Page", Icon::People, Target::Go("/settings/people".into())),
        entry("Refresh", "Action", Icon::Refresh, Target::Refresh),
        entry("Dark or light", "Action", Icon::Sun, Target::Theme),
        entry("Show keys", "Action", Icon::Help, Target::Keys),
    ];
    all.extend(
        services.iter().map(|name| entry(name, "Service", Icon::Services, Target::Service(name.clone()))),
    );
    let mut scored: Vec<(i32, Entry)> =
        all.into_iter().filter_map(|entry| Some((score(&entry.label, text)?, entry))).collect();
    // The sort is stable: equal entries keep their order.
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, entry)| entry).take(SHOWN_MAX).collect()
}

/// The palette.
#[component]
pub fn Palette(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// Whether the list of keys is open.
    keys_open: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <Dialog open=open title="Go to">
            <PaletteBox open=open keys_open=keys_open />
        </Dialog>
    }
}

#[component]
fn PaletteBox(open: RwSignal<bool>, keys_open: RwSignal<bool>) -> impl IntoView {
    let range = use_range();
    let theme = use_theme();
    let navigate = use_navigate();
    let services = load(
        move || Some(range.window.get()),
        |window, signal| async move { api::services(window, signal).await },
    );
    let text = RwSignal::new(String::new());
    let found = Memo::new(move |_| {
        let names: Vec<String> = services.value.with(|it| {
            it.iter().flat_map(|it| it.services.iter().map(|service| service.name.clone())).collect()
        });
        text.with(|text| entries(text, &names))
    });
    let selected = RwSignal::new(0_usize);
    let input: NodeRef<html::Input> = NodeRef::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            // Without focus one can still click into it.
            let _ = input.focus();
        }
    });
    let run = StoredValue::new_local(move |target: Target| {
        open.set(false);
        let go = |href: String| navigate(&href, leptos_router::NavigateOptions::default());
        match target {
            Target::Go(path) => go(href(range, &path, Query::default())),
            Target::Service(name) => go(href(range, "/traces", Query::default().with("service", name))),
            Target::Trace(id) => go(href(range, &format!("/traces/{id}"), Query::default())),
            Target::Refresh => range.refresh(),
            Target::Theme => theme.toggle(),
            Target::Keys => keys_open.set(true),
        }
    });
    let on_key = move |event: web_sys::KeyboardEvent| {
        let count = found.with_untracked(Vec::len);
        match event.key().as_str() {
            "ArrowDown" if count > 0 => selected.update(|at| *at = (*at + 1) % count),
            "ArrowUp" if count > 0 => selected.update(|at| *at = (*at + count - 1) % count),
            "Enter" => {
                if let Some(entry) =
                    found.with_untracked(|found| found.get(selected.get_untracked()).cloned())
                {
                    run.with_value(|run| run(entry.target));
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let option = move |index: usize, entry: Entry| {
        let target = entry.target.clone();
        let label = match &entry.target {
            Target::Service(name) => view! { <ServiceName name=name.clone() /> }.into_any(),
            _ => view! { <Glyph icon=entry.icon /> <span class="clip">{entry.label}</span> }.into_any(),
        };
        view! {
            <div
                class="palette-option"
                role="option"
                id=format!("palette-{index}")
                aria-selected=move || (selected.get() == index).to_string()
                on:mousemove=move |_| {
                    if selected.get_untracked() != index {
                        selected.set(index);
                    }
                }
                on:click=move |_| run.with_value(|run| run(target.clone()))
            >
                {label}
                <span class="faint">{entry.hint}</span>
            </div>
        }
    };
    view! {
        <div class="palette">
            <input
                class="input"
                node_ref=input
                type="text"
                role="combobox"
                aria-label="Service, trace id, page or action"
                aria-expanded="true"
                aria-controls="palette-list"
                aria-activedescendant=move || format!("palette-{}", selected.get())
                autocomplete="off"
                spellcheck="false"
                placeholder="Service, trace id, page or action"
                on:input=move |event| {
                    text.set(event_target_value(&event));
                    selected.set(0);
                }
                on:keydown=on_key
            />
            <div class="palette-list" id="palette-list" role="listbox" aria-label="Results">
                {move || {
                    let found = found.get();
                    if found.is_empty() {
                        return view! { <p class="hint">"Nothing fits. A whole trace id opens that trace."</p> }.into_any();
                    }
                    found.into_iter().enumerate().map(|(index, entry)| option(index, entry)).collect_view().into_any()
                }}
            </div>
        </div>
    }
}

/// A link that is followed once, outside of any tracking.
fn href(range: RangeState, path: &str, query: Query) -> String {
    untrack(|| range.href_with(path, query))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a pasted id being searched as a name.
    #[test]
    fn a_trace_id_is_the_only_entry() {
        let found = entries(" 4BF92F3577B34DA6A3CE929D0E0E4736 ", &["4bf92f".to_owned()]);
        let targets: Vec<Target> = found.into_iter().map(|entry| entry.target).collect();
        assert_eq!(targets, [Target::Trace("4bf92f3577b34da6a3ce929d0e0e4736".to_owned())]);
    }

    #[test]
    fn services_and_pages_are_found_together_and_bounded() {
        let services: Vec<String> = (0..50).map(|index| format!("service-{index}")).collect();
        let found = entries("service", &services);
        assert_eq!(found.len(), SHOWN_MAX);
        assert_eq!(found[0].label, "Services");
        assert!(found[1].label.starts_with("service-"));
    }
}
