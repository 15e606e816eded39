//! A request's JSON into spans.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::de::Error as _;
use spanloom_model::{AttrValue, Attributes, Event, Link, Resource, Scope, Span, SpanKind, SpanStatus};

use super::message::{self, AnyValue, IntValue, KeyValue, NumberOrText, Request};
use crate::{Decoded, RawIds, Rejection, TimeBounds, clean, clean_key};

/// Reads a request. The error says where the JSON does not fit; spans that cannot be kept are
/// counted.
pub fn decode(body: &[u8], bounds: TimeBounds) -> Result<Decoded, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        // serde would read the struct from a list, and `[]` would pass as an empty request.
        return Err(serde_json::Error::custom("expected an object"));
    }
    let request: Request = serde_json::from_slice(body)?;
    let mut decoded = Decoded::default();
    for group in request.resource_spans {
        let resource = Arc::new(resource(group.resource, group.schema_url));
        for group in group.scope_spans {
            let scope = Arc::new(scope(group.scope, group.schema_url));
            for sent in group.spans {
                match span(sent, &resource, &scope, bounds) {
                    Ok(span) => decoded.spans.push(span),
                    Err(rejection) => decoded.rejected.add(rejection),
                }
            }
        }
    }
    Ok(decoded)
}

pub(super) fn resource(sent: Option<message::Resource>, schema_url: String) -> Resource {
    let mut resource = Resource { schema_url: clean(schema_url), ..Resource::default() };
    if let Some(sent) = sent {
        resource.attributes = attributes(sent.attributes);
        resource.dropped_attributes_count = sent.dropped_attributes_count;
    }
    resource
}

pub(super) fn scope(sent: Option<message::Scope>, schema_url: String) -> Scope {
    let schema_url = clean(schema_url);
    let Some(sent) = sent else { return Scope { schema_url, ..Scope::default() } };
    Scope {
        name: clean(sent.name),
        version: clean(sent.version),
        attributes: attributes(sent.attributes),
        dropped_attributes_count: sent.dropped_attributes_count,
        schema_url,
    }
}

fn span(
    sent: message::Span,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    bounds: TimeBounds,
) -> Result<Span, Rejection> {
    let ids = RawIds { trace: &sent.trace_id, span: &sent.span_id, parent: &sent.parent_span_id };
    let (trace_id, span_id, parent_span_id) = ids.check()?;
    let (start_ns, duration_ns) = bounds.check(sent.start_time_unix_nano, sent.end_time_unix_nano)?;
    let (status, status_message) = sent.status.map_or((0, String::new()), |s| (s.code, s.message));
    let links_sent = sent.links.len();
    let links: Vec<Link> = sent.links.into_iter().filter_map(link).collect();
    let broken_links = (links_sent - links.len()) as u32;
    Ok(Span {
        trace_id,
        span_id,
        parent_span_id,
        trace_state: clean(sent.trace_state),
        flags: sent.flags,
        name: clean(sent.name),
        kind: SpanKind::from_number(sent.kind),
        start_ns,
        duration_ns,
        attributes: attributes(sent.attributes),
        dropped_attributes_count: sent.dropped_attributes_count,
        events: sent.events.into_iter().map(event).collect(),
        dropped_events_count: sent.dropped_events_count,
        links,
        dropped_links_count: sent.dropped_links_count.saturating_add(broken_links),
        status: SpanStatus::from_number(status),
        status_message: clean(status_message),
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
    })
}

fn event(sent: message::Event) -> Event {
    Event {
        time_ns: i64::try_from(sent.time_unix_nano).unwrap_or(i64::MAX),
        name: clean(sent.name),
        attributes: attributes(sent.attributes),
        dropped_attributes_count: sent.dropped_attributes_count,
    }
}

/// None if it leads to an id that cannot exist.
fn link(sent: message::Link) -> Option<Link> {
    let ids = RawIds { trace: &sent.trace_id, span: &sent.span_id, parent: &[] };
    let (trace_id, span_id, _) = ids.check().ok()?;
    Some(Link {
        trace_id,
        span_id,
        trace_state: clean(sent.trace_state),
        attributes: attributes(sent.attributes),
        dropped_attributes_count: sent.dropped_attributes_count,
        flags: sent.flags,
    })
}

pub(super) fn attributes(entries: Vec<KeyValue>) -> Attributes {
    let entries = entries.into_iter();
    Attributes::from_keyed(
        entries
            .map(|entry| (clean_key(&entry.key), entry.value.map_or(AttrValue::Null, any_value)))
            .collect(),
    )
}

/// The JSON parser bounds the recursion at 128 levels.
pub(super) fn any_value(sent: AnyValue) -> AttrValue {
    if let Some(text) = sent.string_value {
        AttrValue::String(clean(text))
    } else if let Some(truth) = sent.bool_value {
        AttrValue::Bool(truth)
    } else if let Some(number) = sent.int_value {
        int(number)
    } else if let Some(number) = sent.double_value {
        double(number)
    } else if let Some(text) = sent.bytes_value {
        bytes(text)
    } else if let Some(array) = sent.array_value {
        // A null in the list keeps its place.
        let values = array.values.into_iter();
        AttrValue::Array(values.map(|value| value.map_or(AttrValue::Null, any_value)).collect())
    } else if let Some(list) = sent.kvlist_value {
        AttrValue::Map(attributes(list.values))
    } else {
        AttrValue::Null
    }
}

/// A value that does not parse is kept as the text that was sent: one odd attribute should not
/// cost the span.
fn int(number: IntValue) -> AttrValue {
    match number {
        IntValue::Int(number) => AttrValue::Int(number),
        IntValue::Double(number) => AttrValue::Double(number),
        IntValue::Text(text) => {
            text.parse().map_or_else(|_| AttrValue::String(clean(text)), AttrValue::Int)
        }
    }
}

fn double(number: NumberOrText<f64>) -> AttrValue {
    match number {
        NumberOrText::Number(number) => AttrValue::Double(number),
        // Rust reads "NaN", "Infinity" and "-Infinity" as proto3 writes them.
        NumberOrText::Text(text) => {
            text.parse().map_or_else(|_| AttrValue::String(clean(text)), AttrValue::Double)
        }
    }
}

fn bytes(text: String) -> AttrValue {
    let bytes = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text));
    bytes.map_or_else(|_| AttrValue::String(clean(text)), AttrValue::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(body: &str) -> Vec<Span> {
        decode(body.as_bytes(), TimeBounds::ANY).unwrap().spans
    }

    #[test]
    fn an_empty_request_is_valid() {
        assert!(spans("{}").is_empty());
        assert!(spans(r#"{"resourceSpans": null}"#).is_empty());
        assert!(decode(b"[]", TimeBounds::ANY).is_err());
        assert!(decode(b"", TimeBounds::ANY).is_err());
    }

    #[test]
    fn the_specifications_peculiarities_are_read() {
        let spans = spans(
            r#"{"resourceSpans":[{"scopeSpans":[{"scope":null,"spans":[{
                "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174",
                "parentSpanId":"","kind":2,"startTimeUnixNano":"1544712660000000000",
                "endTimeUnixNano":1544712661000000000,"unknownField":{"x":1},
                "status":{"code":"STATUS_CODE_ERROR"},
                "attributes":[
                    {"key":"i","value":{"intValue":"-9007199254740993"}},
                    {"key":"n","value":{"doubleValue":"NaN"}},
                    {"key":"js","value":{"intValue":1e21}},
                    {"key":"b","value":{"bytesValue":"AP8="}},
                    {"key":"a","value":{"arrayValue":{"values":[{"boolValue":true},null]}}},
                    null,
                    {"key":"none"},
                    {"key":"odd","value":{"intValue":"1,5"}},
                    {"key":"nul","value":{"stringValue":"\u0000"}}
                ]},
                {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175",
                "kind":"SPAN_KIND_CLIENT","startTimeUnixNano":"1","endTimeUnixNano":"1","links":[
                    {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},
                    {"traceId":"5b8efff798038103d269b633813fc60c","spanId":""}]}
            ]}]}]}"#,
        );
        let span = &spans[0];
        assert_eq!(span.trace_id.to_bytes()[0], 0x5b);
        assert_eq!((span.start_ns, span.duration_ns), (1_544_712_660_000_000_000, 1_000_000_000));
        assert_eq!((span.kind, span.status), (SpanKind::Server, SpanStatus::Error));
        assert_eq!(span.parent_span_id, None);
        let value = |key: &str| span.attributes.get(key).unwrap();
        assert_eq!(value("i"), &AttrValue::Int(-9_007_199_254_740_993));
        assert!(matches!(value("n"), AttrValue::Double(d) if d.is_nan()));
        assert_eq!(value("js"), &AttrValue::Double(1e21));
        assert_eq!(value("b"), &AttrValue::Bytes(vec![0, 255]));
        assert_eq!(value("a"), &AttrValue::Array(vec![AttrValue::Bool(true), AttrValue::Null]));
        assert_eq!(value("none"), &AttrValue::Null);
        assert_eq!(value("odd"), &AttrValue::from("1,5"), "kept as it was sent");
        assert_eq!(value("nul"), &AttrValue::from("\u{fffd}"));
        assert_eq!(spans[1].kind, SpanKind::Client);
        assert_eq!((spans[1].links.len(), spans[1].dropped_links_count), (1, 1));
    }

    #[test]
    fn an_id_that_is_no_hexadecimal_costs_only_its_span() {
        let body = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[
            {"traceId":"xyz","spanId":"eee19b7ec3c1b174"},
            {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}"#;
        let decoded = decode(body, TimeBounds::ANY).unwrap();
        assert_eq!(decoded.rejected.iter().collect::<Vec<_>>(), [(Rejection::TraceId, 1)]);
        assert_eq!(decoded.spans.len(), 1);
    }
}
