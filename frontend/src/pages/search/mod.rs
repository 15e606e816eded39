//! Search for traces.

use leptos::prelude::*;

use crate::state::page::{Crumb, use_page};

/// The page.
#[component]
pub fn SearchPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Traces")], &[]);
}
