//! The critical path: the spans that the trace's duration consists of.
//!
//! The definition is that of Jaeger and of Uber's CRISP: from the end of a span backwards, the child
//! that finished last is what the span waited for; before that child began, the child that finished
//! last before then; the rest of the time is the span's own. Shortening anything off the path does
//! not shorten the trace.

use std::cmp::Reverse;

use crate::{Interval, Tree};

/// A stretch of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The span whose own time it is.
    pub span: usize,
    /// When. Not empty.
    pub time: Interval,
}

/// A span on the way: its time from `start_ns` to `until_ns` is not yet explained.
struct Frame {
    span: Option<usize>,
    start_ns: i64,
    until_ns: i64,
    /// Children that may still be on the path, with their times inside the span; the one that
    /// finishes last is at the end.
    children: Vec<(usize, Interval)>,
}

impl Frame {
    fn new(span: Option<usize>, time: Interval, children: &[usize], times: &[Interval]) -> Self {
        let mut children: Vec<_> = children
            .iter()
            .filter_map(|&child| Some((child, times[child].clip(time)?)))
            .filter(|(_, part)| part.duration_ns() > 0)
            .collect();
        // Of children that are cut off at the span's end, the one that really ends last counts.
        children.sort_by_key(|&(child, part)| (part.end_ns, times[child].end_ns, Reverse(part.start_ns)));
        Self { span, start_ns: time.start_ns, until_ns: time.end_ns, children }
    }
}

/// The critical path of the spans `roots` (best [`Tree::entry_points`]) in order of time.
///
/// Children count as far as they overlap their parent. The segments do not overlap; with one root
/// they cover it without a gap, with several the path goes through those that finish last, and gaps
/// between them belong to nobody. O(n log n).
pub fn critical_path(tree: &Tree, times: &[Interval], roots: &[usize]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let (Some(start_ns), Some(end_ns)) = (
        roots.iter().map(|&root| times[root].start_ns).min(),
        roots.iter().map(|&root| times[root].end_ns).max(),
    ) else {
        return segments;
    };
    // An imaginary span around the roots.
    let mut stack = vec![Frame::new(None, Interval { start_ns, end_ns }, roots, times)];
    while let Some(frame) = stack.last_mut() {
        let mut waited_for = None;
        while let Some((child, part)) = frame.children.pop() {
            if part.end_ns <= frame.until_ns {
                waited_for = Some((child, part));
                break;
            }
        }
        let own_from_ns = waited_for.map_or(frame.start_ns, |(_, part)| part.end_ns);
        if let Some(span) = frame.span
            && own_from_ns < frame.until_ns
        {
            let time = Interval { start_ns: own_from_ns, end_ns: frame.until_ns };
            segments.push(Segment { span, time });
        }
        match waited_for {
            Some((child, part)) => {
                frame.until_ns = part.start_ns;
                stack.push(Frame::new(Some(child), part, tree.children(child), times));
            }
            None => {
                stack.pop();
            }
        }
    }
    segments.reverse();
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeSpan;
    use proptest::prelude::*;
    use spanloom_model::SpanId;

    /// Spans as (parent's number or 0, start, end), numbered from 1.
    fn trace(spans: &[(usize, i64, i64)]) -> (Tree, Vec<Interval>) {
        let times: Vec<_> =
            spans.iter().map(|&(_, start_ns, end_ns)| Interval { start_ns, end_ns }).collect();
        let shape = |(index, &(parent, start_ns, end_ns)): (usize, &(usize, i64, i64))| TreeSpan {
            span_id: SpanId::new(index as u64 + 1).unwrap(),
            parent_span_id: SpanId::new(parent as u64).ok(),
            start_ns,
            duration_ns: end_ns - start_ns,
        };
        (Tree::new(&spans.iter().enumerate().map(shape).collect::<Vec<_>>()), times)
    }

    /// Segments as (span's number, start, end).
    fn path(spans: &[(usize, i64, i64)]) -> Vec<(usize, i64, i64)> {
        let (tree, times) = trace(spans);
        let segments = critical_path(&tree, &times, tree.entry_points());
        segments.iter().map(|s| (s.span + 1, s.time.start_ns, s.time.end_ns)).collect()
    }

    #[test]
    fn a_span_alone_is_the_path() {
        assert_eq!(path(&[(0, 0, 10)]), [(1, 0, 10)]);
        assert_eq!(path(&[]), []);
    }

    #[test]
    fn calls_one_after_another_are_all_on_the_path() {
        // [==========]
        //  [==]  [==]
        assert_eq!(
            path(&[(0, 0, 100), (1, 10, 40), (1, 60, 90)]),
            [(1, 0, 10), (2, 10, 40), (1, 40, 60), (3, 60, 90), (1, 90, 100)]
        );
    }

    #[test]
    fn of_parallel_calls_only_the_last_to_finish_is_on_the_path() {
        // [==========]
        //  [=====]
        //   [=======]   with a child [==]
        assert_eq!(
            path(&[(0, 0, 100), (1, 10, 70), (1, 20, 90), (3, 40, 60)]),
            [(1, 0, 20), (3, 20, 40), (4, 40, 60), (3, 60, 90), (1, 90, 100)]
        );
    }

    #[test]
    fn a_child_that_outlives_its_parent_counts_until_the_parents_end() {
        assert_eq!(path(&[(0, 0, 100), (1, 60, 400)]), [(1, 0, 60), (2, 60, 100)]);
        assert_eq!(path(&[(0, 0, 100), (1, 150, 400)]), [(1, 0, 100)], "entirely afterwards");
        // Both are cut off at 100: the one that really ends last was waited for.
        assert_eq!(path(&[(0, 0, 100), (1, 10, 300), (1, 50, 200)]), [(1, 0, 10), (2, 10, 100)]);
    }

    #[test]
    fn a_child_handed_over_without_a_pause_leaves_no_empty_segment() {
        assert_eq!(path(&[(0, 0, 100), (1, 0, 50), (1, 50, 100)]), [(2, 0, 50), (3, 50, 100)]);
        assert_eq!(path(&[(0, 0, 100), (1, 50, 50)]), [(1, 0, 100)], "an instant explains nothing");
    }

    #[test]
    fn without_a_root_the_path_goes_through_the_orphans() {
        assert_eq!(path(&[(9, 0, 10), (9, 5, 20), (9, 30, 40)]), [(2, 5, 20), (3, 30, 40)]);
    }

    #[test]
    fn a_hundred_thousand_nested_spans_do_not_overflow_the_stack() {
        let spans: Vec<_> = (0..100_000).map(|i| (i as usize, i, 300_000 - i)).collect();
        assert_eq!(path(&spans).len(), 199_999);
    }

    /// The definition, word for word, recursive and slow.
    fn naive(
        tree: &Tree,
        times: &[Interval],
        span: usize,
        own: Interval,
        out: &mut Vec<(usize, i64, i64)>,
    ) {
        let mut until_ns = own.end_ns;
        loop {
            let last = tree
                .children(span)
                .iter()
                .filter_map(|&child| Some((child, times[child].clip(own)?)))
                .filter(|(_, part)| part.duration_ns() > 0 && part.end_ns <= until_ns)
                .max_by_key(|&(child, part)| (part.end_ns, times[child].end_ns, Reverse(part.start_ns)));
            let from_ns = last.map_or(own.start_ns, |(_, part)| part.end_ns);
            if from_ns < until_ns {
                out.push((span, from_ns, until_ns));
            }
            let Some((child, part)) = last else { return };
            naive(tree, times, child, part, out);
            until_ns = part.start_ns;
        }
    }

    proptest! {
        // Catches gaps, overlaps and a wrong choice among children.
        #[test]
        fn the_path_covers_the_root_and_agrees_with_the_definition(
            spans in prop::collection::vec((1_usize..15, 0_i64..100, 0_i64..60), 0..14)
        ) {
            let mut all = vec![(0, 0, 100)];
            for (index, &(parent, start, duration)) in spans.iter().enumerate() {
                // Distinct ends keep the last child unique.
                let end = (start + duration) * 16 + index as i64;
                all.push((parent.min(index + 1), start * 16, end.max(start * 16)));
            }
            all[0].2 = 1600;
            let (tree, times) = trace(&all);
            let segments = critical_path(&tree, &times, tree.entry_points());
            let mut at_ns = 0;
            for segment in &segments {
                prop_assert_eq!(segment.time.start_ns, at_ns);
                prop_assert!(segment.time.end_ns > at_ns);
                at_ns = segment.time.end_ns;
            }
            prop_assert_eq!(at_ns, 1600);
            let mut expected = Vec::new();
            naive(&tree, &times, 0, times[0], &mut expected);
            expected.reverse();
            let found: Vec<_> =
                segments.iter().map(|s| (s.span, s.time.start_ns, s.time.end_ns)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
