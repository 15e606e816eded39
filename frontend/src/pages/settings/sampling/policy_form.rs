//! Adds or changes a policy of the draft.

use leptos::prelude::*;
use spanloom_model::api::{FieldError, SamplingPolicy};

use super::draft::{Kind, Place, RuleDraft};
use super::rule_fields::rule_fields;
use super::state::Editing;
use crate::components::dialog::Dialog;
use crate::components::inputs::{Faults, Line};

/// The dialog; `editing` says which policy, or a new one.
#[component]
pub fn PolicyDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The draft and what is wrong with it.
    editing: Editing,
    /// Position of the policy; none for a new one.
    at: RwSignal<Option<usize>>,
) -> impl IntoView {
    let title =
        Signal::derive(move || if at.get().is_some() { "Change policy" } else { "Add policy" }.to_owned());
    view! {
        <Dialog open=open title=title>
            <PolicyForm open=open editing=editing at=at.get_untracked() />
        </Dialog>
    }
}

#[component]
fn PolicyForm(open: RwSignal<bool>, editing: Editing, at: Option<usize>) -> impl IntoView {
    let known = at.and_then(|at| editing.settings.with_untracked(|it| it.policies.get(at).cloned()));
    let name = RwSignal::new(known.as_ref().map(|policy| policy.name.clone()).unwrap_or_default());
    let enabled = known.as_ref().is_none_or(|policy| policy.enabled);
    let rule = known.as_ref().map_or_else(|| RuleDraft::new(Kind::Status), |it| RuleDraft::of(&it.rule));
    // What the server said of this policy, with paths as if it were the only one.
    let prefix = at.map(|at| format!("settings.policies[{at}]."));
    let told = prefix.map_or_else(Vec::new, |prefix| {
        let inside = |fault: &FieldError| {
            let field = fault.field.strip_prefix(&prefix)?.to_owned();
            Some(FieldError { field, message: fault.message.clone() })
        };
        editing.faults.with_untracked(|faults| faults.iter().filter_map(inside).collect())
    });
    let faults: Faults = RwSignal::new(told);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let mut found = Vec::new();
        let name = name.get_untracked().trim().to_owned();
        if name.is_empty() {
            found.push(FieldError { field: "name".to_owned(), message: "is missing".to_owned() });
        }
        let is_taken = editing.settings.with_untracked(|settings| {
            settings
                .policies
                .iter()
                .enumerate()
                .any(|(index, it)| Some(index) != at && it.name.trim() == name)
        });
        if is_taken {
            let message = "is the name of another policy too".to_owned();
            found.push(FieldError { field: "name".to_owned(), message });
        }
        let policy = SamplingPolicy { name, enabled, rule: rule.read("rule", &mut found) };
        if !found.is_empty() {
            faults.set(found);
            return;
        }
        editing.change(|settings| match at {
            Some(at) if at < settings.policies.len() => settings.policies[at] = policy,
            _ => settings.policies.push(policy),
        });
        open.set(false);
    };
    view! {
        <form class="dialog-body" on:submit=submit>
            <Line id="policy-name" label="Name" value=name path="name" faults=faults />
            {rule_fields(rule, Place::Policy, "rule".to_owned(), faults)}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="submit" class="button primary">{if at.is_some() { "Apply" } else { "Add policy" }}</button>
            </div>
        </form>
    }
}
