//! Keeps selection and search in the URL, so that a copied link shows the same.

use std::time::Duration;

use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use spanloom_model::SpanId;

use super::state::ViewState;
use crate::state::query::Query;
use crate::state::range::use_range;
use crate::state::toasts::use_toasts;

/// Selection follows held keys; the URL only has to be right when they are released.
const WRITE_AFTER: Duration = Duration::from_millis(150);
/// Searching while typing waits for a pause this long.
const SEARCH_AFTER: Duration = Duration::from_millis(120);

/// Runs an action some time after the last request for it, never after the component is gone.
#[derive(Clone, Copy)]
pub struct Later(StoredValue<Option<TimeoutHandle>>);

impl Later {
    /// Nothing is planned.
    pub fn new() -> Self {
        let later = Self(StoredValue::new(None));
        on_cleanup(move || later.cancel());
        later
    }

    fn cancel(self) {
        if let Some(handle) = self.0.try_update_value(Option::take).flatten() {
            handle.clear();
        }
    }

    /// Plans the action and forgets the one that was planned before.
    pub fn run(self, after: Duration, action: impl FnOnce() + 'static) {
        self.cancel();
        // Without a timer the action is lost; browsers have timers.
        self.0.set_value(set_timeout_with_handle(action, after).ok());
    }
}

/// What the URL says about this page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Said {
    span: Option<String>,
    find: String,
}

impl Said {
    fn read(query: &Query) -> Self {
        let span = query.get("span").map(str::to_ascii_lowercase);
        Self { span, find: query.get("q").unwrap_or_default().to_owned() }
    }
}

/// Applies the URL to the state now and whenever it changes from outside, and the reverse.
pub fn follow(state: ViewState) {
    let query = use_range().query;
    let toasts = use_toasts();
    // What was written or applied last: anything else in the URL came from outside.
    let last = StoredValue::new(Said::default());
    Effect::new(move |_| {
        let said = query.with(Said::read);
        let before = last.get_value();
        if said == before {
            return;
        }
        last.set_value(said.clone());
        if said.find != before.find {
            state.find_text.set(said.find);
            state.search();
        }
        if said.span != before.span {
            let given = said.span.is_some();
            let id = said.span.and_then(|id| id.parse::<SpanId>().ok());
            if let Some(span) = id.and_then(|id| state.model().find_id(id)) {
                state.go_to(span);
                state.detail_open.set(true);
            } else {
                state.selected.set(None);
                if given {
                    toasts.failed("The link's span is not in this trace; it may not have arrived yet.");
                }
            }
        }
    });

    let search = Later::new();
    Effect::new(move |first: Option<()>| {
        state.find_text.track();
        // The first run is for what the URL said, which has been searched for already.
        if first.is_some() {
            search.run(SEARCH_AFTER, move || state.search());
        }
    });

    let navigate = use_navigate();
    let location = use_location();
    let write = Later::new();
    Effect::new(move |_| {
        let span = state.selected.get().map(|span| state.model().span(span).span_id.to_string());
        let said = Said { span, find: state.find_text.with(|text| text.trim().to_owned()) };
        if said == last.get_value() {
            write.cancel();
            return;
        }
        let navigate = navigate.clone();
        let location = location.clone();
        write.run(WRITE_AFTER, move || {
            let mut query = Query::parse(&location.search.get_untracked());
            query.set("span", said.span.clone().unwrap_or_default());
            query.set("q", said.find.clone());
            last.set_value(said);
            // Looking around is no step in the history.
            let options = NavigateOptions {
                replace: true,
                scroll: false,
                resolve: false,
                ..NavigateOptions::default()
            };
            navigate(&query.href(&location.pathname.get_untracked()), options);
        });
    });
}
