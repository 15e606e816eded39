//! Rates: which traces of a second fit into so many spans, chosen so that the choice has a known
//! probability.
//!
//! The traces of a second are put into the order of their randomness, the highest first, and taken
//! while they fit. A trace's threshold is the randomness it would have needed to be taken *given the
//! others*: the place at which the others ahead of it leave no room. That does not depend on its own
//! randomness, so the inverse of its probability is an unbiased weight (bottom-k or priority sampling
//! with a budget). A ratio of kept to seen would be one only on average over seconds, and a first
//! come, first served limiter, as the Collector has it, never keeps what comes late in its second.
//!
//! A trace that is larger than the whole budget is taken when it is the first; otherwise it could
//! never be, and its kind would be missing from every count.

use crate::{Randomness, Threshold};

/// A trace that wants to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Which trace, for the caller.
    pub index: usize,
    /// Its randomness.
    pub randomness: Randomness,
    /// Its spans; at least 1.
    pub spans: u64,
}

/// The candidates that fit into `budget_spans` with their thresholds; all of those keep their trace.
pub fn fitting(mut candidates: Vec<Candidate>, budget_spans: u64) -> Vec<(Candidate, Threshold)> {
    // Equal randomness has no order that chance decides: both are out where the limit lies there.
    candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.randomness), candidate.index));
    let mut spans_up_to = Vec::with_capacity(candidates.len());
    let mut sum = 0_u64;
    for candidate in &candidates {
        sum = sum.saturating_add(candidate.spans);
        spans_up_to.push(sum);
    }
    let mut fitting = Vec::new();
    for (candidate, up_to) in candidates.iter().zip(&spans_up_to) {
        let room = budget_spans.max(candidate.spans);
        if *up_to > room {
            continue;
        }
        // The first of the others at which there is no room for this one any more.
        let first_beyond = spans_up_to.partition_point(|up_to| *up_to <= room);
        let bound = candidates.get(first_beyond).map(|beyond| Threshold::above(beyond.randomness));
        let threshold = bound.unwrap_or(Threshold::ALWAYS);
        if threshold.keeps(candidate.randomness) {
            fitting.push((*candidate, threshold));
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: u64 = 400;

    fn candidate(index: usize, step: u64, spans: u64) -> Candidate {
        Candidate { index, randomness: Randomness::from_bits((1 << 56) / STEPS * step), spans }
    }

    // Catches a limit that does not limit, and a budget that starves large traces.
    #[test]
    fn the_most_random_ones_fit() {
        let indexes = |candidates: Vec<Candidate>, budget| -> Vec<usize> {
            fitting(candidates, budget).iter().map(|(candidate, _)| candidate.index).collect()
        };
        let some = || vec![candidate(0, 10, 5), candidate(1, 300, 5), candidate(2, 200, 5)];
        assert_eq!(indexes(some(), 15), [1, 2, 0]);
        assert_eq!(indexes(some(), 14), [1, 2]);
        assert_eq!(indexes(some(), 5), [1]);
        assert_eq!(indexes(some(), 1), [1], "a larger one alone");
        assert!(fitting(some(), 100).iter().all(|(_, threshold)| *threshold == Threshold::ALWAYS));
        assert_eq!(indexes(Vec::new(), 5), [0; 0]);
    }

    proptest! {
        /// Catches a biased choice: with the others fixed and its own randomness anything, the weight
        /// of a trace, nothing where it is not taken, is 1 on average.
        #[test]
        fn weights_are_unbiased(
            // Not at the very top, where a step would be as large as what is left.
            others in prop::collection::vec((0..STEPS * 9 / 10, 1_u64..20), 0..30),
            spans in 1_u64..40,
            budget in 1_u64..120,
        ) {
            let mut sum = 0.0;
            let mut largest = 1.0_f64;
            for step in 0..STEPS {
                let mut candidates: Vec<Candidate> = others
                    .iter()
                    .enumerate()
                    .map(|(index, (step, spans))| {
                        // Between the steps, so that there are no ties.
                        let randomness = Randomness::from_bits((1 << 56) / STEPS * step + 1 + index as u64);
                        Candidate { index: index + 1, randomness, spans: *spans }
                    })
                    .collect();
                candidates.push(candidate(0, step, spans));
                let taken = fitting(candidates, budget);
                let total: u64 = taken.iter().map(|(candidate, _)| candidate.spans).sum();
                prop_assert!(total <= budget || taken.len() == 1);
                if let Some((_, threshold)) = taken.iter().find(|(candidate, _)| candidate.index == 0) {
                    sum += threshold.adjusted_count();
                    largest = largest.max(threshold.adjusted_count());
                }
            }
            // The grid may miss or add a step at the one place where the choice changes.
            let steps = STEPS as f64;
            prop_assert!((sum / steps - 1.0).abs() <= 1.01 * largest / steps, "{}", sum / steps);
        }
    }
}
