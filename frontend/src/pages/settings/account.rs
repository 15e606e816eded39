//! Who I am, and my password.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::{self, ApiError};
use crate::components::field::TextField;
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::range::ZONE;
use crate::state::session::{role_name, use_session};
use crate::state::toasts::use_toasts;

/// What the server demands of a password.
pub const PASSWORD_MIN: usize = 12;

/// The section.
#[component]
pub fn AccountSection() -> impl IntoView {
    let session = use_session();
    let facts = move || {
        session.user().map(|user| {
            view! {
                <dl class="facts">
                    <dt>"Name"</dt>
                    <dd>{user.username}</dd>
                    <dt>"Role"</dt>
                    <dd>{role_name(user.role)}</dd>
                    <dt>"Since"</dt>
                    <dd>{format::full_time(user.created_at, &ZONE)}</dd>
                </dl>
            }
        })
    };
    view! {
        <section class="settings-section">
            <h2>"Account"</h2>
            {facts}
            <h2>"Change password"</h2>
            <p class="hint">"Ends your sessions in other browsers."</p>
            <PasswordForm />
        </section>
    }
}

/// What is wrong before the server is asked.
fn problem(new: &str, again: &str) -> Option<(&'static str, &'static str)> {
    if new.chars().count() < PASSWORD_MIN {
        return Some(("new", "At least 12 characters"));
    }
    (new != again).then_some(("again", "Not the same as above"))
}

#[component]
fn PasswordForm() -> impl IntoView {
    let toasts = use_toasts();
    let (current, new, again) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let busy = RwSignal::new(false);
    let tried = RwSignal::new(false);
    let error = RwSignal::new(None::<ApiError>);
    let local =
        Memo::new(move |_| new.with(|new| again.with(|again| problem(new, again))).filter(|_| tried.get()));
    let field_error = move |local_name: &'static str, api_name: &'static str| {
        Signal::derive(move || {
            let of_page =
                local.get().filter(|(name, _)| *name == local_name).map(|(_, message)| message.to_owned());
            of_page.or_else(|| error.with(|error| error.as_ref()?.field(api_name).map(str::to_owned)))
        })
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        tried.set(true);
        if busy.get_untracked() || local.get_untracked().is_some() {
            return;
        }
        busy.set(true);
        error.set(None);
        spawn_local(async move {
            match api::change_password(current.get_untracked(), new.get_untracked()).await {
                Ok(()) => {
                    toasts.done("Password changed");
                    tried.try_set(false);
                    for field in [current, new, again] {
                        field.try_set(String::new());
                    }
                }
                Err(failed) => {
                    error.try_set(Some(failed));
                }
            }
            busy.try_set(false);
        });
    };
    // What concerns a field is said at the field.
    let general = move || error.get().filter(|error| error.fields.is_empty()).map(|error| error.line());
    view! {
        <form class="form" on:submit=submit>
            <TextField id="password-current" label="Current password" value=current kind="password"
                autocomplete="current-password" error=field_error("current", "currentPassword") />
            <TextField id="password-new" label="New password, 12 characters or more" value=new kind="password"
                autocomplete="new-password" error=field_error("new", "newPassword") />
            <TextField id="password-again" label="New password again" value=again kind="password"
                autocomplete="new-password" error=field_error("again", "") />
            <div role="alert">
                {move || general().map(|text| view! {
                    <p class="form-error"><Glyph icon=Icon::Error /><span>{text}</span></p>
                })}
            </div>
            <button type="submit" class="button primary" disabled=move || busy.get()>"Change password"</button>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn a_new_password_is_long_and_typed_twice() {
        assert_eq!(problem("short", "short").map(|it| it.0), Some("new"));
        assert_eq!(problem("long enough 12", "long enough 13").map(|it| it.0), Some("again"));
        assert_eq!(problem("long enough 12", "long enough 12"), None);
        // Characters count, not bytes.
        assert_eq!(problem("ääääää", "ääääää").map(|it| it.0), Some("new"));
    }
}
