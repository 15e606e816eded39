//! Weights are right on average, whatever the policies: with everything else fixed, a trace of every
//! randomness is offered, and the weights of those that are kept have to add up to their number.

use proptest::prelude::*;
use spanloom_model::api::{CompositePart, SamplingRule as R};
use spanloom_model::{Span, SpanStatus, TraceId};
use spanloom_sampling::span_weight;

use super::fixture::*;

/// Randomness is tried in so many steps.
const STEPS: u64 = 250;

/// Rules that may stand anywhere. Probabilities are not so small that the grid misses them.
fn inner() -> impl Strategy<Value = R> {
    let leaf = prop_oneof![
        (5.0..100.0_f64).prop_map(percent),
        Just(errors()),
        Just(R::AlwaysSample),
        (0_u64..4, 2_u64..6)
            .prop_map(|(min_spans, more)| R::SpanCount { min_spans, max_spans: Some(min_spans + more) }),
    ];
    leaf.prop_recursive(1, 3, 2, |rule| {
        prop_oneof![
            rule.clone().prop_map(|rule| R::Not { rule: Box::new(rule) }),
            prop::collection::vec(rule, 1..3).prop_map(|rules| R::And { rules }),
        ]
    })
}

fn policy() -> impl Strategy<Value = R> {
    let limit = || (1_u64..40).prop_map(|spans_per_second| R::RateLimiting { spans_per_second });
    let part = inner().prop_map(|rule| CompositePart { percent: None, rule });
    prop_oneof![
        4 => inner(),
        2 => limit(),
        2 => (limit(), inner()).prop_map(|(limit, rule)| R::And { rules: vec![limit, rule] }),
        // A share of what is left: dropping all of it would leave nothing to weigh.
        1 => (5.0..90.0_f64).prop_map(|share| R::Drop { rules: vec![percent(share)] }),
        2 => (2_u64..60, prop::collection::vec(part, 1..3)).prop_map(|(max_total_spans_per_second, parts)| {
            R::Composite { max_total_spans_per_second, parts }
        }),
    ]
}

fn trace(trace_id: TraceId, count: u64, failed: bool, trace_state: &str) -> Vec<Span> {
    let status = if failed { SpanStatus::Error } else { SpanStatus::Unset };
    let span = |span| Span { status, trace_state: trace_state.to_owned(), ..span };
    spans(trace_id, count).into_iter().map(span).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Catches any weight that is not the inverse of the probability with which the trace is kept, by
    /// the client and the policies together.
    #[test]
    fn weights_add_up(
        rules in prop::collection::vec(policy(), 1..4),
        others in prop::collection::vec((any::<u64>(), 1_u64..8, any::<bool>()), 0..25),
        count in 1_u64..8,
        failed in any::<bool>(),
        head in prop::sample::select(vec![("", 0.0), ("ot=th:4", 0.25), ("ot=th:c", 0.75)]),
    ) {
        let (trace_state, rejected) = head;
        let (mut sum, mut largest) = (0.0, 1.0_f64);
        for step in 0..STEPS {
            let share = (step as f64 + 0.5) / STEPS as f64;
            // The client dropped it.
            if share < rejected {
                continue;
            }
            let id = id_at(share, u64::MAX);
            let mut sampler = sampler(rules.clone());
            let ours = trace(id, count, failed, trace_state);
            for (index, (seed, count, failed)) in others.iter().enumerate() {
                sampler.offer(index as u64, 0, trace(random_id(*seed), *count, *failed, ""));
            }
            sampler.offer(99, 0, ours.clone());
            let decided = sampler.decide(10 * SECOND_NS);
            let decided = decided.iter().find(|decided| decided.trace_id == id).unwrap();
            if is_kept(decided.outcome) {
                let weight = span_weight(&ours[0], weight(decided.outcome));
                sum += weight;
                largest = largest.max(weight);
            }
        }
        // No policy may keep such a trace at all: it is out of the sample, on purpose.
        prop_assume!(sum > 0.0);
        let mean = sum / STEPS as f64;
        // The grid may miss or add a step where the decision changes.
        prop_assert!((mean - 1.0).abs() <= 1.5 * largest / STEPS as f64, "{mean}, weights up to {largest}");
    }
}
