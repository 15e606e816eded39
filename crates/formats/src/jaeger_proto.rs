//! Jaeger's protobuf encoding: `jaeger.api_v2.PostSpansRequest` of `collector.proto` and `model.proto`.

use std::sync::Arc;

use prost::Message;
use spanloom_model::{AttrValue, Resource};

use super::jaeger::{self, JaegerSpan, Shared};
use super::otel_tags::Tags;
use super::{Decoded, Rejection, SPANS_PER_REQUEST_MAX, TimeBounds};

/// What `CollectorService/PostSpans` is called with.
#[derive(Clone, PartialEq, Message)]
pub struct PostSpansRequest {
    /// The spans.
    #[prost(message, optional, tag = "1")]
    pub batch: Option<Batch>,
}

/// Spans and where they come from.
#[derive(Clone, PartialEq, Message)]
pub struct Batch {
    /// Messages [`Span`], still encoded: an empty one takes two bytes on the wire, and decoded in
    /// advance they would take a hundred times as much.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub spans: Vec<Vec<u8>>,
    /// The process of spans without one of their own.
    #[prost(message, optional, tag = "2")]
    pub process: Option<Process>,
}

/// One operation.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// The operation.
    #[prost(string, tag = "3")]
    pub operation_name: String,
    /// Related spans, the parent among them.
    #[prost(message, repeated, tag = "4")]
    pub references: Vec<SpanRef>,
    /// 1 sampled, 2 debug.
    #[prost(uint32, tag = "5")]
    pub flags: u32,
    /// Since the epoch.
    #[prost(message, optional, tag = "6")]
    pub start_time: Option<Time>,
    /// How long it took.
    #[prost(message, optional, tag = "7")]
    pub duration: Option<Time>,
    /// What else is known.
    #[prost(message, repeated, tag = "8")]
    pub tags: Vec<KeyValue>,
    /// What happened during it.
    #[prost(message, repeated, tag = "9")]
    pub logs: Vec<Log>,
    /// Its process, if not the batch's.
    #[prost(message, optional, tag = "10")]
    pub process: Option<Process>,
    /// What is wrong with it.
    #[prost(string, repeated, tag = "12")]
    pub warnings: Vec<String>,
}

/// A service, somewhere.
#[derive(Clone, PartialEq, Message)]
pub struct Process {
    /// The service.
    #[prost(string, tag = "1")]
    pub service_name: String,
    /// What else is known.
    #[prost(message, repeated, tag = "2")]
    pub tags: Vec<KeyValue>,
}

/// A relation to another span.
#[derive(Clone, PartialEq, Message)]
pub struct SpanRef {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// 0 child of, 1 follows from.
    #[prost(int32, tag = "3")]
    pub ref_type: i32,
}

/// Something that happened.
#[derive(Clone, PartialEq, Message)]
pub struct Log {
    /// Since the epoch.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Time>,
    /// What happened.
    #[prost(message, repeated, tag = "2")]
    pub fields: Vec<KeyValue>,
}

/// A typed attribute.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Which value holds: 0 text, 1 boolean, 2 integer, 3 double, 4 bytes.
    #[prost(int32, tag = "2")]
    pub v_type: i32,
    /// Text.
    #[prost(string, tag = "3")]
    pub v_str: String,
    /// A boolean.
    #[prost(bool, tag = "4")]
    pub v_bool: bool,
    /// An integer.
    #[prost(int64, tag = "5")]
    pub v_int64: i64,
    /// A double.
    #[prost(double, tag = "6")]
    pub v_float64: f64,
    /// Bytes.
    #[prost(bytes = "vec", tag = "7")]
    pub v_binary: Vec<u8>,
}

/// `google.protobuf.Timestamp` and `Duration`, which look the same.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Time {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// Turns a message into spans. The error says what does not fit.
pub fn decode(message: &[u8], bounds: TimeBounds) -> Result<Decoded, String> {
    let request = PostSpansRequest::decode(message).map_err(|error| error.to_string())?;
    let batch = request.batch.unwrap_or_default();
    if batch.spans.len() > SPANS_PER_REQUEST_MAX {
        return Err(format!("at most {SPANS_PER_REQUEST_MAX} spans in a request"));
    }
    let batch_resource = Arc::new(resource(batch.process.unwrap_or_default()));
    // Exporters repeat the process with each span.
    let mut latest: Option<(Process, Arc<Resource>)> = None;
    let mut shared = Shared::default();
    let mut decoded = Decoded::default();
    for (index, bytes) in batch.spans.into_iter().enumerate() {
        let mut span =
            Span::decode(&bytes[..]).map_err(|error| format!("batch.spans[{index}]: {error}"))?;
        let resource = match span.process.take() {
            None => &batch_resource,
            Some(process) => {
                if latest.as_ref().is_none_or(|(known, _)| *known != process) {
                    let made = Arc::new(resource(process.clone()));
                    latest = Some((process, made));
                }
                latest.as_ref().map_or(&batch_resource, |(_, resource)| resource)
            }
        };
        match read(span).and_then(|span| jaeger::convert(span, resource, &mut shared, bounds)) {
            Ok(span) => decoded.spans.push(span),
            Err(rejection) => decoded.rejected.add(rejection),
        }
    }
    Ok(decoded)
}

fn resource(process: Process) -> Resource {
    jaeger::resource(process.service_name, tags(process.tags))
}

fn read(span: Span) -> Result<JaegerSpan, Rejection> {
    Ok(JaegerSpan {
        trace_id: trace_id(&span.trace_id).ok_or(Rejection::TraceId)?,
        span_id: span_id(&span.span_id).ok_or(Rejection::SpanId)?,
        parent_span_id: 0,
        name: span.operation_name,
        references: span.references.iter().map(reference).collect(),
        flags: span.flags,
        start_ns: nanos(span.start_time),
        duration_ns: nanos(span.duration),
        tags: tags(span.tags),
        logs: span
            .logs
            .into_iter()
            .map(|log| jaeger::Log { time_ns: nanos(log.timestamp), fields: tags(log.fields) })
            .collect(),
        warnings: span.warnings,
        is_incomplete: false,
    })
}

fn trace_id(bytes: &[u8]) -> Option<u128> {
    Some(u128::from_be_bytes(bytes.try_into().ok()?))
}

fn span_id(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Ids of another length become zero, which no id is.
fn reference(sent: &SpanRef) -> jaeger::Reference {
    jaeger::Reference {
        is_child_of: sent.ref_type == 0,
        trace_id: trace_id(&sent.trace_id).unwrap_or(0),
        span_id: span_id(&sent.span_id).unwrap_or(0),
    }
}

fn nanos(time: Option<Time>) -> i128 {
    let time = time.unwrap_or_default();
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

fn tags(sent: Vec<KeyValue>) -> Tags {
    sent.into_iter().map(|entry| (entry.key.clone(), value(entry))).collect()
}

fn value(entry: KeyValue) -> AttrValue {
    match entry.v_type {
        0 => AttrValue::String(entry.v_str),
        1 => AttrValue::Bool(entry.v_bool),
        2 => AttrValue::Int(entry.v_int64),
        3 => AttrValue::Double(entry.v_float64),
        4 => AttrValue::Bytes(entry.v_binary),
        _ => AttrValue::Null,
    }
}
