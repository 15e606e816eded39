//! The sampling stage as the writer uses it: what is stored now, what is dropped, what waits.

use std::collections::HashMap;

use spanloom_model::{Span, TraceId};
use spanloom_sampling::{Bounds, Decided, Outcome, Policies, TailSampler, span_weight};

use crate::collect::dedup::Key;
use crate::collect::queue::Record;

/// The tail sampler, or the way around it while everything is kept.
pub struct Selection {
    sampler: TailSampler,
    keeps_all: bool,
}

/// What came of a batch.
#[derive(Default)]
pub struct Selected {
    /// Spans to be stored.
    pub kept: Vec<Span>,
    /// How many spans each of them stands for.
    pub weights: Vec<f64>,
    /// Spans that are not stored, by trace.
    pub dropped: Vec<(TraceId, Vec<Span>)>,
}

impl Selected {
    /// How many spans are not stored.
    pub fn dropped_spans(&self) -> usize {
        self.dropped.iter().map(|(_, spans)| spans.len()).sum()
    }

    fn keep(&mut self, spans: Vec<Span>, weight: f64) {
        self.weights.extend(spans.iter().map(|span| span_weight(span, weight)));
        // The usual case is one large list.
        if self.kept.is_empty() {
            self.kept = spans;
        } else {
            self.kept.extend(spans);
        }
    }

    fn add(&mut self, decided: Decided) {
        match decided.outcome {
            Outcome::Kept { weight } => self.keep(decided.spans, weight),
            Outcome::Dropped => self.dropped.push((decided.trace_id, decided.spans)),
        }
    }
}

impl Selection {
    /// A stage in which nothing waits.
    pub fn new(policies: &Policies) -> Self {
        Self {
            sampler: TailSampler::new(policies.clone(), Bounds::default()),
            keeps_all: policies.is_pass_through(),
        }
    }

    /// Replaces the policies; what waits is decided by the new ones.
    pub fn set_policies(&mut self, policies: &Policies) {
        self.sampler.set_policies(policies.clone());
        self.keeps_all = policies.is_pass_through();
    }

    /// Whether everything is kept and nothing waits.
    pub fn is_pass_through(&self) -> bool {
        self.sampler.is_pass_through()
    }

    /// Whether spans wait for a decision.
    pub fn is_waiting(&self) -> bool {
        self.sampler.held().traces > 0
    }

    /// Whether this span waits.
    pub fn holds(&self, key: &Key) -> bool {
        self.sampler.holds(key.0, key.1, key.2, key.3)
    }

    /// Where the queue has to be read from so that nothing that waits is lost.
    pub fn oldest_held_position(&self) -> Option<u64> {
        self.sampler.oldest_held_position()
    }

    /// Learns what was decided by a writer before this one.
    pub fn remember(&mut self, kept: HashMap<TraceId, f64>, dropped: impl Iterator<Item = TraceId>) {
        for (trace_id, weight) in kept {
            if self.sampler.decision(trace_id).is_none() {
                self.sampler.remember(trace_id, Outcome::Kept { weight });
            }
        }
        for trace_id in dropped {
            if self.sampler.decision(trace_id).is_none() {
                self.sampler.remember(trace_id, Outcome::Dropped);
            }
        }
    }

    /// Takes new spans and gives what is decided by `now_ns`, the queue's clock.
    pub fn select(&mut self, records: Vec<Record>, now_ns: i64) -> Selected {
        let mut selected = Selected::default();
        if self.is_pass_through() {
            for record in records {
                selected.keep(record.spans, 1.0);
            }
            return selected;
        }
        for record in records {
            self.sampler.offer(record.position, record.time_ns, record.spans);
        }
        for decided in self.sampler.decide(now_ns) {
            selected.add(decided);
        }
        if self.keeps_all {
            // Policies were turned off: nobody waits any longer.
            for decided in self.sampler.flush() {
                selected.add(decided);
            }
        }
        selected
    }
}
