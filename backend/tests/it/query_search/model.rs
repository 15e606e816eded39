//! Spans and searches by chance, and what a search has to return: by looking at every span.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use prost::Message as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::Spanloom;

pub(super) const MINUTE_NS: u64 = 60_000_000_000;
pub(super) const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
pub(super) const STATUSES: [&str; 3] = ["unset", "ok", "error"];

#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) trace: u128,
    pub(super) id: u64,
    pub(super) is_root: bool,
    pub(super) start_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) service: u8,
    pub(super) zone: &'static str,
    pub(super) operation: u8,
    pub(super) status: usize,
    pub(super) kind: usize,
    pub(super) tags: Vec<(&'static str, Any)>,
}

pub(super) fn service_name(service: u8) -> String {
    format!("service-{service}")
}

pub(super) fn operation_name(operation: u8) -> String {
    format!("operation \"{operation}\"")
}

pub(super) fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Sends the spans as one request, which makes one piece of each trace in it.
pub(super) async fn send(server: &Spanloom, spans: &[Span]) {
    let resource_spans = spans
        .iter()
        .map(|span| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![
                    attribute("service.name", Any::StringValue(service_name(span.service))),
                    attribute("zone", Any::StringValue(span.zone.into())),
                ],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans { spans: vec![otlp(span)], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        })
        .collect();
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let request =
        server.client.post(server.url("/v1/traces")).header("Content-Type", "application/x-protobuf");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.unwrap().is_empty(), "a span was rejected");
    server.server.settled().await;
}

pub(super) fn otlp(span: &Span) -> OtlpSpan {
    OtlpSpan {
        trace_id: span.trace.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: if span.is_root { Vec::new() } else { 77_u64.to_be_bytes().to_vec() },
        name: operation_name(span.operation),
        kind: span.kind as i32,
        start_time_unix_nano: span.start_ns,
        end_time_unix_nano: span.start_ns + span.duration_ns,
        attributes: span.tags.iter().map(|(key, value)| attribute(key, value.clone())).collect(),
        status: Some(Status { code: span.status as i32, ..Status::default() }),
        ..OtlpSpan::default()
    }
}

/// Traces around `base_ns`: starts that coincide, traces longer than the ranges that are asked for,
/// gaps, and spans that arrive in any batch.
pub(super) fn random_batches(rng: &mut StdRng, base_ns: u64) -> Vec<Vec<Span>> {
    let mut batches = vec![Vec::new(); 6];
    for trace in 1..=80_u128 {
        // Ids whose order has nothing to do with the order of starts, and that use the top bit.
        let trace = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut start_ns = base_ns + rng.random_range(0..40) * MINUTE_NS / 2 + rng.random_range(0..2);
        let has_root = rng.random_bool(0.8);
        for index in 0..rng.random_range(1..6) {
            let span = Span {
                trace,
                id: u64::MAX - index,
                is_root: has_root && index == 0,
                start_ns,
                duration_ns: [0, 1_500, 3_000_000, 2_000_000_000, 10 * MINUTE_NS][rng.random_range(0..5)],
                service: rng.random_range(0..4),
                zone: ["a", "b"][rng.random_range(0..2)],
                operation: rng.random_range(0..3),
                status: rng.random_range(0..3),
                kind: rng.random_range(0..6),
                tags: random_tags(rng),
            };
            batches[rng.random_range(0..6)].push(span);
            start_ns += [0, 999, 7_000_000, MINUTE_NS, 9 * MINUTE_NS][rng.random_range(0..5)];
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

pub(super) fn random_tags(rng: &mut StdRng) -> Vec<(&'static str, Any)> {
    let mut tags = Vec::new();
    match rng.random_range(0..4) {
        0 => {}
        1 => tags.push(("n", Any::StringValue(rng.random_range(0..3).to_string()))),
        _ => tags.push(("n", Any::IntValue(rng.random_range(0..3)))),
    }
    if rng.random_bool(0.5) {
        tags.push(("quote\"d", Any::BoolValue(rng.random_bool(0.5))));
    }
    if rng.random_bool(0.5) {
        tags.push(("size", Any::DoubleValue([0.5, 1.0, 1e21][rng.random_range(0..3)])));
    }
    // Shadows nothing: the span's own zone differs from its process' on purpose.
    if rng.random_bool(0.1) {
        tags.push(("zone", Any::StringValue("c".into())));
    }
    tags
}

#[derive(Debug, Default, Clone)]
pub(super) struct Search {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) service: Option<u8>,
    pub(super) operation: Option<u8>,
    pub(super) status: Option<usize>,
    pub(super) kinds: Vec<usize>,
    pub(super) span_min_ns: Option<u64>,
    pub(super) span_max_ns: Option<u64>,
    /// Whether the range is that of the span's start.
    pub(super) of_span: bool,
    pub(super) tags: Vec<(&'static str, &'static str)>,
    pub(super) min_us: Option<u64>,
    pub(super) max_us: Option<u64>,
    pub(super) by_duration: bool,
    pub(super) limit: usize,
}

pub(super) fn random_search(rng: &mut StdRng, base_ns: u64) -> Search {
    let start_ns = base_ns + rng.random_range(0..25) * MINUTE_NS;
    let mut search = Search {
        start_ns: start_ns + rng.random_range(0..2),
        // Now and then the range ends between two nanoseconds at which traces start.
        end_ns: start_ns + rng.random_range(0..25) * MINUTE_NS + rng.random_range(1..3),
        by_duration: rng.random_bool(0.3),
        limit: rng.random_range(2..16),
        ..Search::default()
    };
    let mut maybe = |p: f64| rng.random_bool(p);
    let (service, operation, status) = (maybe(0.5), maybe(0.25), maybe(0.4));
    let (tag, second_tag, min, max) = (maybe(0.3), maybe(0.1), maybe(0.2), maybe(0.2));
    search.service = service.then(|| rng.random_range(0..4));
    search.operation = operation.then(|| rng.random_range(0..3));
    search.status = status.then(|| rng.random_range(0..3));
    let tags = [
        ("n", "1"),
        ("n", "2"),
        ("quote\"d", "true"),
        ("size", "0.5"),
        ("size", "1.0"),
        ("size", "1e21"),
        ("zone", "a"),
        ("zone", "c"),
        ("n", "true"),
    ];
    for _ in 0..usize::from(tag) + usize::from(second_tag) {
        search.tags.push(tags[rng.random_range(0..tags.len())]);
    }
    search.of_span = rng.random_bool(0.4);
    if rng.random_bool(0.3) {
        search.kinds = (0..rng.random_range(1..4)).map(|_| rng.random_range(0..6)).collect();
    }
    // Bounds that some durations equal: both are inclusive.
    let bounds_ns = [0, 1, 1_500, 1_501, 2_999_999, 3_000_000, 2_000_000_000, 10 * MINUTE_NS];
    let (from, to) = (rng.random_range(0..bounds_ns.len()), rng.random_range(0..bounds_ns.len()));
    search.span_min_ns = rng.random_bool(0.3).then(|| bounds_ns[from.min(to)]);
    search.span_max_ns = rng.random_bool(0.3).then(|| bounds_ns[from.max(to)]);
    search.min_us = min.then(|| rng.random_range(0..900_000_000));
    search.max_us = max.then(|| rng.random_range(0..900_000_000));
    if let (Some(min), Some(max)) = (search.min_us, search.max_us) {
        (search.min_us, search.max_us) = (Some(min.min(max)), Some(min.max(max)));
    }
    search
}

impl Search {
    pub(super) fn query(&self) -> Vec<(String, String)> {
        let time = |ns: u64| chrono::DateTime::from_timestamp_nanos(ns as i64).to_rfc3339();
        let mut query = vec![
            ("startTime", time(self.start_ns)),
            ("endTime", time(self.end_ns)),
            ("limit", self.limit.to_string()),
            ("order", if self.by_duration { "duration" } else { "start" }.to_owned()),
        ];
        query.extend(self.service.map(|service| ("serviceName", service_name(service))));
        query.extend(self.operation.map(|operation| ("operation", operation_name(operation))));
        query.extend(self.status.map(|status| ("status", STATUSES[status].to_owned())));
        query.extend(self.kinds.iter().map(|kind| ("kind", KINDS[*kind].to_owned())));
        query.extend(self.span_min_ns.map(|ns| ("minSpanDuration", format!("{ns}ns"))));
        query.extend(self.span_max_ns.map(|ns| ("maxSpanDuration", format!("{ns}ns"))));
        query.extend(self.of_span.then(|| ("timeOf", "span".to_owned())));
        query.extend(self.tags.iter().map(|(key, value)| ("tag", format!("{key}={value}"))));
        query.extend(self.min_us.map(|us| ("duration", us.to_string())));
        query.extend(self.max_us.map(|us| ("maxDuration", format!("{us}us"))));
        query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(super) fn accepts(&self, span: &Span) -> bool {
        self.service.is_none_or(|service| span.service == service)
            && self.operation.is_none_or(|operation| span.operation == operation)
            && self.status.is_none_or(|status| span.status == status)
            && (self.kinds.is_empty() || self.kinds.contains(&span.kind))
            && self.span_min_ns.is_none_or(|ns| span.duration_ns >= ns)
            && self.span_max_ns.is_none_or(|ns| span.duration_ns <= ns)
            && (!self.of_span || (self.start_ns..self.end_ns).contains(&span.start_ns))
            && self.tags.iter().all(|(key, value)| {
                (*key == "zone" && span.zone == *value)
                    || span.tags.iter().any(|(k, v)| k == key && text(v) == *value)
            })
    }

    /// What the API must return, page breaks aside.
    pub(super) fn expected(&self, spans: &[Span]) -> Vec<Summary> {
        let mut traces = BTreeMap::<u128, Vec<&Span>>::new();
        for span in spans {
            traces.entry(span.trace).or_default().push(span);
        }
        let mut summaries: Vec<Summary> = traces
            .values()
            .filter(|spans| spans.iter().any(|span| self.accepts(span)))
            .map(|spans| Summary::of(spans))
            .filter(|trace| self.of_span || (self.start_ns..self.end_ns).contains(&trace.start_ns))
            .filter(|trace| self.min_us.is_none_or(|us| trace.duration_ns >= us * 1000))
            .filter(|trace| self.max_us.is_none_or(|us| trace.duration_ns <= us * 1000))
            .collect();
        summaries.sort_by_key(|trace| {
            let key = if self.by_duration { trace.duration_ns } else { trace.start_ns };
            std::cmp::Reverse((key, trace.id.clone()))
        });
        summaries
    }
}

pub(super) fn text(value: &Any) -> String {
    match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        Any::BoolValue(truth) => truth.to_string(),
        Any::DoubleValue(number) => json!(number).to_string().replace("e+", "e"),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) start_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) has_root: bool,
    /// None where two spans start first.
    pub(super) root: Option<(String, String)>,
    /// Spans and errors by service.
    pub(super) services: BTreeMap<String, (u64, u64)>,
}

impl Summary {
    pub(super) fn of(spans: &[&Span]) -> Self {
        let start_ns = spans.iter().map(|span| span.start_ns).min().unwrap();
        let end_ns = spans.iter().map(|span| span.start_ns + span.duration_ns).max().unwrap();
        let root = spans.iter().find(|span| span.is_root);
        let firsts: Vec<_> = spans.iter().filter(|span| span.start_ns == start_ns).collect();
        let shown = root.or_else(|| firsts.first().copied().filter(|_| firsts.len() == 1));
        let mut services = BTreeMap::<String, (u64, u64)>::new();
        for span in spans {
            let counts = services.entry(service_name(span.service)).or_default();
            counts.0 += 1;
            counts.1 += u64::from(span.status == 2);
        }
        Self {
            id: format!("{:032x}", spans[0].trace),
            start_ns,
            duration_ns: end_ns - start_ns,
            has_root: root.is_some(),
            root: shown.map(|span| (service_name(span.service), operation_name(span.operation))),
            services,
        }
    }

    pub(super) fn read(trace: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let start = chrono::DateTime::parse_from_rfc3339(trace["startTime"].as_str().unwrap()).unwrap();
        let services: BTreeMap<String, (u64, u64)> = trace["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|service| {
                let counts =
                    (service["spanCount"].as_u64().unwrap(), service["errorCount"].as_u64().unwrap());
                (text(&service["name"]), counts)
            })
            .collect();
        assert_eq!(trace["spanCount"], services.values().map(|counts| counts.0).sum::<u64>());
        assert_eq!(trace["errorCount"], services.values().map(|counts| counts.1).sum::<u64>());
        Self {
            id: text(&trace["traceId"]),
            start_ns: start.timestamp_nanos_opt().unwrap() as u64,
            duration_ns: trace["durationNs"].as_u64().unwrap(),
            has_root: trace["hasRoot"].as_bool().unwrap(),
            root: Some((text(&trace["root"]["service"]), text(&trace["root"]["operation"]))),
            services,
        }
    }
}
