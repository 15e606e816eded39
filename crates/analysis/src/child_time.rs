//! When a span worked itself and when it had children at work.

use crate::{Interval, Tree};

/// For each span, the time in which at least one direct child ran. Computed once per trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChildTime {
    /// Disjoint, in order of time, one span's after the other's.
    intervals: Vec<Interval>,
    /// Where each span's intervals begin; one entry more than spans.
    starts: Vec<usize>,
    self_time_ns: Vec<i64>,
}

impl ChildTime {
    /// In O(n). Children count as far as they overlap their parent: what they do after it ended is
    /// not its time.
    pub fn new(tree: &Tree, times: &[Interval]) -> Self {
        let mut result = Self {
            intervals: Vec::new(),
            starts: Vec::with_capacity(times.len() + 1),
            self_time_ns: Vec::with_capacity(times.len()),
        };
        for (span, &own) in times.iter().enumerate() {
            let first = result.intervals.len();
            result.starts.push(first);
            for &child in tree.children(span) {
                // Children are sorted by start, so only the last interval can touch the next.
                let Some(part) = times[child].clip(own).filter(|part| part.duration_ns() > 0) else {
                    continue;
                };
                match result.intervals[first..].last_mut() {
                    Some(last) if last.end_ns >= part.start_ns => {
                        last.end_ns = last.end_ns.max(part.end_ns);
                    }
                    _ => result.intervals.push(part),
                }
            }
            let in_children_ns: i64 = result.intervals[first..].iter().map(|part| part.duration_ns()).sum();
            result.self_time_ns.push(own.duration_ns() - in_children_ns);
        }
        result.starts.push(result.intervals.len());
        result
    }

    /// When at least one child of the span ran: disjoint, not empty, in order, inside the span.
    pub fn of(&self, span: usize) -> &[Interval] {
        &self.intervals[self.starts[span]..self.starts[span + 1]]
    }

    /// How long the span ran without any child running, in nanoseconds.
    pub fn self_time_ns(&self, span: usize) -> i64 {
        self.self_time_ns[span]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeSpan;
    use proptest::prelude::*;
    use spanloom_model::SpanId;

    /// A root at `root` and its direct children.
    fn family(root: Interval, children: &[Interval]) -> (Tree, Vec<Interval>) {
        let times: Vec<_> = std::iter::once(root).chain(children.iter().copied()).collect();
        let shape = |(index, time): (usize, &Interval)| TreeSpan {
            span_id: SpanId::new(index as u64 + 1).unwrap(),
            parent_span_id: SpanId::new(u64::from(index > 0)).ok(),
            start_ns: time.start_ns,
            duration_ns: time.duration_ns(),
        };
        (Tree::new(&times.iter().enumerate().map(shape).collect::<Vec<_>>()), times)
    }

    #[test]
    fn overlapping_children_count_once_and_only_inside_their_parent() {
        // 0    10   20   30   40
        // [====================]   root 10..50
        //   [======]               20..40 and 30..45 overlap
        // [==]                     starts before its parent
        //                    [===] ends after it
        let at = |start_ns, end_ns| Interval { start_ns, end_ns };
        let (tree, times) =
            family(at(10, 50), &[at(20, 40), at(30, 45), at(0, 12), at(48, 60), at(70, 80)]);
        let child_time = ChildTime::new(&tree, &times);
        assert_eq!(child_time.of(0), [at(10, 12), at(20, 45), at(48, 50)]);
        assert_eq!(child_time.self_time_ns(0), 11);
        assert_eq!(child_time.self_time_ns(1), 20, "a leaf is all self time");
    }

    proptest! {
        // Catches wrong merging: compares with counting nanosecond by nanosecond.
        #[test]
        fn agrees_with_counting(
            root in (0_i64..30, 0_i64..30),
            children in prop::collection::vec((0_i64..60, 0_i64..20), 0..8),
        ) {
            let children: Vec<_> = children.iter().map(|&(s, d)| Interval::new(s, d)).collect();
            let (tree, times) = family(Interval::new(root.0, root.1), &children);
            let child_time = ChildTime::new(&tree, &times);
            let inside = |time: &Interval, ns| time.start_ns <= ns && ns < time.end_ns;
            let covered = |ns| children.iter().any(|child| inside(child, ns));
            let own = (0..100).filter(|&ns| inside(&times[0], ns) && !covered(ns)).count() as i64;
            prop_assert_eq!(child_time.self_time_ns(0), own);
            for ns in 0..100 {
                let found = child_time.of(0).iter().any(|part| inside(part, ns));
                prop_assert_eq!(found, covered(ns) && inside(&times[0], ns));
            }
        }
    }
}
