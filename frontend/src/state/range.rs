//! The time range of all pages. It lives in the URL as `from` and `to`.

use chrono::Local;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

use super::query::Query;
use super::time_range::{TimeRange, Window};

/// The range, what it means since the last refresh, and how to change it; in a context.
#[derive(Clone, Copy)]
pub struct RangeState {
    /// What the URL says.
    pub range: Memo<TimeRange>,
    /// What that meant at the last refresh.
    pub window: Memo<Window>,
    /// The parsed query of the current URL.
    pub query: Memo<Query>,
    refreshed_at_ms: RwSignal<i64>,
}

/// A range resolved longer ago is resolved again when the page changes.
const STALE_MS: i64 = 30_000;

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    js_sys::Date::now() as i64
}

impl RangeState {
    /// Puts the range into the context; below the router.
    pub fn provide() -> Self {
        let search = use_location().search;
        let query = Memo::new(move |_| Query::parse(&search.get()));
        let range =
            Memo::new(move |_| query.with(|query| TimeRange::parse(query.get("from"), query.get("to"))));
        let refreshed_at_ms = RwSignal::new(now_ms());
        let window = Memo::new(move |previous: Option<&(TimeRange, i64, Window)>| {
            let (range, tick) = (range.get(), refreshed_at_ms.get());
            // A range chosen anew counts from its choice, not from the last refresh.
            match previous {
                Some(&(same, at, window)) if same == range && at == tick => (range, tick, window),
                Some(&(_, at, _)) if at == tick => (range, tick, range.resolve(now_ms())),
                _ => (range, tick, range.resolve(tick)),
            }
        });
        let window = Memo::new(move |_| window.get().2);
        let state = Self { range, window, query, refreshed_at_ms };
        provide_context(state);
        // Whoever opens another page wants to see now, not when the application was opened.
        let path = use_location().pathname;
        Effect::new(move |previous: Option<String>| {
            let path = path.get();
            let age_ms = now_ms() - refreshed_at_ms.get_untracked();
            // Between a list and its traces the list stays as it was.
            let is_trace = |path: &str| path.starts_with("/traces");
            let stays = previous.as_deref().is_none_or(|previous| is_trace(previous) && is_trace(&path));
            if !stays && age_ms > STALE_MS {
                state.refresh();
            }
            path
        });
        state
    }

    /// Moves a relative range to now and makes everything load again.
    pub fn refresh(self) {
        self.refreshed_at_ms.set(now_ms());
    }

    /// The query while the page at `path` is shown. A page that is being left sees the next page's
    /// URL already, and must not take that for its own.
    pub fn query_at(self, path: &'static str) -> Memo<Query> {
        let current = use_location().pathname;
        Memo::new(move |previous: Option<&Query>| {
            let here = current.with(|current| current == path);
            if here { self.query.get() } else { previous.cloned().unwrap_or_default() }
        })
    }

    /// When the data was asked for last; tracks refreshes.
    pub fn refreshed_at_ms(self) -> i64 {
        self.refreshed_at_ms.get()
    }

    /// `path` with the current range; tracks it.
    pub fn href(self, path: &str) -> String {
        self.href_with(path, Query::default())
    }

    /// `path` with the current range and further parameters; tracks the range.
    pub fn href_with(self, path: &str, mut query: Query) -> String {
        self.query.with(|current| {
            for key in ["from", "to"] {
                if let Some(value) = current.get(key) {
                    query.set(key, value);
                }
            }
        });
        query.href(path)
    }
}

/// The range's state.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_range() -> RangeState {
    use_context().expect("the app provides the range")
}

/// The formatting of the person's own zone.
pub const ZONE: Local = Local;

/// Returns a function that changes the range in the current URL, with a step in the history.
pub fn use_set_range() -> impl Fn(TimeRange) + Clone + 'static {
    let change = use_change_query();
    move |range: TimeRange| {
        change(&|query: &mut Query| {
            query.set("from", range.from.to_string());
            query.set("to", range.to.to_string());
            // A cursor belongs to the range it was made for.
            query.remove("cursor");
        });
    }
}

/// Returns a function that changes the current URL's query, with a step in the history.
pub fn use_change_query() -> impl Fn(&dyn Fn(&mut Query)) + Clone + 'static {
    let navigate = use_navigate();
    let location = use_location();
    move |change: &dyn Fn(&mut Query)| {
        let mut query = Query::parse(&location.search.get_untracked());
        change(&mut query);
        let options = NavigateOptions { scroll: false, resolve: false, ..NavigateOptions::default() };
        navigate(&query.href(&location.pathname.get_untracked()), options);
    }
}
