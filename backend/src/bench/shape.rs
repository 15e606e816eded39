//! What the prepared spans look like.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::LogNormal;

use crate::demo;

/// The shapes to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// 7 to 13 spans a trace, 11 attributes out of 97 keys with 1,000 values each, 12 services
    Wide,
    /// The demo shop: about 20 spans a trace, semantic conventions, events and links
    Demo,
}

impl Shape {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Demo => "demo",
        }
    }

    /// `count` requests of `spans` spans or a few more; traces are whole. The same seed gives the
    /// same requests.
    pub fn requests(self, seed: u64, count: usize, spans: usize) -> Vec<ExportTraceServiceRequest> {
        match self {
            Self::Wide => {
                let mut rng = StdRng::seed_from_u64(seed);
                (0..count).map(|_| wide(&mut rng, spans)).collect()
            }
            Self::Demo => demo::sample_requests(seed, count, spans),
        }
    }
}

const SERVICES: usize = 12;
const OPERATIONS: usize = 20;
const KEYS: usize = 97;
const KEYS_PER_SPAN: usize = 11;
const VALUES: u32 = 1_000;
/// Every so many keys hold integers.
const INTEGER_EVERY: usize = 5;
const SPANS_PER_TRACE: std::ops::RangeInclusive<usize> = 7..=13;
/// Traces of one request start within this time.
const SPREAD_NS: u64 = 1_000_000_000;
/// When the prepared traces happen; only differences matter.
const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

fn wide(rng: &mut StdRng, spans_min: usize) -> ExportTraceServiceRequest {
    let mut by_service: [Vec<Span>; SERVICES] = Default::default();
    let mut spans_count = 0;
    while spans_count < spans_min {
        for (service, span) in wide_trace(rng) {
            by_service[service].push(span);
            spans_count += 1;
        }
    }
    let resource_spans = by_service
        .into_iter()
        .enumerate()
        .filter(|(_, spans)| !spans.is_empty())
        .map(|(service, spans)| ResourceSpans {
            resource: Some(Resource { attributes: wide_resource(service), ..Resource::default() }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "io.opentelemetry.bench".to_owned(),
                    version: "1.4.0".to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans,
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn wide_resource(service: usize) -> Vec<KeyValue> {
    [
        ("service.name", format!("bench-service-{service:02}")),
        ("service.version", format!("2.{service}.1")),
        ("service.instance.id", format!("bench-{service:02}-6f7c9d5b8-x2x7k")),
        ("host.name", format!("node-{}.cluster.local", service % 4)),
        ("telemetry.sdk.language", "java".to_owned()),
        ("telemetry.sdk.name", "opentelemetry".to_owned()),
        ("deployment.environment.name", "production".to_owned()),
    ]
    .map(|(key, value)| attribute(key.to_owned(), Value::StringValue(value)))
    .to_vec()
}

/// The spans of one trace, each with its service.
fn wide_trace(rng: &mut StdRng) -> Vec<(usize, Span)> {
    let trace_id: [u8; 16] = rng.random();
    let length = rng.random_range(SPANS_PER_TRACE);
    let start_ns = EPOCH_NS + rng.random_range(0..SPREAD_NS);
    let root_ns = duration_ns(rng);
    let mut trace = vec![(rng.random_range(0..SERVICES), span(rng, &trace_id, None, start_ns, root_ns))];
    while trace.len() < length {
        let (parent_service, parent) = &trace[rng.random_range(0..trace.len())];
        let service = if rng.random_bool(0.6) { *parent_service } else { rng.random_range(0..SERVICES) };
        // Children lie within their parents.
        let room_ns = parent.end_time_unix_nano - parent.start_time_unix_nano;
        let start_ns = parent.start_time_unix_nano + rng.random_range(0..=room_ns / 2);
        let length_ns = duration_ns(rng).min(parent.end_time_unix_nano - start_ns);
        let parent_id = parent.span_id.clone();
        let mut child = span(rng, &trace_id, Some(parent_id), start_ns, length_ns);
        if service == *parent_service {
            child.kind = if rng.random_bool(0.5) { SpanKind::Client } else { SpanKind::Internal } as i32;
        }
        trace.push((service, child));
    }
    for (service, span) in &mut trace {
        span.name = format!("/api/v2/bench-{service:02}/operation-{:02}", rng.random_range(0..OPERATIONS));
    }
    trace
}

/// Around ten milliseconds, with a long tail.
fn duration_ns(rng: &mut StdRng) -> u64 {
    let Ok(distribution) = LogNormal::new(16.0, 1.0) else { return 10_000_000 };
    (rng.sample::<f64, _>(distribution) as u64).clamp(10_000, 20_000_000_000)
}

fn span(
    rng: &mut StdRng,
    trace_id: &[u8; 16],
    parent: Option<Vec<u8>>,
    start_ns: u64,
    length_ns: u64,
) -> Span {
    let is_error = rng.random_bool(0.01);
    Span {
        trace_id: trace_id.to_vec(),
        span_id: rng.random::<[u8; 8]>().to_vec(),
        parent_span_id: parent.unwrap_or_default(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: start_ns,
        end_time_unix_nano: start_ns + length_ns,
        attributes: wide_attributes(rng),
        status: is_error.then(|| Status {
            code: StatusCode::Error as i32,
            message: "upstream request timed out".to_owned(),
        }),
        flags: 0x101,
        ..Span::default()
    }
}

fn wide_attributes(rng: &mut StdRng) -> Vec<KeyValue> {
    rand::seq::index::sample(rng, KEYS, KEYS_PER_SPAN)
        .into_iter()
        .map(|key| {
            let number = rng.random_range(0..VALUES);
            let value = if key % INTEGER_EVERY == 0 {
                Value::IntValue(i64::from(number) * 7_919)
            } else {
                Value::StringValue(format!("value-{number:03}-of-{key:02}"))
            };
            attribute(format!("bench.attr.{key:02}"), value)
        })
        .collect()
}

fn attribute(key: String, value: Value) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
        request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans)
    }

    /// Catches numbers that are told of one shape and measured with another.
    #[test]
    fn wide_is_what_it_says() {
        let requests = Shape::Wide.requests(1, 20, 500);
        let spans: Vec<&Span> = requests.iter().flat_map(spans).collect();
        let traces: HashSet<&[u8]> = spans.iter().map(|span| &span.trace_id[..]).collect();
        let per_trace = spans.len() as f64 / traces.len() as f64;
        assert!((9.5..10.5).contains(&per_trace), "{per_trace} spans a trace");
        let keys: HashSet<&str> =
            spans.iter().flat_map(|span| &span.attributes).map(|attribute| &attribute.key[..]).collect();
        assert_eq!(keys.len(), KEYS);
        for span in spans {
            let own: HashSet<&str> = span.attributes.iter().map(|attribute| &attribute.key[..]).collect();
            assert_eq!(own.len(), KEYS_PER_SPAN);
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        }
    }

    /// Catches a benchmark that cannot be repeated, requests that are all the same, and requests of
    /// another size than asked for.
    #[test]
    fn the_seed_decides_and_requests_differ() {
        for shape in [Shape::Wide, Shape::Demo] {
            let requests = shape.requests(7, 3, 200);
            assert_eq!(requests, shape.requests(7, 3, 200));
            assert_ne!(requests[0], requests[1]);
            for request in &requests {
                let count = spans(request).count();
                assert!((200..400).contains(&count), "{}: {count} spans", shape.name());
            }
        }
    }
}
