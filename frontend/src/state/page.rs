//! What the shell shows about the current page: title, breadcrumbs, keys.

use leptos::prelude::*;

/// One step of the breadcrumbs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crumb {
    /// What it says.
    pub label: String,
    /// Where it leads; none for the page itself.
    pub href: Option<String>,
}

impl Crumb {
    /// The page itself.
    pub fn here(label: impl Into<String>) -> Self {
        Self { label: label.into(), href: None }
    }

    /// A page above; `path` without query, the shell adds the time range.
    pub fn link(label: impl Into<String>, path: impl Into<String>) -> Self {
        Self { label: label.into(), href: Some(path.into()) }
    }
}

/// A key of the page and what it does, for the list that `?` shows.
pub type KeyHelp = (&'static str, &'static str);

/// The current page, in a context.
#[derive(Clone, Copy)]
pub struct Page {
    /// The way to the page.
    pub crumbs: RwSignal<Vec<Crumb>>,
    /// The page's own keys.
    pub keys: RwSignal<&'static [KeyHelp]>,
}

impl Page {
    /// Puts the page's state into the context.
    pub fn provide() -> Self {
        let page = Self { crumbs: RwSignal::new(Vec::new()), keys: RwSignal::new(&[]) };
        provide_context(page);
        // The browser's tab says the same as the breadcrumbs, the page itself first.
        Effect::new(move |_| {
            let mut labels: Vec<String> =
                page.crumbs.with(|crumbs| crumbs.iter().rev().map(|crumb| crumb.label.clone()).collect());
            labels.push("Spanloom".to_owned());
            document().set_title(&labels.join(" · "));
        });
        page
    }

    /// Tells the shell about a page: call it when the page is made, and again when it knows more.
    pub fn set(self, crumbs: Vec<Crumb>, keys: &'static [KeyHelp]) {
        self.crumbs.set(crumbs);
        self.keys.set(keys);
    }
}

/// The page's state.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_page() -> Page {
    use_context().expect("the app provides the page")
}

/// Whether a key press belongs to a field or to an open dialog rather than to the page.
pub fn is_typing(event: &web_sys::KeyboardEvent) -> bool {
    use wasm_bindgen::JsCast;
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    event.ctrl_key()
        || event.meta_key()
        || event.alt_key()
        || event.default_prevented()
        || target.is_some_and(|element| {
            element
                .closest("input, textarea, select, dialog, [role=dialog], [contenteditable]")
                .is_ok_and(|found| found.is_some())
        })
}
