//! What some values have in common, and the number that they come to.

use std::collections::BTreeMap;

use spanloom_model::api::CustomMetricAggregation;

use crate::{buckets, distinct};

/// Some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// How many there are; fractional where spans stand for several.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Cell {
    /// One value that counts for `weight`.
    pub fn of(value: f64, weight: f64) -> Self {
        Self { count: weight, sum: value * weight, min: value, max: value }
    }

    /// Adds the values of another cell.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Values by bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary(BTreeMap<i16, Cell>);

impl Summary {
    /// Adds the values of a bucket.
    pub fn add(&mut self, bucket: i16, cell: &Cell) {
        self.0.entry(bucket).and_modify(|known| known.merge(cell)).or_insert(*cell);
    }

    /// Adds the values of another summary.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, cell) in &other.0 {
            self.add(bucket, cell);
        }
    }

    /// How many values there are.
    pub fn count(&self) -> f64 {
        self.0.values().map(|cell| cell.count).sum()
    }

    /// The sum of the values.
    pub fn sum(&self) -> f64 {
        self.0.values().map(|cell| cell.sum).sum()
    }

    /// The number asked for; none without values, but for counts and sums.
    pub fn value(&self, aggregation: CustomMetricAggregation) -> Option<f64> {
        let cells = || self.0.values();
        match aggregation {
            CustomMetricAggregation::Count => Some(self.count()),
            CustomMetricAggregation::Sum => Some(self.sum()),
            CustomMetricAggregation::Avg => (self.count() > 0.0).then(|| self.sum() / self.count()),
            CustomMetricAggregation::Min => cells().map(|cell| cell.min).reduce(f64::min),
            CustomMetricAggregation::Max => cells().map(|cell| cell.max).reduce(f64::max),
            CustomMetricAggregation::Quantile { q } => self.quantile(q),
            CustomMetricAggregation::Distinct => Some(distinct::estimate(cells().map(|cell| cell.max))),
        }
    }

    /// The value below which the share `q` of the values lies; none for no values.
    fn quantile(&self, q: f64) -> Option<f64> {
        let rank = self.count() * q.clamp(0.0, 1.0);
        let mut below = 0.0;
        let mut last = None;
        for (&bucket, cell) in &self.0 {
            if cell.count <= 0.0 {
                continue;
            }
            let within = ((rank - below) / cell.count).clamp(0.0, 1.0);
            last = Some(buckets::number_at(bucket, within).clamp(cell.min, cell.max));
            if below + cell.count >= rank {
                break;
            }
            below += cell.count;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn summary(values: &[f64]) -> Summary {
        let mut summary = Summary::default();
        for &value in values {
            summary.add(buckets::bucket_of(value), &Cell::of(value, 1.0));
        }
        summary
    }

    // Catches an absence that is told as zero, and a count that is told as absent.
    #[test]
    fn without_values_counts_are_zero_and_the_rest_is_nothing() {
        use CustomMetricAggregation::{Avg, Count, Distinct, Max, Min, Quantile, Sum};
        let none = Summary::default();
        for zero in [Count, Sum, Distinct] {
            assert_eq!(none.value(zero), Some(0.0));
        }
        for nothing in [Avg, Min, Max, Quantile { q: 0.5 }] {
            assert_eq!(none.value(nothing), None);
        }
    }

    // Catches weights that multiply twice or not at all.
    #[test]
    fn a_weighted_value_counts_for_several() {
        let mut two = Summary::default();
        two.add(0, &Cell::of(10.0, 3.0));
        two.add(0, &Cell::of(-2.0, 1.0));
        let value = |aggregation| two.value(aggregation);
        assert_eq!(value(CustomMetricAggregation::Count), Some(4.0));
        assert_eq!(value(CustomMetricAggregation::Sum), Some(28.0));
        assert_eq!(value(CustomMetricAggregation::Avg), Some(7.0));
        assert_eq!(value(CustomMetricAggregation::Min), Some(-2.0));
        assert_eq!(value(CustomMetricAggregation::Max), Some(10.0));
    }

    proptest! {
        // Catches an error beyond the documented bound, for small, large, negative and mixed numbers.
        #[test]
        fn quantiles_are_within_a_bucket(
            mut values in prop::collection::vec(prop_oneof![-1e6_f64..1e6, -1.0_f64..1.0, Just(0.0)], 1..300),
            q in 0.01_f64..0.99,
        ) {
            let estimate = summary(&values).value(CustomMetricAggregation::Quantile { q }).unwrap();
            values.sort_by(f64::total_cmp);
            let exact = values[(q * values.len() as f64).ceil().max(1.0) as usize - 1];
            prop_assert!((estimate - exact).abs() <= exact.abs() * 0.0501, "{estimate} {exact}");
        }
    }
}
