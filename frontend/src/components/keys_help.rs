//! The list of keys that `?` shows.

use leptos::prelude::*;

use super::dialog::Dialog;
use crate::state::page::{KeyHelp, use_page};

const EVERYWHERE: &[KeyHelp] = &[
    ("Ctrl K", "Go to a service, a trace, a page"),
    ("/", "Search on this page"),
    ("r", "Refresh"),
    ("t", "Dark or light"),
    ("g s", "Services"),
    ("g t", "Traces"),
    ("g m", "Service map"),
    ("g e", "Errors"),
    ("g l", "Logs"),
    ("g c", "Metrics"),
    ("?", "These keys"),
];

/// The dialog.
#[component]
pub fn KeysHelp(
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let page = use_page();
    view! {
        <Dialog open=open title="Keys">
            <div class="keys-help">
                {move || {
                    let keys = page.keys.get();
                    (!keys.is_empty()).then(|| view! { <h3>"This page"</h3> {rows(keys)} })
                }}
                <h3>"Everywhere"</h3>
                {rows(EVERYWHERE)}
            </div>
        </Dialog>
    }
}

fn rows(keys: &'static [KeyHelp]) -> impl IntoView {
    let rows = keys.iter().map(|(keys, meaning)| {
        let keys = keys.split(' ').map(|key| view! { <kbd>{key}</kbd> }).collect_view();
        view! { <div><dt>{keys}</dt><dd>{*meaning}</dd></div> }
    });
    view! { <dl>{rows.collect_view()}</dl> }
}
