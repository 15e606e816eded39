//! The person's name, role, and the way out.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::icon::{Glyph, Icon};
use super::menu::{Popover, PopoverState};
use crate::api;
use crate::state::range::use_range;
use crate::state::session::{Phase, role_name, use_session};
use crate::state::toasts::use_toasts;

/// The menu in the top right corner.
#[component]
pub fn UserMenu() -> impl IntoView {
    let session = use_session();
    let range = use_range();
    let toasts = use_toasts();
    let state = PopoverState::new();
    let name = Memo::new(move |_| session.user().map(|user| user.username).unwrap_or_default());
    let initials = move || name.with(|name| name.chars().take(2).collect::<String>().to_uppercase());
    let log_out = move |_| {
        spawn_local(async move {
            match api::log_out().await {
                Ok(()) => session.phase.set(Phase::Out),
                // Whoever clicks this wants to be out: an ended session is what was asked for.
                Err(error) if error.is_unauthorized() => session.phase.set(Phase::Out),
                Err(error) => toasts.failed(error.line()),
            }
        });
    };
    view! {
        <Popover
            state=state
            label="Your account"
            button_class="avatar"
            panel_class="menu align-end"
            button=move || view! { <span class="initials" data-initials=initials></span> }.into_any()
        >
            <div class="menu-head">
                <strong class="clip">{move || name.get()}</strong>
                <span class="faint">{move || session.user().map(|user| role_name(user.role))}</span>
            </div>
            <a class="menu-item" href=move || range.href("/settings") on:click=move |_| state.open.set(false)>
                <Glyph icon=Icon::Lock />
                "Change password"
            </a>
            <button type="button" class="menu-item" on:click=log_out>
                <Glyph icon=Icon::LogOut />
                "Log out"
            </button>
        </Popover>
    }
}
