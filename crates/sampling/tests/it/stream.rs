//! A million spans through mixed policies: what is estimated from the kept ones, and what has to be
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;

use spanloom_model::api::SamplingRule as R;
use spanloom_model::{Resource, Span, SpanStatus};
use spanloom_sampling::{Decided, span_weight};

use super::fixture::*;

const SPANS: u64 = 1_000_000;
const SERVICES: [&str; 5] = ["gateway", "cart", "search", "payment", "mail"];
const SLOW_MS: u64 = 500;

#[derive(Debug, Default)]
struct Service {
    spans: f64,
    estimated: f64,
    /// Of the estimate, itself estimated from the kept traces (Horvitz-Thompson).
    variance: f64,
}

/// Traces of one service each, of 1 to 12 spans: 1 in 50 fails, 1 in 40 is slow, 1 in 4 of the
/// gateway's was sampled by its client.
fn trace(number: u64, resources: &[Arc<Resource>]) -> Option<Vec<Span>> {
    let dice = random(number ^ 0xabcd);
    let id = random_id(number);
    let service = (dice % 5) as usize;
    let head_sampled = service == 0 && (dice >> 8).is_multiple_of(4);
    if head_sampled && (id.get() as u64 & ((1 << 56) - 1)) < 1 << 55 {
        return None;
    }
    let (failed, slow) = ((dice >> 16).is_multiple_of(50), (dice >> 24).is_multiple_of(40));
    let mut trace = spans(id, 1 + (dice >> 32) % 12);
    for span in &mut trace {
        span.resource = resources[service].clone();
        if head_sampled {
            "ot=th:8".clone_into(&mut span.trace_state);
        }
    }
    if failed {
        trace[0].status = SpanStatus::Error;
    }
    if slow {
        trace[0].duration_ns = SLOW_MS as i64 * MS_NS;
    }
    Some(trace)
}

fn is_sure(spans: &[Span]) -> bool {
    spans.iter().any(|span| span.status == SpanStatus::Error || span.duration_ns >= SLOW_MS as i64 * MS_NS)
}

/// Catches estimates that are off by more than chance, and an error or a slow trace that is missing.
#[test]
fn a_million_spans_are_estimated_within_the_statistical_bound() {
    let payments = R::And { rules: vec![text("service.name", "payment"), percent(40.0)] };
    let searches =
        R::And { rules: vec![text("service.name", "search"), R::RateLimiting { spans_per_second: 300 }] };
    let latency = R::Latency { threshold_ms: SLOW_MS, upper_threshold_ms: None };
    let mut sampler = sampler(vec![errors(), latency, payments, searches, percent(5.0)]);
    let resources = SERVICES.map(resource);
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let (mut offered, mut offered_sure, mut kept_sure, mut kept) = (0, 0, 0, 0);
    let mut count = |services: &mut BTreeMap<String, Service>, decided: Vec<Decided>| {
        for decided in decided.into_iter().filter(|decided| is_kept(decided.outcome)) {
            let weight = span_weight(&decided.spans[0], weight(decided.outcome));
            let spans = decided.spans.len() as f64;
            let service = services.get_mut(decided.spans[0].resource.service_name()).unwrap();
            service.estimated += weight * spans;
            service.variance += weight * (weight - 1.0) * spans * spans;
            kept += decided.spans.len() as u64;
            kept_sure += u64::from(is_sure(&decided.spans));
        }
    };
    // 5,000 traces a second.
    for number in 0.. {
        if offered >= SPANS {
            break;
        }
        let time_ns = number as i64 * SECOND_NS / 5_000;
        let Some(trace) = trace(number, &resources) else {
            continue;
        };
        offered += trace.len() as u64;
        offered_sure += u64::from(is_sure(&trace));
        let started = if trace[0].trace_state.is_empty() { 1.0 } else { 2.0 };
        let service = services.entry(trace[0].resource.service_name().to_owned()).or_default();
        // What the client dropped is missing from the truth here by chance as well: count its half.
        service.spans += started * trace.len() as f64;
        sampler.offer(number, time_ns, trace);
        if number % 1_000 == 0 {
            let decided = sampler.decide(time_ns);
            count(&mut services, decided);
        }
    }
    count(&mut services, sampler.flush());

    assert_eq!(kept_sure, offered_sure, "errors and slow traces are all there");
    assert!(kept < offered / 4, "{kept} of {offered}: nothing was sampled");
    for (name, Service { spans, estimated, variance }) in &services {
        let sigmas = (estimated - spans).abs() / variance.sqrt();
        assert!(sigmas < 5.0, "{name}: {estimated} instead of {spans}, {sigmas} sigma");
        // The bound has to say something: within a few percent.
        assert!(variance.sqrt() / spans < 0.03, "{name}: {}", variance.sqrt() / spans);
    }
}
