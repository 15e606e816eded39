//! Counts by group and step, and the metrics made of them. Pure.

use std::collections::BTreeMap;

use spanloom_model::api::{Metric, MetricLabels, MetricSeries};
use spanloom_model::histogram::{Histogram, share_within};

use super::params::{Question, Steps};

/// Some spans that are counted together.
#[derive(Debug, Clone, Default)]
struct Cell {
    histogram: Histogram,
    errors: f64,
    duration_ns: f64,
    /// Sum of what each span counts for the Apdex.
    apdex: f64,
}

/// Spans that the database has counted together.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    /// Index of the step.
    pub step: usize,
    pub bucket: i16,
    pub is_error: bool,
    pub spans: f64,
    /// Of all of them together.
    pub duration_ns: f64,
}

impl Cell {
    fn add(&mut self, count: &Count, apdex_ns: f64) {
        self.histogram.add(count.bucket, count.spans);
        self.duration_ns += count.duration_ns;
        if count.is_error {
            self.errors += count.spans;
        } else {
            let share = |limit_ns| share_within(count.bucket, limit_ns);
            self.apdex += count.spans * f64::midpoint(share(apdex_ns), share(4.0 * apdex_ns));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.histogram.merge(&other.histogram);
        self.errors += other.errors;
        self.duration_ns += other.duration_ns;
        self.apdex += other.apdex;
    }

    /// None where there are no spans to tell of; rates and counts are 0 then.
    fn value(&self, metric: Metric, seconds: f64) -> Option<f64> {
        let spans = self.histogram.count();
        let quantile = |q| self.histogram.quantile(q);
        let per_span = |sum: f64| (spans > 0.0).then(|| sum / spans);
        match metric {
            Metric::Rate => Some(spans / seconds),
            Metric::Count => Some(spans),
            Metric::ErrorRate => per_span(self.errors),
            Metric::P50 => quantile(0.5),
            Metric::P75 => quantile(0.75),
            Metric::P90 => quantile(0.9),
            Metric::P95 => quantile(0.95),
            Metric::P99 => quantile(0.99),
            Metric::P999 => quantile(0.999),
            Metric::Avg => per_span(self.duration_ns),
            Metric::Apdex => per_span(self.apdex),
        }
    }
}

/// The steps of one group, those that have spans.
#[derive(Debug, Clone, Default)]
pub struct GroupCells(BTreeMap<usize, Cell>);

impl GroupCells {
    /// Adds spans of one step.
    pub fn add(&mut self, count: &Count, apdex_ns: f64) {
        self.0.entry(count.step).or_default().add(count, apdex_ns);
    }

    /// Adds another group's spans.
    pub fn merge(&mut self, other: Self) {
        for (step, cell) in other.0 {
            self.0.entry(step).or_default().merge(&cell);
        }
    }

    /// The histograms of the steps that have spans.
    pub fn histograms(&self) -> impl Iterator<Item = (usize, &Histogram)> {
        self.0.iter().map(|(&step, cell)| (step, &cell.histogram))
    }

    /// Every metric that was asked for. A step that is not over yet counts as long as it has lasted.
    pub fn series(
        &self,
        labels: &MetricLabels,
        question: &Question,
        steps: Steps,
        now_s: i64,
    ) -> Vec<MetricSeries> {
        let none = Cell::default();
        let mut total = Cell::default();
        for cell in self.0.values() {
            total.merge(cell);
        }
        let seconds = |start_s: i64, end_s: i64| (end_s.min(now_s) - start_s).max(1) as f64;
        let series = |&metric: &Metric| {
            let point = |step: i64| {
                let start_s = steps.start_s + step * steps.step_s;
                let cell = self.0.get(&(step as usize)).unwrap_or(&none);
                cell.value(metric, seconds(start_s, start_s + steps.step_s))
            };
            MetricSeries {
                metric,
                labels: labels.clone(),
                total: total.value(metric, seconds(steps.start_s, steps.end_s())),
                points: (0..steps.count).map(point).collect(),
            }
        };
        question.metrics.iter().map(series).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::metrics::params::Filter;
    use spanloom_model::histogram::bucket_of;

    const STEPS: Steps = Steps { start_s: 600, step_s: 60, count: 3 };

    fn question(metrics: &[Metric]) -> Question {
        Question {
            metrics: metrics.to_vec(),
            histogram: false,
            filter: Filter::default(),
            groups: Vec::new(),
            steps: STEPS,
            compare_s: None,
            apdex_ns: 100e6,
        }
    }

    fn points(counts: &[(usize, i64, bool)], metric: Metric, now_s: i64) -> Vec<Option<f64>> {
        let mut cells = GroupCells::default();
        for &(step, duration_ns, is_error) in counts {
            let bucket = bucket_of(duration_ns);
            cells
                .add(&Count { step, bucket, is_error, spans: 1.0, duration_ns: duration_ns as f64 }, 100e6);
        }
        let mut series = cells.series(&MetricLabels::default(), &question(&[metric]), STEPS, now_s);
        series.remove(0).points
    }

    // Catches a silent minute drawn as one with durations of zero, or as one without a rate.
    #[test]
    fn without_spans_there_is_a_rate_of_zero_and_no_duration() {
        let counts = [(0, 1_000_000, false), (0, 1_000_000, true)];
        assert_eq!(points(&counts, Metric::Rate, 10_000), [Some(2.0 / 60.0), Some(0.0), Some(0.0)]);
        assert_eq!(points(&counts, Metric::ErrorRate, 10_000), [Some(0.5), None, None]);
        assert_eq!(points(&counts, Metric::Avg, 10_000), [Some(1e6), None, None]);
        assert_eq!(points(&counts, Metric::P95, 10_000)[1], None);
    }

    // Catches a rate that seems to fall at the right edge of every chart.
    #[test]
    fn the_open_step_counts_as_long_as_it_has_lasted() {
        let counts = [(2, 1_000_000, false), (2, 1_000_000, false)];
        assert_eq!(points(&counts, Metric::Rate, 740)[2], Some(2.0 / 20.0));
    }

    // Catches errors that satisfy, and a wrong bound of four thresholds.
    #[test]
    fn apdex_counts_fast_spans_whole_and_tolerable_ones_half() {
        let counts = [
            (0, 10_000_000, false),
            (0, 300_000_000, false),
            (0, 900_000_000, false),
            (0, 10_000_000, true),
        ];
        let apdex = points(&counts, Metric::Apdex, 10_000)[0].unwrap();
        assert!((apdex - 1.5 / 4.0).abs() < 1e-9, "{apdex}");
    }
}
