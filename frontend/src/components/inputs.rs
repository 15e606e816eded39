//! Fields of forms, each with the fault of its path below.

use leptos::prelude::*;
use spanloom_model::api::FieldError;

/// Faults by path, from the form itself or from the server.
pub type Faults = RwSignal<Vec<FieldError>>;

/// What is wrong with the field at `path`, or with anything below it if `below`.
pub fn fault(faults: Faults, path: &str, below: bool) -> Option<String> {
    faults.with(|faults| {
        faults
            .iter()
            .find(|fault| {
                fault.field == path
                    || (below
                        && fault.field.strip_prefix(path).is_some_and(|rest| rest.starts_with(['[', '.'])))
            })
            .map(|fault| fault.message.clone())
    })
}

/// A line of text or a number.
#[component]
pub fn Line(
    /// For the label.
    #[prop(into)]
    id: String,
    /// What it is.
    label: &'static str,
    /// What is typed.
    value: RwSignal<String>,
    /// Where its fault is.
    #[prop(into)]
    path: String,
    /// All faults.
    faults: Faults,
    /// What stands after it.
    #[prop(default = "")]
    unit: &'static str,
    /// Whether digits are expected.
    #[prop(default = false)]
    number: bool,
    /// What is meant by nothing.
    #[prop(default = "")]
    placeholder: &'static str,
) -> impl IntoView {
    let wrong = Memo::new(move |_| fault(faults, &path, false));
    let error_id = format!("{id}-error");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <span class="with-unit">
                <input
                    id=id
                    class="input"
                    type="text"
                    inputmode=if number { "decimal" } else { "text" }
                    autocomplete="off"
                    spellcheck="false"
                    placeholder=placeholder
                    aria-invalid=move || wrong.with(Option::is_some).to_string()
                    aria-describedby=error_id.clone()
                    prop:value=move || value.get()
                    on:input=move |event| value.set(event_target_value(&event))
                />
                {(!unit.is_empty()).then(|| view! { <span class="faint">{unit}</span> })}
            </span>
            <span class="field-error" id=error_id>{move || wrong.get()}</span>
        </div>
    }
}

/// Several lines, each a value.
#[component]
pub fn Lines(
    /// For the label.
    #[prop(into)]
    id: String,
    /// What they are.
    label: &'static str,
    /// What is typed.
    value: RwSignal<String>,
    /// Where their faults are.
    #[prop(into)]
    path: String,
    /// All faults.
    faults: Faults,
) -> impl IntoView {
    let wrong = Memo::new(move |_| fault(faults, &path, true));
    let error_id = format!("{id}-error");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <textarea
                id=id
                class="input lines"
                rows="3"
                spellcheck="false"
                aria-invalid=move || wrong.with(Option::is_some).to_string()
                aria-describedby=error_id.clone()
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            ></textarea>
            <span class="field-error" id=error_id>{move || wrong.get()}</span>
        </div>
    }
}

/// Yes or no.
#[component]
pub fn Check(
    /// What it is.
    #[prop(into)]
    label: String,
    /// The answer.
    value: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                prop:checked=move || value.get()
                on:change=move |event| value.set(event_target_checked(&event))
            />
            <span>{label}</span>
        </label>
    }
}
