//! All policies in force, compiled, and what they say of one trace.

use std::sync::Arc;

use spanloom_model::Span;
use spanloom_model::api::{FieldError, SamplingSettings};

use crate::rule::{Rule, all};
use crate::{Threshold, compile};

/// Settings, validated and compiled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Policies(Arc<Compiled>);

/// What [`compile`] makes of settings.
#[derive(Debug, Default)]
pub struct Compiled {
    /// Nanoseconds from a trace's first record to its decision.
    pub decision_wait_ns: i64,
    /// What may keep a trace.
    pub keepers: Vec<Keeper>,
    /// What drops a trace whatever the keepers say.
    pub droppers: Vec<Dropper>,
    /// Spans per second of each limited part.
    pub buckets: Vec<u64>,
}

/// A policy that keeps traces: each belongs to the first part whose rule may keep it.
#[derive(Debug)]
pub struct Keeper {
    /// Its name.
    pub name: Arc<str>,
    /// At least one.
    pub parts: Vec<Part>,
}

/// A rule, perhaps with a rate.
#[derive(Debug)]
pub struct Part {
    /// Which traces.
    pub rule: Rule,
    /// Position in [`Compiled::buckets`], if its rate is limited.
    pub bucket: Option<usize>,
}

/// A policy that drops traces.
#[derive(Debug)]
pub struct Dropper {
    /// Its name.
    pub name: Arc<str>,
    /// All have to keep a trace for it to be dropped.
    pub rules: Vec<Rule>,
}

/// What one policy would keep a trace for.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Position in [`Compiled::keepers`]; none if there are none.
    pub keeper: Option<usize>,
    /// For which randomness.
    pub threshold: Threshold,
    /// And only if it fits here.
    pub bucket: Option<usize>,
}

impl Policies {
    /// Compiles the whole document, the part for clients included.
    ///
    /// # Errors
    /// Everything that is wrong, each with its path in the document: `policies[0].rule.key`.
    pub fn new(settings: &SamplingSettings) -> Result<Self, Vec<FieldError>> {
        compile::compile(settings).map(|compiled| Self(Arc::new(compiled)))
    }

    /// No policies: everything is kept.
    pub fn keep_all() -> Self {
        Self(Arc::default())
    }

    /// Whether everything is kept, so that nothing has to wait.
    pub fn is_pass_through(&self) -> bool {
        self.0.keepers.is_empty() && self.0.droppers.is_empty()
    }

    /// Whether a policy reads the attributes of spans.
    pub fn reads_attributes(&self) -> bool {
        let kept = self.0.keepers.iter().flat_map(|keeper| &keeper.parts).map(|part| &part.rule);
        kept.chain(self.0.droppers.iter().flat_map(|dropper| &dropper.rules)).any(Rule::reads_attributes)
    }

    /// Nanoseconds from a trace's first record to its decision.
    pub fn decision_wait_ns(&self) -> i64 {
        self.0.decision_wait_ns
    }

    /// Spans per second of each limited part.
    pub(crate) fn buckets(&self) -> &[u64] {
        &self.0.buckets
    }

    /// The name of a policy that keeps.
    pub(crate) fn keeper_name(&self, keeper: Option<usize>) -> Option<Arc<str>> {
        self.0.keepers.get(keeper?).map(|keeper| keeper.name.clone())
    }

    /// What the policies that drop leave of a trace, and the strictest of them.
    pub(crate) fn left(&self, spans: &[Span]) -> (Threshold, Option<Arc<str>>) {
        let mut strictest = (Threshold::ALWAYS, None);
        for dropper in &self.0.droppers {
            let left = all(&dropper.rules, spans).inverted();
            if left > strictest.0 {
                strictest = (left, Some(dropper.name.clone()));
            }
        }
        strictest
    }

    /// What the policies that keep would keep a trace for; those that cannot are left out.
    pub(crate) fn claims(&self, spans: &[Span]) -> Vec<Claim> {
        if self.0.keepers.is_empty() {
            return vec![Claim { keeper: None, threshold: Threshold::ALWAYS, bucket: None }];
        }
        let claim = |(index, keeper): (usize, &Keeper)| {
            keeper.parts.iter().find_map(|part| {
                let threshold = part.rule.threshold(spans);
                let claim = Claim { keeper: Some(index), threshold, bucket: part.bucket };
                threshold.is_possible().then_some(claim)
            })
        };
        self.0.keepers.iter().enumerate().filter_map(claim).collect()
    }
}
