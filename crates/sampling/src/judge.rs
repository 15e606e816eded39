//! Decides traces that are due together.

use std::sync::Arc;

use spanloom_model::Span;

use crate::limiter::{Candidate, fitting};
use crate::policies::Claim;
use crate::{Policies, Randomness, Threshold};

/// A decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// By which threshold the trace is kept; none if it is dropped.
    pub kept_by: Option<Threshold>,
    /// The policy that kept it most surely, or the one that dropped what others might have kept.
    pub policy: Option<Arc<str>>,
}

struct Case<'a> {
    randomness: Randomness,
    spans: &'a [Span],
    left: Threshold,
    dropper: Option<Arc<str>>,
    claims: Vec<Claim>,
}

/// Decides traces of one second together. `room_spans` is what each bucket still has in that second;
/// what is taken is taken off.
pub fn decide(
    policies: &Policies,
    traces: &[(Randomness, &[Span])],
    room_spans: &mut [u64],
) -> Vec<Verdict> {
    let mut cases: Vec<Case> = traces
        .iter()
        .map(|(randomness, spans)| {
            let (left, dropper) = policies.left(spans);
            // Nothing can keep it: whether it would have had a claim does not matter.
            let claims = if left.is_possible() { policies.claims(spans) } else { Vec::new() };
            Case { randomness: *randomness, spans, left, dropper, claims }
        })
        .collect();
    for (bucket, room_spans) in room_spans.iter_mut().enumerate() {
        limit(&mut cases, bucket, room_spans);
    }
    cases.into_iter().map(|case| verdict(policies, case)).collect()
}

/// Raises the thresholds of the claims on a bucket to where they fit. Who does not pass their other
/// conditions does not take part; that depends on nobody else, and so leaves the weights right.
fn limit(cases: &mut [Case], bucket: usize, room_spans: &mut u64) {
    let claim_of = |case: &Case| case.claims.iter().position(|claim| claim.bucket == Some(bucket));
    let mut candidates = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let Some(claim) = claim_of(case) else { continue };
        if case.left.max(case.claims[claim].threshold).keeps(case.randomness) {
            let spans = case.spans.len() as u64;
            candidates.push(Candidate { index, randomness: case.randomness, spans });
        }
    }
    let taken = fitting(candidates, *room_spans);
    let used: u64 = taken.iter().map(|(candidate, _)| candidate.spans).sum();
    *room_spans = room_spans.saturating_sub(used);
    let mut bounds = vec![Threshold::NEVER; cases.len()];
    for (candidate, threshold) in taken {
        bounds[candidate.index] = threshold;
    }
    for (case, bound) in cases.iter_mut().zip(bounds) {
        if let Some(claim) = claim_of(case) {
            let claim = &mut case.claims[claim];
            claim.threshold = claim.threshold.max(bound);
        }
    }
}

fn verdict(policies: &Policies, case: Case) -> Verdict {
    let dropped = |policy| Verdict { kept_by: None, policy };
    if !case.left.keeps(case.randomness) {
        return dropped(case.dropper);
    }
    // Of equal ones the first in the order of the settings.
    let keeping = case.claims.iter().filter(|claim| claim.threshold.keeps(case.randomness));
    let Some(surest) = keeping.min_by_key(|claim| claim.threshold) else { return dropped(None) };
    Verdict { kept_by: Some(surest.threshold.max(case.left)), policy: policies.keeper_name(surest.keeper) }
}
