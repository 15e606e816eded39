//! What must hold for whatever a client sends, one function for each fuzz target.

use spanloom_errors::{Failure, group_id, normalize, stack};
use spanloom_formats::limits::{Limited, Limits};
use spanloom_formats::logs::LogBounds;
use spanloom_formats::{
    Decoded, TimeBounds, jaeger_json, jaeger_proto, jaeger_thrift, native, otlp, otlp_json, zipkin_json,
    zipkin_proto,
};
use spanloom_model::{LogRecord, Span};
use spanloom_segment as segment;

/// OTLP's protobuf.
pub fn otlp(body: &[u8]) {
    if let Ok(decoded) = otlp::decode(body, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// OTLP's JSON.
pub fn otlp_json(body: &[u8]) {
    if let Ok(decoded) = otlp_json::decode(body, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// Log records in OTLP's protobuf.
pub fn otlp_logs(body: &[u8]) {
    if let Ok(decoded) = otlp::decode_logs(body, LogBounds::ANY) {
        check_logs(decoded.logs);
    }
}

/// Log records in OTLP's JSON.
pub fn otlp_json_logs(body: &[u8]) {
    if let Ok(decoded) = otlp_json::decode_logs(body, LogBounds::ANY) {
        check_logs(decoded.logs);
    }
}

/// The native JSON.
pub fn native(body: &[u8]) {
    let Ok(list) = serde_json::from_slice(body) else { return };
    if let Ok(spans) = native::decode(list, TimeBounds::ANY) {
        check(spans);
    }
}

/// Zipkin's JSON.
pub fn zipkin_json(body: &[u8]) {
    if let Ok(decoded) = zipkin_json::decode(body, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// Zipkin's protobuf.
pub fn zipkin_proto(body: &[u8]) {
    if let Ok(decoded) = zipkin_proto::decode(body, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// Jaeger's Thrift in the binary protocol.
pub fn jaeger_binary(body: &[u8]) {
    if let Ok(decoded) = jaeger_thrift::decode(body, jaeger_thrift::Protocol::Binary, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// Jaeger's Thrift in the compact protocol.
pub fn jaeger_compact(body: &[u8]) {
    if let Ok(decoded) = jaeger_thrift::decode(body, jaeger_thrift::Protocol::Compact, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// Jaeger's protobuf.
pub fn jaeger_proto(body: &[u8]) {
    if let Ok(decoded) = jaeger_proto::decode(body, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// A trace of Jaeger's JSON.
pub fn jaeger_json(body: &[u8]) {
    if let Ok(decoded) = jaeger_json::decode_trace(body, TimeBounds::ANY) {
        check(decoded.spans);
    }
}

/// A file of the durable queue, however damaged: reading it ends, never goes back, and finds whole
/// records only, which are written as they were read.
pub fn segment(bytes: &[u8]) {
    let _ = segment::Header::decode(bytes);
    let mut at = 0;
    loop {
        match segment::step(bytes, at) {
            segment::Step::Record(record, next) => {
                let mut written = Vec::new();
                segment::encode_record(&mut written, &record);
                assert_eq!(written, &bytes[at..next]);
                at = next;
            }
            segment::Step::Damage(range) => {
                assert!(range.start == at && range.end > at && range.end <= bytes.len());
                at = range.end;
            }
            segment::Step::End => return,
        }
    }
}

/// An exception's message and stack trace: what is made of them is bounded, and the same each time.
pub fn errors(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(normalize(&text).len() <= 512);
    let sections = stack::parse(&text);
    assert!(sections.len() <= 16);
    assert!(sections.iter().map(|section| section.frames.len()).sum::<usize>() <= 300);
    let (message, stacktrace) = text.split_once('\0').unwrap_or(("", &text));
    let failure = Failure { kind: "Error", message, stacktrace };
    assert_eq!(group_id("shop", &failure), group_id("shop", &failure));
}

/// Spans of any decoder: limits hold and are reached at once; what is then written, for the queue or
/// for export, is read again as it was.
fn check(mut spans: Vec<Span>) {
    let limits = small_limits();
    limits.apply_all(&mut spans);
    assert_eq!(limits.apply_all(&mut spans), Limited::default());
    let expected = sorted(&spans);
    let binary = otlp::decode(&otlp::encode(&spans), TimeBounds::ANY).expect("our own protobuf");
    assert_same(&binary, &expected);
    let json = otlp_json::encode(&spans);
    let json = otlp_json::decode(json.as_bytes(), TimeBounds::ANY).expect("our own JSON");
    assert_same(&json, &expected);
}

/// Log records of any decoder: limits hold and are reached at once; what is then written for the queue
/// is read again as it was.
fn check_logs(mut logs: Vec<LogRecord>) {
    let limits = small_limits();
    limits.apply_logs(&mut logs);
    assert_eq!(limits.apply_logs(&mut logs), Limited::default());
    let read = otlp::decode_logs(&otlp::encode_logs(&logs), LogBounds::ANY).expect("our own protobuf");
    assert_eq!(read.rejected.total(), 0);
    assert_eq!(sorted(&read.logs), sorted(&logs));
}

fn assert_same(decoded: &Decoded, expected: &[String]) {
    assert_eq!(decoded.rejected.total(), 0);
    assert_eq!(sorted(&decoded.spans), expected);
}

/// Small ones, which the fuzzer reaches.
fn small_limits() -> Limits {
    Limits {
        attributes_per_span: 4,
        attributes_per_event: 2,
        attributes_per_link: 2,
        attributes_per_resource: 4,
        attributes_per_log: 4,
        events_per_span: 2,
        links_per_span: 2,
        attribute_value_bytes: 64,
        log_body_bytes: 64,
        attribute_key_bytes: 16,
        name_bytes: 16,
    }
}

/// They are grouped when they are written, and NaN has to equal itself.
fn sorted<T: std::fmt::Debug>(items: &[T]) -> Vec<String> {
    let mut items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    items.sort_unstable();
    items
}
