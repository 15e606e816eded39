//! Clock-skew adjustment.
//!
//! Machines disagree about the time by milliseconds to minutes, so a call may seem to be handled
//! before it was made. The rules are those of Jaeger's adjuster, made a little more careful about
//! work that nobody waits for:
//!
//! 1. Only a span whose parent belongs to another process is judged; within a process the clock is
//!    the same, so a span moves exactly as far as its parent of the same process.
//! 2. The parent is taken where it stands after its own adjustment.
//! 3. **Somebody waits** (the parent is a client or unknown, the child a server or unknown): a
//!    child that could lie inside its parent but does not is put in the middle, as if request and
//!    response had travelled equally long. A child that lasts longer than its parent (the caller
//!    gave up) only moves if it starts too early, and then to the parent's start.
//! 4. **Nobody waits for certain** (any other kinds): the child may end when it likes; if it starts
//!    before its parent it moves to the parent's start.
//! 5. **Messages** (a producer's child, or a consumer): polling often begins before the message is
//!    sent, so the child only moves if it ends before its parent starts, and then to that start.
//!
//! What it cannot do: skew that leaves the child inside its parent goes unnoticed; a server that
//! starts late and is cut off by an impatient client is taken for skewed; and each call is judged
//! alone, so two calls to one process may be moved differently.

use spanloom_model::SpanKind;

/// What the adjustment needs to know of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkewSpan {
    /// As measured, in nanoseconds since any moment that is the same for all spans.
    pub start_ns: i64,
    /// Nanoseconds.
    pub duration_ns: i64,
    /// The parent's index, best from [`crate::Tree::parent`]; none for a root.
    pub parent: Option<usize>,
    /// Which clock was read: spans with equal numbers share one. The resource's index does; better
    /// still the same number for resources of the same host.
    pub process: u32,
    /// The part it plays in a call.
    pub kind: SpanKind,
}

/// What to add to the start of each span (and to the times of its events), in nanoseconds; 0 if its
/// clock is trusted. Durations stay. A parent cycle is cut anywhere.
pub fn adjust(spans: &[SkewSpan]) -> Vec<i64> {
    let mut deltas: Vec<Option<i64>> = vec![None; spans.len()];
    let mut on_path = vec![false; spans.len()];
    let mut path = Vec::new();
    for start in 0..spans.len() {
        // Up to an ancestor whose delta is known, then down again.
        let mut next = Some(start);
        while let Some(span) = next.filter(|&span| deltas[span].is_none() && !on_path[span]) {
            on_path[span] = true;
            path.push(span);
            next = spans[span].parent;
        }
        while let Some(span) = path.pop() {
            let parent = spans[span].parent;
            let known = parent.and_then(|parent| Some((parent, deltas[parent]?)));
            deltas[span] =
                Some(known.map_or(0, |(parent, delta_ns)| {
                    child_delta_ns(&spans[parent], delta_ns, &spans[span])
                }));
        }
    }
    deltas.into_iter().map(Option::unwrap_or_default).collect()
}

fn child_delta_ns(parent: &SkewSpan, parent_delta_ns: i64, child: &SkewSpan) -> i64 {
    if parent.process == child.process {
        return parent_delta_ns;
    }
    let parent_start_ns = parent.start_ns.saturating_add(parent_delta_ns);
    let to_parent_start_ns = parent_start_ns.saturating_sub(child.start_ns);
    let child_end_ns = child.start_ns.saturating_add(child.duration_ns);
    let starts_before = child.start_ns < parent_start_ns;

    if parent.kind == SpanKind::Producer || child.kind == SpanKind::Consumer {
        return if child_end_ns < parent_start_ns { to_parent_start_ns } else { 0 };
    }
    let waits = matches!(parent.kind, SpanKind::Client | SpanKind::Unspecified)
        && matches!(child.kind, SpanKind::Server | SpanKind::Unspecified);
    let spare_ns = parent.duration_ns.saturating_sub(child.duration_ns);
    let ends_after = child_end_ns > parent_start_ns.saturating_add(parent.duration_ns);
    if waits && spare_ns >= 0 && (starts_before || ends_after) {
        return to_parent_start_ns.saturating_add(spare_ns / 2);
    }
    if starts_before { to_parent_start_ns } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(
        start_ns: i64,
        duration_ns: i64,
        parent: Option<usize>,
        process: u32,
        kind: SpanKind,
    ) -> SkewSpan {
        SkewSpan { start_ns, duration_ns, parent, process, kind }
    }

    fn client(start_ns: i64, duration_ns: i64) -> SkewSpan {
        span(start_ns, duration_ns, None, 0, SpanKind::Client)
    }

    fn server(start_ns: i64, duration_ns: i64) -> SkewSpan {
        span(start_ns, duration_ns, Some(0), 1, SpanKind::Server)
    }

    #[test]
    fn a_server_that_starts_too_early_is_centred_in_its_call() {
        assert_eq!(adjust(&[client(100, 50), server(40, 30)]), [0, 70]);
    }

    #[test]
    fn a_server_that_ends_too_late_is_centred_in_its_call() {
        assert_eq!(adjust(&[client(100, 50), server(160, 30)]), [0, -50]);
    }

    #[test]
    fn a_server_inside_its_call_stays() {
        assert_eq!(adjust(&[client(100, 50), server(101, 49)]), [0, 0]);
        assert_eq!(adjust(&[client(100, 50), server(100, 50)]), [0, 0]);
    }

    #[test]
    fn a_server_that_outlasts_its_caller_only_moves_to_the_callers_start() {
        assert_eq!(adjust(&[client(100, 50), server(110, 80)]), [0, 0], "the caller gave up");
        assert_eq!(adjust(&[client(100, 50), server(90, 80)]), [0, 10]);
    }

    #[test]
    fn a_process_is_trusted_with_its_own_clock() {
        // The same shape as a skewed server, but in the parent's own process.
        let late = span(160, 30, Some(0), 0, SpanKind::Internal);
        assert_eq!(adjust(&[client(100, 50), late]), [0, 0]);
    }

    #[test]
    fn the_servers_own_spans_move_with_it_and_the_next_process_is_judged_anew() {
        let spans = [
            client(100, 50),
            server(40, 30),
            span(45, 20, Some(1), 1, SpanKind::Client),
            // Right as it is once the call above has moved to 115..135.
            span(120, 5, Some(2), 2, SpanKind::Server),
            // A child that arrives before its parent in the slice is no different.
            span(41, 2, Some(5), 1, SpanKind::Internal),
            span(41, 3, Some(1), 1, SpanKind::Internal),
        ];
        assert_eq!(adjust(&spans), [0, 70, 70, 0, 70, 70]);
    }

    #[test]
    fn work_that_nobody_waits_for_may_end_late() {
        let task = |start_ns| span(start_ns, 30, Some(0), 1, SpanKind::Internal);
        let caller = span(100, 50, None, 0, SpanKind::Internal);
        assert_eq!(adjust(&[caller, task(140)]), [0, 0]);
        assert_eq!(adjust(&[caller, task(500)]), [0, 0]);
        assert_eq!(adjust(&[caller, task(90)]), [0, 10], "but it cannot begin before its cause");
    }

    #[test]
    fn a_consumer_may_wait_for_its_message_before_it_is_sent() {
        let producer = span(100, 5, None, 0, SpanKind::Producer);
        let consumer = |start_ns, duration_ns| span(start_ns, duration_ns, Some(0), 1, SpanKind::Consumer);
        assert_eq!(adjust(&[producer, consumer(50, 70)]), [0, 0], "polling");
        assert_eq!(adjust(&[producer, consumer(900, 3)]), [0, 0], "queued");
        assert_eq!(adjust(&[producer, consumer(50, 20)]), [0, 50], "done before it was sent");
    }

    #[test]
    fn cycles_and_depth_do_no_harm() {
        let spans = [span(0, 1, Some(1), 0, SpanKind::Client), span(9, 1, Some(0), 1, SpanKind::Server)];
        assert_eq!(adjust(&spans).len(), 2);
        let deep: Vec<_> = (0..100_000_usize)
            .rev()
            .map(|i| span(0, 1, (i > 0).then(|| 100_000 - i), 0, SpanKind::Internal))
            .collect();
        assert_eq!(adjust(&deep), vec![0; 100_000]);
    }

    /// A well-nested trace of synchronous calls: span `i` is a call inside `parents[i]`.
    fn nested(choices: &[(usize, u32)]) -> Vec<SkewSpan> {
        let mut spans = vec![span(0, 1 << 40, None, 0, SpanKind::Unspecified)];
        for (index, &(parent, process)) in choices.iter().enumerate() {
            let parent = parent % (index + 1);
            let outer = spans[parent];
            let (start_ns, duration_ns) = (outer.start_ns + outer.duration_ns / 4, outer.duration_ns / 2);
            spans.push(span(start_ns, duration_ns, Some(parent), process, SpanKind::Unspecified));
        }
        spans
    }

    proptest! {
        // Catches any adjustment of clocks that agree.
        #[test]
        fn a_trace_without_skew_stays(choices in prop::collection::vec((0_usize..20, 0_u32..4), 0..20)) {
            prop_assert_eq!(adjust(&nested(&choices)), vec![0; choices.len() + 1]);
        }

        // Catches a child that is left outside its parent, and a process torn apart.
        #[test]
        fn after_adjustment_every_call_lies_inside_its_caller(
            choices in prop::collection::vec((0_usize..20, 0_u32..4), 0..20),
            clocks in prop::collection::vec(-(1_i64 << 41)..(1_i64 << 41), 4),
        ) {
            let mut spans = nested(&choices);
            for span in &mut spans {
                span.start_ns += clocks[span.process as usize];
            }
            let deltas = adjust(&spans);
            for (index, child) in spans.iter().enumerate() {
                let Some(parent) = child.parent else { continue };
                let parent_start = spans[parent].start_ns + deltas[parent];
                let start = child.start_ns + deltas[index];
                prop_assert!(start >= parent_start);
                prop_assert!(start + child.duration_ns <= parent_start + spans[parent].duration_ns);
                if child.process == spans[parent].process {
                    prop_assert_eq!(deltas[index], deltas[parent]);
                }
            }
        }
    }
}
