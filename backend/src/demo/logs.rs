//! What the shop's services log while they work: access lines, retries, slow statements, exceptions.
//! Pure: the same span gives the same records.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::attributes::Attributes;
use super::model::{Language, Service};
use super::span::DemoSpan;

/// A statement that takes longer is logged.
const SLOW_NS: u64 = 250_000_000;
/// From the log call to the exporter's batch.
const OBSERVED_AFTER_NS: u64 = 40_000;

const INFO: i32 = 9;
const WARN: i32 = 13;
const ERROR: i32 = 17;

/// The records that a span's service logged during it, in order of time.
pub fn records(span: &DemoSpan) -> Vec<LogRecord> {
    let (service, span) = (span.process.service, &span.span);
    let mut records = Vec::new();
    let exception = span.events.iter().find(|event| event.name == "exception");
    match SpanKind::try_from(span.kind) {
        Ok(SpanKind::Server | SpanKind::Consumer) => {
            records.extend(exception.map(|exception| raised(service, span, exception)));
            records.push(access_line(service, span));
        }
        Ok(SpanKind::Client | SpanKind::Producer) => records.extend(trouble(service, span)),
        _ => {}
    }
    records
}

/// The logger of a service, as its language names it.
pub fn logger(service: &Service) -> InstrumentationScope {
    let module = service.name.replace('-', "_");
    let name = match service.language {
        Language::Go => "log/slog".to_owned(),
        Language::Java => format!("com.shop.{}.RequestLog", module.replace('_', "")),
        Language::Node => "pino".to_owned(),
        Language::Python => format!("{module}.access"),
        Language::Rust => format!("{module}::access"),
    };
    InstrumentationScope { name, ..InstrumentationScope::default() }
}

fn access_line(service: &Service, span: &Span) -> LogRecord {
    let took_ms = took_ns(span) as f64 / 1e6;
    let status = number(span, "http.response.status_code");
    let (body, attributes) = if let Some(status) = status {
        let path = text(span, "url.path").or_else(|| text(span, "http.route")).unwrap_or("/");
        let method = text(span, "http.request.method").unwrap_or("GET");
        let attributes = Attributes::default()
            .text("http.request.method", method)
            .text("url.path", path)
            .int("http.response.status_code", status);
        (format!("{method} {path} {status} in {took_ms:.1} ms"), attributes)
    } else {
        (format!("{} done in {took_ms:.1} ms", span.name), Attributes::default())
    };
    let attributes = attributes.double("duration_ms", took_ms);
    record(service, span, span.end_time_unix_nano, (INFO, body, attributes))
}

/// What was thrown; business as usual is only worth a warning.
fn raised(service: &Service, span: &Span, exception: &Event) -> LogRecord {
    let of = |key: &str| find(&exception.attributes, key).unwrap_or_default();
    let (kind, message) = (of("exception.type"), of("exception.message"));
    let severity = if is_error(span) { ERROR } else { WARN };
    let attributes = Attributes::default()
        .text("exception.type", kind)
        .text("exception.message", message)
        .text("exception.stacktrace", of("exception.stacktrace"));
    let body = format!("{} failed: {kind}: {message}", span.name);
    record(service, span, exception.time_unix_nano, (severity, body, attributes))
}

/// A call that failed, or a statement that took long.
fn trouble(service: &Service, span: &Span) -> Option<LogRecord> {
    let target = text(span, "server.address").unwrap_or("peer");
    let at_ns = span.end_time_unix_nano;
    if is_error(span) {
        let message = span.status.as_ref().map(|status| status.message.as_str()).unwrap_or_default();
        let body = format!("call to {target} failed, trying again where that helps: {message}");
        let attributes = Attributes::default().text("server.address", target);
        return Some(record(service, span, at_ns, (WARN, body, attributes)));
    }
    let took_ms = took_ns(span) / 1_000_000;
    let system = text(span, "db.system.name").filter(|_| took_ns(span) >= SLOW_NS)?;
    let attributes =
        Attributes::default().text("db.system.name", system).int("duration_ms", took_ms.cast_signed());
    Some(record(
        service,
        span,
        at_ns,
        (WARN, format!("slow statement on {target}: {took_ms} ms"), attributes),
    ))
}

fn record(
    service: &Service,
    span: &Span,
    time_unix_nano: u64,
    (severity_number, body, attributes): (i32, String, Attributes),
) -> LogRecord {
    let name = match severity_number {
        ERROR => "ERROR",
        WARN => "WARN",
        _ => "INFO",
    };
    // Pino writes its levels small.
    let severity_text =
        if service.language == Language::Node { name.to_lowercase() } else { name.to_owned() };
    LogRecord {
        time_unix_nano,
        observed_time_unix_nano: time_unix_nano + OBSERVED_AFTER_NS,
        severity_number,
        severity_text,
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        attributes: attributes.into_vec(),
        flags: span.flags & 0xff,
        trace_id: span.trace_id.clone(),
        span_id: span.span_id.clone(),
        ..LogRecord::default()
    }
}

fn took_ns(span: &Span) -> u64 {
    span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano)
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|entry| entry.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    find(&span.attributes, key)
}

fn number(span: &Span, key: &str) -> Option<i64> {
    match span.attributes.iter().find(|entry| entry.key == key)?.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::demo::traffic::arrivals;

    /// Catches a shop that logs nothing when something goes wrong, or outside of its spans.
    #[test]
    fn traffic_is_logged_within_its_spans() {
        let mut severities = HashSet::new();
        let (mut spans, mut logged) = (0, 0);
        for second in 1_767_225_600..1_767_225_660 {
            for span in arrivals(1, 20.0, second).into_iter().flat_map(|request| request.spans) {
                spans += 1;
                for record in records(&span) {
                    logged += 1;
                    severities.insert(record.severity_number);
                    assert_eq!(
                        (&record.trace_id, &record.span_id),
                        (&span.span.trace_id, &span.span.span_id)
                    );
                    let within = span.span.start_time_unix_nano..=span.span.end_time_unix_nano;
                    assert!(within.contains(&record.time_unix_nano));
                    assert!(record.body.is_some());
                }
            }
        }
        assert_eq!(severities, HashSet::from([INFO, WARN, ERROR]));
        assert!(logged * 5 > spans && logged < spans, "{logged} records of {spans} spans");
    }
}
