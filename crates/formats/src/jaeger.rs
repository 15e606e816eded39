//! Jaeger's spans into the model, whichever encoding they came in; the reverse of the specification's
//! "OpenTelemetry to Jaeger Transformation", and of what `OpenTracing`'s conventions say of tags.
//!
//! What has no field of its own in the model:
//! - process: the resource; `hostname` becomes `host.name`. Resource attributes, which some of
//!   OpenTelemetry's exporters write as tags of the span instead, return to it.
//! - references: the first `CHILD_OF` within the trace is the parent, else the first `FOLLOWS_FROM`
//!   within it, as Jaeger shows them. What is not told by the parent becomes a link with
//!   `opentracing.ref_type`.
//! - logs: events, named by the field `event`, else `message`.
//! - `span.kind`, `error` and the tags of OpenTelemetry's exporters: their fields. Tags that repeat the
//!   resource are left out.
//! - flags: the sampled flag; others, "debug" among them, stay in `jaeger.flags`.
//! - warnings: `jaeger.warnings`; a span that has not ended: `jaeger.incomplete`.

use std::sync::Arc;

use spanloom_model::{
    AttrValue, Attributes, Event, Link, Resource, Span, SpanId, SpanKind, SpanStatus, TraceId,
};

use super::otel_tags::{OtelTags, SDK_NAME, Scopes, Tags, describes_process, take_count};
use super::{Rejection, TimeBounds, clean, clean_value};

/// The flag that W3C has too.
const SAMPLED: u32 = 1;

/// A span as both encodings tell it. Text may hold NUL.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct JaegerSpan {
    pub trace_id: u128,
    pub span_id: u64,
    /// Zero if the references tell it.
    pub parent_span_id: u64,
    pub name: String,
    pub references: Vec<Reference>,
    pub flags: u32,
    pub start_ns: i128,
    pub duration_ns: i128,
    pub tags: Tags,
    pub logs: Vec<Log>,
    pub warnings: Vec<String>,
    pub is_incomplete: bool,
}

/// What a span has to do with another one.
#[derive(Debug, PartialEq)]
pub(crate) struct Reference {
    pub is_child_of: bool,
    pub trace_id: u128,
    pub span_id: u64,
}

/// Something that happened.
#[derive(Debug, PartialEq)]
pub(crate) struct Log {
    pub time_ns: i128,
    pub fields: Tags,
}

/// The resource of a process.
pub(crate) fn resource(service: String, mut tags: Tags) -> Resource {
    if !tags.iter().any(|(key, _)| key == "host.name")
        && let Some((key, _)) = tags.iter_mut().find(|(key, _)| key == "hostname")
    {
        "host.name".clone_into(key);
    }
    if !service.is_empty() {
        tags.push(("service.name".to_owned(), AttrValue::String(service)));
    }
    Resource { attributes: attributes(tags), ..Resource::default() }
}

/// What spans of a request have in common.
#[derive(Default)]
pub(crate) struct Shared {
    scopes: Scopes,
    /// A process, what the latest span said of it besides, and both together.
    completed: Option<(Arc<Resource>, Tags, Arc<Resource>)>,
}

/// Turns a span into the model's.
pub(crate) fn convert(
    sent: JaegerSpan,
    resource: &Arc<Resource>,
    shared: &mut Shared,
    bounds: TimeBounds,
) -> Result<Span, Rejection> {
    let trace_id = TraceId::new(sent.trace_id).map_err(|_| Rejection::TraceId)?;
    let span_id = SpanId::new(sent.span_id).map_err(|_| Rejection::SpanId)?;
    // A start before 1970 is before any retention; what is beyond 64 bits is after any clock.
    let start_ns = u64::try_from(sent.start_ns.max(0)).map_err(|_| Rejection::InFuture)?;
    let end_ns = u64::try_from(sent.start_ns + sent.duration_ns.max(-1)).unwrap_or(u64::MAX);
    let (start_ns, duration_ns) = bounds.check(start_ns, end_ns)?;

    let parent = parent(&sent);
    let (links, dropped_links) = links(&sent, parent);
    let mut tags = sent.tags;
    tags.retain(|(key, value)| resource.attributes.get(key) != Some(value));
    let resource = complete(resource, &mut tags, &mut shared.completed);
    let otel = OtelTags::take_from(&mut tags);
    let kind = take_kind(&mut tags);
    let status = status(&mut tags, otel.status);
    if sent.flags & !SAMPLED != 0 {
        tags.push(("jaeger.flags".to_owned(), AttrValue::Int(sent.flags.into())));
    }
    if !sent.warnings.is_empty() {
        let warnings = sent.warnings.into_iter().map(AttrValue::String).collect();
        tags.push(("jaeger.warnings".to_owned(), AttrValue::Array(warnings)));
    }
    if sent.is_incomplete {
        tags.push(("jaeger.incomplete".to_owned(), AttrValue::Bool(true)));
    }
    Ok(Span {
        trace_id,
        span_id,
        parent_span_id: parent,
        trace_state: clean(otel.trace_state),
        flags: sent.flags & SAMPLED,
        name: clean(sent.name),
        kind,
        start_ns,
        duration_ns,
        attributes: attributes(tags),
        dropped_attributes_count: otel.dropped_attributes_count,
        events: sent.logs.into_iter().map(event).collect(),
        dropped_events_count: otel.dropped_events_count,
        links,
        dropped_links_count: otel.dropped_links_count.saturating_add(dropped_links),
        status,
        status_message: clean(otel.status_message),
        resource,
        scope: shared.scopes.get((clean(otel.scope.0), clean(otel.scope.1))),
    })
}

/// Moves what tags of the span say of the process to the resource.
fn complete(
    resource: &Arc<Resource>,
    tags: &mut Tags,
    completed: &mut Option<(Arc<Resource>, Tags, Arc<Resource>)>,
) -> Arc<Resource> {
    if !tags.iter().any(|(key, _)| key == SDK_NAME) {
        return Arc::clone(resource);
    }
    let is_missing = |(key, _): &mut (String, AttrValue)| {
        describes_process(key) && resource.attributes.get(key).is_none()
    };
    let said: Tags = tags.extract_if(.., is_missing).collect();
    if let Some((of, known, both)) = completed
        && Arc::ptr_eq(of, resource)
        && *known == said
    {
        return Arc::clone(both);
    }
    let process = resource.attributes.iter().map(|(key, value)| (key.to_owned(), value.clone()));
    let all = attributes(said.iter().cloned().chain(process).collect());
    let both = Arc::new(Resource { attributes: all, ..Resource::default() });
    *completed = Some((Arc::clone(resource), said, Arc::clone(&both)));
    both
}

fn parent(span: &JaegerSpan) -> Option<SpanId> {
    let in_trace = || span.references.iter().filter(|reference| reference.trace_id == span.trace_id);
    let referred = || in_trace().find(|r| r.is_child_of).or_else(|| in_trace().next()).map(|r| r.span_id);
    let told = (span.parent_span_id != 0).then_some(span.parent_span_id);
    told.or_else(referred).and_then(|id| SpanId::new(id).ok())
}

/// A reference to an id that cannot exist leads nowhere: it counts as dropped.
fn links(span: &JaegerSpan, parent: Option<SpanId>) -> (Vec<Link>, u32) {
    let is_parent = |r: &Reference| {
        r.is_child_of && r.trace_id == span.trace_id && Some(r.span_id) == parent.map(SpanId::get)
    };
    let mut links = Vec::new();
    let mut broken = 0;
    for reference in span.references.iter().filter(|r| !is_parent(r)) {
        let ids = (TraceId::new(reference.trace_id), SpanId::new(reference.span_id));
        let (Ok(trace_id), Ok(span_id)) = ids else {
            broken += 1;
            continue;
        };
        let kind = if reference.is_child_of { "child_of" } else { "follows_from" };
        links.push(Link {
            trace_id,
            span_id,
            trace_state: String::new(),
            attributes: attributes(vec![("opentracing.ref_type".to_owned(), kind.into())]),
            dropped_attributes_count: 0,
            flags: 0,
        });
    }
    (links, broken)
}

fn take_kind(tags: &mut Tags) -> SpanKind {
    let told = |(key, value): &(String, AttrValue)| match value {
        AttrValue::String(text) if key == "span.kind" => kind_named(text),
        _ => None,
    };
    let Some((at, kind)) = tags.iter().enumerate().find_map(|(at, tag)| Some((at, told(tag)?))) else {
        return SpanKind::Unspecified;
    };
    tags.remove(at);
    kind
}

fn kind_named(name: &str) -> Option<SpanKind> {
    match name.to_ascii_lowercase().as_str() {
        "client" => Some(SpanKind::Client),
        "server" => Some(SpanKind::Server),
        "producer" => Some(SpanKind::Producer),
        "consumer" => Some(SpanKind::Consumer),
        "internal" => Some(SpanKind::Internal),
        _ => None,
    }
}

/// `error` decides where it is true: `OpenTracing`'s clients know no other way.
fn status(tags: &mut Tags, told: Option<SpanStatus>) -> SpanStatus {
    let before = tags.len();
    tags.retain(|(key, value)| {
        let is_true = match value {
            AttrValue::Bool(truth) => *truth,
            AttrValue::String(text) => text == "true",
            _ => false,
        };
        !(key == "error" && is_true)
    });
    if tags.len() < before { SpanStatus::Error } else { told.unwrap_or_default() }
}

fn event(log: Log) -> Event {
    let mut fields = log.fields;
    let mut dropped_attributes_count = 0;
    fields.retain(|(key, value)| {
        // The second is what the Python exporter writes.
        let is_count =
            key == "otel.event.dropped_attributes_count" || key == "otel.dropped_attributes_count";
        !(is_count && take_count(&mut dropped_attributes_count, value))
    });
    let named_by = |name: &str| fields.iter().position(|(key, _)| key == name);
    let name = named_by("event").or_else(|| named_by("message")).map(|at| fields.remove(at).1);
    Event {
        // OTLP knows no time before 1970.
        time_ns: i64::try_from(log.time_ns.max(0)).unwrap_or(i64::MAX),
        name: clean(name.map(|name| name.to_string()).unwrap_or_default()),
        attributes: attributes(fields),
        dropped_attributes_count,
    }
}

fn attributes(tags: Tags) -> Attributes {
    tags.into_iter().map(|(key, value)| (clean(key), clean_value(value))).collect()
}
