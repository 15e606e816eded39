//! Log-in, and back to where the person wanted to go.

use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use crate::api::{self, ApiError};
use crate::components::icon::{Glyph, Icon};
use crate::state::page::{Crumb, use_page};
use crate::state::range::use_range;
use crate::state::session::{Phase, use_session};

/// Where to go after logging in: a path of this application and nothing else, so that a crafted
/// link cannot lead people to a foreign site.
fn safe_next(next: Option<&str>) -> &str {
    match next {
        Some(path)
            if path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains('\\')
                && !path.starts_with("/login") =>
        {
            path
        }
        _ => "/",
    }
}

/// What went wrong, for people.
fn message(error: &ApiError) -> String {
    match (error.status, error.retry_after_seconds) {
        (401, _) => "Name or password is wrong.".to_owned(),
        (429, Some(_)) => "Too many attempts.".to_owned(),
        (429, None) => "Too many attempts. Wait a few minutes and try again.".to_owned(),
        _ => error.line(),
    }
}

/// The form.
#[component]
pub fn LoginPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Log in")], &[]);
    let session = use_session();
    let query = use_range().query;
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(session.phase.get(), Phase::In(_)) {
            let next = query.with_untracked(|query| safe_next(query.get("next")).to_owned());
            navigate(&next, NavigateOptions { replace: true, ..NavigateOptions::default() });
        }
    });

    let name: NodeRef<html::Input> = NodeRef::new();
    let password: NodeRef<html::Input> = NodeRef::new();
    let shown = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<ApiError>);
    let wait_s = RwSignal::new(0_u32);
    Effect::new(move |_| focus(name));
    let tick = set_interval_with_handle(
        move || {
            if wait_s.get_untracked() > 0 {
                wait_s.update(|seconds| *seconds -= 1);
            }
        },
        Duration::from_secs(1),
    );
    on_cleanup(move || {
        if let Ok(tick) = tick {
            tick.clear();
        }
    });

    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let (Some(name_field), Some(password_field)) = (name.get_untracked(), password.get_untracked())
        else {
            return;
        };
        let (username, secret) = (name_field.value(), password_field.value());
        if busy.get_untracked() || wait_s.get_untracked() > 0 {
            return;
        }
        busy.set(true);
        error.set(None);
        spawn_local(async move {
            match api::log_in(username, secret).await {
                Ok(opened) => {
                    session.expired.set(false);
                    session.phase.set(Phase::In(opened.user));
                }
                Err(failed) => {
                    wait_s.try_set(failed.retry_after_seconds.unwrap_or(0));
                    let wrong = failed.is_unauthorized();
                    error.try_set(Some(failed));
                    if wrong && let Some(field) = password.try_get_untracked().flatten() {
                        field.select();
                    }
                }
            }
            busy.try_set(false);
        });
    };
    let caps = RwSignal::new(false);

    view! {
        <main class="login">
            <form class="login-box" on:submit=submit aria-labelledby="login-title">
                <div class="login-mark"><Glyph icon=Icon::Logo /></div>
                <h1 id="login-title">"Log in to Spanloom"</h1>
                <p class="hint" hidden=move || !session.expired.get() || error.with(Option::is_some)>
                    "Your session has ended. Log in again to go on where you were."
                </p>
                <label for="login-name">"Name"</label>
                <input id="login-name" class="input" node_ref=name type="text" name="username" autocomplete="username"
                    autocapitalize="none" spellcheck="false" required />
                <label for="login-password">"Password"</label>
                <div class="input-group">
                    <input id="login-password" class="input" node_ref=password name="password"
                        type=move || if shown.get() { "text" } else { "password" }
                        autocomplete="current-password" required
                        aria-invalid=move || error.with(|error| error.as_ref().is_some_and(ApiError::is_unauthorized)).to_string()
                        aria-describedby="login-error"
                        on:keyup=move |event| caps.set(event.get_modifier_state("CapsLock")) />
                    <button type="button" class="button quiet small" aria-pressed=move || shown.get().to_string()
                        on:click=move |_| shown.update(|shown| *shown = !*shown)>
                        {move || if shown.get() { "Hide" } else { "Show" }}
                    </button>
                </div>
                <p class="hint" hidden=move || !caps.get()>"Caps Lock is on."</p>
                <div id="login-error" role="alert">
                    {move || error.get().map(|error| view! {
                        <p class="form-error">
                            <Glyph icon=Icon::Error />
                            <span>
                                {message(&error)}
                                {move || match wait_s.get() {
                                    0 => String::new(),
                                    seconds => format!(" Try again in {seconds} s."),
                                }}
                            </span>
                        </p>
                    })}
                </div>
                <button type="submit" class="button primary wide" disabled=move || busy.get() || wait_s.get() != 0>
                    {move || if busy.get() { "Logging in…" } else { "Log in" }}
                </button>
            </form>
        </main>
    }
}

fn focus(field: NodeRef<html::Input>) {
    if let Some(field) = field.get() {
        // Without focus one can still click into it.
        let _ = field.focus();
    }
}

#[cfg(test)]
mod tests {
    use super::safe_next;

    // Catches an open redirect through a crafted log-in link.
    #[test]
    fn only_paths_of_this_application_are_followed() {
        assert_eq!(safe_next(Some("/traces?service=cart")), "/traces?service=cart");
        for bad in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "/login?next=/",
            "",
        ] {
            assert_eq!(safe_next(Some(bad)), "/", "{bad}");
        }
        assert_eq!(safe_next(None), "/");
    }
}
