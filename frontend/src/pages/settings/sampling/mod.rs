//! Sampling: which traces are kept, what clients are told, and what a change would do.

mod draft;
mod dry_run;
mod head;
mod head_form;
mod history;
mod policies;
mod policy_form;
mod rule_fields;
mod state;
mod summary;

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{Role, SamplingDryRun, SamplingVersion};

use self::dry_run::DryRunResult;
use self::head::Head;
use self::history::HistoryDialog;
use self::policies::Policies;
use self::state::Editing;
use crate::api;
use crate::components::icon::{Glyph, Icon};
use crate::components::inputs::fault;
use crate::components::states::{ErrorState, SkeletonRows};
use crate::components::time_cell::TimeCell;
use crate::state::load::{Loaded, load};
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

/// The section.
#[component]
pub fn SamplingSection() -> impl IntoView {
    let (session, toasts) = (use_session(), use_toasts());
    let may_edit = Memo::new(move |_| session.has_role(Role::Editor));
    let newest: Loaded<SamplingVersion> =
        load(|| Some(()), |(), signal| async move { api::sampling(signal).await });
    move || match (newest.value.get(), newest.error.get()) {
        (_, Some(error)) => {
            view! { <ErrorState error=error retry=Callback::new(move |()| newest.reload()) /> }.into_any()
        }
        (None, None) => view! { <SkeletonRows rows=6 /> }.into_any(),
        (Some(version), None) => {
            let editing = Editing::new(SamplingVersion::clone(&version), may_edit.into(), toasts);
            view! { <Editor editing=editing /> }.into_any()
        }
    }
}

#[component]
fn Editor(editing: Editing) -> impl IntoView {
    let history_open = RwSignal::new(false);
    let trying = RwSignal::new(false);
    let result = RwSignal::new(None::<SamplingDryRun>);
    let try_now = move |_| {
        if trying.get_untracked() {
            return;
        }
        trying.set(true);
        result.set(None);
        let settings = editing.settings.get_untracked();
        spawn_local(async move {
            match api::try_sampling(settings).await {
                Ok(run) => {
                    result.try_set(Some(run));
                }
                Err(error) => editing.failed(&error, "Not tried"),
            }
            trying.try_set(false);
        });
    };
    // What was tried is not what is there any more.
    Effect::new(move |previous: Option<()>| {
        editing.settings.track();
        if previous.is_some() {
            result.set(None);
        }
    });
    let changed = Memo::new(move |_| editing.is_changed());
    view! {
        <section class="settings-section wide sampling">
            <header>
                <div>
                    <h2>"Sampling"</h2>
                    <p class="hint">"Which traces are stored. Whole traces are decided after their spans have come; rates, errors and durations are counted before and stay exact."</p>
                </div>
                <div class="button-row">
                    <button type="button" class="button quiet" on:click=move |_| history_open.set(true)>
                        <Glyph icon=Icon::Clock />
                        "History"
                    </button>
                    <button type="button" class="button" hidden=move || !editing.may_edit.get()
                        disabled=move || trying.get() on:click=try_now>"Dry run"</button>
                </div>
            </header>
            <Status editing=editing changed=changed />
            <Theirs editing=editing />
            <Wait editing=editing />
            <Policies editing=editing />
            <div class="dry-run" aria-live="polite" aria-busy=move || trying.get().to_string()>
                <Show when=move || trying.get()><SkeletonRows rows=3 /></Show>
                {move || result.get().map(|run| view! {
                    <h3>"Dry run: what this would have kept of the last hour"</h3>
                    <DryRunResult run=run />
                })}
            </div>
            <Head editing=editing />
        </section>
        <HistoryDialog open=history_open editing=editing />
    }
}

/// What is in force, whether there are changes, and the buttons for them.
#[component]
fn Status(editing: Editing, changed: Memo<bool>) -> impl IntoView {
    let in_force = move || {
        let base = editing.base.get();
        match base.author {
            None => view! { <span>"Nobody has changed the settings yet"</span> }.into_any(),
            Some(author) => view! {
                <span>{format!("Version {}, saved by {author} ", base.version)}<TimeCell time=base.created_at none="" /></span>
            }
            .into_any(),
        }
    };
    view! {
        <div class="save-bar" class:changed=move || changed.get()>
            <span class="faint" role="status">
                {move || if changed.get() { view! { <span class="changed-text">"Not saved yet"</span> }.into_any() } else { in_force().into_any() }}
            </span>
            <span class="grow"></span>
            <Show when=move || !editing.may_edit.get()>
                <span class="badge">"Read only: needs the role Editor"</span>
            </Show>
            <Show when=move || changed.get() && editing.may_edit.get()>
                <button type="button" class="button" on:click=move |_| editing.discard()>"Discard"</button>
                <button type="button" class="button primary" disabled=move || editing.busy.get()
                    on:click=move |_| editing.save()>"Save"</button>
            </Show>
        </div>
    }
}

/// Somebody else saved meanwhile: what now?
#[component]
fn Theirs(editing: Editing) -> impl IntoView {
    move || {
        editing.theirs.get().map(|theirs| {
            let author = theirs.author.unwrap_or_default();
            view! {
                <div class="notice" role="alert">
                    <Glyph icon=Icon::Warning />
                    <span class="grow">{format!("{author} saved version {} while you were changing version {}.", theirs.version, editing.base.with_untracked(|base| base.version))}</span>
                    <button type="button" class="button small" on:click=move |_| editing.take_theirs(false)>"Show theirs, discard mine"</button>
                    <button type="button" class="button small" on:click=move |_| editing.take_theirs(true)>"Go on with mine"</button>
                </div>
            }
        })
    }
}

/// The wait for a trace's spans.
#[component]
fn Wait(editing: Editing) -> impl IntoView {
    let seconds =
        move || editing.settings.with(|settings| (f64::from(settings.decision_wait_ms) / 1e3).to_string());
    let change = move |event: web_sys::Event| {
        if let Ok(seconds) = event_target_value(&event).trim().parse::<f64>() {
            editing.change(|settings| settings.decision_wait_ms = (seconds * 1e3).round() as u32);
        }
    };
    view! {
        <div class="field short">
            <label for="decision-wait">"Wait for a trace's spans"</label>
            <span class="with-unit">
                <input id="decision-wait" class="input" type="text" inputmode="decimal" prop:value=seconds
                    disabled=move || !editing.may_edit.get()
                    aria-describedby="decision-wait-error decision-wait-hint" on:change=change />
                <span class="faint">"seconds"</span>
            </span>
            <span class="field-error" id="decision-wait-error">{move || fault(editing.faults, "settings.decisionWaitMs", false)}</span>
            <p class="hint" id="decision-wait-hint">"From its first span to the decision; a trace can be found after that. Spans that come later follow the decision."</p>
        </div>
    }
}
