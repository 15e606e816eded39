//! Backwards through time in slices, within a time limit: slices grow where there is little, so that the
//! newest records are found without sorting the whole range.

use std::time::{Duration, Instant};

use chrono::DateTime;
use spanloom_model::api::Searched;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::cursor::{Cursor, Place};
use super::params::SearchParams;
use super::search_store::{Conditions, LogRow, newest};
use crate::query::params::TimeRange;
use crate::query::store::{begin_read, limit_statements, timed_out};

const SECOND_US: i64 = 1_000_000;
/// A slice that takes longer is not followed by a wider one.
const SLOW: Duration = Duration::from_millis(500);
/// Bytes of bodies and attributes on a page, about; a page that reaches them has a next one.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The walk through time.
    pub search_time: Duration,
    /// Any other statement.
    pub statement_time: Duration,
}

/// Slices of a range, from its end to its start, as long as there is time.
pub struct Slices {
    start_us: i64,
    /// Everything from here to the end of the range was seen.
    pub seen_from_us: i64,
    width_us: i64,
    deadline: Instant,
    began: Instant,
}

impl Slices {
    /// From `end_us` back to `start_us`; the first slice is `width_us`.
    pub fn new(start_us: i64, end_us: i64, width_us: i64, search_time: Duration) -> Self {
        let now = Instant::now();
        Self { start_us, seen_from_us: end_us, width_us, deadline: now + search_time, began: now }
    }

    /// The next slice and how long its statement may take; none at the start of the range, or when time
    /// is over.
    pub fn next(&mut self) -> Option<((i64, i64), Duration)> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.seen_from_us <= self.start_us || left.is_zero() {
            return None;
        }
        self.began = Instant::now();
        let start_us = self.seen_from_us.saturating_sub(self.width_us).max(self.start_us);
        Some(((start_us, self.seen_from_us), left))
    }

    /// The slice that begins there was seen whole.
    pub fn seen(&mut self, start_us: i64) {
        self.seen_from_us = start_us;
        let took = self.began.elapsed();
        if took < SLOW {
            self.width_us = self.width_us.saturating_mul(4);
        } else if took > 2 * SLOW {
            self.width_us = (self.width_us / 4).max(SECOND_US);
        }
    }

    /// Whether the whole range was seen.
    pub fn is_complete(&self) -> bool {
        self.seen_from_us <= self.start_us
    }
}

/// What a search found.
pub struct Found {
    /// The page, the newest first.
    pub rows: Vec<LogRow>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
    /// How far it looked.
    pub searched: Searched,
    /// To read what the rows refer to: the same state of the database.
    pub tx: Transaction<'static, Postgres>,
}

/// Finds one page of records.
pub async fn search(pool: &PgPool, limits: Limits, params: &SearchParams) -> sqlx::Result<Found> {
    let mut tx = begin_read(pool, limits.statement_time).await?;
    let Some(conditions) = Conditions::resolve(&mut tx, &params.filter).await? else {
        let searched = searched(params.range, true, params.range.start_us());
        return Ok(Found { rows: Vec::new(), next: None, searched, tx });
    };
    let after = params.cursor.map(|cursor| cursor.last);
    let (start_us, range_end_us) = (params.range.start_us(), params.range.end_us());
    let end_us = after.map_or(range_end_us, |last| range_end_us.min(last.time_us + 1)).max(start_us);
    let width_us = if conditions.is_of_one_trace() {
        end_us - start_us
    } else {
        ((range_end_us - start_us) / 100).clamp(SECOND_US, 60 * SECOND_US)
    };
    let mut slices = Slices::new(start_us, end_us, width_us, limits.search_time);
    let mut rows = Vec::new();
    let in_time = walk(&mut tx, &conditions, &mut slices, after, &mut rows, params.limit).await?;
    if !in_time {
        // A statement that was cancelled has spoiled its transaction.
        tx.rollback().await?;
        tx = begin_read(pool, limits.statement_time).await?;
        // Rows of the slice that was not finished come with the next page.
        rows.retain(|row| row.place.time_us >= slices.seen_from_us);
    }
    limit_statements(&mut tx, limits.statement_time).await?;
    let is_full = is_full(&rows, params.limit);
    let last = rows.last().filter(|_| is_full).map(|row| row.place);
    let stopped = !is_full && !slices.is_complete();
    let next = last.or_else(|| {
        let progress = slices.seen_from_us < end_us;
        (stopped && progress).then(|| Place::before(slices.seen_from_us))
    });
    let next = next.map(|last| Cursor {
        search: params.fingerprint,
        start_ns: params.range.start_ns,
        end_ns: params.range.end_ns,
        last,
    });
    // A full page is the newest records for certain, wherever its slice ends.
    let from_us = if stopped { slices.seen_from_us } else { start_us };
    let searched = searched(params.range, !stopped, from_us);
    Ok(Found { rows, next, searched, tx })
}

/// Whether it ended for another reason than a statement that took too long.
async fn walk(
    db: &mut PgConnection,
    conditions: &Conditions,
    slices: &mut Slices,
    after: Option<Place>,
    rows: &mut Vec<LogRow>,
    limit: usize,
) -> sqlx::Result<bool> {
    while let Some((range_us, left)) = slices.next() {
        limit_statements(db, left).await?;
        match newest(db, conditions, range_us, after, rows, (limit, PAGE_BYTES_MAX)).await {
            Ok(()) if is_full(rows, limit) => return Ok(true),
            Ok(()) => slices.seen(range_us.0),
            Err(error) if timed_out(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn is_full(rows: &[LogRow], limit: usize) -> bool {
    rows.len() >= limit || rows.iter().map(LogRow::bytes).sum::<usize>() >= PAGE_BYTES_MAX
}

/// How far a walk came.
pub fn searched(range: TimeRange, complete: bool, seen_from_us: i64) -> Searched {
    let seen_from_ns = seen_from_us.saturating_mul(1_000).max(range.start_ns);
    Searched {
        start_time: DateTime::from_timestamp_nanos(range.start_ns),
        end_time: DateTime::from_timestamp_nanos(range.end_ns),
        complete,
        complete_from: DateTime::from_timestamp_nanos(if complete { range.start_ns } else { seen_from_ns }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a part of the range that no slice covers, or one that is covered twice.
    #[test]
    fn slices_follow_each_other_to_the_start() {
        let mut slices = Slices::new(0, 1_000 * SECOND_US, SECOND_US, Duration::from_mins(1));
        let mut ends = vec![1_000 * SECOND_US];
        while let Some(((start_us, end_us), _)) = slices.next() {
            assert_eq!(Some(&end_us), ends.last());
            assert!(start_us < end_us && !slices.is_complete());
            ends.push(start_us);
            slices.seen(start_us);
        }
        assert_eq!(ends.last(), Some(&0));
        assert!(slices.is_complete() && ends.len() < 12, "they grow: {ends:?}");
        assert!(Slices::new(5, 5, 1, Duration::from_mins(1)).next().is_none());
        assert!(Slices::new(0, 5, 1, Duration::ZERO).next().is_none());
    }
}
