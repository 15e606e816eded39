//! Zipkin's spans into the model, whichever encoding they came in.
//!
//! What has no field of its own in the model:
//! - `localEndpoint`: `service.name` and `host.ip` of the resource, `network.local.port` of the span.
//!   Resource attributes, which OpenTelemetry's exporters write as tags, return to the resource.
//! - `remoteEndpoint`: `peer.service`, `network.peer.address`, `network.peer.port`, unless tags say
//!   something else.
//! - `error`: the status; its text is the message unless it only says `true`. `false` is no error.
//! - `debug`: the sampled flag.
//!
//! **Without `timestamp`** a span starts with its first annotation, else with the earliest span of its
//! trace in the request, and is marked by `otel.zipkin.absentField.startTime`. Where nothing tells a
//! time it is rejected: the time of arrival would make a resent span another one. **Without
//! `duration`** it lasts to its last annotation.
//!
//! **Shared spans.** Zipkin's clients give one id to both halves of a call. In the model an id is one
//! span, so the server's half (`shared`) gets [`SpanId::server_half`] as its id and the client's half,
//! which keeps the id, as its parent: it takes no second look at another request, gives the same id
//! when resent, and lets client and server be paired like any others. Children in the server name the
//! shared id as their parent; that they belong to the server's half is seen when a trace is read, where
//! all of it is known. The parent that was sent stays in [`Span::SHARED_PARENT`], should the
//! client's half never come.

use std::collections::HashMap;
use std::sync::Arc;

use spanloom_model::{AttrValue, Attributes, Event, Resource, Span, SpanId, SpanKind, SpanStatus, TraceId};

use super::otel_tags::{OtelTags, SDK_NAME, Scopes, Tags, describes_process};
use super::{Decoded, Rejection, TimeBounds, clean, zipkin_annotation};

const START_ABSENT: &str = "otel.zipkin.absentField.startTime";

/// W3C's flag for "recorded".
const SAMPLED: u32 = 1;

/// A span as both encodings tell it. Text may hold NUL; absent text is empty, an absent number zero.
#[derive(Debug, PartialEq)]
pub(crate) struct ZipkinSpan {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_span_id: Option<SpanId>,
    pub kind: SpanKind,
    pub shared: bool,
    pub debug: bool,
    pub name: String,
    pub timestamp_us: u64,
    pub duration_us: u64,
    pub local: Endpoint,
    pub remote: Endpoint,
    /// Microseconds since the epoch, text.
    pub annotations: Vec<(u64, String)>,
    pub tags: Vec<(String, String)>,
}

/// One side of a call.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub service_name: String,
    pub ipv4: String,
    pub ipv6: String,
    pub port: u16,
}

/// Turns spans of one request into the model's.
pub(crate) fn convert(sent: Vec<ZipkinSpan>, bounds: TimeBounds) -> Decoded {
    let traces = trace_starts(&sent);
    let mut shared = Interned::default();
    let mut decoded = Decoded::default();
    for span in sent {
        match span_of(span, &traces, &mut shared, bounds) {
            Ok(span) => decoded.spans.push(span),
            Err(rejection) => decoded.rejected.add(rejection),
        }
    }
    decoded
}

/// What spans of a request have in common.
#[derive(Default)]
struct Interned {
    scopes: Scopes,
    resources: HashMap<Process, Arc<Resource>>,
}

/// Where a span comes from: what makes two resources the same.
#[derive(PartialEq, Eq, Hash)]
struct Process {
    service: String,
    ips: Vec<String>,
    tags: Vec<(String, String)>,
}

/// When a span started by its own account, microseconds since the epoch.
fn own_start_us(span: &ZipkinSpan) -> Option<u64> {
    if span.timestamp_us > 0 {
        return Some(span.timestamp_us);
    }
    span.annotations.iter().map(|(time_us, _)| *time_us).filter(|time_us| *time_us > 0).min()
}

/// The earliest start by trace, if some span needs it.
fn trace_starts(spans: &[ZipkinSpan]) -> HashMap<TraceId, u64> {
    let mut starts = HashMap::new();
    if spans.iter().all(|span| own_start_us(span).is_some()) {
        return starts;
    }
    for span in spans {
        if let Some(start_us) = own_start_us(span) {
            let earliest = starts.entry(span.trace_id).or_insert(start_us);
            *earliest = start_us.min(*earliest);
        }
    }
    starts
}

fn span_of(
    sent: ZipkinSpan,
    traces: &HashMap<TraceId, u64>,
    interned: &mut Interned,
    bounds: TimeBounds,
) -> Result<Span, Rejection> {
    let start_us = own_start_us(&sent).or_else(|| traces.get(&sent.trace_id).copied());
    let start_us = start_us.ok_or(Rejection::NoStart)?;
    let duration_us = match sent.duration_us {
        0 => {
            sent.annotations.iter().map(|(time_us, _)| time_us.saturating_sub(start_us)).max().unwrap_or(0)
        }
        sent => sent,
    };
    // What saturates lies beyond the year 2262 and is rejected for that.
    let end_us = start_us.saturating_add(duration_us);
    let (start_ns, duration_ns) =
        bounds.check(start_us.saturating_mul(1_000), end_us.saturating_mul(1_000))?;

    let (process, mut tags) = process(sent.local, sent.tags, &mut interned.resources);
    let otel = OtelTags::take_from(&mut tags);
    let (status, status_message) = status(&mut tags, otel.status, otel.status_message);
    let mut derived = remote(sent.remote);
    if let Some(port) = process.port {
        derived.push(("network.local.port".to_owned(), AttrValue::Int(port.into())));
    }
    if sent.timestamp_us == 0 {
        derived.push((START_ABSENT.to_owned(), AttrValue::Bool(true)));
    }
    let parent = sent.parent_span_id.filter(|parent| *parent != sent.span_id);
    let is_server_half = sent.shared && sent.kind != SpanKind::Client;
    let (span_id, parent_span_id) = if is_server_half {
        derived.extend(parent.map(|parent| (Span::SHARED_PARENT.to_owned(), parent.to_string().into())));
        (sent.span_id.server_half(), Some(sent.span_id))
    } else {
        (sent.span_id, parent)
    };
    // Of two with the same key the later stays: what the client said.
    derived.append(&mut tags);
    Ok(Span {
        trace_id: sent.trace_id,
        span_id,
        parent_span_id,
        trace_state: otel.trace_state,
        flags: if sent.debug { SAMPLED } else { 0 },
        name: clean(sent.name),
        kind: sent.kind,
        start_ns,
        duration_ns,
        attributes: Attributes::from_entries(derived),
        dropped_attributes_count: otel.dropped_attributes_count,
        events: sent.annotations.into_iter().map(|annotation| event(annotation, start_us)).collect(),
        dropped_events_count: otel.dropped_events_count,
        links: Vec::new(),
        dropped_links_count: otel.dropped_links_count,
        status,
        status_message,
        resource: process.resource,
        scope: interned.scopes.get(otel.scope),
    })
}

struct Origin {
    resource: Arc<Resource>,
    port: Option<u16>,
}

/// Splits what tells of the process from the tags of the span.
fn process(
    local: Endpoint,
    tags: Vec<(String, String)>,
    resources: &mut HashMap<Process, Arc<Resource>>,
) -> (Origin, Tags) {
    let mut service = clean(local.service_name);
    let from_sdk = tags.iter().any(|(key, _)| key == SDK_NAME);
    let mut process_tags = Vec::new();
    let mut span_tags = Tags::with_capacity(tags.len() + 4);
    for (key, value) in tags {
        let (key, value) = (clean(key), clean(value));
        if key == "service.name" && (service.is_empty() || service == value) {
            service = value;
        } else if key != "service.name" && from_sdk && describes_process(&key) {
            process_tags.push((key, value));
        } else {
            span_tags.push((key, AttrValue::String(value)));
        }
    }
    let ips = [local.ipv4, local.ipv6].into_iter().filter(|ip| !ip.is_empty()).map(clean).collect();
    let key = Process { service, ips, tags: process_tags };
    let resource = resources.entry(key).or_insert_with_key(|key| Arc::new(resource(key)));
    let port = (local.port > 0).then_some(local.port);
    (Origin { resource: Arc::clone(resource), port }, span_tags)
}

fn resource(process: &Process) -> Resource {
    let mut attributes = Tags::new();
    if !process.ips.is_empty() {
        let ips = process.ips.iter().map(|ip| AttrValue::from(ip.as_str())).collect();
        attributes.push(("host.ip".to_owned(), AttrValue::Array(ips)));
    }
    attributes.extend(process.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
    if !process.service.is_empty() {
        attributes.push(("service.name".to_owned(), process.service.as_str().into()));
    }
    Resource { attributes: Attributes::from_entries(attributes), ..Resource::default() }
}

fn remote(remote: Endpoint) -> Tags {
    let mut tags = Tags::new();
    let mut add = |key: &str, text: String| {
        if !text.is_empty() {
            tags.push((key.to_owned(), AttrValue::String(clean(text))));
        }
    };
    add("peer.service", remote.service_name);
    // One attribute holds one address; who sends both has the same host twice.
    if remote.ipv4.is_empty() {
        add("network.peer.address", remote.ipv6);
    } else {
        add("network.peer.address", remote.ipv4);
        add("zipkin.remoteEndpoint.ipv6", remote.ipv6);
    }
    if remote.port > 0 {
        tags.push(("network.peer.port".to_owned(), AttrValue::Int(remote.port.into())));
    }
    tags
}

/// `error` is an error whatever it says, except `false`.
fn status(tags: &mut Tags, told: Option<SpanStatus>, message: String) -> (SpanStatus, String) {
    let is_error = |(key, value): &(String, AttrValue)| {
        key == "error" && !matches!(value, AttrValue::String(text) if text.eq_ignore_ascii_case("false"))
    };
    let Some(at) = tags.iter().position(is_error) else {
        return (told.unwrap_or_default(), message);
    };
    match tags.remove(at).1 {
        AttrValue::String(text) if message.is_empty() && !text.eq_ignore_ascii_case("true") => {
            (SpanStatus::Error, text)
        }
        _ => (SpanStatus::Error, message),
    }
}

fn event((time_us, text): (u64, String), start_us: u64) -> Event {
    let time_us = if time_us > 0 { time_us } else { start_us };
    let parsed = zipkin_annotation::parse(clean(text));
    Event {
        time_ns: i64::try_from(time_us.saturating_mul(1_000)).unwrap_or(i64::MAX),
        name: parsed.name,
        attributes: parsed.attributes,
        dropped_attributes_count: parsed.dropped_attributes_count,
    }
}
