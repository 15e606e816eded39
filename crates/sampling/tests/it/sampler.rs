//! When traces are decided, what waits meanwhile, and what is remembered.

use proptest::prelude::*;
use spanloom_model::api::SamplingRule as R;
use spanloom_model::{Span, SpanKind, SpanStatus, TraceId};
use spanloom_sampling::{Bounds, Decided, Outcome, Policies, TailSampler, span_weight};

use super::fixture::*;

const SURE: Outcome = Outcome::Kept { weight: 1.0 };

fn ids(decided: &[Decided]) -> Vec<TraceId> {
    decided.iter().map(|decided| decided.trace_id).collect()
}

// Catches a decision before the last span, or one that never comes.
#[test]
fn a_trace_is_decided_when_its_time_has_come_by_what_has_come() {
    let (a, b) = (random_id(1), random_id(2));
    let mut sampler = sampler(vec![errors()]);
    sampler.offer(7, 0, spans(a, 2));
    sampler.offer(8, SECOND_NS / 2, vec![Span { status: SpanStatus::Error, ..span(a, 3) }, span(b, 1)]);
    assert_eq!(sampler.held().spans, 4);
    assert!(sampler.held().bytes > 4 * size_of::<Span>());
    assert!(sampler.holds(a, span(a, 3).span_id, 0, SpanKind::Server));
    assert!(!sampler.holds(a, span(a, 3).span_id, 1, SpanKind::Server));
    assert!(sampler.decide(SECOND_NS - 1).is_empty());
    assert_eq!(sampler.oldest_held_position(), Some(7));

    let decided = sampler.decide(SECOND_NS);
    assert_eq!((decided.len(), decided[0].outcome, decided[0].spans.len()), (1, SURE, 3));
    assert_eq!(sampler.oldest_held_position(), Some(8));
    assert_eq!((sampler.decision(a), sampler.decision(b)), (Some(SURE), None));
    let decided = sampler.decide(2 * SECOND_NS);
    assert_eq!((ids(&decided), decided[0].outcome), (vec![b], Outcome::Dropped));
    assert_eq!(sampler.oldest_held_position(), None);
    assert_eq!((sampler.held().spans, sampler.held().bytes, sampler.held().traces), (0, 0, 0));
}

// Catches late spans that are decided by themselves: half a trace.
#[test]
fn late_spans_follow_the_decision() {
    let (kept, dropped) = (id_at(0.9, 1), id_at(0.1, 1));
    let mut sampler = sampler(vec![percent(25.0)]);
    sampler.offer(1, 0, vec![span(kept, 1), span(dropped, 1)]);
    assert_eq!(sampler.decide(SECOND_NS).len(), 2);
    sampler.offer(2, 2 * SECOND_NS, vec![span(kept, 2), span(kept, 3), span(dropped, 2)]);
    assert_eq!(sampler.oldest_held_position(), Some(2), "until they are taken");
    let decided = sampler.decide(2 * SECOND_NS);
    assert_eq!(ids(&decided), [kept, dropped]);
    assert_eq!((decided[0].outcome, decided[0].spans.len()), (Outcome::Kept { weight: 4.0 }, 2));
    assert_eq!(decided[1].outcome, Outcome::Dropped);
}

// Catches a restart that decides a stored trace a second time.
#[test]
fn what_the_database_knows_is_followed() {
    let id = id_at(0.1, 1);
    let mut sampler = sampler(vec![percent(25.0)]);
    sampler.remember(id, Outcome::Kept { weight: 4.0 });
    sampler.offer(1, 0, spans(id, 1));
    assert_eq!(sampler.decide(0)[0].outcome, Outcome::Kept { weight: 4.0 });
}

// Catches memory without bound, and traces that are forgotten at the bound.
#[test]
fn at_a_bound_the_oldest_are_decided_early() {
    let bounds = |change: fn(&mut Bounds)| {
        let mut bounds = Bounds::default();
        change(&mut bounds);
        bounds
    };
    for bounds in [
        bounds(|bounds| bounds.spans_held_max = 10),
        bounds(|bounds| bounds.traces_held_max = 5),
        bounds(|bounds| bounds.bytes_held_max = 5_000),
    ] {
        let mut sampler = TailSampler::new(policies(vec![R::AlwaysSample]), bounds.clone());
        let mut seen = Vec::new();
        for number in 0..50 {
            sampler.offer(number, number as i64, spans(random_id(number), 2));
            let held = sampler.held();
            assert!(held.spans <= bounds.spans_held_max && held.traces <= bounds.traces_held_max);
            assert!(held.bytes <= bounds.bytes_held_max);
            seen.extend(ids(&sampler.decide(number as i64)));
        }
        let early = sampler.held().decided_early;
        assert!(early >= 40, "{early} with {bounds:?}");
        seen.extend(ids(&sampler.flush()));
        assert_eq!(seen, (0..50).map(random_id).collect::<Vec<_>>(), "each once, in order");
    }
}

#[test]
fn a_very_large_trace_is_decided_at_once_and_the_rest_of_it_follows() {
    let bounds = Bounds { trace_spans_max: 100, ..Bounds::default() };
    let mut sampler =
        TailSampler::new(policies(vec![R::SpanCount { min_spans: 50, max_spans: None }]), bounds);
    let (small, large) = (random_id(1), random_id(2));
    sampler.offer(1, 0, spans(small, 1));
    sampler.offer(2, 0, spans(large, 150));
    assert_eq!(sampler.held().spans, 1);
    let decided = sampler.decide(0);
    assert_eq!(decided.iter().map(|decided| decided.spans.len()).sum::<usize>(), 150);
    assert!(decided.iter().all(|decided| decided.trace_id == large && decided.outcome == SURE));
    assert_eq!(sampler.oldest_held_position(), Some(1));
    // An old entry of the order must not decide a new trace of that id.
    assert_eq!(ids(&sampler.decide(SECOND_NS)), [small]);
}

#[test]
fn many_spans_of_a_trace_are_found_again() {
    let id = random_id(1);
    let mut sampler = sampler(vec![errors()]);
    sampler.offer(1, 0, spans(id, 100));
    let found = |number| sampler.holds(id, span(id, number).span_id, 0, SpanKind::Server);
    assert!((1..=100).all(found) && !found(101));
}

// Catches policies of yesterday that decide traces of today, and traces that hang when they go.
#[test]
fn open_traces_are_decided_by_new_policies() {
    let id = random_id(1);
    let mut sampler = sampler(vec![errors()]);
    sampler.offer(1, 0, spans(id, 1));
    sampler.set_policies(policies(vec![R::AlwaysSample]));
    assert_eq!(sampler.decide(SECOND_NS)[0].outcome, SURE);
    sampler.set_policies(policies(vec![errors()]));
    sampler.offer(2, SECOND_NS, spans(random_id(2), 1));
    sampler.set_policies(Policies::keep_all());
    assert!(!sampler.is_pass_through(), "a trace waits");
    assert_eq!(sampler.flush()[0].outcome, SURE);
    assert!(sampler.is_pass_through());
}

// Catches weights of client and server that are multiplied although both use one randomness.
#[test]
fn what_the_client_sampled_counts_too() {
    let kept = decide(vec![percent(50.0)], spans(id_at(0.9, 1), 1));
    let span = |trace_state: &str| Span { trace_state: trace_state.to_owned(), ..span(id_at(0.9, 1), 1) };
    let of = |trace_state: &str| span_weight(&span(trace_state), weight(kept.outcome));
    assert!((of("") - 2.0).abs() < 1e-9);
    assert!((of("ot=th:c") - 4.0).abs() < 1e-9);
    assert!((of("ot=th:4") - 2.0).abs() < 1e-9);
    // An explicit randomness decides instead of the id's.
    let explicit = vec![span("ot=rv:00000000000001")];
    assert_eq!(decide(vec![percent(50.0)], explicit).outcome, Outcome::Dropped);
}

// Catches a rate that starts anew with every early decision of the same second.
#[test]
fn a_rate_holds_when_the_second_is_decided_in_pieces() {
    let bounds = Bounds { traces_held_max: 100, ..Bounds::default() };
    let rules = vec![R::RateLimiting { spans_per_second: 150 }];
    let mut sampler = TailSampler::new(policies(rules), bounds);
    let mut kept = 0;
    for number in 0..1_000 {
        sampler.offer(number, number as i64, spans(random_id(number), 1));
        kept += sampler.decide(0).iter().filter(|decided| is_kept(decided.outcome)).count();
    }
    // One per piece is always kept, or its kind could not be counted.
    assert!((150..=160).contains(&kept), "{kept}");
}

type Record = (i64, Vec<(u64, u64, bool)>);

fn records() -> impl Strategy<Value = Vec<Record>> {
    let spans = prop::collection::vec((0_u64..12, 1_u64..1_000_000, any::<bool>()), 1..6);
    prop::collection::vec((0_i64..900, spans), 1..60)
}

fn run(records: &[Record], asks: &[bool], bounds: &Bounds) -> Vec<String> {
    let rules =
        vec![R::And { rules: vec![errors(), R::RateLimiting { spans_per_second: 4 }] }, percent(30.0)];
    let mut sampler = TailSampler::new(policies(rules), bounds.clone());
    let mut decided = Vec::new();
    let mut now_ns = 0;
    for (index, (step_ms, spans)) in records.iter().enumerate() {
        now_ns += step_ms * MS_NS;
        let spans = spans.iter().map(|(trace, number, failed)| Span {
            status: if *failed { SpanStatus::Error } else { SpanStatus::Unset },
            ..span(random_id(*trace), *number)
        });
        sampler.offer(index as u64, now_ns, spans.collect());
        if asks[index % asks.len()] {
            decided.extend(sampler.decide(now_ns));
        }
    }
    decided.extend(sampler.flush());
    let held = sampler.held();
    assert_eq!((held.spans, held.bytes, held.traces), (0, 0, 0));
    // One line per span: where it was cut into pieces does not matter.
    let line = |decided: &Decided| {
        let (id, outcome) = (decided.trace_id, decided.outcome);
        decided
            .spans
            .iter()
            .map(move |span| format!("{id} {} {outcome:?}", span.span_id))
            .collect::<Vec<_>>()
    };
    decided.iter().flat_map(line).collect()
}

proptest! {
    /// Catches decisions that depend on when somebody asks: a replay of the queue would decide
    /// otherwise. And spans that come out twice or not at all.
    #[test]
    fn a_replay_decides_the_same(
        records in records(),
        asks in prop::collection::vec(any::<bool>(), 1..8),
        traces_held_max in 3_usize..20,
    ) {
        let bounds = Bounds { traces_held_max, ..Bounds::default() };
        let every_time = run(&records, &[true], &bounds);
        prop_assert_eq!(&every_time, &run(&records, &asks, &bounds));
        let offered: usize = records.iter().map(|(_, spans)| spans.len()).sum();
        prop_assert_eq!(every_time.len(), offered);
    }
}
