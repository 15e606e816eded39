//! The name of a span in the tree: a fixed set of elements that shows one span after the other.
//! Filling elements that are there is many times cheaper than making new ones while scrolling.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::model::TraceModel;
use crate::components::icon::{Glyph, Icon};
use crate::components::service_color::hue;
use crate::format;

const INDENT_PX: usize = 12;
/// What remains for the text of a deep span.
const TEXT_PX: usize = 170;

/// What a row shows; equal to what it showed before if nothing has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowContent {
    /// Whose row it is.
    pub span: usize,
    /// What it hides, if it is collapsed.
    pub hidden: Option<spanloom_analysis::Hidden>,
    /// Whether keys are about it.
    pub selected: bool,
    /// Whether the search found it.
    pub hit: bool,
    /// The width of the column in pixels.
    pub width_px: usize,
}

/// How many levels are shown as indentation; beyond what the column can hold, the depth is a
/// number.
fn levels(depth: usize, width_px: usize) -> usize {
    depth.min(width_px.saturating_sub(TEXT_PX) / INDENT_PX)
}

/// What a collapsed row hides: `12 spans, 1 error`.
fn hidden_text(hidden: spanloom_analysis::Hidden) -> String {
    let spans = format::plural(hidden.spans as u64, "span");
    if hidden.errors == 0 {
        return spans;
    }
    format!("{spans}, {}", format::plural(hidden.errors as u64, "error"))
}

/// The empty elements of a row, in the order in which [`Row::find`] takes them. The expander is for
/// the pointer; the row itself says that it can be expanded, and keys do it.
pub fn row_view() -> impl IntoView {
    view! {
        <div class="trace-name" role="treeitem" hidden>
            <span class="trace-guides"></span>
            <span class="trace-depth"></span>
            <button type="button" class="trace-expander" tabindex="-1" aria-hidden="true"><Glyph icon=Icon::ChevronRight /></button>
            <i class="trace-stripe"></i>
            <span class="trace-service"></span>
            <span class="trace-operation"></span>
            <span class="trace-gap"></span>
            <span class="trace-flag error" role="img" aria-label="error"><Glyph icon=Icon::Error /></span>
            <span class="trace-flag warn" role="img" aria-label="warning"><Glyph icon=Icon::Warning /></span>
            <span class="trace-hidden"></span>
        </div>
    }
}

/// A row's elements.
pub struct Row {
    root: HtmlElement,
    guides: HtmlElement,
    depth: HtmlElement,
    expander: HtmlElement,
    stripe: HtmlElement,
    service: HtmlElement,
    operation: HtmlElement,
    error: HtmlElement,
    warn: HtmlElement,
    hidden: HtmlElement,
    shown: Option<RowContent>,
}

impl Row {
    /// Takes the elements that [`row_view`] made.
    pub fn find(root: &Element) -> Option<Self> {
        let children = root.children();
        let child = |index| children.item(index)?.dyn_into().ok();
        Some(Self {
            guides: child(0)?,
            depth: child(1)?,
            expander: child(2)?,
            stripe: child(3)?,
            service: child(4)?,
            operation: child(5)?,
            error: child(7)?,
            warn: child(8)?,
            hidden: child(9)?,
            root: root.clone().dyn_into().ok()?,
            shown: None,
        })
    }

    /// Shows a span, or nothing below the last row.
    pub fn show(&mut self, model: &TraceModel, content: Option<RowContent>) {
        if self.shown == content && content.is_some() {
            return;
        }
        let before = std::mem::replace(&mut self.shown, content);
        self.root.set_hidden(content.is_none());
        let Some(content) = content else {
            self.root.remove_attribute("id").unwrap_or_default();
            return;
        };
        // Setting an attribute cannot fail: the names are fixed and valid.
        let set = |name: &str, value: &str| self.root.set_attribute(name, value).unwrap_or_default();
        set("aria-selected", if content.selected { "true" } else { "false" });
        let class = match (content.selected, content.hit) {
            (false, false) => "trace-name",
            (true, false) => "trace-name selected",
            (false, true) => "trace-name hit",
            (true, true) => "trace-name selected hit",
        };
        self.root.set_class_name(class);

        let span = content.span;
        let depth = model.tree.depth(span);
        let levels = levels(depth, content.width_px);
        let style = self.guides.style();
        style.set_property("width", &format!("{}px", levels * INDENT_PX)).unwrap_or_default();
        self.depth.set_hidden(levels == depth);
        if levels < depth {
            self.depth.set_text_content(Some(&depth.to_string()));
        }

        let has_children = !model.tree.children(span).is_empty();
        let hidden = content.hidden.map(hidden_text);
        self.hidden.set_hidden(hidden.is_none());
        self.hidden.set_text_content(hidden.as_deref());
        let hides_errors = content.hidden.is_some_and(|hidden| hidden.errors > 0);
        self.hidden.set_class_name(if hides_errors { "trace-hidden error" } else { "trace-hidden" });
        self.expander.set_class_name(match (has_children, hidden.is_some()) {
            (false, _) => "trace-expander leaf",
            (true, true) => "trace-expander collapsed",
            (true, false) => "trace-expander",
        });
        if has_children {
            set("aria-expanded", if hidden.is_some() { "false" } else { "true" });
        } else {
            self.root.remove_attribute("aria-expanded").unwrap_or_default();
        }
        if before.is_some_and(|before| before.span == span) {
            return;
        }

        set("id", &format!("trace-span-{span}"));
        set("aria-level", &(depth + 1).to_string());
        let service = model.service(span);
        self.service.set_text_content(Some(service));
        let parent = model.tree.parent(span);
        let same = parent.is_some_and(|parent| model.service_index(parent) == model.service_index(span));
        self.service.set_class_name(if same { "trace-service same" } else { "trace-service" });
        self.stripe.style().set_property("--hue", &hue(service).to_string()).unwrap_or_default();
        self.operation.set_text_content(Some(&model.span(span).name));
        self.error.set_hidden(!model.is_error(span));
        self.warn.set_hidden(model.warnings(span).next().is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_analysis::Hidden;

    #[test]
    fn deep_spans_keep_room_for_their_name() {
        assert_eq!(levels(3, 360), 3);
        assert_eq!(levels(100, 360), 15);
        assert_eq!(levels(5, 100), 0);
    }

    #[test]
    fn a_collapsed_row_tells_what_it_hides() {
        assert_eq!(hidden_text(Hidden { spans: 12, errors: 1 }), "12 spans, 1 error");
        assert_eq!(hidden_text(Hidden { spans: 1, errors: 0 }), "1 span");
    }
}
