//! The metric `histogram`: counts by bucket, in few enough buckets to draw. Pure.

use std::collections::BTreeMap;

use spanloom_model::api::{Distribution, DistributionSeries, MetricLabels};
use spanloom_model::histogram::start_ns;

use super::cells::GroupCells;
use super::params::{BUCKETS_MAX, Steps};

/// Buckets that stand for several of the histogram's, as many in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Merged {
    width: i16,
    first: i16,
    count: i16,
}

impl Merged {
    /// The narrowest that hold the buckets from `low` to `high`. They are multiples of their width, so that
    /// they stay where they are while the range grows a little.
    fn covering(low: i16, high: i16) -> Self {
        let mut width = 1;
        loop {
            let first = low.div_euclid(width);
            let count = high.div_euclid(width) - first + 1;
            if count as usize <= BUCKETS_MAX {
                return Self { width, first, count };
            }
            width += 1;
        }
    }

    fn bound_ns(self, index: i16) -> f64 {
        // The bucket of zero lies below that of one nanosecond.
        start_ns((self.first + index) * self.width)
    }
}

/// The distributions of all groups, in buckets that they share.
pub fn distribution(groups: &BTreeMap<MetricLabels, GroupCells>, steps: Steps) -> Distribution {
    let histograms = || groups.values().flat_map(GroupCells::histograms).map(|(_, histogram)| histogram);
    let low = histograms().filter_map(|it| it.buckets().next()).map(|(bucket, _)| bucket).min();
    let high = histograms().filter_map(|it| it.buckets().next_back()).map(|(bucket, _)| bucket).max();
    let merged = match (low, high) {
        (Some(low), Some(high)) => Merged::covering(low, high),
        _ => Merged { width: 1, first: 0, count: 0 },
    };
    let series = |(labels, cells): (&MetricLabels, &GroupCells)| DistributionSeries {
        labels: labels.clone(),
        points: points(cells, merged, steps.count as usize),
    };
    Distribution {
        lowest_ns: merged.bound_ns(0),
        buckets: (1..=merged.count).map(|index| merged.bound_ns(index)).collect(),
        series: groups.iter().map(series).collect(),
    }
}

fn points(cells: &GroupCells, merged: Merged, steps: usize) -> Vec<Vec<f64>> {
    let mut points = vec![Vec::new(); steps];
    for (step, histogram) in cells.histograms() {
        let Some(point) = points.get_mut(step) else { continue };
        point.resize(merged.count as usize, 0.0);
        for (bucket, count) in histogram.buckets() {
            let index = bucket.div_euclid(merged.width) - merged.first;
            point[index as usize] += count;
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::super::cells::Count;
    use super::*;
    use spanloom_model::histogram::bucket_of;

    const STEPS: Steps = Steps { start_s: 600, step_s: 60, count: 3 };

    fn of(durations_ns: &[(usize, i64)]) -> Distribution {
        let mut cells = GroupCells::default();
        for &(step, duration_ns) in durations_ns {
            let bucket = bucket_of(duration_ns);
            let duration_ns = duration_ns as f64;
            cells.add(&Count { step, bucket, is_error: false, spans: 1.0, duration_ns }, 1e9);
        }
        distribution(&BTreeMap::from([(MetricLabels::default(), cells)]), STEPS)
    }

    // Catches spans that fall out of the buckets or into a neighbour, and answers of any size.
    #[test]
    fn every_span_lies_between_the_bounds_of_its_bucket() {
        for durations_ns in [
            &[(0, 0), (0, 1), (2, i64::MAX)][..],
            &[(0, 1_000_000), (0, 1_020_000), (2, 950_000)][..],
            &[(1, 5_000_000), (1, 40_000_000), (1, 5_000_000_000)][..],
            &[(1, 0)][..],
        ] {
            let found = of(durations_ns);
            assert!(found.buckets.len() <= BUCKETS_MAX);
            let points = &found.series[0].points;
            let mut expected = vec![vec![0.0; found.buckets.len()]; 3];
            for &(step, duration_ns) in durations_ns {
                let duration_ns = duration_ns as f64;
                let index = found.buckets.iter().position(|bound| duration_ns < *bound).unwrap();
                assert!(index > 0 || duration_ns >= found.lowest_ns || duration_ns < 1.0);
                expected[step][index] += 1.0;
            }
            for (point, expected) in points.iter().zip(expected) {
                let is_empty = expected.iter().all(|count| *count == 0.0);
                assert_eq!(*point, if is_empty { Vec::new() } else { expected });
            }
        }
    }

    #[test]
    fn without_spans_there_are_no_buckets() {
        let found = of(&[]);
        assert_eq!((found.buckets.len(), found.series[0].points.len()), (0, 3));
    }
}
