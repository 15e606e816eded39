//! Small traces, and settings in a line.

use std::sync::Arc;

use spanloom_model::api::{SamplingPolicy, SamplingRule, SamplingSettings};
use spanloom_model::{AttrValue, Attributes, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};
use spanloom_sampling::{Bounds, Decided, Outcome, Policies, TailSampler};

pub const SECOND_NS: i64 = 1_000_000_000;
pub const MS_NS: i64 = 1_000_000;

/// A random-looking number, the same for the same seed (splitmix64).
pub fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The trace id whose randomness is `share` of the range: the trace is kept with any probability above
/// `1 - share`.
pub fn id_at(share: f64, high: u64) -> TraceId {
    let low = (share * (1_u64 << 56) as f64) as u64;
    TraceId::new(u128::from(high) << 64 | u128::from(low)).unwrap()
}

pub fn random_id(seed: u64) -> TraceId {
    TraceId::new(u128::from(random(seed)) << 64 | u128::from(random(!seed))).unwrap()
}

pub fn resource(service: &str) -> Arc<Resource> {
    let attributes = Attributes::from_entries(vec![("service.name".to_owned(), service.into())]);
    Arc::new(Resource { attributes, ..Resource::default() })
}

pub fn span(trace_id: TraceId, span_id: u64) -> Span {
    Span {
        trace_id,
        span_id: SpanId::new(span_id).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "op".to_owned(),
        kind: SpanKind::Server,
        start_ns: 0,
        duration_ns: 10 * MS_NS,
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: SpanStatus::Unset,
        status_message: String::new(),
        resource: Arc::default(),
        scope: Arc::new(Scope::default()),
    }
}

pub fn spans(trace_id: TraceId, count: u64) -> Vec<Span> {
    (1..=count).map(|number| span(trace_id, number)).collect()
}

pub fn with(key: &str, value: impl Into<AttrValue>) -> Span {
    let attributes = Attributes::from_entries(vec![(key.to_owned(), value.into())]);
    Span { attributes, ..span(random_id(1), 1) }
}

pub fn settings(rules: Vec<SamplingRule>) -> SamplingSettings {
    let policy = |(index, rule)| SamplingPolicy { name: format!("p{index}"), enabled: true, rule };
    SamplingSettings {
        policies: rules.into_iter().enumerate().map(policy).collect(),
        decision_wait_ms: 1_000,
        ..SamplingSettings::default()
    }
}

pub fn policies(rules: Vec<SamplingRule>) -> Policies {
    Policies::new(&settings(rules)).unwrap()
}

pub fn percent(sampling_percentage: f64) -> SamplingRule {
    SamplingRule::Probabilistic { sampling_percentage }
}

pub fn errors() -> SamplingRule {
    SamplingRule::StatusCode { status_codes: vec![SpanStatus::Error] }
}

pub fn text(key: &str, value: &str) -> SamplingRule {
    SamplingRule::StringAttribute {
        key: key.to_owned(),
        values: vec![value.to_owned()],
        enabled_regex_matching: false,
        invert_match: false,
    }
}

pub fn sampler(rules: Vec<SamplingRule>) -> TailSampler {
    TailSampler::new(policies(rules), Bounds::default())
}

/// Decides one trace alone.
pub fn decide(rules: Vec<SamplingRule>, spans: Vec<Span>) -> Decided {
    let mut sampler = sampler(rules);
    sampler.offer(1, 0, spans);
    let decided = sampler.decide(10 * SECOND_NS);
    assert_eq!(decided.len(), 1);
    decided.into_iter().next().unwrap()
}

pub fn is_kept(outcome: Outcome) -> bool {
    outcome != Outcome::Dropped
}

/// The weight of a kept trace; 0 of a dropped one.
pub fn weight(outcome: Outcome) -> f64 {
    match outcome {
        Outcome::Kept { weight } => weight,
        Outcome::Dropped => 0.0,
    }
}
