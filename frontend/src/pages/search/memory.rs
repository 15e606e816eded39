//! The last search: going back from a trace shows the list as it was left, at the same place, and
//! without asking the server again.

use std::sync::Arc;

use leptos::prelude::*;
use spanloom_model::api::TracesResponse;

use super::filter::Filter;
use super::results::More;
use crate::state::query::Query;
use crate::state::session::{Phase, use_session};
use crate::state::time_range::Window;

/// A list as it was left.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// What was asked.
    pub asked: (Filter, Window),
    /// The first page.
    pub first: Arc<TracesResponse>,
    /// The further pages.
    pub more: More,
    /// The row that the keyboard was on.
    pub selected: Option<usize>,
    /// How far it was scrolled, in CSS pixels.
    pub scroll_top: f64,
}

/// The last search, in a context around all pages.
#[derive(Clone, Copy)]
pub struct SearchMemory {
    /// Its list.
    pub list: StoredValue<Option<Remembered>>,
    /// Its URL's query.
    pub query: RwSignal<Query>,
}

impl SearchMemory {
    /// Puts an empty memory into the context.
    pub fn provide() {
        let query = RwSignal::new(Query::default());
        let list = StoredValue::new(None);
        provide_context(Self { list, query });
        // What one person saw is not for the next one at this screen.
        let session = use_session();
        Effect::new(move |_| {
            if session.phase.with(|phase| *phase == Phase::Out) {
                list.set_value(None);
                query.set(Query::default());
            }
        });
    }
}

/// The last search.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_search_memory() -> SearchMemory {
    use_context().expect("the app provides the memory of searches")
}
