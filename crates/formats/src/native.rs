//! The native format: a JSON list of flat spans, for clients without an SDK.
//!
//! A request is taken whole or not at all; the answer lists what is wrong with which field.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::DateTime;
use serde_json::{Map, Value};
use spanloom_model::api::FieldError;
use spanloom_model::{AttrValue, Attributes, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};

use super::{TimeBounds, clean, clean_attributes};

/// More faults than this are not listed.
const ERRORS_MAX: usize = 100;

const FIELDS: [&str; 10] = [
    "traceId",
    "spanId",
    "parentSpanId",
    "name",
    "startTime",
    "duration",
    "tags",
    "serviceName",
    "kind",
    "status",
];

/// Turns the list into spans, or tells every fault.
pub fn decode(body: Vec<Value>, bounds: TimeBounds) -> Result<Vec<Span>, Vec<FieldError>> {
    let mut errors = Errors::default();
    let mut resources: HashMap<String, Arc<Resource>> = HashMap::new();
    let scope = Arc::new(Scope::default());
    let mut spans = Vec::with_capacity(body.len());
    for (index, item) in body.into_iter().enumerate() {
        if errors.list.len() >= ERRORS_MAX {
            break;
        }
        errors.index = index;
        let Value::Object(fields) = item else {
            errors.add("", "must be an object");
            continue;
        };
        if let Some(span) = span(fields, bounds, &mut resources, &scope, &mut errors) {
            spans.push(span);
        }
    }
    if errors.list.is_empty() { Ok(spans) } else { Err(errors.list) }
}

#[derive(Default)]
struct Errors {
    index: usize,
    list: Vec<FieldError>,
}

impl Errors {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        let separator = if field.is_empty() { "" } else { "." };
        self.list.push(FieldError {
            field: format!("[{}]{separator}{field}", self.index),
            message: message.into(),
        });
    }

    /// Keeps the value of a field or notes what is wrong with it.
    fn keep<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.add(field, message)).ok()
    }
}

fn span(
    mut fields: Map<String, Value>,
    bounds: TimeBounds,
    resources: &mut HashMap<String, Arc<Resource>>,
    scope: &Arc<Scope>,
    errors: &mut Errors,
) -> Option<Span> {
    // A misspelt field would be lost silently otherwise.
    for key in fields.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        errors.add(key, format!("is unknown; the fields are {}", FIELDS.join(", ")));
    }
    let mut take = |field| match fields.remove(field) {
        None | Some(Value::Null) => None,
        some => some,
    };

    let trace_id = errors.keep("traceId", required(take("traceId")).and_then(parse_id::<TraceId>));
    let span_id = errors.keep("spanId", required(take("spanId")).and_then(parse_id::<SpanId>));
    let parent = take("parentSpanId").map(parse_id::<SpanId>).transpose();
    let parent_span_id = errors.keep("parentSpanId", parent);
    let name = errors.keep("name", required(take("name")).and_then(non_empty_text));
    let start = errors.keep("startTime", required(take("startTime")).and_then(start_ns));
    let duration = errors.keep("duration", required(take("duration")).and_then(duration_ns));
    let tags = errors.keep("tags", take("tags").map_or(Ok(Attributes::default()), tags));
    let service = errors.keep("serviceName", take("serviceName").map(non_empty_text).transpose());
    let kind = errors.keep("kind", take("kind").map_or(Ok(SpanKind::default()), word));
    let status = errors.keep("status", take("status").map_or(Ok(SpanStatus::default()), word));

    let (start_ns, duration_ns) = (start?, duration?);
    let Some(end_ns) = start_ns.checked_add(duration_ns) else {
        errors.add("duration", "must end before the year 2262");
        return None;
    };
    if let Err(rejection) = bounds.check(start_ns as u64, end_ns as u64) {
        errors.add("startTime", rejection.message());
        return None;
    }
    let attributes = tags?;
    let service = match service? {
        Some(name) => name,
        None => attributes.get_str("service.name").unwrap_or(Resource::UNKNOWN_SERVICE).to_owned(),
    };
    Some(Span {
        trace_id: trace_id?,
        span_id: span_id?,
        parent_span_id: parent_span_id?,
        trace_state: String::new(),
        flags: 0,
        name: name?,
        kind: kind?,
        start_ns,
        duration_ns,
        attributes,
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: status?,
        status_message: String::new(),
        resource: Arc::clone(resources.entry(service).or_insert_with_key(|name| Arc::new(process(name)))),
        scope: Arc::clone(scope),
    })
}

fn process(service: &str) -> Resource {
    let attributes = [("service.name".to_owned(), AttrValue::from(service))].into_iter().collect();
    Resource { attributes, ..Resource::default() }
}

fn required(value: Option<Value>) -> Result<Value, String> {
    value.ok_or_else(|| "is required".to_owned())
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(clean(text)),
        _ => Err("must be a string".to_owned()),
    }
}

fn non_empty_text(value: Value) -> Result<String, String> {
    let text = text(value)?;
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}

fn parse_id<T: std::str::FromStr<Err = spanloom_model::IdError>>(value: Value) -> Result<T, String> {
    text(value)?.parse().map_err(|error: spanloom_model::IdError| error.to_string())
}

fn word<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    let lower = text(value)?.to_lowercase();
    // serde's message lists the words.
    serde_json::from_value(Value::String(lower)).map_err(|error| error.to_string())
}

/// RFC 3339, or integer microseconds since the epoch.
fn start_ns(value: Value) -> Result<i64, String> {
    const EXPECTED: &str = "must be RFC 3339 or integer microseconds since the epoch, after 1970";
    let ns = match value {
        Value::Number(number) => number.as_i64().and_then(|us| us.checked_mul(1_000)),
        Value::String(text) => {
            DateTime::parse_from_rfc3339(&text).ok().and_then(|time| time.timestamp_nanos_opt())
        }
        _ => None,
    };
    ns.filter(|ns| *ns > 0).ok_or_else(|| EXPECTED.to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "one shape for all fields")]
fn duration_ns(value: Value) -> Result<i64, String> {
    value
        .as_i64()
        .filter(|us| *us >= 0)
        .and_then(|us| us.checked_mul(1_000))
        .ok_or_else(|| "must be integer microseconds, not negative, at most 9223372036854775".to_owned())
}

fn tags(value: Value) -> Result<Attributes, String> {
    if !value.is_object() {
        return Err("must be an object".to_owned());
    }
    let attributes: Attributes = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(clean_attributes(attributes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BOUNDS: TimeBounds =
        TimeBounds { oldest_ns: 1_000_000_000_000_000_000, newest_ns: 2_000_000_000_000_000_000 };

    fn list(value: Value) -> Vec<Value> {
        vec![value]
    }

    #[test]
    fn the_minimum_is_enough() {
        let spans = decode(
            list(json!({
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "GET /",
                "startTime": "2024-01-02T03:04:05.123456Z", "duration": 1_500,
                "tags": {"n": 1, "f": 1.0, "list": ["a"], "service.name": "shop"}
            })),
            BOUNDS,
        )
        .unwrap();
        let span = &spans[0];
        assert_eq!(span.start_ns, 1_704_164_645_123_456_000);
        assert_eq!(span.duration_ns, 1_500_000);
        assert_eq!(span.resource.service_name(), "shop");
        assert_eq!(span.attributes.get("n"), Some(&AttrValue::Int(1)));
        assert_eq!(span.attributes.get("f"), Some(&AttrValue::Double(1.0)));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let errors = decode(
            vec![
                json!({
                    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "ok",
                    "startTime": 1_704_164_645_123_456_i64, "duration": 1, "kind": "SERVER", "status": "error"
                }),
                json!({
                    "traceId": "0", "spanId": "0000000000000000", "parentSpanId": 7, "startTime": "yesterday",
                    "duration": -1, "tags": [], "kind": "boss", "spanName": "typo"
                }),
                json!(3),
                json!({
                    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "old",
                    "startTime": 1, "duration": 1
                }),
            ],
            BOUNDS,
        )
        .unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "[1].spanName",
                "[1].traceId",
                "[1].spanId",
                "[1].parentSpanId",
                "[1].name",
                "[1].startTime",
                "[1].duration",
                "[1].tags",
                "[1].kind",
                "[2]",
                "[3].startTime",
            ]
        );
        assert_eq!(errors[1].message, "must be 32 hexadecimal digits");
    }

    #[test]
    fn the_list_of_faults_is_bounded() {
        let errors = decode(vec![json!(0); 10_000], BOUNDS).unwrap_err();
        assert_eq!(errors.len(), ERRORS_MAX);
    }
}
