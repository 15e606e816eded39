//! Adds a person.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{Role, UserRequest};

use super::people::{ROLES, role_of, role_value};
use crate::api::{self, ApiError};
use crate::components::dialog::Dialog;
use crate::components::field::TextField;
use crate::components::icon::{Glyph, Icon};
use crate::state::session::role_name;
use crate::state::toasts::use_toasts;

/// The dialog.
#[component]
pub fn NewPersonDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// A person was added.
    added: Callback<()>,
) -> impl IntoView {
    view! {
        <Dialog open=open title="Add person">
            <PersonForm open=open added=added />
        </Dialog>
    }
}

#[component]
fn PersonForm(open: RwSignal<bool>, added: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let role = RwSignal::new(Role::Viewer);
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<ApiError>);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        let request = UserRequest {
            username: name.get_untracked().trim().to_owned(),
            password: password.get_untracked(),
            role: role.get_untracked(),
        };
        spawn_local(async move {
            match api::add_user(request).await {
                Ok(user) => {
                    toasts.done(format!("{} can log in now", user.username));
                    added.run(());
                    open.try_set(false);
                }
                Err(failed) => {
                    error.try_set(Some(failed));
                }
            }
            busy.try_set(false);
        });
    };
    let field_error = move |name: &'static str| {
        Signal::derive(move || error.with(|error| error.as_ref()?.field(name).map(str::to_owned)))
    };
    let general = move || error.get().filter(|error| error.fields.is_empty()).map(|error| error.line());
    let options = ROLES.map(|(role, value, meaning)| {
        view! { <option value=value>{format!("{} – {meaning}", role_name(role))}</option> }
    });
    view! {
        <form class="dialog-body" on:submit=submit>
            <TextField id="person-name" label="Name: letters, digits and . _ - @" value=name error=field_error("username") />
            <TextField id="person-password" label="First password, 12 characters or more" value=password kind="password"
                autocomplete="new-password" error=field_error("password") />
            <div class="field">
                <label for="person-role">"Role"</label>
                <select
                    id="person-role"
                    class="select"
                    prop:value=move || role_value(role.get())
                    on:change=move |event| {
                        if let Some(chosen) = role_of(&event_target_value(&event)) {
                            role.set(chosen);
                        }
                    }
                >
                    {options}
                </select>
            </div>
            <p class="hint">"Tell the person the password over a channel you trust. It can be changed under Settings, Account."</p>
            <div role="alert">
                {move || general().map(|text| view! { <p class="form-error"><Glyph icon=Icon::Error /><span>{text}</span></p> })}
            </div>
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="submit" class="button primary" disabled=move || busy.get()>"Add person"</button>
            </div>
        </form>
    }
}
