//! Rate, errors and duration from partial histograms.

use spanloom_model::SpanKind;
use spanloom_model::api::RedSummary;
use spanloom_model::histogram::Histogram;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// Spans that the database has counted together.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which durations.
    pub bucket: i16,
    /// Whether their status is error.
    pub is_error: bool,
    /// How many.
    pub count: f64,
    /// Of all of them together.
    pub duration_ns: f64,
}

impl Part {
    /// From four columns, the first of which is column `from`: whether error, bucket, count, duration.
    pub fn of_row(row: &PgRow, from: usize) -> sqlx::Result<Self> {
        Ok(Self {
            is_error: row.try_get(from)?,
            bucket: row.try_get(from + 1)?,
            count: row.try_get(from + 2)?,
            duration_ns: row.try_get(from + 3)?,
        })
    }
}

/// Some spans that are counted together.
#[derive(Debug, Default)]
pub struct Red {
    histogram: Histogram,
    errors: f64,
    duration_ns: f64,
}

impl Red {
    /// Adds spans.
    pub fn add(&mut self, part: Part) {
        self.histogram.add(part.bucket, part.count);
        self.duration_ns += part.duration_ns;
        if part.is_error {
            self.errors += part.count;
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
            mean_ns: if count > 0.0 { self.duration_ns / count } else { 0.0 },
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
    pub fn add(&mut self, kind: SpanKind, part: Part) {
        if matches!(kind, SpanKind::Server | SpanKind::Consumer) {
            self.entries.get_or_insert_default().add(part);
        }
        self.all.add(part);
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
        let part = |duration_ns: i64, is_error, count: f64| Part {
            bucket: bucket_of(duration_ns),
            is_error,
            count,
            duration_ns: duration_ns as f64 * count,
        };
        let mut service = ServiceRed::default();
        service.add(SpanKind::Client, part(1_000_000, true, 5.0));
        assert!((service.red().summary(60.0).count - 5.0).abs() < 1e-9, "a service of clients alone");
        service.add(SpanKind::Server, part(2_000_000, false, 2.0));
        service.add(SpanKind::Consumer, part(5_000_000, true, 1.0));
        let summary = service.red().summary(60.0);
        assert!((summary.count - 3.0).abs() < 1e-9);
        assert!((summary.rate_per_second - 0.05).abs() < 1e-9);
        assert!((summary.error_rate - 1.0 / 3.0).abs() < 1e-9);
        assert!((summary.mean_ns - 3_000_000.0).abs() < 1e-9, "{}", summary.mean_ns);
        assert!((summary.p50_ns / 2_000_000.0 - 1.0).abs() < 0.05, "{}", summary.p50_ns);
    }

    #[test]
    fn no_spans_are_no_division_by_zero() {
        assert_eq!(Red::default().summary(0.0), RedSummary::default());
    }
}
