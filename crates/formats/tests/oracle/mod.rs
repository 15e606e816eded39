//! OTLP read by `prost`, and its messages made into the model: what our own decoder has to equal.
//! Slow and plain; for tests and benchmarks.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1::Span as ProtoSpan;
use opentelemetry_proto::tonic::trace::v1::span as proto_span;
use prost::Message as _;
use spanloom_model::{
    AttrValue, Attributes, Event, Link, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId,
};

use spanloom_formats::{Decoded, Rejected, Rejection, TimeBounds};

/// Reads a request with prost.
pub fn decode(body: &[u8], bounds: TimeBounds) -> Result<Decoded, prost::DecodeError> {
    ExportTraceServiceRequest::decode(body).map(|request| model(request, bounds))
}

/// PostgreSQL's text cannot hold NUL.
fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn model(request: ExportTraceServiceRequest, bounds: TimeBounds) -> Decoded {
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
