//! Adds or changes what one service is told.

use std::collections::BTreeMap;

use leptos::prelude::*;
use spanloom_model::api::{FieldError, HeadService};

use super::state::Editing;
use super::summary;
use crate::components::dialog::Dialog;
use crate::components::inputs::{Faults, Line, Lines};

/// The dialog; `at` names the service, none for a new one.
#[component]
pub fn HeadDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The draft.
    editing: Editing,
    /// The service.
    at: RwSignal<Option<String>>,
) -> impl IntoView {
    let title = Signal::derive(move || {
        at.get().map_or_else(|| "Add service".to_owned(), |name| format!("Change {name}"))
    });
    view! {
        <Dialog open=open title=title>
            <HeadForm open=open editing=editing at=at.get_untracked() />
        </Dialog>
    }
}

#[component]
fn HeadForm(open: RwSignal<bool>, editing: Editing, at: Option<String>) -> impl IntoView {
    let known = at.as_ref().and_then(|name| {
        editing.settings.with_untracked(|settings| settings.head.services.get(name).cloned())
    });
    let known = known.unwrap_or(HeadService { probability: Some(0.1), ..HeadService::default() });
    let percent = summary::percent_text;
    let name = RwSignal::new(at.clone().unwrap_or_default());
    let by_rate = RwSignal::new(known.traces_per_second.is_some());
    let share = RwSignal::new(known.probability.map(percent).unwrap_or_default());
    let rate = RwSignal::new(known.traces_per_second.unwrap_or(1).to_string());
    let lines =
        known.operations.iter().map(|(operation, share)| format!("{operation} = {}", percent(*share)));
    let operations = RwSignal::new(lines.collect::<Vec<_>>().join("\n"));
    let faults: Faults = RwSignal::new(Vec::new());
    let is_new = at.is_none();
    let before = StoredValue::new(at);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let mut found = Vec::new();
        let mut fault = |field: &str, message: &str| {
            found.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        };
        let name = name.get_untracked().trim().to_owned();
        if name.is_empty() {
            fault("name", "is missing");
        }
        let is_taken = before.with_value(|before| before.as_ref() != Some(&name))
            && editing.settings.with_untracked(|settings| settings.head.services.contains_key(&name));
        if is_taken {
            fault("name", "is in the list already");
        }
        let service = if by_rate.get_untracked() {
            let traces_per_second = rate.with_untracked(|text| text.trim().parse().ok());
            if traces_per_second.is_none() {
                fault("rate", "must be a whole number");
            }
            HeadService { traces_per_second, ..HeadService::default() }
        } else {
            let text = share.get_untracked();
            let probability = share_of(&text);
            if probability.is_none() && !text.trim().is_empty() {
                fault("share", "must be 0 to 100");
            }
            let operations = operations_of(&operations.get_untracked());
            if let Err(line) = &operations {
                fault("operations", &format!("“{line}” is not of the form GET /health = 0.1"));
            }
            let operations = operations.unwrap_or_default();
            if text.trim().is_empty() && operations.is_empty() {
                fault("share", "is missing");
            }
            HeadService { probability, operations, ..HeadService::default() }
        };
        if !found.is_empty() {
            faults.set(found);
            return;
        }
        editing.change(|settings| {
            if let Some(before) = before.get_value() {
                settings.head.services.remove(&before);
            }
            settings.head.services.insert(name, service);
        });
        open.set(false);
    };
    let way = move |rate: bool, label: &'static str| {
        view! {
            <label class="check">
                <input type="radio" name="head-way" prop:checked=move || by_rate.get() == rate on:change=move |_| by_rate.set(rate) />
                <span>{label}</span>
            </label>
        }
    };
    let fields = move || {
        if by_rate.get() {
            return view! { <Line id="head-rate" label="Traces a second in each process" value=rate path="rate" faults=faults number=true /> }.into_any();
        }
        view! {
            <Line id="head-share" label="Share of the traces" value=share path="share" faults=faults unit="%" number=true placeholder="as services that are not listed" />
            <Lines id="head-operations" label="Operations apart, one a line: GET /health = 0.1 (percent)" value=operations path="operations" faults=faults />
        }
        .into_any()
    };
    view! {
        <form class="dialog-body" on:submit=submit>
            <Line id="head-name" label="Service, as in service.name" value=name path="name" faults=faults />
            <fieldset class="field">
                <legend class="label">"It starts"</legend>
                {way(false, "a share of the traces")}
                {way(true, "so many traces a second")}
            </fieldset>
            {fields}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="submit" class="button primary">{if is_new { "Add service" } else { "Apply" }}</button>
            </div>
        </form>
    }
}

/// From percent.
fn share_of(text: &str) -> Option<f64> {
    let percent = text.trim().trim_end_matches('%').trim().parse::<f64>().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

/// From lines of `operation = percent`; the line that is none, if one is.
fn operations_of(text: &str) -> Result<BTreeMap<String, f64>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            // An operation may have an equals sign in it, a number has none.
            let (name, percent) = line.rsplit_once('=').ok_or_else(|| line.to_owned())?;
            let share = share_of(percent).filter(|_| !name.trim().is_empty());
            Ok((name.trim().to_owned(), share.ok_or_else(|| line.to_owned())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_line_by_line() {
        let read = operations_of(" GET /health = 0.5 %\n\nGET /?a=b = 100").unwrap();
        assert_eq!(
            read,
            BTreeMap::from([("GET /health".to_owned(), 0.005), ("GET /?a=b".to_owned(), 1.0)])
        );
        assert_eq!(operations_of("GET /"), Err("GET /".to_owned()));
        assert_eq!(operations_of("GET / = 101"), Err("GET / = 101".to_owned()));
        assert_eq!(operations_of("= 1"), Err("= 1".to_owned()));
    }
}
