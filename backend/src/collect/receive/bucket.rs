//! Token buckets: how much may pass, and when more may. Pure; the caller tells the time.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How much may pass per second in the long run. Zero means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// Spans.
    pub spans_per_second: u64,
    /// Bytes of requests, decompressed.
    pub bytes_per_second: u64,
}

impl Rate {
    /// Whether nothing is limited.
    pub fn is_unlimited(self) -> bool {
        self.spans_per_second == 0 && self.bytes_per_second == 0
    }
}

/// What a request costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Spans.
    pub spans: f64,
    /// Bytes; a part of a request may cost a fraction of one.
    pub bytes: f64,
}

/// One client's or service's bucket, with room for a burst.
///
/// Something may pass while the bucket is not empty, whatever it costs: a request that is larger than
/// the burst would never pass otherwise, and small ones would always go before large ones. What it
/// costs beyond is a debt that has to be paid off before the next one.
#[derive(Debug, Clone)]
pub struct Bucket {
    spans: Meter,
    bytes: Meter,
    filled_at: Instant,
}

#[derive(Debug, Clone)]
struct Meter {
    per_second: f64,
    capacity: f64,
    level: f64,
}

impl Meter {
    fn new(per_second: u64, burst: Duration) -> Self {
        let per_second = per_second as f64;
        // At least one, or nothing would ever pass.
        let capacity = (per_second * burst.as_secs_f64()).max(1.0);
        Self { per_second, capacity, level: capacity }
    }

    fn is_limited(&self) -> bool {
        self.per_second > 0.0
    }

    fn add(&mut self, amount: f64) {
        self.level = (self.level + amount).min(self.capacity);
    }

    /// Seconds until it is not empty.
    fn wait_seconds(&self) -> f64 {
        if !self.is_limited() || self.level > 0.0 {
            return 0.0;
        }
        // At zero it has to gain something.
        (-self.level).max(f64::MIN_POSITIVE) / self.per_second
    }
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate, burst: Duration, now: Instant) -> Self {
        Self {
            spans: Meter::new(rate.spans_per_second, burst),
            bytes: Meter::new(rate.bytes_per_second, burst),
            filled_at: now,
        }
    }

    /// How long until something may pass; none if it may now.
    pub fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        let seconds = self.spans.wait_seconds().max(self.bytes.wait_seconds());
        (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Pays for something that passes.
    pub fn take(&mut self, cost: Cost) {
        self.spans.level -= cost.spans;
        self.bytes.level -= cost.bytes;
    }

    /// Gives back what was paid for something that did not pass after all.
    pub fn give_back(&mut self, cost: Cost) {
        self.spans.add(cost.spans);
        self.bytes.add(cost.bytes);
    }

    /// Whether it is as it was made: nothing is lost if it is forgotten.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        let is_full = |meter: &Meter| !meter.is_limited() || meter.level >= meter.capacity;
        is_full(&self.spans) && is_full(&self.bytes)
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.spans.add(self.spans.per_second * seconds);
        self.bytes.add(self.bytes.per_second * seconds);
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_secs(5);

    fn spans(spans: u32) -> Cost {
        Cost { spans: f64::from(spans), bytes: 0.0 }
    }

    fn bucket(spans_per_second: u64, bytes_per_second: u64, now: Instant) -> Bucket {
        Bucket::new(Rate { spans_per_second, bytes_per_second }, BURST, now)
    }

    /// Catches a rate that is off, a burst that is too large, and a wait that is too short.
    #[test]
    fn after_a_burst_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = bucket(100, 0, start);
        let mut passed = 0;
        while bucket.wait(start).is_none() {
            bucket.take(spans(10));
            passed += 10;
        }
        assert_eq!(passed, 500, "five seconds' worth at once");
        let later = start + Duration::from_mins(1);
        let mut now = start;
        while now < later {
            let wait = bucket.wait(now);
            if let Some(wait) = wait {
                now += wait + Duration::from_nanos(1);
                assert_eq!(bucket.wait(now), None, "the wait is enough");
            }
            bucket.take(spans(10));
            passed += 10;
        }
        assert!((6_490..=6_520).contains(&passed), "{passed}");
    }

    /// Catches a large request that never passes, and one that passes for nothing.
    #[test]
    fn a_request_beyond_the_burst_passes_and_is_paid_off() {
        let start = Instant::now();
        let mut bucket = bucket(100, 0, start);
        bucket.take(spans(2_500));
        assert_eq!(bucket.wait(start), Some(Duration::from_secs(20)));
        assert!(bucket.wait(start + Duration::from_secs(19)).is_some());
        assert!(bucket.wait(start + Duration::from_millis(20_001)).is_none());
    }

    #[test]
    fn the_scarcer_of_spans_and_bytes_decides() {
        let start = Instant::now();
        let mut bucket = bucket(100, 1_000, start);
        bucket.take(Cost { spans: 1.0, bytes: 7_000.0 });
        assert_eq!(bucket.wait(start), Some(Duration::from_secs(2)));
        let mut unlimited = Bucket::new(Rate::default(), BURST, start);
        unlimited.take(Cost { spans: 1e9, bytes: 1e12 });
        assert_eq!(unlimited.wait(start), None);
    }

    /// Catches clients that pay for what was refused, and a refund that fills beyond the brim.
    #[test]
    fn what_is_given_back_can_be_used_and_no_more() {
        let start = Instant::now();
        let mut bucket = bucket(100, 0, start);
        bucket.take(spans(600));
        assert!(bucket.wait(start).is_some() && !bucket.is_full(start));
        bucket.give_back(spans(600));
        assert!(bucket.wait(start).is_none() && bucket.is_full(start));
        bucket.give_back(spans(600));
        bucket.take(spans(500));
        assert!(bucket.wait(start).is_some());
    }

    /// Catches a clock that goes back and fills the bucket again.
    #[test]
    fn time_does_not_count_twice() {
        let start = Instant::now();
        let mut bucket = bucket(100, 0, start);
        bucket.take(spans(600));
        let later = start + Duration::from_secs(1);
        assert!(bucket.wait(later).is_some());
        assert!(bucket.wait(start).is_some());
        assert_eq!(bucket.wait(later).map(|wait| wait.as_nanos() <= 1), Some(true), "still at zero");
    }
}
