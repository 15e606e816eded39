//! What the tests of the demo share: worlds, requests, and reading spans.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rand::SeedableRng;

use super::generate::{Request, trace};
use super::model::{DemoRng, SECOND_NS};
use super::span::DemoSpan;
use super::world::{Incident, Trouble, WorldState};

/// Some Tuesday noon.
pub const NOON_S: u64 = 1_763_467_200;

pub fn requests(world: &WorldState, count: usize) -> Vec<Request> {
    let mut rng = DemoRng::seed_from_u64(7);
    (0..count).map(|_| trace(&mut rng, NOON_S * SECOND_NS, world)).collect()
}

pub fn calm() -> WorldState {
    WorldState::calm(NOON_S * SECOND_NS)
}

pub fn in_trouble(trouble: Trouble) -> WorldState {
    let incident = Incident { trouble, start_s: NOON_S - 300, end_s: NOON_S + 300 };
    WorldState { incident: Some(incident), ..calm() }
}

pub fn all_spans(requests: &[Request]) -> impl Iterator<Item = &DemoSpan> {
    requests.iter().flat_map(|request| &request.spans)
}

pub fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

pub fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match attribute(attributes, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} should be a text, is {other:?}"),
    }
}

pub fn kind(span: &DemoSpan) -> SpanKind {
    span.span.kind()
}

pub fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

pub fn error_rate(requests: &[Request]) -> f64 {
    let failed =
        requests.iter().filter(|request| request.spans.iter().any(|span| is_error(&span.span))).count();
    failed as f64 / requests.len() as f64
}

pub fn median_ms(mut durations_ns: Vec<u64>) -> f64 {
    assert!(!durations_ns.is_empty(), "nothing to take a median of");
    durations_ns.sort_unstable();
    durations_ns[durations_ns.len() / 2] as f64 / 1e6
}

pub fn duration_ns(span: &DemoSpan) -> u64 {
    span.span.end_time_unix_nano - span.span.start_time_unix_nano
}
