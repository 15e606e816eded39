//! The list of policies: order, on and off, change, delete.

use leptos::prelude::*;
use spanloom_model::SpanStatus;
use spanloom_model::api::{SamplingPolicy, SamplingRule, SamplingSettings};

use super::policy_form::PolicyDialog;
use super::state::Editing;
use super::summary;
use crate::components::confirm::Confirm;
use crate::components::icon::{Glyph, Icon};
use crate::components::inputs::fault;

/// What most people want first: errors, slow traces, and a share of the rest.
fn usual() -> Vec<SamplingPolicy> {
    let policy = |name: &str, rule| SamplingPolicy { name: name.to_owned(), enabled: true, rule };
    vec![
        policy("errors", SamplingRule::StatusCode { status_codes: vec![SpanStatus::Error] }),
        policy("slow", SamplingRule::Latency { threshold_ms: 1_000, upper_threshold_ms: None }),
        policy("rest", SamplingRule::Probabilistic { sampling_percentage: 10.0 }),
    ]
}

/// The list.
#[component]
pub fn Policies(
    /// The draft.
    editing: Editing,
) -> impl IntoView {
    let (editor_open, at) = (RwSignal::new(false), RwSignal::new(None::<usize>));
    let (asking, doomed) = (RwSignal::new(false), RwSignal::new(0_usize));
    let edit = Callback::new(move |index: Option<usize>| {
        at.set(index);
        editor_open.set(true);
    });
    let delete = Callback::new(move |index: usize| {
        doomed.set(index);
        asking.set(true);
    });
    let count = Memo::new(move |_| editing.settings.with(|settings| settings.policies.len()));
    let content = move || {
        let count = count.get();
        if count == 0 {
            return view! { <NoPolicies editing=editing edit=edit /> }.into_any();
        }
        let rows = (0..count)
            .map(|index| view! { <PolicyRow editing=editing index=index edit=edit delete=delete /> });
        view! {
            <table class="table policies">
                <thead>
                    <tr>
                        <th scope="col">"On"</th>
                        <th scope="col">"Name"</th>
                        <th scope="col">"What it does"</th>
                        <th scope="col">"Type"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        }
        .into_any()
    };
    let doomed_name =
        move || policy_at(editing, doomed.get()).map(|policy| policy.name).unwrap_or_default();
    view! {
        <header class="settings-part">
            <div>
                <h3>"Policies"</h3>
                <p class="hint">"A trace is kept if any policy keeps it and none drops it. Policies that keep for certain give the weight 1, chance gives its inverse, so that counts stay right."</p>
            </div>
            <button
                type="button"
                class="button"
                hidden=move || !editing.may_edit.get() || count.get() == 0
                on:click=move |_| edit.run(None)
            >
                <Glyph icon=Icon::Plus />
                "Add policy"
            </button>
        </header>
        <span class="field-error">{move || fault(editing.faults, "settings.policies", false)}</span>
        {content}
        <PolicyDialog open=editor_open editing=editing at=at />
        <Confirm
            open=asking
            title=Signal::derive(move || format!("Delete {}?", doomed_name()))
            detail="It goes with the next save; earlier versions keep it."
            action="Delete"
            confirm=Callback::new(move |()| editing.change(|settings| {
                let index = doomed.get_untracked();
                if index < settings.policies.len() {
                    settings.policies.remove(index);
                }
            }))
        />
    }
}

#[component]
fn NoPolicies(editing: Editing, edit: Callback<Option<usize>>) -> impl IntoView {
    view! {
        <div class="empty-box">
            <p><strong>"Every trace is kept."</strong></p>
            <p class="hint">"Metrics are counted before sampling and stay exact, whatever is dropped. A policy lets you keep what matters and a share of the rest."</p>
            <div class="button-row" hidden=move || !editing.may_edit.get()>
                <button type="button" class="button primary" on:click=move |_| editing.change(|settings| settings.policies = usual())>
                    "Keep errors, slow traces and 10% of the rest"
                </button>
                <button type="button" class="button" on:click=move |_| edit.run(None)>
                    <Glyph icon=Icon::Plus />
                    "Add policy"
                </button>
            </div>
        </div>
    }
}

fn policy_at(editing: Editing, index: usize) -> Option<SamplingPolicy> {
    editing.settings.with(|settings| settings.policies.get(index).cloned())
}

/// Exchanges two neighbours.
fn swap(settings: &mut SamplingSettings, a: usize, b: usize) {
    if a.max(b) < settings.policies.len() {
        settings.policies.swap(a, b);
    }
}

#[component]
fn PolicyRow(
    editing: Editing,
    index: usize,
    edit: Callback<Option<usize>>,
    delete: Callback<usize>,
) -> impl IntoView {
    let policy = Memo::new(move |_| policy_at(editing, index));
    let name = move || policy.with(|policy| policy.as_ref().map(|it| it.name.clone()).unwrap_or_default());
    let text = move |text: fn(&SamplingRule) -> String| {
        policy.with(|policy| policy.as_ref().map(|it| text(&it.rule)).unwrap_or_default())
    };
    let enabled = move || policy.with(|policy| policy.as_ref().is_some_and(|policy| policy.enabled));
    let toggle = move |event: web_sys::Event| {
        let wanted = event_target_checked(&event);
        editing.change(|settings| {
            if let Some(policy) = settings.policies.get_mut(index) {
                policy.enabled = wanted;
            }
        });
    };
    let path = format!("settings.policies[{index}]");
    let last = move || editing.settings.with(|settings| settings.policies.len()) == index + 1;
    let read_only = move || !editing.may_edit.get();
    view! {
        <tr class:off=move || !enabled()>
            <td>
                <input
                    type="checkbox"
                    class="switch"
                    aria-label=move || format!("{} is on", name())
                    prop:checked=enabled
                    disabled=read_only
                    on:change=toggle
                />
            </td>
            <th scope="row" class="clip">{name}</th>
            <td class="wrap">
                {move || text(summary::policy)}
                <span class="field-error block">{move || fault(editing.faults, &path, true)}</span>
            </td>
            <td><span class="badge">{move || text(|rule| summary::kind(rule).to_owned())}</span></td>
            <td class="num row-actions">
                <span hidden=read_only>
                    <button type="button" class="icon-button" aria-label=move || format!("Move {} up", name())
                        disabled=index == 0 on:click=move |_| editing.change(|settings| swap(settings, index - 1, index))>
                        <Glyph icon=Icon::SortUp />
                    </button>
                    <button type="button" class="icon-button" aria-label=move || format!("Move {} down", name())
                        disabled=last on:click=move |_| editing.change(|settings| swap(settings, index, index + 1))>
                        <Glyph icon=Icon::SortDown />
                    </button>
                    <button type="button" class="button small" aria-label=move || format!("Change {}", name())
                        on:click=move |_| edit.run(Some(index))>"Change"</button>
                    <button type="button" class="icon-button" aria-label=move || format!("Delete {}", name())
                        on:click=move |_| delete.run(index)>
                        <Glyph icon=Icon::Close />
                    </button>
                </span>
            </td>
        </tr>
    }
}
