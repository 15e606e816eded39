//! The tail sampler: holds traces until they are decided.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use spanloom_model::{Span, SpanId, SpanKind, TraceId};

use crate::held::HeldTrace;
use crate::judge::{self, Verdict};
use crate::memory::Memory;
use crate::trace_state::randomness_of;
use crate::{Policies, head_weight};

/// Rates are per second, so that traces are decided by the second.
const SECOND_NS: i64 = 1_000_000_000;

/// What the sampler may occupy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Spans that wait.
    pub spans_held_max: usize,
    /// Bytes of spans that wait, estimated.
    pub bytes_held_max: usize,
    /// Traces that wait.
    pub traces_held_max: usize,
    /// Spans of one trace that wait; a larger trace is decided at once, its later spans follow.
    pub trace_spans_max: usize,
    /// Decisions remembered for spans that come late.
    pub decisions_remembered_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            spans_held_max: 500_000,
            bytes_held_max: 512 << 20,
            traces_held_max: 100_000,
            trace_spans_max: 50_000,
            decisions_remembered_max: 500_000,
        }
    }
}

/// What becomes of a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Its spans are stored.
    Kept {
        /// How many such traces one stands for by the policies; see [`span_weight`].
        weight: f64,
    },
    /// Its spans are not stored.
    Dropped,
}

/// Spans of a trace whose outcome is known.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The trace.
    pub trace_id: TraceId,
    /// Its spans, in the order of the records: all that came before the decision, or late ones.
    pub spans: Vec<Span>,
    /// What becomes of them.
    pub outcome: Outcome,
    /// Whose doing it was. None where no policy claimed the trace, and for late spans.
    pub policy: Option<Arc<str>>,
}

/// What the sampler occupies, and what it had to do for that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Spans that wait.
    pub spans: usize,
    /// Bytes of spans that wait, estimated.
    pub bytes: usize,
    /// Traces that wait.
    pub traces: usize,
    /// Decisions that are remembered.
    pub decisions: usize,
    /// Traces decided before their time because of the bounds, since the sampler was made.
    pub decided_early: u64,
}

/// How many spans a kept one stands for: the rarer of what its client and what the policies kept,
/// because both decide by the same randomness.
pub fn span_weight(span: &Span, kept_weight: f64) -> f64 {
    head_weight(span.trace_id, &span.trace_state).max(kept_weight)
}

/// A trace that waits, in the order in which traces began.
struct Waiting {
    trace_id: TraceId,
    serial: u64,
    position: u64,
    first_ns: i64,
}

/// How much of its rates a second has used.
struct Second {
    number: i64,
    room_spans: Vec<u64>,
}

/// Holds traces until they are decided. What it does depends on nothing but the sequence of records
/// and changes of policies; when [`Self::decide`] is called makes no difference.
pub struct TailSampler {
    policies: Policies,
    bounds: Bounds,
    traces: HashMap<TraceId, HeldTrace>,
    /// The front is always a trace that waits.
    order: VecDeque<Waiting>,
    memory: Memory,
    ready: Vec<Decided>,
    /// Of the first record with a span in `ready`.
    ready_position: Option<u64>,
    /// The latest time that was seen; clocks of several receivers do not always agree.
    clock_ns: i64,
    second: Second,
    serial: u64,
    held: Held,
}

impl TailSampler {
    /// A sampler that holds nothing.
    pub fn new(policies: Policies, bounds: Bounds) -> Self {
        let room_spans = policies.buckets().to_vec();
        Self {
            policies,
            traces: HashMap::new(),
            order: VecDeque::new(),
            memory: Memory::new(bounds.decisions_remembered_max),
            bounds,
            ready: Vec::new(),
            ready_position: None,
            clock_ns: i64::MIN,
            second: Second { number: i64::MIN, room_spans },
            serial: 0,
            held: Held::default(),
        }
    }

    /// Replaces the policies; traces that wait are decided by the new ones.
    pub fn set_policies(&mut self, policies: Policies) {
        self.second = Second { number: i64::MIN, room_spans: policies.buckets().to_vec() };
        self.policies = policies;
    }

    /// Whether everything is kept and nothing waits, so that the sampler need not be asked.
    pub fn is_pass_through(&self) -> bool {
        self.policies.is_pass_through() && self.traces.is_empty() && self.ready.is_empty()
    }

    /// Takes the spans of the record at `position`, received at `time_ns` (nanoseconds since the
    /// epoch, by the queue). None of them may have been offered before. What is due by then is
    /// decided first.
    pub fn offer(&mut self, position: u64, time_ns: i64, spans: Vec<Span>) {
        self.advance(time_ns);
        for span in spans {
            let trace_id = span.trace_id;
            if !self.traces.contains_key(&trace_id)
                && let Some(outcome) = self.memory.touch(trace_id)
            {
                self.late(position, span, outcome);
                continue;
            }
            self.hold(position, span);
        }
        self.relieve();
    }

    /// Everything that is decided by `now_ns` (the queue's clock too) and was not taken yet. Take it
    /// before [`Self::holds`] is asked again: what is decided is not held any more.
    pub fn decide(&mut self, now_ns: i64) -> Vec<Decided> {
        self.advance(now_ns);
        self.take()
    }

    /// Decides all that waits by what has come of it: policies were turned off, or there will be no
    /// more records.
    pub fn flush(&mut self) -> Vec<Decided> {
        while let Some(front) = self.order.front() {
            let number = self.second_of(front.first_ns);
            self.decide_front(number);
        }
        self.take()
    }

    /// The record from which the queue has to be replayed so that nothing that waits, or was not
    /// taken, is lost.
    pub fn oldest_held_position(&self) -> Option<u64> {
        let waiting = self.order.front().map(|waiting| waiting.position);
        waiting.into_iter().chain(self.ready_position).min()
    }

    /// Whether this very span waits.
    pub fn holds(&self, trace_id: TraceId, span_id: SpanId, start_ns: i64, kind: SpanKind) -> bool {
        self.traces.get(&trace_id).is_some_and(|trace| trace.holds(span_id, start_ns, kind))
    }

    /// Takes over a decision that was made before this sampler was. A trace that waits is not changed.
    pub fn remember(&mut self, trace_id: TraceId, outcome: Outcome) {
        self.memory.insert(trace_id, outcome);
    }

    /// What was decided of a trace, as far as it is remembered.
    pub fn decision(&self, trace_id: TraceId) -> Option<Outcome> {
        if self.traces.contains_key(&trace_id) { None } else { self.memory.get(trace_id) }
    }

    /// What it occupies.
    pub fn held(&self) -> Held {
        Held { traces: self.traces.len(), decisions: self.memory.len(), ..self.held }
    }

    fn take(&mut self) -> Vec<Decided> {
        self.ready_position = None;
        std::mem::take(&mut self.ready)
    }

    /// The second in which a trace is decided.
    fn second_of(&self, first_ns: i64) -> i64 {
        first_ns.saturating_add(self.policies.decision_wait_ns()).div_euclid(SECOND_NS)
    }

    fn advance(&mut self, time_ns: i64) {
        self.clock_ns = self.clock_ns.max(time_ns);
        let limited = !self.policies.buckets().is_empty();
        while let Some(front) = self.order.front() {
            let number = self.second_of(front.first_ns);
            let due_ns = if limited {
                // Who shares a rate is decided together, when the second is over.
                number.saturating_add(1).saturating_mul(SECOND_NS)
            } else {
                front.first_ns.saturating_add(self.policies.decision_wait_ns())
            };
            if due_ns > self.clock_ns {
                return;
            }
            self.decide_front(number);
        }
    }

    fn hold(&mut self, position: u64, span: Span) {
        let (trace_id, serial, first_ns) = (span.trace_id, self.serial, self.clock_ns);
        let trace = self.traces.entry(trace_id).or_insert_with(|| HeldTrace::new(serial, position));
        self.held.bytes += trace.push(span);
        self.held.spans += 1;
        let is_large = trace.spans.len() > self.bounds.trace_spans_max;
        if trace.serial == serial {
            self.serial += 1;
            self.order.push_back(Waiting { trace_id, serial, position, first_ns });
        }
        if is_large && let Some(trace) = self.remove(trace_id) {
            // Alone, and so beside the rate of its second.
            let mut room_spans = self.policies.buckets().to_vec();
            self.decide_traces(vec![(trace_id, trace)], &mut room_spans);
            self.held.decided_early += 1;
            self.drop_gone();
        }
    }

    fn late(&mut self, position: u64, span: Span, outcome: Outcome) {
        self.ready_position = Some(self.ready_position.map_or(position, |p| p.min(position)));
        match self.ready.last_mut() {
            Some(last) if last.trace_id == span.trace_id && last.policy.is_none() => last.spans.push(span),
            _ => {
                let trace_id = span.trace_id;
                self.ready.push(Decided { trace_id, spans: vec![span], outcome, policy: None });
            }
        }
    }

    /// Decides the oldest traces before their time until the bounds hold.
    fn relieve(&mut self) {
        while self.held.spans > self.bounds.spans_held_max
            || self.held.bytes > self.bounds.bytes_held_max
            || self.traces.len() > self.bounds.traces_held_max
        {
            let Some(front) = self.order.front() else { return };
            let (number, before) = (self.second_of(front.first_ns), self.traces.len());
            self.decide_front(number);
            self.held.decided_early += (before - self.traces.len()) as u64;
        }
    }

    /// Decides the oldest trace, and where a rate is shared all others of its second.
    fn decide_front(&mut self, number: i64) {
        let limited = !self.policies.buckets().is_empty();
        let mut group = Vec::new();
        while let Some(front) = self.order.front() {
            if !group.is_empty() && (!limited || self.second_of(front.first_ns) != number) {
                break;
            }
            let trace_id = front.trace_id;
            group.extend(self.remove(trace_id).map(|trace| (trace_id, trace)));
            self.order.pop_front();
            self.drop_gone();
        }
        if self.second.number != number {
            self.second = Second { number, room_spans: self.policies.buckets().to_vec() };
        }
        let mut room_spans = std::mem::take(&mut self.second.room_spans);
        self.decide_traces(group, &mut room_spans);
        self.second.room_spans = room_spans;
    }

    fn decide_traces(&mut self, group: Vec<(TraceId, HeldTrace)>, room_spans: &mut [u64]) {
        let cases: Vec<_> = group
            .iter()
            .map(|(trace_id, trace)| (randomness_of(*trace_id, &trace.spans), trace.spans.as_slice()))
            .collect();
        let verdicts = judge::decide(&self.policies, &cases, room_spans);
        for ((trace_id, trace), Verdict { kept_by, policy }) in group.into_iter().zip(verdicts) {
            let outcome = kept_by
                .map_or(Outcome::Dropped, |threshold| Outcome::Kept { weight: threshold.adjusted_count() });
            self.memory.insert(trace_id, outcome);
            self.ready_position =
                Some(self.ready_position.map_or(trace.position, |p| p.min(trace.position)));
            self.ready.push(Decided { trace_id, spans: trace.spans, outcome, policy });
        }
    }

    fn remove(&mut self, trace_id: TraceId) -> Option<HeldTrace> {
        let trace = self.traces.remove(&trace_id)?;
        self.held.spans -= trace.spans.len();
        self.held.bytes -= trace.bytes;
        Some(trace)
    }

    /// Takes traces that were decided out of their turn from the front.
    fn drop_gone(&mut self) {
        while let Some(front) = self.order.front() {
            if self.traces.get(&front.trace_id).is_some_and(|trace| trace.serial == front.serial) {
                return;
            }
            self.order.pop_front();
        }
    }
}
