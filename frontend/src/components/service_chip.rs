//! A service's name with its colour.

use leptos::prelude::*;

use super::service_color::hue;

/// A coloured square and the name.
#[component]
pub fn ServiceName(
    /// `service.name`.
    #[prop(into)]
    name: String,
) -> impl IntoView {
    let hue = hue(&name).to_string();
    view! {
        <span class="service-name">
            <i class="swatch" style=("--hue", hue) aria-hidden="true"></i>
            <span class="clip">{name}</span>
        </span>
    }
}
