//! The answers to a search: the first page, the further ones, and their order in the list.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{Searched, TraceSummary, TracesResponse};

use super::filter::Filter;
use super::memory::Remembered;
use crate::api::{self, ApiError};
use crate::format;
use crate::state::load::{Loaded, load_or_keep};
use crate::state::range::{ZONE, use_range};
use crate::state::time_range::Window;

/// More rows would not be read; a narrower search finds better.
const ROWS_MAX: usize = 5000;

/// By what the list is sorted. The server sorts by start and by duration, over everything it has;
/// the page sorts what it has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The server's order.
    AsSearched,
    /// Most spans first.
    Spans,
    /// Most errors first.
    Errors,
}

impl SortBy {
    /// From the URL.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("spans") => Self::Spans,
            Some("errors") => Self::Errors,
            _ => Self::AsSearched,
        }
    }

    /// Into the URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsSearched => "",
            Self::Spans => "spans",
            Self::Errors => "errors",
        }
    }
}

/// Sorts what is loaded; equal rows stay in the server's order.
pub fn sorted(mut traces: Vec<TraceSummary>, by: SortBy) -> Vec<TraceSummary> {
    match by {
        SortBy::AsSearched => {}
        SortBy::Spans => traces.sort_by_key(|trace| std::cmp::Reverse(trace.span_count)),
        SortBy::Errors => traces.sort_by_key(|trace| std::cmp::Reverse(trace.error_count)),
    }
    traces
}

/// Further pages of one search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct More {
    traces: Vec<TraceSummary>,
    next_cursor: Option<String>,
    searched: Option<Searched>,
}

/// A search and its results.
#[derive(Clone, Copy)]
pub struct Results {
    /// What is asked.
    pub filter: Memo<Filter>,
    /// The first page.
    pub first: Loaded<TracesResponse>,
    /// All rows that are there, sorted; none before the first answer.
    pub rows: Memo<Option<Arc<Vec<TraceSummary>>>>,
    /// Whether a further page is on its way.
    pub loading_more: RwSignal<bool>,
    /// Why a further page failed.
    pub more_error: RwSignal<Option<ApiError>>,
    /// The further pages.
    pub more: RwSignal<More>,
    /// The question.
    pub asked: Memo<(Filter, Window)>,
    /// The question that the first page answers.
    pub answered: StoredValue<(Filter, Window)>,
}

impl Results {
    /// Searches whenever the URL or the window changes; starts with what is remembered if that is an
    /// answer to the same question.
    pub fn new(remembered: Option<&Remembered>) -> Self {
        let range = use_range();
        let query = range.query_at("/traces");
        let filter = Memo::new(move |_| query.with(Filter::parse));
        let by = Memo::new(move |_| query.with(|query| SortBy::parse(query.get("sort"))));
        let asked = Memo::new(move |_| (filter.get(), range.window.get()));
        let remembered = remembered.filter(|it| it.asked == asked.get_untracked());
        let more = RwSignal::new(remembered.map(|it| it.more.clone()).unwrap_or_default());
        let loading_more = RwSignal::new(false);
        let more_error = RwSignal::new(None);
        let first: Loaded<TracesResponse> = load_or_keep(
            remembered.map(|it| (it.asked.clone(), it.first.clone())),
            move || Some(asked.get()),
            |(filter, window), signal| async move { api::search(&filter.api_query(window), signal).await },
        );
        let answered = StoredValue::new(asked.get_untracked());
        // A new first page makes the further ones of the old search worthless.
        Effect::new(move |previous: Option<()>| {
            first.value.track();
            if previous.is_some() {
                answered.set_value(asked.get_untracked());
                more.set(More::default());
                loading_more.set(false);
                more_error.set(None);
            }
        });
        let rows = Memo::new(move |_| {
            let first = first.value.get()?;
            let mut traces = first.traces.clone();
            more.with(|more| traces.extend(more.traces.iter().cloned()));
            Some(Arc::new(sorted(traces, by.get())))
        });
        Self { filter, first, rows, loading_more, more_error, more, asked, answered }
    }

    /// The cursor of the next page, if there is one and there is room for it; tracks.
    pub fn next_cursor(self) -> Option<String> {
        if self.rows.with(|rows| rows.as_ref().is_some_and(|rows| rows.len() >= ROWS_MAX)) {
            return None;
        }
        self.raw_cursor()
    }

    fn raw_cursor(self) -> Option<String> {
        self.more.with(|more| match more.searched {
            Some(_) => more.next_cursor.clone(),
            None => {
                self.first.value.with(|first| first.as_ref().and_then(|first| first.next_cursor.clone()))
            }
        })
    }

    /// How far the search looked, as of the last page; tracks.
    pub fn searched(self) -> Option<Searched> {
        let of_more = self.more.with(|more| more.searched.clone());
        of_more
            .or_else(|| self.first.value.with(|first| first.as_ref().map(|first| first.searched.clone())))
    }

    /// The results in one sentence; tracks.
    pub fn statement(self) -> Option<String> {
        let searched = self.searched()?;
        let count = self.rows.with(|rows| rows.as_ref().map_or(0, |rows| rows.len()));
        let order = if self.filter.with(|filter| filter.longest_first) { "longest" } else { "newest" };
        Some(statement(count, order, self.raw_cursor().is_some(), &searched))
    }

    /// Loads the next page.
    pub fn load_more(self) {
        let Some(cursor) = untrack(|| self.next_cursor()) else { return };
        if self.loading_more.get_untracked() {
            return;
        }
        self.loading_more.set(true);
        self.more_error.set(None);
        let asked = self.asked.get_untracked();
        let first = self.first.value.get_untracked();
        spawn_local(async move {
            let query = asked.0.api_query(asked.1).with("cursor", cursor);
            let answer = api::search(&query, None).await;
            // Another search may have begun meanwhile; this page belongs to the old one.
            let current = self.first.value.try_get_untracked().flatten();
            let same = match (&first, &current) {
                (Some(first), Some(current)) => Arc::ptr_eq(first, current),
                _ => false,
            };
            if !same {
                return;
            }
            match answer {
                Ok(page) => self.more.update(|more| {
                    more.traces.extend(page.traces);
                    more.next_cursor = page.next_cursor;
                    more.searched = Some(page.searched);
                }),
                Err(error) => self.more_error.set(Some(error)),
            }
            self.loading_more.set(false);
        });
    }
}

fn statement(count: usize, order: &str, has_more: bool, searched: &Searched) -> String {
    let traces = format::plural(count as u64, "trace");
    if !searched.complete {
        let from = format::clock(searched.complete_from, searched.end_time, &ZONE);
        return format!("{traces}; the search took too long and is complete only from {from} on");
    }
    match (has_more, count) {
        (true, _) => format!("{order} {traces}, whole range searched"),
        (false, 0) => "no traces, whole range searched".to_owned(),
        (false, 1) => "the only trace of the range".to_owned(),
        (false, _) => format!("all {traces} of the range, {order} first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    // Catches a list that claims to be complete when it is not.
    #[test]
    fn the_statement_says_what_is_missing() {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        let whole =
            Searched { start_time: at(0), end_time: at(3600), complete: true, complete_from: at(0) };
        let part = Searched { complete: false, complete_from: at(1800), ..whole.clone() };
        assert_eq!(statement(100, "newest", true, &whole), "newest 100 traces, whole range searched");
        assert_eq!(statement(34, "longest", false, &whole), "all 34 traces of the range, longest first");
        assert!(statement(100, "newest", true, &part).contains("complete only from"));
        assert!(statement(0, "newest", false, &part).contains("complete only from"));
    }
}
