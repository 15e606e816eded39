//! Home: the services with their rate, errors and durations.

use leptos::prelude::*;

use crate::state::page::{Crumb, use_page};

/// The page.
#[component]
pub fn ServicesPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Services")], &[]);
}
