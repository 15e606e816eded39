//! What must hold for whatever a client sends, one function for each fuzz target.

use spanloom_formats::limits::{Limited, Limits};
use spanloom_formats::{Decoded, TimeBounds, native, otlp, otlp_json};
use spanloom_model::Span;

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

/// The native JSON.
pub fn native(body: &[u8]) {
    let Ok(list) = serde_json::from_slice(body) else { return };
    if let Ok(spans) = native::decode(list, TimeBounds::ANY) {
        check(spans);
    }
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
        events_per_span: 2,
        links_per_span: 2,
        attribute_value_bytes: 64,
        attribute_key_bytes: 16,
        name_bytes: 16,
    }
}

/// Spans are grouped when they are written, and NaN has to equal itself.
fn sorted(spans: &[Span]) -> Vec<String> {
    let mut spans: Vec<String> = spans.iter().map(|span| format!("{span:?}")).collect();
    spans.sort_unstable();
    spans
}
