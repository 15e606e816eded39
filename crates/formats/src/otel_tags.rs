//! What OpenTelemetry's exporters for other formats write into tags, for want of a field, taken back
//! into the fields. See the specification, "Mapping to non-OTLP formats".

use std::collections::HashMap;
use std::sync::Arc;

use spanloom_model::{AttrValue, Scope, SpanStatus};

/// Attributes on their way: in the order sent, keys perhaps more than once.
pub(crate) type Tags = Vec<(String, AttrValue)>;

/// Every OpenTelemetry SDK describes itself: without this no tag is taken for a resource attribute.
pub(crate) const SDK_NAME: &str = "telemetry.sdk.name";

/// Attributes that describe a process, by the beginnings of their names.
const PROCESS_PREFIXES: [&str; 9] = [
    "service.",
    "telemetry.sdk.",
    "host.",
    "os.",
    "process.",
    "container.",
    "k8s.",
    "cloud.",
    "deployment.",
];

/// Whether a tag that an SDK sent was an attribute of its resource.
pub(crate) fn describes_process(key: &str) -> bool {
    PROCESS_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// What the tags said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct OtelTags {
    /// `otel.status_code`, if it was there.
    pub status: Option<SpanStatus>,
    /// `otel.status_description`, or empty.
    pub status_message: String,
    /// `w3c.tracestate`, or empty.
    pub trace_state: String,
    /// Name and version of the instrumentation library.
    pub scope: (String, String),
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// Events that the client dropped.
    pub dropped_events_count: u32,
    /// Links that the client dropped.
    pub dropped_links_count: u32,
}

impl OtelTags {
    /// Moves them out of `tags`. What does not fit the field stays a tag.
    pub fn take_from(tags: &mut Tags) -> Self {
        let mut taken = Self::default();
        tags.retain_mut(|(key, value)| !taken.take(key, value));
        taken
    }

    fn take(&mut self, key: &str, value: &mut AttrValue) -> bool {
        match key {
            "otel.status_code" => take_status(&mut self.status, value),
            "otel.status_description" => take_text(&mut self.status_message, value),
            "w3c.tracestate" => take_text(&mut self.trace_state, value),
            // The same under an earlier name; some exporters write both.
            "otel.scope.name" | "otel.library.name" => take_text(&mut self.scope.0, value),
            "otel.scope.version" | "otel.library.version" => take_text(&mut self.scope.1, value),
            "otel.dropped_attributes_count" => take_count(&mut self.dropped_attributes_count, value),
            "otel.dropped_events_count" => take_count(&mut self.dropped_events_count, value),
            "otel.dropped_links_count" => take_count(&mut self.dropped_links_count, value),
            _ => false,
        }
    }
}

fn take_status(field: &mut Option<SpanStatus>, value: &AttrValue) -> bool {
    let AttrValue::String(text) = value else { return false };
    // The longer names are those of the OpenTelemetry Collector.
    *field = match text.to_ascii_uppercase().as_str() {
        "OK" | "STATUS_CODE_OK" => Some(SpanStatus::Ok),
        "ERROR" | "STATUS_CODE_ERROR" => Some(SpanStatus::Error),
        "UNSET" | "STATUS_CODE_UNSET" => Some(SpanStatus::Unset),
        _ => return false,
    };
    true
}

fn take_text(field: &mut String, value: &mut AttrValue) -> bool {
    let AttrValue::String(text) = value else { return false };
    *field = std::mem::take(text);
    true
}

/// Takes a count, which is a number or the same as text.
pub(crate) fn take_count(field: &mut u32, value: &AttrValue) -> bool {
    let count = match value {
        AttrValue::Int(number) => u32::try_from(*number).ok(),
        AttrValue::String(text) => text.parse().ok(),
        _ => None,
    };
    *field = count.unwrap_or(*field);
    count.is_some()
}

/// The instrumentation libraries of a request, each once.
#[derive(Default)]
pub(crate) struct Scopes(HashMap<(String, String), Arc<Scope>>);

impl Scopes {
    /// The library with this name and version.
    pub fn get(&mut self, name_and_version: (String, String)) -> Arc<Scope> {
        let scope = self.0.entry(name_and_version).or_insert_with_key(|(name, version)| {
            Arc::new(Scope { name: name.clone(), version: version.clone(), ..Scope::default() })
        });
        Arc::clone(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_return_and_everything_else_stays() {
        let tags = [
            ("otel.status_code", AttrValue::from("error")),
            ("otel.status_description", "boom".into()),
            ("otel.library.name", "lib".into()),
            ("otel.scope.name", "lib".into()),
            ("otel.scope.version", "1.2".into()),
            ("otel.dropped_attributes_count", "3".into()),
            ("otel.dropped_events_count", 4.into()),
            // Not what the field holds.
            ("otel.dropped_links_count", "many".into()),
            ("w3c.tracestate", true.into()),
            ("otel.other", "x".into()),
            ("http.route", "/".into()),
        ];
        let mut tags = tags.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let taken = OtelTags::take_from(&mut tags);
        let expected = OtelTags {
            status: Some(SpanStatus::Error),
            status_message: "boom".into(),
            scope: ("lib".into(), "1.2".into()),
            dropped_attributes_count: 3,
            dropped_events_count: 4,
            ..OtelTags::default()
        };
        assert_eq!(taken, expected);
        let left: Vec<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(left, ["otel.dropped_links_count", "w3c.tracestate", "otel.other", "http.route"]);
    }
}
