//! Searching within a trace. Pure.

use std::fmt::Write;

use spanloom_model::{AttrValue, Attributes};

use super::model::TraceModel;

/// Pre-order positions of the spans that contain `text` in their service, operation, id, status
/// message, events, or in an attribute of the span, its process or its library, written
/// `key=value`; ascending. Upper and lower case of ASCII letters are the same. Empty text finds
/// nothing.
pub fn find(model: &TraceModel, text: &str) -> Vec<usize> {
    let needle = text.trim().to_ascii_lowercase();
    if needle.is_empty() {
        return Vec::new();
    }
    let mut search = Search { needle: needle.as_bytes(), buffer: String::new() };
    // Processes and libraries are few and shared by many spans: once each.
    let resources: Vec<bool> = model
        .trace
        .resources
        .iter()
        .map(|resource| search.text(&resource.service) || search.attributes(&resource.attributes))
        .collect();
    let scopes: Vec<bool> = model
        .trace
        .scopes
        .iter()
        .map(|scope| search.text(&scope.name) || search.attributes(&scope.attributes))
        .collect();
    let found = |span: usize, search: &mut Search| {
        let span = model.span(span);
        resources.get(span.resource as usize).copied().unwrap_or_default()
            || scopes.get(span.scope as usize).copied().unwrap_or_default()
            || search.text(&span.name)
            || search.text(&span.status_message)
            || search.shown(&span.span_id)
            || search.attributes(&span.attributes)
            || span
                .events
                .iter()
                .any(|event| search.text(&event.name) || search.attributes(&event.attributes))
    };
    let mut hits = Vec::new();
    for (position, &span) in model.tree.preorder().iter().enumerate() {
        if found(span, &mut search) {
            hits.push(position);
        }
    }
    hits
}

struct Search<'a> {
    /// In lower case, not empty.
    needle: &'a [u8],
    /// Reused, so that a search through a million attributes does not allocate for each.
    buffer: String,
}

impl Search<'_> {
    fn text(&self, text: &str) -> bool {
        let (text, needle) = (text.as_bytes(), self.needle);
        let first = needle[0];
        if text.len() < needle.len() {
            return false;
        }
        (0..=text.len() - needle.len()).any(|at| {
            text[at].to_ascii_lowercase() == first
                && text[at..at + needle.len()].eq_ignore_ascii_case(needle)
        })
    }

    fn shown(&mut self, value: &impl std::fmt::Display) -> bool {
        self.buffer.clear();
        // Writing to a String does not fail.
        let _ = write!(self.buffer, "{value}");
        self.text(&self.buffer)
    }

    fn attributes(&mut self, attributes: &Attributes) -> bool {
        attributes.iter().any(|(key, value)| {
            self.buffer.clear();
            self.buffer.push_str(key);
            self.buffer.push('=');
            match value {
                AttrValue::String(text) => self.buffer.push_str(text),
                other => {
                    let _ = write!(self.buffer, "{other}");
                }
            }
            self.text(&self.buffer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::TraceModel;
    use super::super::model::tests::{span, trace};
    use super::*;
    use spanloom_model::api::ApiEvent;

    #[test]
    fn everything_a_person_sees_of_a_span_is_found() {
        let mut spans = vec![span(1, 0, 0, 0, 100), span(2, 1, 1, 10, 20), span(3, 1, 1, 40, 20)];
        spans[0].name = "POST /Checkout".to_owned();
        spans[1].attributes = Attributes::from_entries(vec![
            ("http.response.status_code".into(), 503_i64.into()),
            ("Note".into(), "Größe Y".into()),
        ]);
        spans[2].status_message = "Deadline exceeded".to_owned();
        spans[2].events = vec![ApiEvent {
            name: "exception".to_owned(),
            offset_ns: 1,
            attributes: Attributes::from_entries(vec![("exception.type".into(), "TimeoutError".into())]),
            dropped_attributes_count: 0,
        }];
        let model = TraceModel::new(trace(&["web", "payment"], spans)).unwrap();
        assert_eq!(find(&model, "checkout"), [0], "operation, whatever the case");
        assert_eq!(find(&model, "PAYMENT"), [1, 2], "service");
        assert_eq!(find(&model, "status_code=503"), [1], "key and value, numbers too");
        assert_eq!(find(&model, "größe y"), [1]);
        assert_eq!(find(&model, "timeouterror"), [2], "events");
        assert_eq!(find(&model, "deadline"), [2]);
        assert_eq!(find(&model, "0000000000000003"), [2], "id");
        assert_eq!(find(&model, "  "), [] as [usize; 0]);
        assert_eq!(find(&model, "nowhere"), [] as [usize; 0]);
    }
}
