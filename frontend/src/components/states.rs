//! What a page shows instead of data: skeleton, nothing found, failed, forbidden.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};
use crate::api::ApiError;

/// Grey rows where a table will be.
#[component]
pub fn SkeletonRows(
    /// How many.
    #[prop(default = 8)]
    rows: usize,
) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..rows)
                .map(|row| {
                    // Uneven widths look like text, not like stripes.
                    let width = format!("{}%", 92 - (row * 37) % 45);
                    view! { <div class="skeleton-row"><div style:width=width></div></div> }
                })
                .collect_view()}
        </div>
    }
}

/// There is nothing, and what to do next.
#[component]
pub fn EmptyState(
    /// In a few words.
    #[prop(into)]
    title: String,
    /// What to do next.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="state">
            <h2>{title}</h2>
            <div class="state-body">{children()}</div>
        </div>
    }
}

/// A call failed: what, why, and a retry.
#[component]
pub fn ErrorState(
    /// Why.
    error: ApiError,
    /// Tries again.
    #[prop(into)]
    retry: Callback<()>,
) -> impl IntoView {
    if error.is_forbidden() {
        return view! { <ForbiddenState /> }.into_any();
    }
    view! {
        <div class="state state-error" role="alert">
            <h2>
                <Glyph icon=Icon::Error />
                {error.title.clone()}
            </h2>
            <div class="state-body">
                {error.detail.clone().map(|detail| view! { <p>{detail}</p> })}
                {error.trace_id.clone().map(|id| view! { <p class="faint">"Request " <code>{String::from(id)}</code></p> })}
                <button type="button" class="button" on:click=move |_| retry.run(())>
                    <Glyph icon=Icon::Refresh />
                    "Try again"
                </button>
            </div>
        </div>
    }
    .into_any()
}

/// The same in one line, above data that is still shown.
#[component]
pub fn ErrorBar(
    /// Why.
    error: ApiError,
    /// Tries again.
    #[prop(into)]
    retry: Callback<()>,
) -> impl IntoView {
    view! {
        <div class="error-bar" role="alert">
            <Glyph icon=Icon::Error />
            <span>{error.line()}</span>
            <button type="button" class="button small" on:click=move |_| retry.run(())>"Try again"</button>
        </div>
    }
}

/// The person's role does not include this.
#[component]
pub fn ForbiddenState() -> impl IntoView {
    view! {
        <div class="state">
            <h2>
                <Glyph icon=Icon::Lock />
                "For administrators"
            </h2>
            <div class="state-body">
                <p>"Your role does not include this page. Somebody with the role Admin can change your role under Settings, People."</p>
            </div>
        </div>
    }
}
