//! A whole trace.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::state::page::{Crumb, use_page};

/// The trace of the path's `trace_id`.
#[component]
pub fn TracePage() -> impl IntoView {
    let params = use_params_map();
    let page = use_page();
    Effect::new(move |_| {
        let id = params.with(|params| params.get("trace_id").unwrap_or_default());
        page.set(vec![Crumb::link("Traces", "/traces"), Crumb::here(id)], &[]);
    });
}
