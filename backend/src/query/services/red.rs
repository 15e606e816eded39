//! Rate, errors and duration from partial histograms.

use spanloom_model::SpanKind;
use spanloom_model::api::RedSummary;
use spanloom_model::histogram::Histogram;

/// Some spans that are counted together.
#[derive(Debug, Default)]
pub struct Red {
    histogram: Histogram,
    errors: f64,
}

impl Red {
    /// Adds spans whose durations lie in `bucket`.
    pub fn add(&mut self, bucket: i16, is_error: bool, count: f64) {
        self.histogram.add(bucket, count);
        if is_error {
            self.errors += count;
        }
    }

    /// The numbers for a window of `window_seconds`, at least one.
    pub fn summary(&self, window_seconds: f64) -> RedSummary {
        let count = self.histogram.count();
        let quantile = |q| self.histogram.quantile(q).unwrap_or_default();
        RedSummary {
            count,
            rate_per_second: count / window_seconds.max(1.0),
            error_rate: if count > 0.0 { self.errors / count } else { 0.0 },
            p50_ns: quantile(0.50),
            p95_ns: quantile(0.95),
            p99_ns: quantile(0.99),
        }
    }
}

/// A service's spans: its entry points, and all of them in case it has none.
#[derive(Debug, Default)]
pub struct ServiceRed {
    entries: Option<Red>,
    all: Red,
}

impl ServiceRed {
    /// Adds spans of one kind.
    pub fn add(&mut self, kind: SpanKind, bucket: i16, is_error: bool, count: f64) {
        if matches!(kind, SpanKind::Server | SpanKind::Consumer) {
            self.entries.get_or_insert_default().add(bucket, is_error, count);
        }
        self.all.add(bucket, is_error, count);
    }

    /// What counts for the service.
    pub fn red(&self) -> &Red {
        self.entries.as_ref().unwrap_or(&self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::histogram::bucket_of;

    #[test]
    fn only_entry_points_count_where_there_are_any() {
        let mut service = ServiceRed::default();
        service.add(SpanKind::Client, bucket_of(1_000_000), true, 5.0);
        assert!((service.red().summary(60.0).count - 5.0).abs() < 1e-9, "a service of clients alone");
        service.add(SpanKind::Server, bucket_of(2_000_000), false, 2.0);
        service.add(SpanKind::Consumer, bucket_of(2_000_000), true, 1.0);
        let summary = service.red().summary(60.0);
        assert!((summary.count - 3.0).abs() < 1e-9);
        assert!((summary.rate_per_second - 0.05).abs() < 1e-9);
        assert!((summary.error_rate - 1.0 / 3.0).abs() < 1e-9);
        assert!((summary.p50_ns / 2_000_000.0 - 1.0).abs() < 0.05, "{}", summary.p50_ns);
    }

    #[test]
    fn no_spans_are_no_division_by_zero() {
        assert_eq!(Red::default().summary(0.0), RedSummary::default());
    }
}
