//! Jaeger's JSON, as its query service answers and its UI downloads: traces of
//! `{traceID, spans, processes, warnings}`.
//!
//! Ids may be of 64 bits and lack leading zeros. Times are microseconds. How a span becomes the
//! model's is told in `jaeger`.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use spanloom_model::{AttrValue, Resource};

use super::jaeger::{self, JaegerSpan, Log, Reference, Shared};
use super::otel_tags::Tags;
use super::{Decoded, Rejected, Rejection, TimeBounds};

/// Turns one trace into spans. What cannot be kept is counted; the error says where the JSON does
/// not fit.
pub fn decode_trace(body: &[u8], bounds: TimeBounds) -> Result<Decoded, serde_json::Error> {
    let trace: JsonTrace = serde_json::from_slice(body)?;
    let resources: HashMap<String, Arc<Resource>> =
        trace.processes.into_iter().map(|(id, process)| (id, Arc::new(process.resource()))).collect();
    let mut shared = Shared::default();
    let mut spans = Vec::with_capacity(trace.spans.len());
    let mut rejected = Rejected::default();
    for mut span in trace.spans {
        let resource = match span.process.take() {
            Some(process) => Arc::new(process.resource()),
            None => resources.get(&span.process_id).cloned().unwrap_or_default(),
        };
        match span.read().and_then(|span| jaeger::convert(span, &resource, &mut shared, bounds)) {
            Ok(span) => spans.push(span),
            Err(rejection) => rejected.add(rejection),
        }
    }
    Ok(Decoded { spans, rejected })
}

/// Go writes `null` for an empty list or map.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct JsonTrace {
    spans: Vec<JsonSpan>,
    #[serde(default, deserialize_with = "nullable")]
    processes: HashMap<String, JsonProcess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonSpan {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    /// Before there were references.
    #[serde(rename = "parentSpanID", default, deserialize_with = "nullable")]
    parent_span_id: String,
    #[serde(default, deserialize_with = "nullable")]
    flags: u32,
    #[serde(default, deserialize_with = "nullable")]
    operation_name: String,
    #[serde(default, deserialize_with = "nullable")]
    references: Vec<JsonReference>,
    /// Microseconds since the epoch.
    start_time: u64,
    /// Microseconds.
    #[serde(default, deserialize_with = "nullable")]
    duration: u64,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<JsonTag>,
    #[serde(default, deserialize_with = "nullable")]
    logs: Vec<JsonLog>,
    #[serde(rename = "processID", default, deserialize_with = "nullable")]
    process_id: String,
    process: Option<JsonProcess>,
    #[serde(default, deserialize_with = "nullable")]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonReference {
    #[serde(default, deserialize_with = "nullable")]
    ref_type: String,
    #[serde(rename = "traceID", default, deserialize_with = "nullable")]
    trace_id: String,
    #[serde(rename = "spanID", default, deserialize_with = "nullable")]
    span_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonProcess {
    #[serde(default, deserialize_with = "nullable")]
    service_name: String,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<JsonTag>,
}

#[derive(Deserialize)]
struct JsonLog {
    /// Microseconds since the epoch.
    timestamp: u64,
    #[serde(default, deserialize_with = "nullable")]
    fields: Vec<JsonTag>,
}

#[derive(Deserialize)]
struct JsonTag {
    key: String,
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    kind: String,
    #[serde(default)]
    value: Value,
}

impl JsonProcess {
    fn resource(self) -> Resource {
        jaeger::resource(self.service_name, tags(self.tags))
    }
}

impl JsonSpan {
    fn read(self) -> Result<JaegerSpan, Rejection> {
        let parent_span_id = match self.parent_span_id.as_str() {
            "" => 0,
            text => span_id(text).ok_or(Rejection::ParentSpanId)?,
        };
        let log = |log: JsonLog| Log { time_ns: nanos(log.timestamp), fields: tags(log.fields) };
        Ok(JaegerSpan {
            trace_id: trace_id(&self.trace_id).ok_or(Rejection::TraceId)?,
            span_id: span_id(&self.span_id).ok_or(Rejection::SpanId)?,
            parent_span_id,
            name: self.operation_name,
            references: self.references.into_iter().map(JsonReference::read).collect(),
            flags: self.flags,
            start_ns: nanos(self.start_time),
            duration_ns: nanos(self.duration),
            tags: tags(self.tags),
            logs: self.logs.into_iter().map(log).collect(),
            warnings: self.warnings,
            is_incomplete: false,
        })
    }
}

impl JsonReference {
    /// An id that is none becomes zero, which leads nowhere.
    fn read(self) -> Reference {
        Reference {
            is_child_of: self.ref_type == "CHILD_OF",
            trace_id: trace_id(&self.trace_id).unwrap_or_default(),
            span_id: span_id(&self.span_id).unwrap_or_default(),
        }
    }
}

fn nanos(time_us: u64) -> i128 {
    i128::from(time_us) * 1_000
}

fn trace_id(text: &str) -> Option<u128> {
    hex_number(text, 32)
}

fn span_id(text: &str) -> Option<u64> {
    // Sixteen digits fit into 64 bits.
    Some(hex_number(text, 16)? as u64)
}

/// One to `digits_max` hexadecimal digits.
fn hex_number(text: &str, digits_max: usize) -> Option<u128> {
    // `from_str_radix` would take a sign too.
    if text.len() > digits_max || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

fn tags(tags: Vec<JsonTag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key, value(&tag.kind, tag.value))).collect()
}

/// A typed tag. Integers beyond JavaScript's are text in Jaeger's JSON. What does not fit its type
/// is kept as what it looks like: one odd tag should not cost the span.
fn value(kind: &str, value: Value) -> AttrValue {
    let parsed = match (kind, &value) {
        ("bool", Value::String(text)) => text.parse().ok().map(AttrValue::Bool),
        ("int64", Value::String(text)) => text.parse().ok().map(AttrValue::Int),
        ("float64", Value::String(text)) => text.parse().ok().map(AttrValue::Double),
        ("float64", Value::Number(number)) => number.as_f64().map(AttrValue::Double),
        ("binary", Value::String(text)) => BASE64.decode(text).ok().map(AttrValue::Bytes),
        _ => None,
    };
    parsed.unwrap_or_else(|| match value {
        Value::Null => AttrValue::Null,
        Value::Bool(truth) => AttrValue::Bool(truth),
        Value::Number(number) => number
            .as_i64()
            .map(AttrValue::Int)
            .or_else(|| number.as_f64().map(AttrValue::Double))
            .unwrap_or(AttrValue::Null),
        Value::String(text) => AttrValue::String(text),
        structure => AttrValue::String(structure.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use spanloom_model::{Span, SpanId, SpanKind, SpanStatus};

    use super::*;

    const BOUNDS: TimeBounds = TimeBounds { oldest_ns: 1, newest_ns: i64::MAX };

    fn decode(trace: &Value) -> Decoded {
        decode_trace(trace.to_string().as_bytes(), BOUNDS).unwrap()
    }

    fn one(span: &Value) -> Span {
        let decoded = decode(&json!({"spans": [span], "processes": null}));
        assert_eq!(decoded.rejected, Rejected::default());
        decoded.spans.into_iter().next().unwrap()
    }

    fn minimal(extra: Value) -> Value {
        let mut span = json!({"traceID": "abc", "spanID": "1f", "operationName": "op",
                              "startTime": 1_700_000_000_000_001_u64, "duration": 5});
        let (Value::Object(span_fields), Value::Object(extra)) = (&mut span, extra) else { panic!() };
        span_fields.extend(extra);
        span
    }

    /// Catches anything of a download of Jaeger's UI that is lost or lands in the wrong field.
    #[test]
    fn a_download_of_the_ui_is_read() {
        let decoded = decode(&json!({
            "traceID": "7c2f9d6b2d3a41b0",
            "spans": [
                {"traceID": "7c2f9d6b2d3a41b0", "spanID": "7c2f9d6b2d3a41b0", "flags": 1,
                 "operationName": "HTTP GET /dispatch", "references": [],
                 "startTime": 1_700_000_000_000_001_u64, "duration": 706_123,
                 "tags": [{"key": "span.kind", "type": "string", "value": "server"},
                          {"key": "sampler.param", "type": "bool", "value": true},
                          {"key": "big", "type": "int64", "value": "9007199254740993"},
                          {"key": "ratio", "type": "float64", "value": 1},
                          {"key": "blob", "type": "binary", "value": "AP8="}],
                 "logs": [{"timestamp": 1_700_000_000_000_100_u64,
                           "fields": [{"key": "event", "type": "string", "value": "request"},
                                      {"key": "attempt", "type": "int64", "value": 2}]}],
                 "processID": "p1", "warnings": null},
                {"traceID": "7c2f9d6b2d3a41b0", "spanID": "a", "operationName": "query",
                 "references": [{"refType": "CHILD_OF", "traceID": "7c2f9d6b2d3a41b0", "spanID": "7c2f9d6b2d3a41b0"}],
                 "startTime": 1_700_000_000_000_200_u64, "duration": 0,
                 "tags": [{"key": "error", "type": "bool", "value": true},
                          {"key": "otel.status_description", "type": "string", "value": "no route"},
                          {"key": "otel.library.name", "type": "string", "value": "sql"}],
                 "logs": null, "processID": "p2", "flags": 3, "warnings": ["clock skew"]}
            ],
            "processes": {
                "p1": {"serviceName": "frontend", "tags": [{"key": "hostname", "type": "string", "value": "h1"}]},
                "p2": {"serviceName": "db", "tags": null}
            },
            "warnings": null
        }));
        let [root, child] = &decoded.spans[..] else { panic!("{decoded:?}") };
        assert_eq!(root.trace_id.to_string(), "00000000000000007c2f9d6b2d3a41b0");
        assert_eq!((root.start_ns, root.duration_ns), (1_700_000_000_000_001_000, 706_123_000));
        assert_eq!((root.kind, root.flags, root.parent_span_id), (SpanKind::Server, 1, None));
        let attribute = |key| root.attributes.get(key).cloned();
        assert_eq!(attribute("span.kind"), None, "it is the kind now");
        assert_eq!(attribute("sampler.param"), Some(true.into()));
        assert_eq!(attribute("big"), Some(AttrValue::Int(9_007_199_254_740_993)));
        assert_eq!(attribute("ratio"), Some(AttrValue::Double(1.0)));
        assert_eq!(attribute("blob"), Some(AttrValue::Bytes(vec![0, 255])));
        let event = &root.events[0];
        assert_eq!((event.time_ns, event.name.as_str()), (1_700_000_000_000_100_000, "request"));
        assert_eq!(event.attributes.get("attempt"), Some(&AttrValue::Int(2)));
        assert_eq!(root.resource.service_name(), "frontend");
        assert_eq!(root.resource.attributes.get_str("host.name"), Some("h1"));
        assert_eq!(child.parent_span_id, Some(root.span_id));
        assert_eq!((child.status, child.status_message.as_str()), (SpanStatus::Error, "no route"));
        assert_eq!((child.scope.name.as_str(), child.resource.service_name()), ("sql", "db"));
        let warnings = AttrValue::Array(vec!["clock skew".into()]);
        assert_eq!(child.attributes.get("jaeger.warnings"), Some(&warnings));
        assert_eq!((child.flags, child.attributes.get("jaeger.flags")), (1, Some(&AttrValue::Int(3))));
        assert_eq!(child.attributes.len(), 2);
    }

    #[test]
    fn references_are_parent_or_links() {
        let reference = |kind: &str, trace: &str, span: &str| json!({"refType": kind, "traceID": trace, "spanID": span});
        let relations = |references: Value| {
            let span = one(&minimal(json!({"references": references})));
            let links: Vec<(u128, u64, String)> = span
                .links
                .iter()
                .map(|l| {
                    let kind = l.attributes.get_str("opentracing.ref_type").unwrap();
                    (l.trace_id.get(), l.span_id.get(), kind.to_owned())
                })
                .collect();
            (span.parent_span_id.map(SpanId::get), links, span.dropped_links_count)
        };
        let link = |trace: u128, span: u64, kind: &str| (trace, span, kind.to_owned());
        let mixed = json!([
            reference("FOLLOWS_FROM", "abc", "1"),
            reference("CHILD_OF", "def", "2"),
            reference("CHILD_OF", "0abc", "3"),
            reference("CHILD_OF", "abc", "4"),
            reference("CHILD_OF", "", "zz"),
        ]);
        let links =
            vec![link(0xabc, 1, "follows_from"), link(0xdef, 2, "child_of"), link(0xabc, 4, "child_of")];
        assert_eq!(relations(mixed), (Some(3), links, 1), "what leads nowhere is counted");
        assert_eq!(
            relations(json!([reference("FOLLOWS_FROM", "abc", "1")])),
            (Some(1), vec![link(0xabc, 1, "follows_from")], 0),
            "the link tells how it follows"
        );
        let old = one(&minimal(json!({"parentSpanID": "2a"})));
        assert_eq!(old.parent_span_id.map(SpanId::get), Some(42));
        assert_eq!(one(&minimal(json!({"parentSpanID": "0"}))).parent_span_id, None);
    }

    #[test]
    fn the_status_has_an_order_of_authority() {
        let tag = |key: &str, value: Value| json!({"key": key, "type": "string", "value": value});
        let status = |tags: Value| one(&minimal(json!({"tags": tags}))).status;
        assert_eq!(status(json!([tag("otel.status_code", json!("OK"))])), SpanStatus::Ok);
        assert_eq!(
            status(json!([tag("otel.status_code", json!("OK")), tag("error", json!("true"))])),
            SpanStatus::Error
        );
        let told_fine = one(&minimal(json!({"tags": [{"key": "error", "type": "bool", "value": false}]})));
        assert_eq!(told_fine.status, SpanStatus::Unset);
        assert_eq!(told_fine.attributes.get("error"), Some(&false.into()), "it stays an attribute");
    }

    #[test]
    fn a_bad_span_does_not_cost_its_trace() {
        let decoded = decode(&json!({"spans": [
            minimal(json!({})),
            minimal(json!({"traceID": "0"})),
            minimal(json!({"traceID": "+1"})),
            minimal(json!({"spanID": "12345678123456781"})),
            minimal(json!({"parentSpanID": "xyz"})),
            minimal(json!({"startTime": 0})),
            minimal(json!({"startTime": u64::MAX})),
        ]}));
        assert_eq!(decoded.spans.len(), 1);
        assert_eq!(decoded.spans[0].resource.service_name(), Resource::UNKNOWN_SERVICE);
        let rejected: Vec<_> = decoded.rejected.iter().collect();
        assert_eq!(
            rejected,
            [
                (Rejection::TraceId, 2),
                (Rejection::SpanId, 1),
                (Rejection::ParentSpanId, 1),
                (Rejection::TooOld, 1),
                (Rejection::InFuture, 1)
            ]
        );
    }

    #[test]
    fn what_is_no_trace_is_told_with_its_place() {
        let error = decode_trace(b"{\"traceID\": \"1\",\n \"span\": []}", BOUNDS).err().unwrap();
        assert!(error.to_string().contains("missing field `spans`"), "{error}");
        let error = decode_trace(b"{\"spans\": [\n{\"traceID\": 5}]}", BOUNDS).err().unwrap();
        assert_eq!(error.line(), 2);
    }
}
