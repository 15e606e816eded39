//! The forest of a trace's spans.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use spanloom_model::SpanId;
use spanloom_model::api::TraceWarningKind;

/// What the tree needs to know of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeSpan {
    /// The span.
    pub span_id: SpanId,
    /// The span that caused it; none for a root.
    pub parent_span_id: Option<SpanId>,
    /// Nanoseconds since any moment that is the same for all spans.
    pub start_ns: i64,
    /// Nanoseconds.
    pub duration_ns: i64,
}

/// Something odd that was found while the tree was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeWarning {
    /// `MissingParent`, `DuplicateSpanId` or `ParentCycle`.
    pub kind: TraceWarningKind,
    /// The span's index.
    pub span: usize,
}

/// Who called whom in a trace. Spans are their indices in the slice that the tree was built from.
///
/// Every span is in the tree exactly once, whatever its parent says:
/// - a parent that is not there makes the span a root (`MissingParent`);
/// - of spans with the same id all are shown, children belong to the first in the slice
///   (`DuplicateSpanId` on the others);
/// - of a cycle the span that starts first becomes a root (`ParentCycle`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    parents: Vec<Option<usize>>,
    depths: Vec<usize>,
    roots: Vec<usize>,
    /// Children of all spans, one span's after the other's.
    children: Vec<usize>,
    /// Where the children of each span begin in `children`; one entry more than spans.
    children_start: Vec<usize>,
    /// Spans, each before its children, siblings by start.
    preorder: Vec<usize>,
    /// Where each span is in `preorder`.
    positions: Vec<usize>,
    /// How many spans the subtree of each span has, itself included.
    sizes: Vec<usize>,
    /// Roots that said they have no parent.
    true_roots: usize,
    warnings: Vec<TreeWarning>,
}

impl Tree {
    /// Builds the tree in O(n log n) without recursion.
    pub fn new(spans: &[TreeSpan]) -> Self {
        let (mut parents, mut warnings) = resolve_parents(spans);
        break_cycles(spans, &mut parents, &mut warnings);
        warnings.sort_by_key(|warning| warning.span);

        // Distributing spans that are sorted by start leaves every list of children sorted.
        let mut by_start: Vec<usize> = (0..spans.len()).collect();
        by_start.sort_by_key(|&span| (spans[span].start_ns, Reverse(spans[span].duration_ns), span));
        let (children_start, children, roots) = distribute(&parents, &by_start);

        let mut tree = Self {
            true_roots: roots.iter().filter(|&&root| spans[root].parent_span_id.is_none()).count(),
            parents,
            depths: vec![0; spans.len()],
            roots,
            children,
            children_start,
            preorder: Vec::with_capacity(spans.len()),
            positions: vec![0; spans.len()],
            sizes: vec![1; spans.len()],
            warnings,
        };
        // A trace is about the spans without a parent; orphans follow them.
        tree.roots.sort_by_key(|&root| spans[root].parent_span_id.is_some());
        tree.number();
        tree
    }

    /// Fills in the order, depths and sizes.
    fn number(&mut self) {
        let mut stack: Vec<usize> = self.roots.iter().rev().copied().collect();
        while let Some(span) = stack.pop() {
            self.positions[span] = self.preorder.len();
            self.preorder.push(span);
            self.depths[span] = self.parents[span].map_or(0, |parent| self.depths[parent] + 1);
            let children = self.children_start[span]..self.children_start[span + 1];
            stack.extend(self.children[children].iter().rev());
        }
        for &span in self.preorder.iter().rev() {
            if let Some(parent) = self.parents[span] {
                self.sizes[parent] += self.sizes[span];
            }
        }
    }

    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.preorder.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.preorder.is_empty()
    }

    /// The parent that is shown; none for a root.
    pub fn parent(&self, span: usize) -> Option<usize> {
        self.parents[span]
    }

    /// Direct children by start, the longer first.
    pub fn children(&self, span: usize) -> &[usize] {
        &self.children[self.children_start[span]..self.children_start[span + 1]]
    }

    /// Spans that are shown without a parent: first those that have none, then the orphans, both
    /// by start.
    pub fn roots(&self) -> &[usize] {
        &self.roots
    }

    /// The roots that the trace is about: those without a parent, or all if none has arrived.
    pub fn entry_points(&self) -> &[usize] {
        if self.true_roots == 0 { &self.roots } else { &self.roots[..self.true_roots] }
    }

    /// Steps from the root; 0 for a root.
    pub fn depth(&self, span: usize) -> usize {
        self.depths[span]
    }

    /// All spans, each before its children, siblings by start: the rows of a fully expanded view.
    pub fn preorder(&self) -> &[usize] {
        &self.preorder
    }

    /// Where the span is in [`Self::preorder`].
    pub fn position(&self, span: usize) -> usize {
        self.positions[span]
    }

    /// Where the span and everything below it is in [`Self::preorder`].
    pub fn subtree(&self, span: usize) -> Range<usize> {
        let start = self.positions[span];
        start..start + self.sizes[span]
    }

    /// The span's parent, its parent's parent and so on up to the root.
    pub fn ancestors(&self, span: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.parents[span], |&ancestor| self.parents[ancestor])
    }

    /// What is odd, by span.
    pub fn warnings(&self) -> &[TreeWarning] {
        &self.warnings
    }
}

fn resolve_parents(spans: &[TreeSpan]) -> (Vec<Option<usize>>, Vec<TreeWarning>) {
    let mut warnings = Vec::new();
    let mut by_id = HashMap::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        let first = *by_id.entry(span.span_id).or_insert(index);
        if first != index {
            warnings.push(TreeWarning { kind: TraceWarningKind::DuplicateSpanId, span: index });
        }
    }
    let parents = spans
        .iter()
        .enumerate()
        .map(|(index, span)| {
            let parent = by_id.get(&span.parent_span_id?).copied();
            if parent.is_none() {
                warnings.push(TreeWarning { kind: TraceWarningKind::MissingParent, span: index });
            }
            parent
        })
        .collect();
    (parents, warnings)
}

fn break_cycles(spans: &[TreeSpan], parents: &mut [Option<usize>], warnings: &mut Vec<TreeWarning>) {
    // The walk in which a span was first seen, counted from 1.
    let mut seen_in = vec![0_usize; parents.len()];
    for start in 0..parents.len() {
        let walk = start + 1;
        let mut span = start;
        while seen_in[span] == 0 {
            seen_in[span] = walk;
            let Some(parent) = parents[span] else { break };
            span = parent;
        }
        if seen_in[span] != walk || parents[span].is_none() {
            continue;
        }
        // The walk met itself, so `span` is on a cycle.
        let mut first = span;
        let mut other = parents[span];
        while let Some(member) = other.filter(|&member| member != span) {
            if (spans[member].start_ns, member) < (spans[first].start_ns, first) {
                first = member;
            }
            other = parents[member];
        }
        parents[first] = None;
        warnings.push(TreeWarning { kind: TraceWarningKind::ParentCycle, span: first });
    }
}

/// Groups spans by parent in the given order: (start of each group, groups, spans without parent).
fn distribute(parents: &[Option<usize>], order: &[usize]) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let mut starts = vec![0; parents.len() + 1];
    for parent in parents.iter().flatten() {
        starts[parent + 1] += 1;
    }
    for index in 0..parents.len() {
        starts[index + 1] += starts[index];
    }
    let mut next = starts.clone();
    let mut children = vec![0; starts[parents.len()]];
    let mut roots = Vec::new();
    for &span in order {
        match parents[span] {
            Some(parent) => {
                children[next[parent]] = span;
                next[parent] += 1;
            }
            None => roots.push(span),
        }
    }
    (starts, children, roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Spans as (id, parent or 0, start); all last 10 ns.
    fn tree(spans: &[(u64, u64, i64)]) -> Tree {
        Tree::new(&shapes(spans))
    }

    fn shapes(spans: &[(u64, u64, i64)]) -> Vec<TreeSpan> {
        let shape = |&(id, parent, start_ns)| TreeSpan {
            span_id: SpanId::new(id).unwrap(),
            parent_span_id: SpanId::new(parent).ok(),
            start_ns,
            duration_ns: 10,
        };
        spans.iter().map(shape).collect()
    }

    fn warnings(tree: &Tree) -> Vec<(TraceWarningKind, usize)> {
        tree.warnings().iter().map(|warning| (warning.kind, warning.span)).collect()
    }

    #[test]
    fn children_are_ordered_by_start_whatever_the_order_of_arrival() {
        let tree = tree(&[(3, 1, 9), (1, 0, 0), (4, 2, 6), (2, 1, 5)]);
        assert_eq!(tree.roots(), [1]);
        assert_eq!(tree.children(1), [3, 0]);
        assert_eq!(tree.preorder(), [1, 3, 2, 0]);
        assert_eq!(tree.depth(2), 2);
        assert_eq!(tree.subtree(3), 1..3);
        assert_eq!(tree.ancestors(2).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(warnings(&tree), []);
    }

    #[test]
    fn an_orphan_is_a_root_after_the_real_one() {
        // The orphan starts first: it must not pass for the trace's entry point.
        let tree = tree(&[(2, 9, 0), (1, 0, 5)]);
        assert_eq!(tree.roots(), [1, 0]);
        assert_eq!(tree.entry_points(), [1]);
        assert_eq!(warnings(&tree), [(TraceWarningKind::MissingParent, 0)]);
    }

    #[test]
    fn without_a_real_root_all_orphans_are_entry_points() {
        let tree = tree(&[(2, 9, 3), (1, 9, 5)]);
        assert_eq!(tree.entry_points(), [0, 1]);
    }

    #[test]
    fn children_of_a_duplicated_id_belong_to_the_first() {
        // Zipkin's client and server share an id: the server's copy must not swallow the children.
        let tree = tree(&[(1, 0, 0), (2, 1, 1), (2, 1, 2), (3, 2, 3)]);
        assert_eq!(tree.children(0), [1, 2]);
        assert_eq!(tree.children(1), [3]);
        assert_eq!(tree.children(2), [] as [usize; 0]);
        assert_eq!(warnings(&tree), [(TraceWarningKind::DuplicateSpanId, 2)]);
    }

    #[test]
    fn cycles_are_broken_at_the_span_that_starts_first() {
        // 1 -> 2 -> 3 -> 1, 4 below the cycle, 5 its own parent.
        let tree = tree(&[(1, 3, 7), (2, 1, 5), (3, 2, 6), (4, 3, 8), (5, 5, 9)]);
        assert_eq!(tree.roots(), [1, 4]);
        assert_eq!(tree.preorder(), [1, 2, 0, 3, 4]);
        assert_eq!(
            warnings(&tree),
            [(TraceWarningKind::ParentCycle, 1), (TraceWarningKind::ParentCycle, 4)]
        );
    }

    #[test]
    fn a_hundred_thousand_spans_deep_or_wide_do_not_overflow_the_stack() {
        let deep: Vec<_> = (1..=100_000).map(|id| (id, id - 1, id as i64)).collect();
        assert_eq!(tree(&deep).depth(99_999), 99_999);
        let wide: Vec<_> = (1..=100_000).map(|id| (id, u64::from(id > 1), id as i64)).collect();
        assert_eq!(tree(&wide).children(0).len(), 99_999);
        let cycle: Vec<_> = (1..=100_000).map(|id| (id, id % 100_000 + 1, 0)).collect();
        assert_eq!(tree(&cycle).roots(), [0]);
    }

    proptest! {
        // Catches a span that is lost, shown twice or shown before its parent, for any ids at all.
        #[test]
        fn every_span_appears_once_and_after_its_parent(
            spans in prop::collection::vec((1_u64..12, 0_u64..14, 0_i64..20), 0..24)
        ) {
            let shapes = shapes(&spans);
            let tree = Tree::new(&shapes);
            let mut sorted = tree.preorder().to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..spans.len()).collect::<Vec<_>>());
            for span in 0..spans.len() {
                prop_assert_eq!(tree.preorder()[tree.position(span)], span);
                for &child in tree.children(span) {
                    prop_assert_eq!(tree.parent(child), Some(span));
                    prop_assert_eq!(tree.depth(child), tree.depth(span) + 1);
                    prop_assert!(tree.subtree(span).contains(&tree.position(child)));
                    prop_assert_eq!(shapes[child].parent_span_id, Some(shapes[span].span_id));
                }
                let below = (0..spans.len()).filter(|&other| tree.ancestors(other).any(|a| a == span));
                prop_assert_eq!(tree.subtree(span).len(), below.count() + 1);
                let said_none = shapes[span].parent_span_id.is_none();
                let warned = tree.warnings().iter()
                    .any(|w| w.span == span && w.kind != TraceWarningKind::DuplicateSpanId);
                prop_assert_eq!(tree.parent(span).is_none(), said_none || warned);
            }
        }
    }
}
