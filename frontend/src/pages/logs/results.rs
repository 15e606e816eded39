//! The answers to a search: the first page and the further ones.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{LogHistogram, LogsResponse, Searched};

use super::filter::Filter;
use super::item::{LogItem, items};
use crate::api::{self, ApiError};
use crate::format;
use crate::state::load::{Loaded, load};
use crate::state::range::{ZONE, use_range};
use crate::state::time_range::Window;

/// More rows would not be read; a narrower search finds better.
const ROWS_MAX: usize = 10_000;

/// Further pages of one search.
#[derive(Debug, Clone, Default)]
struct More {
    items: Vec<Arc<LogItem>>,
    next_cursor: Option<String>,
    searched: Option<Searched>,
}

/// A search and its results.
#[derive(Clone, Copy)]
pub struct Results {
    /// What is asked.
    pub filter: Memo<Filter>,
    /// The first page.
    pub first: Loaded<LogsResponse>,
    /// The chart.
    pub histogram: Loaded<LogHistogram>,
    /// All records that are there; none before the first answer.
    pub rows: Memo<Option<Arc<Vec<Arc<LogItem>>>>>,
    /// Whether a further page is on its way.
    pub loading_more: RwSignal<bool>,
    /// Why a further page failed.
    pub more_error: RwSignal<Option<ApiError>>,
    more: RwSignal<More>,
    asked: Memo<(Filter, Window)>,
}

impl Results {
    /// Searches whenever the URL or the window changes.
    pub fn new() -> Self {
        let range = use_range();
        let query = range.query_at("/logs");
        let filter = Memo::new(move |_| query.with(Filter::parse));
        let asked = Memo::new(move |_| (filter.get(), range.window.get()));
        let more = RwSignal::new(More::default());
        let loading_more = RwSignal::new(false);
        let more_error = RwSignal::new(None);
        let first: Loaded<LogsResponse> = load(
            move || Some(asked.get()),
            |(filter, window), signal| async move { api::logs(&filter.list_query(window), signal).await },
        );
        let histogram: Loaded<LogHistogram> = load(
            move || asked.with(|(filter, window)| filter.chart_query(*window)),
            |query, signal| async move { api::log_histogram(&query, signal).await },
        );
        // A new first page makes the further ones of the old search worthless.
        Effect::new(move |previous: Option<()>| {
            first.value.track();
            if previous.is_some() {
                more.set(More::default());
                loading_more.set(false);
                more_error.set(None);
            }
        });
        let rows = Memo::new(move |_| {
            let first = first.value.get()?;
            let mut all = items(&first.logs, &first.resources, &first.scopes);
            more.with(|more| all.extend(more.items.iter().cloned()));
            Some(Arc::new(all))
        });
        Self { filter, first, histogram, rows, loading_more, more_error, more, asked }
    }

    /// How many records are there; tracks.
    pub fn count(self) -> usize {
        self.rows.with(|rows| rows.as_ref().map_or(0, |rows| rows.len()))
    }

    /// A record by its place in the list.
    pub fn at(self, at: usize) -> Option<Arc<LogItem>> {
        self.rows.with_untracked(|rows| rows.as_ref().and_then(|rows| rows.get(at).cloned()))
    }

    /// The cursor of the next page, if there is one and there is room for it; tracks.
    pub fn next_cursor(self) -> Option<String> {
        if self.count() >= ROWS_MAX {
            return None;
        }
        self.more.with(|more| match more.searched {
            Some(_) => more.next_cursor.clone(),
            None => {
                self.first.value.with(|first| first.as_ref().and_then(|first| first.next_cursor.clone()))
            }
        })
    }

    /// The results in one sentence; tracks.
    pub fn statement(self) -> Option<String> {
        let of_more = self.more.with(|more| more.searched.clone());
        let searched = of_more.or_else(|| {
            self.first.value.with(|first| first.as_ref().map(|first| first.searched.clone()))
        })?;
        let total = self.histogram.value.with(|histogram| {
            let histogram = histogram.as_ref().filter(|histogram| histogram.searched.complete)?;
            Some(histogram.buckets.iter().map(|bucket| bucket.counts.total()).sum())
        });
        Some(statement(self.count(), total, self.next_cursor().is_some(), &searched))
    }

    /// Loads the next page.
    pub fn load_more(self) {
        let Some(cursor) = untrack(|| self.next_cursor()) else { return };
        if self.loading_more.get_untracked() {
            return;
        }
        self.loading_more.set(true);
        self.more_error.set(None);
        let (filter, window) = self.asked.get_untracked();
        let first = self.first.value.get_untracked();
        spawn_local(async move {
            let answer = api::logs(&filter.list_query(window).with("cursor", cursor), None).await;
            // Another search may have begun meanwhile; this page belongs to the old one.
            let current = self.first.value.try_get_untracked().flatten();
            let same =
                matches!((&first, &current), (Some(first), Some(current)) if Arc::ptr_eq(first, current));
            if !same {
                return;
            }
            match answer {
                Ok(page) => self.more.update(|more| {
                    more.items.extend(items(&page.logs, &page.resources, &page.scopes));
                    more.next_cursor = page.next_cursor;
                    more.searched = Some(page.searched);
                }),
                Err(error) => self.more_error.set(Some(error)),
            }
            self.loading_more.set(false);
        });
    }
}

/// `total` is what the chart has counted, if it has counted all.
fn statement(count: usize, total: Option<u64>, has_more: bool, searched: &Searched) -> String {
    let records = format::plural(count as u64, "record");
    if !searched.complete {
        let from = format::clock(searched.complete_from, searched.end_time, &ZONE);
        return format!("{records}; the search took too long and is complete only from {from} on");
    }
    match (has_more, count, total) {
        (true, _, Some(total)) => format!("newest {records} of {}", format::grouped(total)),
        (true, _, None) => format!("newest {records}"),
        (false, 0, _) => "no records, whole range searched".to_owned(),
        (false, 1, _) => "the only record of the range".to_owned(),
        (false, ..) => format!("all {records} of the range, newest first"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    // Catches a list that claims to be complete when it is not.
    #[test]
    fn the_statement_says_what_is_missing() {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        let whole =
            Searched { start_time: at(0), end_time: at(3600), complete: true, complete_from: at(0) };
        let part = Searched { complete: false, complete_from: at(1800), ..whole.clone() };
        assert_eq!(statement(200, Some(12_345), true, &whole), "newest 200 records of 12,345");
        assert_eq!(statement(34, Some(34), false, &whole), "all 34 records of the range, newest first");
        assert!(statement(200, None, true, &part).contains("complete only from"));
        assert!(statement(0, None, false, &part).contains("complete only from"));
    }
}
