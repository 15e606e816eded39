//! Long lists: only the rows on the screen exist.

use std::ops::Range;

use leptos::html;
use leptos::prelude::*;

use crate::charts::size::use_size;

/// Rows kept ready above and below, so that scrolling shows no gaps.
const MARGIN_ROWS: usize = 8;

/// The rows to draw. Pure.
pub fn visible(scroll_top: f64, height: f64, row_height: f64, count: usize) -> Range<usize> {
    let first = (scroll_top.max(0.0) / row_height) as usize;
    let shown = (height.max(0.0) / row_height).ceil() as usize + 1;
    let start = first.saturating_sub(MARGIN_ROWS).min(count);
    start..first.saturating_add(shown + MARGIN_ROWS).min(count)
}

/// Where to scroll so that a row is fully visible; none if it is. Pure.
pub fn scroll_to(row: usize, scroll_top: f64, height: f64, row_height: f64) -> Option<f64> {
    let top = row as f64 * row_height;
    if top < scroll_top {
        Some(top)
    } else if top + row_height > scroll_top + height {
        Some(top + row_height - height)
    } else {
        None
    }
}

/// The scrolling element and what of it is visible.
#[derive(Clone, Copy)]
pub struct VirtualRows {
    /// The scrolling element.
    pub node: NodeRef<html::Div>,
    /// The rows to draw.
    pub range: Memo<(usize, usize)>,
    row_height: f64,
    head_height: f64,
    size: ReadSignal<(f64, f64)>,
    scroll_top: RwSignal<f64>,
}

impl VirtualRows {
    /// For `count` rows of `row_height` CSS pixels, below a sticky head of `head_height` in the same
    /// element.
    pub fn new(count: Signal<usize>, row_height: f64, head_height: f64) -> Self {
        let node = NodeRef::new();
        let size = use_size(node);
        let scroll_top = RwSignal::new(0.0);
        let range = Memo::new(move |_| {
            let range = visible(scroll_top.get(), size.get().1, row_height, count.get());
            (range.start, range.end)
        });
        Self { node, range, row_height, head_height, size, scroll_top }
    }

    /// For the element's `on:scroll`.
    pub fn scrolled(self) {
        if let Some(element) = self.node.get_untracked() {
            self.scroll_top.set(f64::from(element.scroll_top()));
        }
    }

    /// Scrolls until the row is visible.
    pub fn show(self, row: usize) {
        let height = self.size.get_untracked().1 - self.head_height;
        let Some(element) = self.node.get_untracked() else { return };
        if let Some(top) = scroll_to(row, f64::from(element.scroll_top()), height, self.row_height) {
            element.set_scroll_top(top.ceil() as i32);
        }
    }

    /// How far it is scrolled, in CSS pixels.
    pub fn scroll_top(self) -> f64 {
        self.scroll_top.try_get_untracked().unwrap_or(0.0)
    }

    /// Scrolls there once, as soon as the rows are on the page.
    pub fn start_at(self, scroll_top: f64) {
        if scroll_top <= 0.0 {
            return;
        }
        Effect::new(move |done: Option<bool>| {
            let Some(element) = self.node.get().filter(|_| done != Some(true)) else {
                return done.unwrap_or(false);
            };
            // The rows get their height in this frame; before that there is nowhere to scroll to.
            request_animation_frame(move || element.set_scroll_top(scroll_top.round() as i32));
            true
        });
    }

    /// Back to the first row.
    pub fn to_top(self) {
        if let Some(element) = self.node.get_untracked() {
            element.set_scroll_top(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches gaps at the bottom, rows beyond the end, and drawing everything.
    #[test]
    fn exactly_the_rows_on_the_screen_and_the_margin_are_drawn() {
        assert_eq!(visible(0.0, 320.0, 32.0, 1000), 0..19);
        assert_eq!(visible(3200.0, 320.0, 32.0, 1000), 92..119);
        assert_eq!(visible(31_700.0, 320.0, 32.0, 1000), 982..1000);
        assert_eq!(visible(0.0, 320.0, 32.0, 3), 0..3);
        // The list became shorter than the scroll position.
        assert_eq!(visible(90_000.0, 320.0, 32.0, 10), 10..10);
        assert_eq!(visible(-20.0, 0.0, 32.0, 0), 0..0);
    }

    #[test]
    fn a_visible_row_does_not_scroll() {
        assert_eq!(scroll_to(3, 0.0, 320.0, 32.0), None);
        assert_eq!(scroll_to(10, 0.0, 320.0, 32.0), Some(32.0));
        assert_eq!(scroll_to(2, 100.0, 320.0, 32.0), Some(64.0));
    }
}
