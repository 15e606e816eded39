//! Collecting spans, and what was logged during them, into export requests of a bounded size.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::library::{Library, scope};
use super::logs::{logger, records};
use super::resource::{Process, resource};
use super::span::DemoSpan;

const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Spans on their way into one request.
#[derive(Debug, Default)]
pub struct Batch {
    spans: BTreeMap<Process, BTreeMap<Library, Vec<Span>>>,
    logs: BTreeMap<Process, Vec<LogRecord>>,
    spans_count: usize,
    spans_bytes: usize,
}

/// A request ready to be sent.
#[derive(Debug, Clone)]
pub struct Export {
    pub request: ExportTraceServiceRequest,
    pub spans_count: u64,
    /// What was logged during the spans.
    pub logs: ExportLogsServiceRequest,
}

impl Batch {
    const SPANS_MAX: usize = 1_000;
    /// Half of what gRPC servers accept by default, to leave room for resources.
    const BYTES_MAX: usize = 2 * 1024 * 1024;

    pub fn push(&mut self, span: DemoSpan) {
        self.spans_count += 1;
        self.spans_bytes += span.span.encoded_len();
        self.logs.entry(span.process).or_default().extend(records(&span));
        let scopes = self.spans.entry(span.process).or_default();
        scopes.entry(span.library).or_default().push(span.span);
    }

    pub const fn spans_count(&self) -> usize {
        self.spans_count
    }

    pub const fn is_full(&self) -> bool {
        self.spans_count >= Self::SPANS_MAX || self.spans_bytes >= Self::BYTES_MAX
    }

    /// Takes everything out; nothing if there is nothing.
    pub fn take(&mut self) -> Option<Export> {
        if self.spans_count == 0 {
            return None;
        }
        let batch = std::mem::take(self);
        let spans_count = batch.spans_count as u64;
        let resource_spans = batch
            .spans
            .into_iter()
            .map(|(process, scopes)| ResourceSpans {
                resource: Some(resource(process)),
                scope_spans: scopes
                    .into_iter()
                    .map(|(library, spans)| ScopeSpans {
                        scope: Some(scope(process.service, library)),
                        spans,
                        schema_url: SCHEMA_URL.to_owned(),
                    })
                    .collect(),
                schema_url: SCHEMA_URL.to_owned(),
            })
            .collect();
        let resource_logs = batch
            .logs
            .into_iter()
            .filter(|(_, log_records)| !log_records.is_empty())
            .map(|(process, log_records)| ResourceLogs {
                resource: Some(resource(process)),
                scope_logs: vec![ScopeLogs {
                    scope: Some(logger(process.service)),
                    log_records,
                    ..ScopeLogs::default()
                }],
                schema_url: SCHEMA_URL.to_owned(),
            })
            .collect();
        let logs = ExportLogsServiceRequest { resource_logs };
        Some(Export { request: ExportTraceServiceRequest { resource_spans }, spans_count, logs })
    }
}
