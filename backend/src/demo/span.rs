//! Spans in the making.

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::attributes::Attributes;
use super::failure::Exception;
use super::library::Library;
use super::resource::Process;

/// W3C: sampled.
const FLAG_SAMPLED: u32 = 0x01;
/// OTLP: it is known whether the parent is in another process.
const FLAG_HAS_IS_REMOTE: u32 = 0x100;
/// OTLP: the parent is in another process.
const FLAG_IS_REMOTE: u32 = 0x200;
const TRACE_STATE: &str = "shop=tier:standard";

/// A finished span and where it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoSpan {
    pub process: Process,
    pub library: Library,
    pub span: Span,
}

/// Who caused a span.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub trace_id: [u8; 16],
    /// Without one the span is a root.
    pub span_id: Option<[u8; 8]>,
    /// Whether that was in another process.
    pub is_remote: bool,
}

/// What is known about a span when it begins.
#[derive(Debug)]
pub struct Beginning {
    pub context: Context,
    pub process: Process,
    pub library: Library,
    pub kind: SpanKind,
    pub name: String,
    pub start_ns: u64,
    pub span_id: [u8; 8],
}

/// What becomes known when it ends.
#[derive(Debug, Default)]
pub struct Ending {
    pub attributes: Attributes,
    pub is_error: bool,
    pub exception: Option<Exception>,
    pub links: Vec<Link>,
}

/// A span that has begun and not yet ended.
pub fn begin(beginning: Beginning) -> DemoSpan {
    let Beginning { context, process, library, kind, name, start_ns, span_id } = beginning;
    let remote = if context.is_remote { FLAG_IS_REMOTE } else { 0 };
    let span = Span {
        trace_id: context.trace_id.to_vec(),
        span_id: span_id.to_vec(),
        parent_span_id: context.span_id.map(|id| id.to_vec()).unwrap_or_default(),
        trace_state: TRACE_STATE.to_owned(),
        flags: FLAG_SAMPLED | FLAG_HAS_IS_REMOTE | remote,
        name,
        kind: kind.into(),
        start_time_unix_nano: start_ns,
        ..Span::default()
    };
    DemoSpan { process, library, span }
}

/// Ends a span.
pub fn end(span: &mut Span, end_ns: u64, ending: Ending) {
    span.end_time_unix_nano = end_ns;
    span.attributes = ending.attributes.into_vec();
    span.links = ending.links;
    if ending.is_error {
        let message =
            ending.exception.as_ref().map(|exception| exception.message.clone()).unwrap_or_default();
        span.status = Some(Status { message, code: StatusCode::Error.into() });
    }
    if let Some(exception) = ending.exception {
        // Recorded a moment before the span ends.
        let time_unix_nano = end_ns.saturating_sub(20_000).max(span.start_time_unix_nano);
        span.events.push(exception_event(time_unix_nano, exception));
    }
}

fn exception_event(time_unix_nano: u64, exception: Exception) -> Event {
    let attributes = Attributes::default()
        .text("exception.type", exception.kind)
        .text("exception.message", exception.message)
        .text("exception.stacktrace", exception.stacktrace)
        .into_vec();
    Event { time_unix_nano, name: "exception".to_owned(), attributes, ..Event::default() }
}

/// A link to the span that sent a message.
pub fn link_to(trace_id: [u8; 16], span_id: [u8; 8]) -> Link {
    Link {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        trace_state: TRACE_STATE.to_owned(),
        flags: FLAG_SAMPLED | FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE,
        ..Link::default()
    }
}
