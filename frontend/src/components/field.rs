//! A labelled text field with its error below.

use leptos::prelude::*;

/// The field.
#[component]
pub fn TextField(
    /// For the label.
    id: &'static str,
    /// What it is for.
    label: &'static str,
    /// What is typed.
    value: RwSignal<String>,
    /// The input's type.
    #[prop(default = "text")]
    kind: &'static str,
    /// What password managers make of it.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// What is wrong with it.
    #[prop(into)]
    error: Signal<Option<String>>,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                id=id
                class="input"
                type=kind
                autocomplete=autocomplete
                spellcheck="false"
                required
                aria-invalid=move || error.with(Option::is_some).to_string()
                aria-describedby=format!("{id}-error")
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            <span class="field-error" id=format!("{id}-error")>{move || error.get()}</span>
        </div>
    }
}
