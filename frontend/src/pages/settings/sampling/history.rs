//! Earlier versions, to look at and to take up again.

use leptos::prelude::*;
use spanloom_model::api::SamplingVersion;

use super::state::Editing;
use super::summary;
use crate::api;
use crate::components::dialog::Dialog;
use crate::components::states::{ErrorState, SkeletonRows};
use crate::components::time_cell::TimeCell;
use crate::state::load::{Loaded, load};

/// The dialog.
#[component]
pub fn HistoryDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The draft that a version is taken into.
    editing: Editing,
) -> impl IntoView {
    view! {
        <Dialog open=open title="Earlier settings">
            <Versions open=open editing=editing />
        </Dialog>
    }
}

#[component]
fn Versions(open: RwSignal<bool>, editing: Editing) -> impl IntoView {
    let versions: Loaded<Vec<SamplingVersion>> =
        load(|| Some(()), |(), signal| async move { api::sampling_history(signal).await });
    let content = move || match (versions.value.get(), versions.error.get()) {
        (_, Some(error)) => {
            view! { <ErrorState error=error retry=Callback::new(move |()| versions.reload()) /> }.into_any()
        }
        (None, None) => view! { <SkeletonRows rows=4 /> }.into_any(),
        (Some(all), None) if all.is_empty() => {
            view! { <p class="hint">"Nobody has saved settings yet."</p> }.into_any()
        }
        (Some(all), None) => {
            let rows =
                all.iter().cloned().map(|it| view! { <Version version=it open=open editing=editing /> });
            view! { <ul class="versions">{rows.collect_view()}</ul> }.into_any()
        }
    };
    view! { <div class="dialog-body">{content}</div> }
}

#[component]
fn Version(version: SamplingVersion, open: RwSignal<bool>, editing: Editing) -> impl IntoView {
    let number = version.version;
    let policies = version.settings.policies.iter().filter(|policy| policy.enabled);
    let lines: Vec<String> =
        policies.map(|policy| format!("{}: {}", policy.name, summary::policy(&policy.rule))).collect();
    let lines = if lines.is_empty() { vec!["Every trace is kept".to_owned()] } else { lines };
    let is_newest = move || editing.base.with(|base| base.version) == number;
    let settings = StoredValue::new(version.settings);
    let take = move |_| {
        editing.change(|draft| *draft = settings.get_value());
        open.set(false);
    };
    view! {
        <li>
            <div class="version-head">
                <strong>{format!("Version {number}")}</strong>
                <span class="faint">{version.author.unwrap_or_default()}</span>
                <TimeCell time=version.created_at none="" />
                <span class="grow"></span>
                <Show
                    when=move || !is_newest()
                    fallback=|| view! { <span class="badge">"in force"</span> }
                >
                    <button type="button" class="button small" hidden=move || !editing.may_edit.get()
                        aria-label=format!("Take version {number} up again") on:click=take>"Take up again"</button>
                </Show>
            </div>
            {lines.into_iter().map(|line| view! { <p class="hint">{line}</p> }).collect_view()}
        </li>
    }
}
