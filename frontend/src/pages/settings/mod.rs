//! Settings: the person's own account, API keys, people, sampling, storage, links to log systems.

mod account;
mod keys;
mod log_links;
mod new_key;
mod new_person;
mod people;
mod sampling;
mod storage;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use spanloom_model::api::Role;

use self::account::AccountSection;
use self::keys::KeysSection;
use self::log_links::LogLinksSection;
use self::people::PeopleSection;
use self::sampling::SamplingSection;
use self::storage::StorageSection;
use crate::components::icon::{Glyph, Icon};
use crate::components::states::ForbiddenState;
use crate::pages::not_found::NotFoundPage;
use crate::state::page::{Crumb, use_page};
use crate::state::range::use_range;
use crate::state::session::use_session;

/// The page; the section is the last part of the path.
#[component]
pub fn SettingsPage() -> impl IntoView {
    let page = use_page();
    let range = use_range();
    let params = use_params_map();
    let session = use_session();
    let section = Memo::new(move |_| params.with(|params| params.get("section").unwrap_or_default()));
    Effect::new(move |_| {
        let (here, keys) = match section.get().as_str() {
            "keys" => ("API keys", &[][..]),
            "people" => ("People", &[][..]),
            "log-links" => ("Log links", &[][..]),
            "sampling" => ("Sampling", &[][..]),
            "storage" => ("Storage", storage::KEYS),
            _ => ("Account", &[][..]),
        };
        page.set(vec![Crumb::link("Settings", "/settings"), Crumb::here(here)], keys);
    });
    let is_admin = Memo::new(move |_| session.has_role(Role::Admin));
    let tab = move |name: &'static str, label: &'static str, icon: Icon| {
        let path = if name.is_empty() { "/settings".to_owned() } else { format!("/settings/{name}") };
        view! {
            <a
                class="menu-item"
                href=move || range.href(&path)
                aria-current=move || (section.get() == name).then_some("page")
            >
                <Glyph icon=icon />
                {label}
            </a>
        }
    };
    let content = move || match (section.get().as_str(), is_admin.get()) {
        ("", _) => view! { <AccountSection /> }.into_any(),
        ("sampling", _) => view! { <SamplingSection /> }.into_any(),
        ("log-links", _) => view! { <LogLinksSection /> }.into_any(),
        ("storage", _) => view! { <StorageSection /> }.into_any(),
        ("keys", true) => view! { <KeysSection /> }.into_any(),
        ("people", true) => view! { <PeopleSection /> }.into_any(),
        ("keys" | "people", false) => view! { <ForbiddenState /> }.into_any(),
        _ => view! { <NotFoundPage /> }.into_any(),
    };
    view! {
        <div class="settings">
            <nav class="settings-tabs" aria-label="Settings">
                {tab("", "Account", Icon::Lock)}
                {tab("keys", "API keys", Icon::Key)}
                {tab("people", "People", Icon::People)}
                {tab("sampling", "Sampling", Icon::Sampling)}
                {tab("storage", "Storage", Icon::Storage)}
                {tab("log-links", "Log links", Icon::External)}
            </nav>
            <div class="settings-content">{content}</div>
        </div>
    }
}
