//! A link that leads nowhere.

use leptos::prelude::*;

use crate::components::states::EmptyState;
use crate::state::page::{Crumb, use_page};
use crate::state::range::use_range;

/// Says so, and where to go.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Not found")], &[]);
    let range = use_range();
    view! {
        <EmptyState title="There is no such page">
            <p>"The link may be cut off. Go to "<a href=move || range.href("/")>"Services"</a>" or "<a href=move || range.href("/traces")>"Traces"</a>"."</p>
        </EmptyState>
    }
}
