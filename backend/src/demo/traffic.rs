//! When requests come in, and when their spans have ended and may be sent.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_distr::Poisson;

use super::generate::{Request, trace};
use super::model::{DemoRng, SECOND_NS, mix};
use super::span::DemoSpan;
use super::world::WorldState;

/// The requests that come in during one second, `rate` of them on an average day.
///
/// The same seed, rate and second give the same requests with the same ids: whoever sends an hour
/// twice sends the same spans twice.
pub fn arrivals(seed: u64, rate: f64, second: u64) -> Vec<Request> {
    let mut rng = DemoRng::seed_from_u64(mix(mix(seed, rate.to_bits()), second));
    let world = WorldState::at(seed, second * SECOND_NS);
    let Ok(distribution) = Poisson::new(rate * world.load) else {
        return Vec::new();
    };
    let count = rng.sample(distribution) as u64;
    (0..count)
        .map(|_| {
            let at_ns = second * SECOND_NS + rng.random_range(0..SECOND_NS);
            trace(&mut rng, at_ns, &world)
        })
        .collect()
}

/// Spans that have begun and, for the rest of the world, not ended yet: a client sends a span when
/// it ends, so children leave before their parents do.
#[derive(Debug, Default)]
pub struct Unfinished {
    /// By end, then by order of arrival.
    spans: BTreeMap<(u64, u64), DemoSpan>,
    next: u64,
}

impl Unfinished {
    /// Beyond this the earliest leave before their time, which costs realism and not memory.
    const SPANS_MAX: usize = 400_000;

    pub fn push(&mut self, span: DemoSpan) {
        self.spans.insert((span.span.end_time_unix_nano, self.next), span);
        self.next += 1;
    }

    /// The next span that ended at `now_ns` or before.
    pub fn pop(&mut self, now_ns: u64) -> Option<DemoSpan> {
        let has_room = self.spans.len() <= Self::SPANS_MAX;
        let first = self.spans.first_entry()?;
        let (end_ns, _) = *first.key();
        if end_ns > now_ns && has_room {
            return None;
        }
        Some(first.remove())
    }
}

/// When the last span of a request ends.
pub fn end_ns(request: &Request) -> u64 {
    request.spans.iter().map(|span| span.span.end_time_unix_nano).max().unwrap_or_default()
}
