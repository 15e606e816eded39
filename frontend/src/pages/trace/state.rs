//! What is selected, collapsed, zoomed and searched on the page of one trace, and what keys and
//! buttons do to it.

use std::sync::Arc;

use leptos::prelude::*;
use spanloom_analysis::{Interval, Rows, Step, step};

use super::find::find;
use super::model::TraceModel;
use super::viewport;

/// How to show the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// The waterfall.
    Timeline,
    /// Figures by service and operation.
    Table,
    /// The log records.
    Logs,
}

impl Tab {
    /// From the URL; anything else is the timeline.
    pub fn from_name(name: Option<&str>) -> Self {
        match name {
            Some("table") => Self::Table,
            Some("logs") => Self::Logs,
            _ => Self::Timeline,
        }
    }

    /// As it stands in the URL; the timeline needs no word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeline => "",
            Self::Table => "table",
            Self::Logs => "logs",
        }
    }
}

/// A wish to see a span's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrollTo {
    /// Which span.
    pub span: usize,
    /// In the middle, for jumps; otherwise as little movement as possible.
    pub centre: bool,
}

/// The page's state; `Copy`, because every part of the page has it.
#[derive(Clone, Copy)]
pub struct ViewState {
    model: StoredValue<Arc<TraceModel>>,
    /// Which spans have rows.
    pub rows: RwSignal<Rows>,
    /// The part of the time that is shown.
    pub range: RwSignal<Interval>,
    /// The span that keys and the detail panel are about.
    pub selected: RwSignal<Option<usize>>,
    /// Whether the detail panel is open; it only shows with a selected span.
    pub detail_open: RwSignal<bool>,
    /// Whether the critical path is drawn into the bars.
    pub critical: RwSignal<bool>,
    /// What is searched for.
    pub find_text: RwSignal<String>,
    /// Whether there is something to search for.
    pub searching: Memo<bool>,
    /// What `hits` are for.
    searched: StoredValue<String>,
    /// Pre-order positions of what was found, ascending.
    pub hits: RwSignal<Vec<usize>>,
    /// The last wish to see a row; the timeline fulfils it.
    pub scroll_to: RwSignal<Option<ScrollTo>>,
}

impl ViewState {
    /// Everything expanded, the whole time, nothing selected.
    pub fn new(model: Arc<TraceModel>) -> Self {
        let rows = Rows::new(&model.tree, |span| model.is_error(span));
        let find_text = RwSignal::new(String::new());
        Self {
            rows: RwSignal::new(rows),
            range: RwSignal::new(model.bounds),
            selected: RwSignal::new(None),
            detail_open: RwSignal::new(false),
            critical: RwSignal::new(false),
            find_text,
            searching: Memo::new(move |_| find_text.with(|text| !text.trim().is_empty())),
            searched: StoredValue::new(String::new()),
            hits: RwSignal::new(Vec::new()),
            scroll_to: RwSignal::new(None),
            model: StoredValue::new(model),
        }
    }

    /// The trace.
    pub fn model(self) -> Arc<TraceModel> {
        self.model.get_value()
    }

    /// Selects a span that has a row, without moving more than needed.
    pub fn select(self, span: usize) {
        self.selected.set(Some(span));
        self.scroll_to.set(Some(ScrollTo { span, centre: false }));
    }

    /// Selects any span: expands what hides it, brings it into the zoom and into the middle.
    pub fn go_to(self, span: usize) {
        let model = self.model();
        if self.rows.with_untracked(|rows| rows.row_of(&model.tree, span).is_none()) {
            self.rows.update(|rows| rows.reveal(&model.tree, span));
        }
        let range = viewport::reveal(self.range.get_untracked(), model.times[span], model.bounds);
        self.set_range(range);
        self.selected.set(Some(span));
        self.scroll_to.set(Some(ScrollTo { span, centre: true }));
    }

    /// Selects the row `by` rows further down; the first one if none is selected.
    pub fn move_selection(self, by: isize) {
        let model = self.model();
        let target = self.rows.with_untracked(|rows| {
            let current = self.selected.get_untracked().and_then(|span| rows.row_of(&model.tree, span));
            let row =
                current.map_or(0, |row| row.saturating_add_signed(by).min(rows.len().saturating_sub(1)));
            rows.span_at(&model.tree, row)
        });
        if let Some(span) = target {
            self.select(span);
        }
    }

    /// Selects the first or the last row.
    pub fn select_end(self, last: bool) {
        self.move_selection(if last { isize::MAX } else { isize::MIN });
    }

    /// Collapses the selected span; if there is nothing to collapse, selects its parent.
    pub fn collapse_selected(self) {
        let Some(span) = self.selected.get_untracked() else { return };
        let model = self.model();
        let closed = self.rows.with_untracked(|rows| rows.is_collapsed(span));
        if closed || model.tree.children(span).is_empty() {
            if let Some(parent) = model.tree.parent(span) {
                self.select(parent);
            }
        } else {
            self.toggle(span);
        }
    }

    /// Expands the selected span; if it is expanded, selects its first child.
    pub fn expand_selected(self) {
        let Some(span) = self.selected.get_untracked() else { return };
        let model = self.model();
        if self.rows.with_untracked(|rows| rows.is_collapsed(span)) {
            self.toggle(span);
        } else if let Some(&child) = model.tree.children(span).first() {
            self.select(child);
        }
    }

    /// Collapses or expands a span.
    pub fn toggle(self, span: usize) {
        let model = self.model();
        self.rows.update(|rows| rows.toggle(&model.tree, span));
        self.keep_selection_visible();
    }

    /// Collapses or expands everything.
    pub fn set_all_collapsed(self, collapsed: bool) {
        let model = self.model();
        self.rows.update(|rows| rows.set_all_collapsed(&model.tree, collapsed));
        self.keep_selection_visible();
        if let Some(span) = self.selected.get_untracked() {
            self.scroll_to.set(Some(ScrollTo { span, centre: false }));
        }
    }

    /// The nearest ancestor with a row takes over from a selected span that lost its own.
    fn keep_selection_visible(self) {
        let Some(span) = self.selected.get_untracked() else { return };
        let model = self.model();
        let shown = self.rows.with_untracked(|rows| {
            std::iter::once(span)
                .chain(model.tree.ancestors(span))
                .find(|&span| rows.row_of(&model.tree, span).is_some())
        });
        if shown != Some(span) {
            self.selected.set(shown);
        }
    }

    /// The selected span's place in the order of rows.
    fn selected_position(self) -> Option<usize> {
        self.selected.get_untracked().map(|span| self.model().tree.position(span))
    }

    /// Goes to the next or previous span that failed.
    pub fn step_error(self, direction: Step) {
        let model = self.model();
        if let Some(index) = step(&model.errors, self.selected_position(), direction) {
            self.go_to(model.tree.preorder()[model.errors[index]]);
        }
    }

    /// Goes to the next or previous hit of the search.
    pub fn step_hit(self, direction: Step) {
        let from = self.selected_position();
        let found = self.hits.with_untracked(|hits| step(hits, from, direction).map(|index| hits[index]));
        if let Some(position) = found {
            self.go_to(self.model().tree.preorder()[position]);
        }
    }

    /// Searches for what is in `find_text`, unless that has been done.
    pub fn search(self) {
        let text = self.find_text.get_untracked();
        if self.searched.with_value(|searched| *searched != text) {
            self.hits.set(find(&self.model(), &text));
            self.searched.set_value(text);
        }
    }

    /// Shows another part of the time.
    pub fn set_range(self, range: Interval) {
        // Only a change is worth drawing.
        if self.range.get_untracked() != range {
            self.range.set(range);
        }
    }

    /// Shows `factor` times more detail around `anchor` (0 left, 1 right).
    pub fn zoom(self, factor: f64, anchor: f64) {
        self.set_range(viewport::zoom(self.range.get_untracked(), self.model().bounds, factor, anchor));
    }

    /// Zooms around the middle of the selected span if it can be seen, else of the view.
    pub fn zoom_to_selection(self, factor: f64) {
        let range = self.range.get_untracked();
        let anchor = self.selected.get_untracked().and_then(|span| {
            let seen = self.model().times[span].clip(range)?;
            let middle_ns = seen.start_ns + seen.duration_ns() / 2 - range.start_ns;
            Some(middle_ns as f64 / range.duration_ns() as f64)
        });
        self.zoom(factor, anchor.unwrap_or(0.5));
    }

    /// Shows an earlier or later part; 1 is a whole page.
    pub fn pan(self, share: f64) {
        self.set_range(viewport::pan(self.range.get_untracked(), self.model().bounds, share));
    }

    /// Shows the whole trace.
    pub fn reset_zoom(self) {
        self.set_range(self.model().bounds);
    }

    /// Fills the view with one span.
    pub fn zoom_to_span(self, span: usize) {
        let model = self.model();
        let time = model.times[span];
        let margin_ns = time.duration_ns() / 20;
        let range = Interval {
            start_ns: time.start_ns.saturating_sub(margin_ns),
            end_ns: time.end_ns.saturating_add(margin_ns),
        };
        self.set_range(viewport::clamp(range, model.bounds));
    }
}
