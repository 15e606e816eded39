//! Which spans explain the numbers of a step: thresholds from its histogram. Pure.

use std::collections::HashSet;

use spanloom_model::api::{Exemplar, ExemplarReason};
use spanloom_model::histogram::{Histogram, bucket_of, start_ns};
use spanloom_model::{SpanId, TraceId};

use super::params::{Filter, Steps, step_for, step_s};
use crate::query::params::{Params, TimeRange};

/// Steps at most. Each has at most four examples: two slow, one typical, one failed.
pub const STEPS_MAX: i64 = 50;

/// What is typical: around the median.
const TYPICAL: [f64; 2] = [0.45, 0.55];

/// Which service's spans, and in which steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub filter: Filter,
    pub steps: Steps,
}

impl Question {
    /// Reads all parameters; what is wrong is noted in `params`.
    pub fn parse(params: &mut Params, now_ns: i64) -> Self {
        let range = params.range(now_ns);
        let filter = Filter::of_spans(params);
        if filter.service.is_none() {
            params.reject("service", "is missing");
        }
        let step_s = step_s(params).unwrap_or_else(|| step_for(range));
        Self { filter, steps: widened(range, step_s) }
    }
}

/// The shortest steps that are a multiple of `step_s` and few enough.
fn widened(range: TimeRange, step_s: i64) -> Steps {
    let count = Steps::covering(range, step_s).count;
    let times = count.div_euclid(STEPS_MAX) + i64::from(count % STEPS_MAX > 0);
    let steps = Steps::covering(range, step_s * times);
    // A range may begin and end within a step, which then has one more.
    if steps.count > STEPS_MAX { Steps::covering(range, step_s * (times + 1)) } else { steps }
}

/// What is looked for in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Start of the step, seconds since the epoch.
    pub start_s: i64,
    /// From here on a span is slow.
    pub slow_ns: i64,
    /// Typical spans, inclusive.
    pub typical_ns: (i64, i64),
}

/// What is looked for in the step at `index`; none if it has no spans. Bounds are those of the buckets that
/// the quantiles lie in: a histogram does not know better where its spans are, and there always is one.
pub fn wanted(steps: Steps, index: usize, histogram: &Histogram) -> Option<Wanted> {
    let bucket_at = |q| histogram.quantile(q).map(|duration_ns| bucket_of(duration_ns as i64));
    Some(Wanted {
        start_s: steps.start_s + index as i64 * steps.step_s,
        slow_ns: start_ns(bucket_at(0.95)?) as i64,
        typical_ns: (start_ns(bucket_at(TYPICAL[0])?) as i64, start_ns(bucket_at(TYPICAL[1])? + 1) as i64),
    })
}

/// Where to look for a failed span of a step first: the part of it that has the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failures {
    /// Seconds since the epoch.
    pub start_s: i64,
    /// Spans that failed in it.
    pub count: f64,
}

/// What leaves for a person: every span once, for the first reason that it was found for, in the order of
/// its start.
pub fn told(mut found: Vec<Exemplar>) -> Vec<Exemplar> {
    found.sort_by_key(|it| it.reason);
    let mut seen = HashSet::<(TraceId, SpanId)>::with_capacity(found.len());
    found.retain(|it| seen.insert((it.trace_id, it.span_id)));
    found.sort_by_key(|it| (it.start_time, it.span_id));
    found
}

/// Whether failed spans are looked for besides: not where all or none are.
pub fn wants_errors(filter: &Filter) -> bool {
    filter.status.is_none()
}

/// The reason as the statement tells it.
pub fn reason_of(number: i16) -> ExemplarReason {
    match number {
        0 => ExemplarReason::Slow,
        1 => ExemplarReason::Typical,
        _ => ExemplarReason::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::params::SECOND_NS;
    use proptest::prelude::*;

    // Catches more steps than are told, and steps that are no multiple of the one asked for.
    #[test]
    fn steps_are_few_and_hold_whole_steps_of_the_chart() {
        for (start_s, length_s, step_s) in [
            (0, 3_600, 60),
            (59, 3_600, 60),
            (1, 3_000, 60),
            (61, 7 * 86_400, 7_200),
            (0, 1, 60),
            (0, 2_940, 60),
        ] {
            let range =
                TimeRange { start_ns: start_s * SECOND_NS, end_ns: (start_s + length_s) * SECOND_NS };
            let steps = widened(range, step_s);
            assert!(steps.count <= STEPS_MAX, "{steps:?}");
            assert_eq!(steps.step_s % step_s, 0, "{steps:?}");
            assert!(steps.start_s <= start_s && steps.end_s() >= start_s + length_s, "{steps:?}");
        }
        let short = TimeRange { start_ns: 0, end_ns: 3_000 * SECOND_NS };
        assert_eq!(widened(short, 60), Steps { start_s: 0, step_s: 60, count: 50 });
    }

    proptest! {
        // Catches thresholds that no span of the step meets, and slow ones that are faster than the 95th
        // percentile by more than a bucket.
        #[test]
        fn every_step_has_spans_at_its_thresholds(
            mut durations in prop::collection::vec(0_i64..100_000_000_000, 1..300),
        ) {
            let steps = Steps { start_s: 600, step_s: 60, count: 3 };
            let mut histogram = Histogram::default();
            for &duration in &durations {
                histogram.record(duration);
            }
            let wanted = wanted(steps, 2, &histogram).unwrap();
            durations.sort_unstable();
            let exact = durations[(durations.len() * 95).div_ceil(100).max(1) - 1] as f64;
            prop_assert!(wanted.slow_ns as f64 >= exact / 1.05_f64.powi(2) - 2.0);
            prop_assert!(*durations.last().unwrap() >= wanted.slow_ns);
            let (low, high) = wanted.typical_ns;
            prop_assert!(durations.iter().any(|it| (low..=high).contains(it)), "{low} to {high}");
            prop_assert_eq!(wanted.start_s, 720);
        }
    }

    #[test]
    fn a_step_without_spans_wants_none() {
        let steps = Steps { start_s: 0, step_s: 60, count: 1 };
        assert_eq!(wanted(steps, 0, &Histogram::default()), None);
    }
}
