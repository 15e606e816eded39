//! What a record holds: an OTLP `ExportTraceServiceRequest`, so that what other programs queue can
//! be read too.

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource as PR;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as PS, Status, span as ps};
use prost::Message;
use spanloom_formats::{TimeBounds, otlp};
use spanloom_model::{AttrValue, Attributes, Span};

/// shim
pub fn encode(spans: &[Span]) -> Vec<u8> {
    let resource_spans = spans
        .iter()
        .map(|s| ResourceSpans {
            resource: Some(PR {
                attributes: attrs(&s.resource.attributes),
                dropped_attributes_count: s.resource.dropped_attributes_count,
                ..PR::default()
            }),
            schema_url: s.resource.schema_url.clone(),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: s.scope.name.clone(),
                    version: s.scope.version.clone(),
                    attributes: attrs(&s.scope.attributes),
                    dropped_attributes_count: s.scope.dropped_attributes_count,
                }),
                schema_url: s.scope.schema_url.clone(),
                spans: vec![PS {
                    trace_id: s.trace_id.to_bytes().to_vec(),
                    span_id: s.span_id.get().to_be_bytes().to_vec(),
                    trace_state: s.trace_state.clone(),
                    parent_span_id: s
                        .parent_span_id
                        .map(|p| p.get().to_be_bytes().to_vec())
                        .unwrap_or_default(),
                    flags: s.flags,
                    name: s.name.clone(),
                    kind: i32::from(s.kind.number()),
                    start_time_unix_nano: s.start_ns as u64,
                    end_time_unix_nano: (s.start_ns + s.duration_ns) as u64,
                    attributes: attrs(&s.attributes),
                    dropped_attributes_count: s.dropped_attributes_count,
                    events: s
                        .events
                        .iter()
                        .map(|e| ps::Event {
                            time_unix_nano: e.time_ns as u64,
                            name: e.name.clone(),
                            attributes: attrs(&e.attributes),
                            dropped_attributes_count: e.dropped_attributes_count,
                        })
                        .collect(),
                    dropped_events_count: s.dropped_events_count,
                    links: s
                        .links
                        .iter()
                        .map(|l| ps::Link {
                            trace_id: l.trace_id.to_bytes().to_vec(),
                            span_id: l.span_id.get().to_be_bytes().to_vec(),
                            trace_state: l.trace_state.clone(),
                            attributes: attrs(&l.attributes),
                            dropped_attributes_count: l.dropped_attributes_count,
                            flags: l.flags,
                        })
                        .collect(),
                    dropped_links_count: s.dropped_links_count,
                    status: Some(Status {
                        message: s.status_message.clone(),
                        code: i32::from(s.status.number()),
                    }),
                }],
            }],
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}
fn attrs(a: &Attributes) -> Vec<KeyValue> {
    a.iter()
        .map(|(k, v)| KeyValue { key: k.to_owned(), value: Some(val(v)), ..KeyValue::default() })
        .collect()
}
fn val(v: &AttrValue) -> AnyValue {
    AnyValue {
        value: match v {
            AttrValue::Null => None,
            AttrValue::String(t) => Some(Value::StringValue(t.clone())),
            AttrValue::Bool(t) => Some(Value::BoolValue(*t)),
            AttrValue::Int(t) => Some(Value::IntValue(*t)),
            AttrValue::Double(t) => Some(Value::DoubleValue(*t)),
            AttrValue::Bytes(t) => Some(Value::BytesValue(t.clone())),
            AttrValue::Array(t) => {
                Some(Value::ArrayValue(ArrayValue { values: t.iter().map(val).collect() }))
            }
            AttrValue::Map(t) => Some(Value::KvlistValue(KeyValueList { values: attrs(t) })),
        },
    }
}
/// shim
pub fn decode(bytes: &[u8]) -> anyhow::Result<Vec<Span>> {
    let r = ExportTraceServiceRequest::decode(bytes).context("protobuf")?;
    Ok(otlp::decode(r, TimeBounds { oldest_ns: i64::MIN, newest_ns: i64::MAX }).spans)
}
