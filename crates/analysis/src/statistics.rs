//! Figures per group of spans, by service and operation for example.

/// What the statistics need to know of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSpan {
    /// Any number; spans with equal numbers belong together.
    pub group: usize,
    /// Nanoseconds.
    pub duration_ns: i64,
    /// Nanoseconds without a child running, from [`crate::ChildTime::self_time_ns`].
    pub self_time_ns: i64,
    /// Whether it failed.
    pub is_error: bool,
}

/// Figures of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupStatistics {
    /// The group's number.
    pub group: usize,
    /// Spans.
    pub count: usize,
    /// Spans that failed.
    pub errors: usize,
    /// Sum of the durations in nanoseconds; spans that run at the same time count each.
    pub total_ns: i64,
    /// Sum of the self times in nanoseconds.
    pub self_ns: i64,
    /// Mean duration in nanoseconds, rounded down.
    pub average_ns: i64,
    /// The duration that 95 % of the spans do not exceed (nearest rank), in nanoseconds.
    pub p95_ns: i64,
    /// The longest duration in nanoseconds.
    pub max_ns: i64,
}

/// Figures of every group that has spans, in order of the groups' numbers. O(n log n).
pub fn statistics(spans: &[GroupSpan]) -> Vec<GroupStatistics> {
    let mut sorted = spans.to_vec();
    sorted.sort_by_key(|span| (span.group, span.duration_ns));
    sorted.chunk_by(|a, b| a.group == b.group).map(one_group).collect()
}

/// `spans` are not empty and sorted by duration.
fn one_group(spans: &[GroupSpan]) -> GroupStatistics {
    let count = spans.len();
    let total_ns = spans.iter().fold(0_i64, |sum, span| sum.saturating_add(span.duration_ns));
    // Nearest rank: the smallest value that at least 95 % do not exceed.
    let rank = (count * 95).div_ceil(100);
    GroupStatistics {
        group: spans[0].group,
        count,
        errors: spans.iter().filter(|span| span.is_error).count(),
        total_ns,
        self_ns: spans.iter().fold(0_i64, |sum, span| sum.saturating_add(span.self_time_ns)),
        average_ns: total_ns / count as i64,
        p95_ns: spans[rank - 1].duration_ns,
        max_ns: spans[count - 1].duration_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_kept_apart_and_p95_is_the_nearest_rank() {
        let span = |group, duration_ns| GroupSpan {
            group,
            duration_ns,
            self_time_ns: duration_ns / 2,
            is_error: duration_ns % 50 == 0,
        };
        let mut spans: Vec<_> = (1..=100).rev().map(|duration_ns| span(7, duration_ns)).collect();
        spans.push(span(3, 11));
        let found = statistics(&spans);
        let expected_large = GroupStatistics {
            group: 7,
            count: 100,
            errors: 2,
            total_ns: 5_050,
            self_ns: 2_500,
            average_ns: 50,
            p95_ns: 95,
            max_ns: 100,
        };
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].group, found[0].p95_ns, found[0].count), (3, 11, 1));
        assert_eq!(found[1], expected_large);
        assert_eq!(statistics(&[]), []);
    }
}
