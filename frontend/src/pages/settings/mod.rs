//! Settings.

use leptos::prelude::*;

use crate::state::page::{Crumb, use_page};

/// The page.
#[component]
pub fn SettingsPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Settings")], &[]);
}
