//! The theme's colours as the canvases need them.

use leptos::prelude::*;

use super::model::TraceModel;
use crate::components::service_color::hue;

/// Colours of one theme for one trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Colors {
    /// Important text and the critical path.
    pub text: String,
    /// Labels.
    pub muted: String,
    /// Hairlines.
    pub line: String,
    /// Behind everything.
    pub surface: String,
    /// Errors.
    pub error: String,
    /// Warnings.
    pub warn: String,
    /// Where a span worked itself, by service.
    pub solid: Vec<String>,
    /// Where its children worked, by service.
    pub light: Vec<String>,
    /// In the minimap, by service.
    pub faded: Vec<String>,
    /// Labels' font.
    pub font: String,
}

impl Colors {
    /// Reads the tokens from the root element.
    pub fn read(model: &TraceModel) -> Self {
        let style = document()
            .document_element()
            .and_then(|root| window().get_computed_style(&root).ok().flatten());
        let token = |name: &str| {
            let value = style.as_ref().and_then(|style| style.get_property_value(name).ok());
            value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let color = |name: &str| token(name).unwrap_or_else(|| "gray".to_owned());
        let lightness = token("--service-l").unwrap_or_else(|| "0.65".to_owned());
        let chroma = token("--service-c").unwrap_or_else(|| "0.12".to_owned());
        let service = |alpha: &str| {
            model
                .services
                .iter()
                .map(|service| format!("oklch({lightness} {chroma} {}{alpha})", hue(&service.name)))
                .collect()
        };
        Self {
            text: color("--text-0"),
            muted: color("--text-1"),
            line: color("--line"),
            surface: color("--surface-0"),
            error: color("--error"),
            warn: color("--warn"),
            solid: service(""),
            light: service(" / 0.4"),
            faded: service(" / 0.65"),
            font: "11px system-ui, sans-serif".to_owned(),
        }
    }
}
