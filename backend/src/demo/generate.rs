//! Requests of the shop's customers, one trace each (and one more per mail that is sent).

use rand::RngExt;

use super::huge;
use super::model::{DemoRng, Operation};
use super::shop::ENTRIES;
use super::span::DemoSpan;
use super::walk::Walk;
use super::world::WorldState;

/// A request never makes more spans; the largest of the shop stay far below.
pub const SPANS_PER_REQUEST_MAX: usize = 2_000;
/// How often the clock of one host is wrong.
const SKEW: f64 = 0.01;
/// How often the root gets lost on its way.
const LOST_ROOT: f64 = 0.003;

/// What is wrong with the record of a request, as opposed to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anomaly {
    None,
    /// The clock of this host is off.
    SkewedHost(u8),
    LostRoot,
}

/// The spans that one request caused.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub spans: Vec<DemoSpan>,
    pub anomaly: Anomaly,
}

/// A request that comes in at `at_ns` after the Unix epoch.
pub fn trace(rng: &mut DemoRng, at_ns: u64, world: &WorldState) -> Request {
    let entry = draw_entry(rng);
    let mut walk = Walk::new(rng, world, SPANS_PER_REQUEST_MAX);
    let context = walk.root_context();
    walk.handle(entry, context, Vec::new(), at_ns);
    let mut spans = walk.spans;
    spans.truncate(SPANS_PER_REQUEST_MAX);
    let anomaly = disturb(rng, &mut spans);
    Request { spans, anomaly }
}

/// One trace of exactly `spans_count` spans (at least one) that ended at `end_ns`.
pub fn huge_trace(rng: &mut DemoRng, end_ns: u64, spans_count: usize) -> Request {
    let world = WorldState::calm(end_ns);
    Request { spans: huge::spans(rng, &world, end_ns, spans_count.max(1)), anomaly: Anomaly::None }
}

fn draw_entry(rng: &mut DemoRng) -> &'static Operation {
    let total: u32 = ENTRIES.iter().map(|(weight, _)| weight).sum();
    let mut rest = rng.random_range(0..total);
    for (weight, operation) in ENTRIES {
        if rest < *weight {
            return operation;
        }
        rest -= weight;
    }
    ENTRIES[0].1
}

fn disturb(rng: &mut DemoRng, spans: &mut Vec<DemoSpan>) -> Anomaly {
    if spans.len() > 1 && rng.random_bool(LOST_ROOT) {
        spans.remove(0);
        return Anomaly::LostRoot;
    }
    if !rng.random_bool(SKEW) {
        return Anomaly::None;
    }
    let host = spans[rng.random_range(0..spans.len())].process.host();
    let skew_ms = rng.random_range(5..400_i64) * if rng.random_bool(0.5) { 1 } else { -1 };
    for span in spans.iter_mut().filter(|span| span.process.host() == host) {
        shift(span, skew_ms * 1_000_000);
    }
    Anomaly::SkewedHost(host)
}

/// Moves a span in time.
pub fn shift(span: &mut DemoSpan, by_ns: i64) {
    let span = &mut span.span;
    span.start_time_unix_nano = span.start_time_unix_nano.saturating_add_signed(by_ns);
    span.end_time_unix_nano = span.end_time_unix_nano.saturating_add_signed(by_ns);
    for event in &mut span.events {
        event.time_unix_nano = event.time_unix_nano.saturating_add_signed(by_ns);
    }
}
