//! OTLP protobuf messages into the model; see `opentelemetry/proto/trace/v1/trace.proto`.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1::Span as ProtoSpan;
use opentelemetry_proto::tonic::trace::v1::span as proto_span;
use spanloom_model::{
    AttrValue, Attributes, Event, Link, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId,
};

use super::{Decoded, Rejected, Rejection, TimeBounds, clean};

/// Turns a request into spans. Never fails: what cannot be kept is counted.
pub fn decode(request: ExportTraceServiceRequest, bounds: TimeBounds) -> Decoded {
    let mut spans = Vec::new();
    let mut rejected = Rejected::default();
    for resource_spans in request.resource_spans {
        let resource = Arc::new(resource(resource_spans.resource, resource_spans.schema_url));
        for scope_spans in resource_spans.scope_spans {
            let scope = Arc::new(scope(scope_spans.scope, scope_spans.schema_url));
            for proto in scope_spans.spans {
                match span(proto, &resource, &scope, bounds) {
                    Ok(span) => spans.push(span),
                    Err(rejection) => rejected.add(rejection),
                }
            }
        }
    }
    Decoded { spans, rejected }
}

fn resource(proto: Option<ProtoResource>, schema_url: String) -> Resource {
    let proto = proto.unwrap_or_default();
    Resource {
        attributes: attributes(proto.attributes),
        dropped_attributes_count: proto.dropped_attributes_count,
        schema_url: clean(schema_url),
    }
}

fn scope(proto: Option<InstrumentationScope>, schema_url: String) -> Scope {
    let proto = proto.unwrap_or_default();
    Scope {
        name: clean(proto.name),
        version: clean(proto.version),
        attributes: attributes(proto.attributes),
        dropped_attributes_count: proto.dropped_attributes_count,
        schema_url: clean(schema_url),
    }
}

fn span(
    proto: ProtoSpan,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    bounds: TimeBounds,
) -> Result<Span, Rejection> {
    let trace_id = TraceId::from_bytes(&proto.trace_id).map_err(|_| Rejection::TraceId)?;
    let span_id = SpanId::from_bytes(&proto.span_id).map_err(|_| Rejection::SpanId)?;
    let parent_span_id = parent(&proto.parent_span_id)?;
    let (start_ns, duration_ns) = bounds.check(proto.start_time_unix_nano, proto.end_time_unix_nano)?;
    let status = proto.status.unwrap_or_default();
    let (links, broken_links) = links(proto.links);
    Ok(Span {
        trace_id,
        span_id,
        parent_span_id,
        trace_state: clean(proto.trace_state),
        flags: proto.flags,
        name: clean(proto.name),
        kind: SpanKind::from_number(proto.kind),
        start_ns,
        duration_ns,
        attributes: attributes(proto.attributes),
        dropped_attributes_count: proto.dropped_attributes_count,
        events: proto.events.into_iter().map(event).collect(),
        dropped_events_count: proto.dropped_events_count,
        links,
        dropped_links_count: proto.dropped_links_count.saturating_add(broken_links),
        status: SpanStatus::from_number(status.code),
        status_message: clean(status.message),
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
    })
}

/// Empty means root; so do eight zero bytes, which some SDKs send.
fn parent(bytes: &[u8]) -> Result<Option<SpanId>, Rejection> {
    if bytes.is_empty() || bytes == [0; 8] {
        return Ok(None);
    }
    SpanId::from_bytes(bytes).map(Some).map_err(|_| Rejection::ParentSpanId)
}

fn event(proto: proto_span::Event) -> Event {
    Event {
        time_ns: i64::try_from(proto.time_unix_nano).unwrap_or(i64::MAX),
        name: clean(proto.name),
        attributes: attributes(proto.attributes),
        dropped_attributes_count: proto.dropped_attributes_count,
    }
}

/// A link to an id that cannot exist leads nowhere: it counts as dropped.
fn links(protos: Vec<proto_span::Link>) -> (Vec<Link>, u32) {
    let sent = protos.len();
    let links: Vec<Link> = protos
        .into_iter()
        .filter_map(|proto| {
            Some(Link {
                trace_id: TraceId::from_bytes(&proto.trace_id).ok()?,
                span_id: SpanId::from_bytes(&proto.span_id).ok()?,
                trace_state: clean(proto.trace_state),
                attributes: attributes(proto.attributes),
                dropped_attributes_count: proto.dropped_attributes_count,
                flags: proto.flags,
            })
        })
        .collect();
    let broken = (sent - links.len()) as u32;
    (links, broken)
}

fn attributes(entries: Vec<KeyValue>) -> Attributes {
    entries.into_iter().map(|entry| (clean(entry.key), value(entry.value))).collect()
}

/// Recursion is bounded by the protobuf decoder, which stops at 100 levels.
fn value(any: Option<AnyValue>) -> AttrValue {
    match any.and_then(|any| any.value) {
        // The index into a string table belongs to the profiling signal; elsewhere it is absent.
        None | Some(Value::StringValueStrindex(_)) => AttrValue::Null,
        Some(Value::StringValue(text)) => AttrValue::String(clean(text)),
        Some(Value::BoolValue(truth)) => AttrValue::Bool(truth),
        Some(Value::IntValue(number)) => AttrValue::Int(number),
        Some(Value::DoubleValue(number)) => AttrValue::Double(number),
        Some(Value::BytesValue(bytes)) => AttrValue::Bytes(bytes),
        Some(Value::ArrayValue(array)) => {
            AttrValue::Array(array.values.into_iter().map(|v| value(Some(v))).collect())
        }
        Some(Value::KvlistValue(list)) => AttrValue::Map(attributes(list.values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};

    const BOUNDS: TimeBounds = TimeBounds { oldest_ns: 1_000, newest_ns: 1_000_000 };

    fn proto_span() -> ProtoSpan {
        ProtoSpan {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "op".into(),
            start_time_unix_nano: 2_000,
            end_time_unix_nano: 5_000,
            ..ProtoSpan::default()
        }
    }

    fn decode_spans(spans: Vec<ProtoSpan>) -> Decoded {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        decode(ExportTraceServiceRequest { resource_spans }, BOUNDS)
    }

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn a_bad_span_does_not_poison_its_batch() {
        let bad = [
            ProtoSpan { trace_id: vec![0; 16], ..proto_span() },
            ProtoSpan { trace_id: vec![1; 8], ..proto_span() },
            ProtoSpan { span_id: vec![], ..proto_span() },
            ProtoSpan { parent_span_id: vec![1; 3], ..proto_span() },
            ProtoSpan { end_time_unix_nano: 1_999, ..proto_span() },
            ProtoSpan { start_time_unix_nano: 999, ..proto_span() },
            ProtoSpan { start_time_unix_nano: 1_000_001, ..proto_span() },
        ];
        let mut spans = vec![proto_span()];
        spans.extend(bad);
        let decoded = decode_spans(spans);
        assert_eq!(decoded.spans.len(), 1);
        let rejected: Vec<_> = decoded.rejected.iter().collect();
        assert_eq!(
            rejected,
            [
                (Rejection::TraceId, 2),
                (Rejection::SpanId, 1),
                (Rejection::ParentSpanId, 1),
                (Rejection::NegativeDuration, 1),
                (Rejection::TooOld, 1),
                (Rejection::InFuture, 1),
            ]
        );
    }

    #[test]
    fn every_value_type_is_kept() {
        let list = KeyValueList {
            values: vec![KeyValue {
                key: "k".into(),
                value: Some(any(Value::BoolValue(true))),
                ..KeyValue::default()
            }],
        };
        let array = ArrayValue {
            values: vec![AnyValue { value: Some(Value::IntValue(1)) }, AnyValue { value: None }],
        };
        let cases = [
            ("array", Value::ArrayValue(array), AttrValue::Array(vec![AttrValue::Int(1), AttrValue::Null])),
            ("bytes", Value::BytesValue(vec![0, 1]), AttrValue::Bytes(vec![0, 1])),
            ("double", Value::DoubleValue(1.0), AttrValue::Double(1.0)),
            (
                "map",
                Value::KvlistValue(list),
                AttrValue::Map([("k".to_owned(), true.into())].into_iter().collect()),
            ),
            ("nul", Value::StringValue("a\0b".into()), "a\u{fffd}b".into()),
        ];
        let attributes = cases
            .iter()
            .map(|(key, value, _)| KeyValue {
                key: (*key).into(),
                value: Some(any(value.clone())),
                ..KeyValue::default()
            })
            .collect();
        let decoded = decode_spans(vec![ProtoSpan { attributes, ..proto_span() }]);
        for (key, _, expected) in &cases {
            assert_eq!(decoded.spans[0].attributes.get(key), Some(expected), "{key}");
        }
    }

    #[test]
    fn zero_parents_are_roots_and_broken_links_count_as_dropped() {
        let link = |byte| proto_span::Link {
            trace_id: vec![byte; 16],
            span_id: vec![byte; 8],
            ..proto_span::Link::default()
        };
        let decoded = decode_spans(vec![ProtoSpan {
            parent_span_id: vec![0; 8],
            links: vec![link(0), link(7)],
            dropped_links_count: 3,
            status: Some(Status { code: 2, message: "boom".into() }),
            ..proto_span()
        }]);
        let span = &decoded.spans[0];
        assert_eq!(span.parent_span_id, None);
        assert_eq!(span.links.len(), 1);
        assert_eq!(span.dropped_links_count, 4);
        assert_eq!((span.status, span.status_message.as_str()), (SpanStatus::Error, "boom"));
        assert_eq!(span.resource.service_name(), "unknown_service");
    }
}
