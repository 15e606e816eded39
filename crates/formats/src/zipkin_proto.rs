//! Zipkin's protobuf encoding: `zipkin.proto3.ListOfSpans` of `zipkin.proto`.
//!
//! As with JSON, a fault anywhere refuses the request.

use core::net::{Ipv4Addr, Ipv6Addr};

use prost::Message;
use spanloom_model::{SpanId, SpanKind, TraceId};

use super::zipkin::{self, ZipkinSpan};
use super::{Decoded, SPANS_PER_REQUEST_MAX, TimeBounds};

/// Spans of any traces, in any order.
#[derive(Clone, PartialEq, Message)]
pub struct ListOfSpans {
    /// Messages [`Span`], still encoded: an empty one takes two bytes on the wire, and decoded in
    /// advance they would take a hundred times as much.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub spans: Vec<Vec<u8>>,
}

/// One operation, seen from one host.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 8 or 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes; empty for a root.
    #[prost(bytes = "vec", tag = "2")]
    pub parent_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub id: Vec<u8>,
    /// 1 client, 2 server, 3 producer, 4 consumer.
    #[prost(int32, tag = "4")]
    pub kind: i32,
    /// The operation.
    #[prost(string, tag = "5")]
    pub name: String,
    /// Microseconds since the epoch; 0 if unknown.
    #[prost(fixed64, tag = "6")]
    pub timestamp: u64,
    /// Microseconds; 0 if unknown.
    #[prost(uint64, tag = "7")]
    pub duration: u64,
    /// The host that recorded the span.
    #[prost(message, optional, tag = "8")]
    pub local_endpoint: Option<Endpoint>,
    /// The other side of the call.
    #[prost(message, optional, tag = "9")]
    pub remote_endpoint: Option<Endpoint>,
    /// What happened during it.
    #[prost(message, repeated, tag = "10")]
    pub annotations: Vec<Annotation>,
    /// On the wire the same as a map.
    #[prost(message, repeated, tag = "11")]
    pub tags: Vec<Tag>,
    /// To be kept whatever sampling says.
    #[prost(bool, tag = "12")]
    pub debug: bool,
    /// Whether another host has started the span.
    #[prost(bool, tag = "13")]
    pub shared: bool,
}

/// A node of the network.
#[derive(Clone, PartialEq, Message)]
pub struct Endpoint {
    /// The service.
    #[prost(string, tag = "1")]
    pub service_name: String,
    /// 4 bytes, or empty.
    #[prost(bytes = "vec", tag = "2")]
    pub ipv4: Vec<u8>,
    /// 16 bytes, or empty.
    #[prost(bytes = "vec", tag = "3")]
    pub ipv6: Vec<u8>,
    /// 0 if unknown.
    #[prost(int32, tag = "4")]
    pub port: i32,
}

/// Something that happened at one moment.
#[derive(Clone, PartialEq, Message)]
pub struct Annotation {
    /// Microseconds since the epoch.
    #[prost(fixed64, tag = "1")]
    pub timestamp: u64,
    /// What happened.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// An entry of the tags.
#[derive(Clone, PartialEq, Message)]
pub struct Tag {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Turns a body into spans. The error says what does not fit.
pub fn decode(body: &[u8], bounds: TimeBounds) -> Result<Decoded, String> {
    let list = ListOfSpans::decode(body).map_err(|error| error.to_string())?;
    if list.spans.len() > SPANS_PER_REQUEST_MAX {
        return Err(format!("at most {SPANS_PER_REQUEST_MAX} spans in a request"));
    }
    let read = |(index, bytes): (usize, Vec<u8>)| {
        let span = Span::decode(&bytes[..]).map_err(|error| error.to_string());
        span.and_then(check).map_err(|fault| format!("spans[{index}]: {fault}"))
    };
    let spans = list.spans.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(zipkin::convert(spans, bounds))
}

fn check(span: Span) -> Result<ZipkinSpan, String> {
    Ok(ZipkinSpan {
        trace_id: trace_id(&span.trace_id)?,
        span_id: SpanId::from_bytes(&span.id).map_err(|_| "id must be 8 bytes, not all zero")?,
        parent_span_id: parent_id(&span.parent_id)?,
        kind: match span.kind {
            1 => SpanKind::Client,
            2 => SpanKind::Server,
            3 => SpanKind::Producer,
            4 => SpanKind::Consumer,
            // protobuf's rule for values of later versions.
            _ => SpanKind::Unspecified,
        },
        shared: span.shared,
        debug: span.debug,
        name: span.name,
        timestamp_us: span.timestamp,
        duration_us: span.duration,
        local: endpoint(span.local_endpoint)?,
        remote: endpoint(span.remote_endpoint)?,
        annotations: span.annotations.into_iter().map(|sent| (sent.timestamp, sent.value)).collect(),
        tags: span.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    })
}

fn trace_id(bytes: &[u8]) -> Result<TraceId, String> {
    let number = match bytes.len() {
        8 => bytes.try_into().map(u64::from_be_bytes).map(u128::from),
        _ => bytes.try_into().map(u128::from_be_bytes),
    };
    let id = number.ok().and_then(|number| TraceId::new(number).ok());
    id.ok_or_else(|| "trace_id must be 8 or 16 bytes, not all zero".to_owned())
}

/// Zero is what some clients send for "none".
fn parent_id(bytes: &[u8]) -> Result<Option<SpanId>, String> {
    if bytes.is_empty() || bytes == [0; 8] {
        return Ok(None);
    }
    SpanId::from_bytes(bytes).map(Some).map_err(|_| "parent_id must be empty or 8 bytes".to_owned())
}

fn endpoint(sent: Option<Endpoint>) -> Result<zipkin::Endpoint, String> {
    let Some(sent) = sent else { return Ok(zipkin::Endpoint::default()) };
    let address = |bytes: &[u8]| match bytes {
        [] => Ok(String::new()),
        _ if bytes.len() == 4 => <[u8; 4]>::try_from(bytes).map(|b| Ipv4Addr::from(b).to_string()),
        _ => <[u8; 16]>::try_from(bytes).map(|b| Ipv6Addr::from(b).to_string()),
    };
    Ok(zipkin::Endpoint {
        service_name: sent.service_name,
        ipv4: address(&sent.ipv4).map_err(|_| "ipv4 must be 4 bytes")?,
        ipv6: address(&sent.ipv6).map_err(|_| "ipv6 must be 16 bytes")?,
        port: u16::try_from(sent.port).map_err(|_| "port must be 0 to 65535")?,
    })
}
