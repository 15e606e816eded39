//! Spans and log records for unit tests.

use std::sync::Arc;

use spanloom_model::{Attributes, LogRecord, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};

/// A span with hardly anything in it.
pub fn span(trace: u128, span: u64) -> Span {
    Span {
        trace_id: TraceId::new(trace).unwrap(),
        span_id: SpanId::new(span).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "op".to_owned(),
        kind: SpanKind::Server,
        start_ns: 1_700_000_000_000_000_000,
        duration_ns: 1_000,
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: SpanStatus::Unset,
        status_message: String::new(),
        resource: Arc::new(Resource::default()),
        scope: Arc::new(Scope::default()),
    }
}

/// A log record with hardly anything in it.
pub fn log(body: &str, trace: Option<u128>) -> LogRecord {
    LogRecord {
        time_ns: 1_700_000_000_000_000_000,
        observed_ns: 1_700_000_000_000_000_001,
        severity_number: 9,
        severity_text: String::new(),
        event_name: String::new(),
        body: body.into(),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        trace_id: trace.map(|id| TraceId::new(id).unwrap()),
        span_id: None,
        flags: 0,
        resource: Arc::new(Resource::default()),
        scope: Arc::new(Scope::default()),
    }
}
