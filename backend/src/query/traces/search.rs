//! The search: exact, and bounded in time and memory.
//!
//! A *hit* is a moment at which a trace satisfies the conditions: the start of a span that does, or
//! of a piece that has such a span. No hit lies before the start of its trace. So after walking all
//! hits from the end of the range back to some moment, every matching trace that starts at or after
//! that moment is known, and a page is finished as soon as it can be filled with those.
//!
//! The exception are traces that start in the range while all their hits lie after its end. Those
//! of which one piece reaches across the end are found by that piece, slice by slice. The others,
//! whose batches happened to be cut right there, are looked for from the end of the range onwards:
//! up to the newest data if that is quick, else for a minute at least.
//!
//! Where the range is the spans', all hits lie in it, and there are no exceptions: a walk through the
//! range knows all traces, those that started before it too. Each page walks from the end again, because
//! a trace's hits may lie long after its start.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use chrono::DateTime;
use spanloom_model::TraceId;
use spanloom_model::api::{SearchOrder, Searched, TraceSummary, TracesResponse};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::cursor::Cursor;
use super::merge::Merged;
use super::params::SearchParams;
use super::search_store::{
    Candidate, Conditions, candidates, hits, late_hits, longest, matching, merged, newest_piece_us,
    straddlers,
};
use crate::query::store::{begin_read, limit_statements, operation_names, service_names, timed_out};

const SECOND_US: i64 = 1_000_000;
/// Hits that one statement returns.
const HITS_MAX: usize = 5_000;
/// Traces that one statement looks at.
const CANDIDATES_MAX: usize = 2_000;
/// Traces that one search remembers; beyond it stops as if its time were over.
const SEEN_MAX: usize = 500_000;
/// A slice that takes longer than this is not followed by a wider one.
const SLOW: Duration = Duration::from_millis(500);
/// How far behind the end late hits are looked for in any case.
const LATE_US_MIN: i64 = 60 * SECOND_US;
/// No slice behind the end is wider: one statement should not have to look at a day.
const LATE_WIDTH_US_MAX: i64 = 3600 * SECOND_US;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The walk through time.
    pub search_time: Duration,
    /// Any other statement.
    pub statement_time: Duration,
}

type Found = Vec<(Uuid, Merged)>;

/// Finds one page of traces.
pub async fn search(pool: &PgPool, limits: Limits, params: &SearchParams) -> sqlx::Result<TracesResponse> {
    let mut tx = begin_read(pool, limits.statement_time).await?;
    let Some(conditions) = Conditions::resolve(&mut tx, &params.filter, params.range).await? else {
        return Ok(response(params, Vec::new(), None, None));
    };
    let mut walk = Walk::new(&mut tx, params, &conditions, limits.search_time);
    if let Some(trace_id) = params.filter.trace_id {
        walk.consider(vec![Uuid::from_u128(trace_id.get())], false).await?;
        let ids = walk.take(i64::MIN, 1);
        let found = found(&mut tx, ids).await?;
        return respond(&mut tx, params, found, None, None).await;
    }
    if params.order == SearchOrder::Duration {
        let (found, next) = search_longest(&mut tx, params, &conditions).await?;
        return respond(&mut tx, params, found, next, None).await;
    }

    let in_time = match walk.run().await {
        Ok(in_time) => in_time,
        Err(error) if timed_out(&error) => false,
        Err(error) => return Err(error),
    };
    let certain_ns = walk.certain_ns();
    let mut ids = walk.take(certain_ns, params.limit + 1);
    let progress = certain_ns < walk.first_ns();
    let late_complete = walk.late_complete;
    let is_full = ids.len() > params.limit;
    ids.truncate(params.limit);
    if !in_time {
        // A statement that was cancelled has spoiled its transaction.
        tx.rollback().await?;
        tx = begin_read(pool, limits.statement_time).await?;
    }
    limit_statements(&mut tx, limits.statement_time).await?;
    let found = found(&mut tx, ids).await?;
    let next = if is_full {
        found.last().and_then(|(id, trace)| cursor(params, trace.start_ns, *id))
    } else if !in_time && progress {
        // The next page goes on where the time was over.
        cursor(params, certain_ns, Uuid::from_u128(1))
    } else {
        None
    };
    let stopped = Stopped { in_time: in_time && late_complete, certain_ns };
    respond(&mut tx, params, found, next, Some(stopped)).await
}

/// Where a walk ended.
struct Stopped {
    in_time: bool,
    certain_ns: i64,
}

struct Walk<'a> {
    db: &'a mut PgConnection,
    params: &'a SearchParams,
    conditions: &'a Conditions,
    deadline: Instant,
    search_time: Duration,
    /// Where the walk begins.
    end_us: i64,
    /// All matching traces that start here or later are known.
    complete_us: i64,
    /// Whether the hits behind the range's end were looked at as far as is promised.
    late_complete: bool,
    seen: HashSet<Uuid>,
    /// The first traces in order, by start and id: as many as the page holds and one more.
    best: BTreeSet<(i64, Uuid)>,
}

impl<'a> Walk<'a> {
    fn new(
        db: &'a mut PgConnection,
        params: &'a SearchParams,
        conditions: &'a Conditions,
        search_time: Duration,
    ) -> Self {
        let mut range = params.range;
        if let Some(cursor) = &params.cursor
            && !conditions.bound_spans()
        {
            // Traces that start at the same nanosecond as the last one may follow it.
            range.end_ns = range.end_ns.min(cursor.key_ns.saturating_add(1));
        }
        Self {
            db,
            params,
            conditions,
            deadline: Instant::now() + search_time,
            search_time,
            end_us: range.end_us(),
            complete_us: range.end_us(),
            late_complete: true,
            seen: HashSet::new(),
            best: BTreeSet::new(),
        }
    }

    /// Walks until the page is certain (true) or a limit is reached (false).
    async fn run(&mut self) -> sqlx::Result<bool> {
        let start_us = self.params.range.start_us();
        if !self.conditions.is_empty() && !self.conditions.bound_spans() && self.end_us > start_us {
            self.late_hits(start_us).await?;
        }
        let range_us = self.end_us.saturating_sub(start_us);
        let mut width_us = (range_us / 100).clamp(SECOND_US, 60 * SECOND_US);
        while self.complete_us > start_us && !self.is_certain() {
            let began = Instant::now();
            let slice_start_us = self.complete_us.saturating_sub(width_us).max(start_us);
            let Some(hits) = self.slice(slice_start_us).await? else {
                return Ok(false);
            };
            if hits >= HITS_MAX || began.elapsed() > 2 * SLOW {
                width_us = (width_us / 4).max(SECOND_US);
            } else if hits < HITS_MAX / 10 && began.elapsed() < SLOW {
                width_us = width_us.saturating_mul(4);
            }
        }
        Ok(true)
    }

    /// All matching traces that start at this nanosecond or later are known.
    fn certain_ns(&self) -> i64 {
        if self.conditions.bound_spans() && self.complete_us <= self.params.range.start_us() {
            return i64::MIN;
        }
        self.complete_us.saturating_mul(1000)
    }

    /// No trace of the page starts later.
    fn first_ns(&self) -> i64 {
        let end_ns = self.end_us.saturating_mul(1000);
        match &self.params.cursor {
            Some(cursor) if self.conditions.bound_spans() => cursor.key_ns.min(end_ns),
            // The walk began at the cursor.
            _ => end_ns,
        }
    }

    /// Whether the page is full of traces that nothing can precede any more.
    fn is_certain(&self) -> bool {
        let last = self.best.first().filter(|_| self.best.len() > self.params.limit);
        last.is_some_and(|(start_ns, _)| *start_ns >= self.certain_ns())
    }

    /// Walks from `complete_us` back to `slice_start_us` or until the page is certain. Tells how many
    /// hits there were; none if a limit was reached.
    async fn slice(&mut self, slice_start_us: i64) -> sqlx::Result<Option<usize>> {
        let slice_end_us = self.complete_us;
        if !self.conditions.is_empty() && !self.conditions.bound_spans() {
            self.limit_time().await?;
            let beyond_ns = self.end_us.saturating_mul(1000);
            let ids = straddlers(self.db, slice_start_us, slice_end_us, beyond_ns, SEEN_MAX).await?;
            self.consider(ids, false).await?;
        }
        let mut after = None;
        let mut count = 0;
        loop {
            if self.seen.len() >= SEEN_MAX || Instant::now() >= self.deadline {
                return Ok(None);
            }
            self.limit_time().await?;
            let hits =
                hits(self.db, self.conditions, slice_start_us, slice_end_us, after, HITS_MAX).await?;
            count += hits.len();
            after = hits.last().copied();
            let is_last = hits.len() < HITS_MAX;
            self.consider(hits.into_iter().map(|hit| hit.trace_id).collect(), true).await?;
            match after {
                // There may be more hits at the time of the last one.
                Some(hit) if !is_last => self.complete_us = self.complete_us.min(hit.time_us + 1),
                _ => self.complete_us = slice_start_us,
            }
            if is_last || self.is_certain() {
                return Ok(Some(count));
            }
        }
    }

    /// Finds traces that begin in the range and whose hits all lie behind it.
    async fn late_hits(&mut self, start_us: i64) -> sqlx::Result<()> {
        self.limit_time().await?;
        let Some(newest_us) = newest_piece_us(self.db).await? else { return Ok(()) };
        let began = Instant::now();
        let mut from_us = self.end_us;
        let mut width_us = 10 * SECOND_US;
        while from_us <= newest_us {
            // The walk itself is worth more than what may lie behind the end.
            let left = (self.search_time / 4).saturating_sub(began.elapsed());
            let far_enough = from_us - self.end_us >= LATE_US_MIN;
            if left.is_zero() {
                self.late_complete = far_enough;
                break;
            }
            let slice_began = Instant::now();
            let to_us = from_us.saturating_add(width_us);
            // Spans of the newest piece may start later than the piece.
            let open_end = (to_us <= newest_us).then_some(to_us);
            let earlier = (start_us, self.end_us);
            // A statement that is cancelled spoils its transaction, but not the one around it.
            let mut savepoint = self.db.begin().await?;
            limit_statements(&mut savepoint, left).await?;
            let found =
                late_hits(&mut savepoint, self.conditions, from_us, open_end, earlier, SEEN_MAX).await;
            let ids = match found {
                Ok(ids) => {
                    savepoint.commit().await?;
                    ids
                }
                Err(error) if timed_out(&error) => {
                    savepoint.rollback().await?;
                    self.late_complete = far_enough;
                    break;
                }
                Err(error) => return Err(error),
            };
            self.consider(ids, true).await?;
            from_us = to_us;
            if from_us - self.end_us >= LATE_US_MIN && began.elapsed() > self.search_time / 10 {
                break;
            }
            if slice_began.elapsed() < SLOW / 5 {
                width_us = width_us.saturating_mul(4).min(LATE_WIDTH_US_MAX);
            }
        }
        Ok(())
    }

    /// Looks at the traces that are new and keeps those that belong on the page as far as is known.
    /// `proven` traces are known to satisfy the conditions.
    async fn consider(&mut self, mut ids: Vec<Uuid>, proven: bool) -> sqlx::Result<()> {
        let SearchParams { filter, cursor, limit, .. } = self.params;
        let range = self.params.trace_range();
        ids.retain(|id| self.seen.insert(*id));
        for chunk in ids.chunks(CANDIDATES_MAX) {
            self.limit_time().await?;
            let mut traces = candidates(self.db, self.conditions, filter, range, chunk).await?;
            traces.retain(|trace| {
                cursor.is_none_or(|cursor| cursor.is_before(trace.start_ns, trace.trace_id.as_u128()))
            });
            if self.conditions.need_spans() && !proven {
                let matching = self.matching(&traces).await?;
                traces.retain(|trace| matching.contains(&trace.trace_id));
            }
            for trace in traces {
                self.best.insert((trace.start_ns, trace.trace_id));
                if self.best.len() > limit + 1 {
                    self.best.pop_first();
                }
            }
        }
        Ok(())
    }

    async fn matching(&mut self, traces: &[Candidate]) -> sqlx::Result<HashSet<Uuid>> {
        let Some(start_ns) = traces.iter().map(|trace| trace.start_ns).min() else {
            return Ok(HashSet::new());
        };
        let end_ns = traces.iter().map(|trace| trace.end_ns).max().unwrap_or(start_ns);
        let ids: Vec<Uuid> = traces.iter().map(|trace| trace.trace_id).collect();
        let (start_us, end_us) = (start_ns.div_euclid(1000), end_ns.div_euclid(1000));
        Ok(matching(self.db, self.conditions, &ids, start_us, end_us).await?.into_iter().collect())
    }

    /// What statements may still take.
    async fn limit_time(&mut self) -> sqlx::Result<()> {
        limit_statements(self.db, self.deadline.saturating_duration_since(Instant::now())).await
    }

    /// The first `count` traces that start at `certain_ns` or later, in order.
    fn take(&mut self, certain_ns: i64, count: usize) -> Vec<Uuid> {
        let best = std::mem::take(&mut self.best);
        let certain = best.into_iter().rev().take_while(|(start_ns, _)| *start_ns >= certain_ns);
        certain.take(count).map(|(_, id)| id).collect()
    }
}

/// The traces themselves, in the order of the ids.
async fn found(db: &mut PgConnection, ids: Vec<Uuid>) -> sqlx::Result<Found> {
    let mut traces = merged(db, &ids).await?;
    Ok(ids.into_iter().filter_map(|id| Some((id, traces.remove(&id)?))).collect())
}

async fn search_longest(
    db: &mut PgConnection,
    params: &SearchParams,
    conditions: &Conditions,
) -> sqlx::Result<(Found, Option<Cursor>)> {
    let SearchParams { filter, limit, .. } = params;
    let range = params.trace_range();
    let mut ids = longest(db, conditions, filter, range, params.cursor.as_ref(), limit + 1).await?;
    let more = ids.len() > *limit;
    ids.truncate(*limit);
    let found = found(db, ids).await?;
    let next = found.last().filter(|_| more);
    let next = next.and_then(|(id, trace)| cursor(params, trace.duration_ns(), *id));
    Ok((found, next))
}

fn cursor(params: &SearchParams, key_ns: i64, id: Uuid) -> Option<Cursor> {
    Some(Cursor {
        search: params.fingerprint,
        start_ns: params.range.start_ns,
        end_ns: params.range.end_ns,
        key_ns,
        trace_id: TraceId::new(id.as_u128()).ok()?,
    })
}

async fn respond(
    db: &mut PgConnection,
    params: &SearchParams,
    found: Found,
    next: Option<Cursor>,
    stopped: Option<Stopped>,
) -> sqlx::Result<TracesResponse> {
    let services: HashSet<i32> = found.iter().flat_map(|(_, trace)| trace.service_ids()).collect();
    let operations: HashSet<i32> = found.iter().map(|(_, trace)| trace.operation_id()).collect();
    let services = service_names(db, &Vec::from_iter(services)).await?;
    let operations = operation_names(db, &Vec::from_iter(operations)).await?;
    let traces = found
        .iter()
        // Zero is refused on its way in.
        .filter_map(|(id, trace)| Some((TraceId::new(id.as_u128()).ok()?, trace)))
        .map(|(id, trace)| trace.summary(id, &services, &operations))
        .collect();
    Ok(response(params, traces, next, stopped))
}

fn response(
    params: &SearchParams,
    traces: Vec<TraceSummary>,
    next: Option<Cursor>,
    stopped: Option<Stopped>,
) -> TracesResponse {
    let start_ns = params.range.start_ns;
    let stopped = stopped.unwrap_or(Stopped { in_time: true, certain_ns: start_ns });
    let searched = Searched {
        start_time: DateTime::from_timestamp_nanos(start_ns),
        end_time: DateTime::from_timestamp_nanos(params.range.end_ns),
        complete: stopped.in_time,
        complete_from: DateTime::from_timestamp_nanos(stopped.certain_ns.max(start_ns)),
    };
    TracesResponse { traces, next_cursor: next.map(|cursor| cursor.encode()), searched }
}
