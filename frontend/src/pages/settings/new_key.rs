//! Makes an API key and shows its secret, once.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{ApiKeyCreated, ApiKeyRequest, KeyScope};

use super::keys::scope_name;
use crate::api::{self, ApiError};
use crate::components::copy_button::CopyButton;
use crate::components::dialog::Dialog;
use crate::components::field::TextField;
use crate::components::icon::{Glyph, Icon};

const SCOPES: [(KeyScope, &str); 2] =
    [(KeyScope::Ingest, "sends spans"), (KeyScope::Read, "reads traces and services")];

/// The dialog.
#[component]
pub fn NewKeyDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// A key was made.
    created: Callback<()>,
) -> impl IntoView {
    let made = RwSignal::new(None::<ApiKeyCreated>);
    // The secret is gone as soon as the dialog is.
    Effect::new(move |_| {
        if !open.get() {
            made.set(None);
        }
    });
    let title = Signal::derive(move || {
        if made.with(Option::is_some) { "Copy the key now" } else { "New API key" }.to_owned()
    });
    view! {
        <Dialog open=open title=title>
            {move || match made.get() {
                None => view! { <KeyForm open=open made=made created=created /> }.into_any(),
                Some(key) => view! { <Secret open=open key=key /> }.into_any(),
            }}
        </Dialog>
    }
}

#[component]
fn KeyForm(
    open: RwSignal<bool>,
    made: RwSignal<Option<ApiKeyCreated>>,
    created: Callback<()>,
) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let scopes = RwSignal::new(vec![KeyScope::Ingest]);
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<ApiError>);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() || scopes.with_untracked(Vec::is_empty) {
            return;
        }
        busy.set(true);
        error.set(None);
        let request =
            ApiKeyRequest { name: name.get_untracked().trim().to_owned(), scopes: scopes.get_untracked() };
        spawn_local(async move {
            match api::create_key(request).await {
                Ok(key) => {
                    created.run(());
                    made.try_set(Some(key));
                }
                Err(failed) => {
                    error.try_set(Some(failed));
                }
            }
            busy.try_set(false);
        });
    };
    let name_error =
        Signal::derive(move || error.with(|error| error.as_ref()?.field("name").map(str::to_owned)));
    let general = move || error.get().filter(|error| error.fields.is_empty()).map(|error| error.line());
    let scope = move |(scope, meaning): (KeyScope, &'static str)| {
        let toggle = move |event: web_sys::Event| {
            let wanted = event_target_checked(&event);
            scopes.update(|scopes| {
                scopes.retain(|known| *known != scope);
                if wanted {
                    scopes.push(scope);
                    scopes.sort();
                }
            });
        };
        view! {
            <label class="check">
                <input type="checkbox" prop:checked=move || scopes.with(|scopes| scopes.contains(&scope)) on:change=toggle />
                <span>{scope_name(scope)}<span class="faint">{format!(" – {meaning}")}</span></span>
            </label>
        }
    };
    view! {
        <form class="dialog-body" on:submit=submit>
            <TextField id="key-name" label="What is it for?" value=name error=name_error />
            <fieldset class="field">
                <legend class="label">"Scopes"</legend>
                {SCOPES.into_iter().map(scope).collect_view()}
                <span class="field-error" role="alert">
                    {move || scopes.with(Vec::is_empty).then_some("Choose at least one")}
                </span>
            </fieldset>
            <div role="alert">
                {move || general().map(|text| view! { <p class="form-error"><Glyph icon=Icon::Error /><span>{text}</span></p> })}
            </div>
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="submit" class="button primary" disabled=move || busy.get() || scopes.with(Vec::is_empty)>"Make key"</button>
            </div>
        </form>
    }
}

#[component]
fn Secret(open: RwSignal<bool>, key: ApiKeyCreated) -> impl IntoView {
    let sends = key.key.scopes.contains(&KeyScope::Ingest);
    let header = format!("export OTEL_EXPORTER_OTLP_HEADERS=\"authorization=Bearer {}\"", key.secret);
    view! {
        <div class="dialog-body">
            <p>{format!("This is the only time that the key “{}” is shown.", key.key.name)}</p>
            <div class="code-block">
                <pre><code>{key.secret.clone()}</code></pre>
                <CopyButton text=key.secret label="Copy key" />
            </div>
            {sends.then(|| view! {
                <p class="hint">"For an OpenTelemetry SDK:"</p>
                <div class="code-block">
                    <pre><code>{header.clone()}</code></pre>
                    <CopyButton text=header label="Copy setting" />
                </div>
            })}
            <div class="dialog-actions">
                <button type="button" class="button primary" on:click=move |_| open.set(false)>"Done"</button>
            </div>
        </div>
    }
}
