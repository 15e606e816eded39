//! Which spans a tree view shows when some of them are collapsed.

use std::ops::Range;

use crate::Tree;

/// What a collapsed row hides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Spans below it.
    pub spans: usize,
    /// Those of them that failed.
    pub errors: usize,
}

/// The visible rows of a tree, kept up to date as spans are collapsed and expanded.
///
/// A collapsed span is visible, its descendants are not. Rows are numbered from 0 at the top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// By span.
    collapsed: Vec<bool>,
    /// Pre-order positions of the visible spans, ascending.
    visible: Vec<usize>,
    /// Errors before each pre-order position; one entry more than spans.
    errors_before: Vec<usize>,
}

impl Rows {
    /// Everything expanded. `is_error` tells for a span's index whether it failed.
    pub fn new(tree: &Tree, is_error: impl Fn(usize) -> bool) -> Self {
        let mut errors = 0;
        let mut errors_before = Vec::with_capacity(tree.len() + 1);
        errors_before.push(0);
        for &span in tree.preorder() {
            errors += usize::from(is_error(span));
            errors_before.push(errors);
        }
        Self { collapsed: vec![false; tree.len()], visible: (0..tree.len()).collect(), errors_before }
    }

    /// How many rows are visible.
    pub fn len(&self) -> usize {
        self.visible.len()
    }

    /// Whether none is, which only happens to an empty tree.
    pub fn is_empty(&self) -> bool {
        self.visible.is_empty()
    }

    /// The span in a row; none below the last row.
    pub fn span_at(&self, tree: &Tree, row: usize) -> Option<usize> {
        self.visible.get(row).map(|&position| tree.preorder()[position])
    }

    /// The span's row; none while an ancestor is collapsed. O(log n).
    pub fn row_of(&self, tree: &Tree, span: usize) -> Option<usize> {
        self.visible.binary_search(&tree.position(span)).ok()
    }

    /// Whether the span is collapsed; it may be hidden itself, too.
    pub fn is_collapsed(&self, span: usize) -> bool {
        self.collapsed[span]
    }

    /// What is below the span, visible or not. O(1).
    pub fn below(&self, tree: &Tree, span: usize) -> Hidden {
        let Range { start, end } = tree.subtree(span);
        Hidden { spans: end - start - 1, errors: self.errors_before[end] - self.errors_before[start + 1] }
    }

    /// Collapses or expands a span. What was collapsed below it stays so. A span without children
    /// cannot be collapsed.
    pub fn set_collapsed(&mut self, tree: &Tree, span: usize, collapsed: bool) {
        if self.collapsed[span] == collapsed || tree.children(span).is_empty() {
            return;
        }
        self.collapsed[span] = collapsed;
        let Some(row) = self.row_of(tree, span) else { return };
        if collapsed {
            let end = tree.subtree(span).end;
            let after = self.visible.partition_point(|&position| position < end);
            self.visible.drain(row + 1..after);
        } else {
            let below: Vec<usize> = self.visible_below(tree, span).collect();
            let at = row + 1;
            self.visible.splice(at..at, below);
        }
    }

    /// Collapses what is expanded and the reverse.
    pub fn toggle(&mut self, tree: &Tree, span: usize) {
        self.set_collapsed(tree, span, !self.collapsed[span]);
    }

    /// Collapses every span that has children, so that only roots stay; or expands everything.
    pub fn set_all_collapsed(&mut self, tree: &Tree, collapsed: bool) {
        for (span, state) in self.collapsed.iter_mut().enumerate() {
            *state = collapsed && !tree.children(span).is_empty();
        }
        self.visible = self.visible_in(tree, 0..tree.len()).collect();
    }

    /// Expands the span's ancestors, so that it has a row.
    pub fn reveal(&mut self, tree: &Tree, span: usize) {
        let ancestors: Vec<usize> = tree.ancestors(span).collect();
        // From the root down, so that each row is inserted once.
        for &ancestor in ancestors.iter().rev() {
            self.set_collapsed(tree, ancestor, false);
        }
    }

    fn visible_below<'a>(&'a self, tree: &'a Tree, span: usize) -> impl Iterator<Item = usize> + 'a {
        let Range { start, end } = tree.subtree(span);
        self.visible_in(tree, start + 1..end)
    }

    /// Positions in the range that no collapsed span within the range hides.
    fn visible_in<'a>(&'a self, tree: &'a Tree, range: Range<usize>) -> impl Iterator<Item = usize> + 'a {
        let mut next = range.start;
        std::iter::from_fn(move || {
            if next >= range.end {
                return None;
            }
            let position = next;
            let span = tree.preorder()[position];
            next = if self.collapsed[span] { tree.subtree(span).end } else { position + 1 };
            Some(position)
        })
    }
}

/// A direction in a list that wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Towards the end.
    Next,
    /// Towards the beginning.
    Previous,
}

/// The index of the entry after (or before) `from` in an ascending list of pre-order positions such
/// as search hits or errors; beyond the end it starts again. Without `from`, the first (or last).
/// None for an empty list.
pub fn step(positions: &[usize], from: Option<usize>, direction: Step) -> Option<usize> {
    let last = positions.len().checked_sub(1)?;
    let Some(from) = from else {
        return Some(if direction == Step::Next { 0 } else { last });
    };
    Some(match direction {
        Step::Next => {
            let index = positions.partition_point(|&position| position <= from);
            if index > last { 0 } else { index }
        }
        Step::Previous => {
            let index = positions.partition_point(|&position| position < from);
            index.checked_sub(1).unwrap_or(last)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeSpan;
    use proptest::prelude::*;
    use spanloom_model::SpanId;

    /// Span `i` below `parents[i]` (0 for none, else the number of the span counted from 1).
    fn tree(parents: &[usize]) -> Tree {
        let shape = |(index, &parent): (usize, &usize)| TreeSpan {
            span_id: SpanId::new(index as u64 + 1).unwrap(),
            parent_span_id: SpanId::new(parent as u64).ok(),
            start_ns: index as i64,
            duration_ns: 1,
        };
        Tree::new(&parents.iter().enumerate().map(shape).collect::<Vec<_>>())
    }

    fn spans(rows: &Rows, tree: &Tree) -> Vec<usize> {
        (0..rows.len()).map(|row| rows.span_at(tree, row).unwrap()).collect()
    }

    #[test]
    fn collapsed_rows_hide_their_descendants_and_count_them() {
        // 0 ─ 1 ─ 2, 3    0 ─ 4
        let tree = tree(&[0, 1, 2, 2, 1]);
        let mut rows = Rows::new(&tree, |span| span == 3 || span == 1);
        rows.toggle(&tree, 1);
        assert_eq!(spans(&rows, &tree), [0, 1, 4]);
        assert_eq!(rows.below(&tree, 1), Hidden { spans: 2, errors: 1 }, "its own error is not hidden");
        assert_eq!(rows.row_of(&tree, 2), None);
        rows.toggle(&tree, 0);
        rows.toggle(&tree, 0);
        assert_eq!(spans(&rows, &tree), [0, 1, 4], "what was collapsed below stays so");
        rows.reveal(&tree, 3);
        assert_eq!(spans(&rows, &tree), [0, 1, 2, 3, 4]);
        rows.toggle(&tree, 4);
        assert!(!rows.is_collapsed(4), "a leaf has nothing to hide");
    }

    #[test]
    fn all_collapsed_leaves_the_roots() {
        let tree = tree(&[0, 1, 2, 0, 4]);
        let mut rows = Rows::new(&tree, |_| false);
        rows.set_all_collapsed(&tree, true);
        assert_eq!(spans(&rows, &tree), [0, 3]);
        rows.set_all_collapsed(&tree, false);
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn stepping_wraps_around_at_both_ends() {
        let hits = [2, 5, 9];
        assert_eq!(step(&hits, Some(5), Step::Next), Some(2));
        assert_eq!(step(&hits, Some(9), Step::Next), Some(0));
        assert_eq!(step(&hits, Some(4), Step::Previous), Some(0));
        assert_eq!(step(&hits, Some(2), Step::Previous), Some(2));
        assert_eq!(step(&hits, None, Step::Previous), Some(2));
        assert_eq!(step(&[], Some(1), Step::Next), None);
    }

    proptest! {
        // Catches rows that the incremental update forgets or shows twice.
        #[test]
        fn incremental_updates_agree_with_the_definition(
            parents in prop::collection::vec(0_usize..20, 1..20),
            actions in prop::collection::vec((0_usize..20, 0_u8..8), 0..30),
        ) {
            // Parents come before their children, so that there is no cycle.
            let parents: Vec<_> = parents.iter().enumerate().map(|(i, &parent)| parent % (i + 1)).collect();
            let tree = tree(&parents);
            let mut rows = Rows::new(&tree, |_| false);
            for (span, action) in actions {
                let span = span % parents.len();
                match action {
                    0 => rows.set_all_collapsed(&tree, true),
                    1 => rows.set_all_collapsed(&tree, false),
                    2 => rows.reveal(&tree, span),
                    _ => rows.toggle(&tree, span),
                }
                let expected: Vec<_> = tree.preorder().iter().copied()
                    .filter(|&s| tree.ancestors(s).all(|ancestor| !rows.is_collapsed(ancestor)))
                    .collect();
                prop_assert_eq!(spans(&rows, &tree), expected);
                if action == 2 {
                    prop_assert!(rows.row_of(&tree, span).is_some());
                }
            }
        }
    }
}
