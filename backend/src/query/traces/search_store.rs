//! SQL of the search.

use std::collections::HashMap;

use futures::TryStreamExt;
use spanloom_model::{SpanKind, SpanStatus};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::call_store::CallCondition;
use super::cursor::Cursor;
use super::merge::{Merged, Piece};
use super::params::{Filter, TimeOf};
use crate::query::params::TimeRange;
use crate::query::store::{service_id, time_of_us};
use crate::query::tag_store::TagCondition;

type Sql = QueryBuilder<Postgres>;

/// What one span must satisfy, with names resolved to ids.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    service: Option<i32>,
    operations: Option<Operations>,
    status: Option<SpanStatus>,
    kinds: Vec<SpanKind>,
    duration_min_ns: Option<i64>,
    duration_max_ns: Option<i64>,
    /// In which it starts; anywhere if the range is the trace's.
    range: Option<TimeRange>,
    tags: Vec<TagCondition>,
    call: Option<CallCondition>,
}

/// All operations with one name, and the services that have them.
#[derive(Debug, Clone)]
struct Operations {
    ids: Vec<i32>,
    services: Vec<i32>,
}

/// A moment at which a trace satisfies the conditions.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Microseconds since the epoch, not before the trace's start.
    pub time_us: i64,
    /// The trace.
    pub trace_id: Uuid,
}

impl Conditions {
    /// Looks the names up; none if there is no such service or operation. `range` is the search's.
    pub async fn resolve(
        db: &mut PgConnection,
        filter: &Filter,
        range: TimeRange,
    ) -> sqlx::Result<Option<Self>> {
        let mut conditions = Self {
            status: filter.status,
            kinds: filter.kinds.clone(),
            duration_min_ns: filter.span_duration_min_ns,
            duration_max_ns: filter.span_duration_max_ns,
            range: (filter.time_of == TimeOf::Span).then_some(range),
            ..Self::default()
        };
        if let Some(name) = &filter.service {
            conditions.service = service_id(db, name).await?;
            if conditions.service.is_none() {
                return Ok(None);
            }
        }
        if let Some(name) = &filter.operation {
            let operations = operations(db, name, conditions.service).await?;
            if operations.ids.is_empty() {
                return Ok(None);
            }
            conditions.operations = Some(operations);
        }
        for tag in &filter.tags {
            conditions.tags.push(TagCondition::resolve_for_spans(db, tag).await?);
        }
        if let Some(call) = &filter.call {
            conditions.call = CallCondition::resolve(db, call).await?;
            if conditions.call.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(conditions))
    }

    /// Whether every trace satisfies them.
    pub fn is_empty(&self) -> bool {
        self.service.is_none() && self.status.is_none() && !self.need_spans()
    }

    /// Whether pieces of traces cannot tell.
    pub fn need_spans(&self) -> bool {
        let by_pieces = matches!(self.status, None | Some(SpanStatus::Error));
        !by_pieces
            || self.operations.is_some()
            || !self.kinds.is_empty()
            || self.duration_min_ns.is_some()
            || self.duration_max_ns.is_some()
            || self.range.is_some()
            || !self.tags.is_empty()
            || self.call.is_some()
    }

    /// Whether the span has to start in the range, so that no hit lies outside.
    pub fn bound_spans(&self) -> bool {
        self.range.is_some()
    }

    /// Adds the condition about a row of `traces` after `prefix`; false if there is none.
    fn piece_condition(&self, sql: &mut Sql, prefix: &str) -> bool {
        let error = self.status == Some(SpanStatus::Error);
        match (self.service, error) {
            (None, false) => return false,
            (None, true) => sql.push(prefix).push("error_count > 0"),
            (Some(id), false) => sql.push(prefix).push("service_ids @> ARRAY[").push_bind(id).push("]"),
            (Some(id), true) => sql
                .push(prefix)
                .push("coalesce(service_error_counts[array_position(service_ids, ")
                .push_bind(id)
                .push(")], 0) > 0"),
        };
        true
    }

    /// Adds ` AND ...` about a row of `spans h`.
    fn push_span(&self, sql: &mut Sql) {
        if let Some(id) = self.service {
            sql.push(" AND service_id = ").push_bind(id);
        }
        if let Some(operations) = &self.operations {
            if self.service.is_none() {
                // For the index; the operations imply it.
                sql.push(" AND service_id = ANY(").push_bind(operations.services.clone()).push(")");
            }
            sql.push(" AND operation_id = ANY(").push_bind(operations.ids.clone()).push(")");
        }
        if let Some(status) = self.status {
            sql.push(" AND status = ").push_bind(status.number());
        }
        if !self.kinds.is_empty() {
            let kinds: Vec<i16> = self.kinds.iter().map(|kind| kind.number()).collect();
            sql.push(" AND kind = ANY(").push_bind(kinds).push(")");
        }
        if let Some(min_ns) = self.duration_min_ns {
            sql.push(" AND duration_ns >= ").push_bind(min_ns);
        }
        if let Some(max_ns) = self.duration_max_ns {
            sql.push(" AND duration_ns <= ").push_bind(max_ns);
        }
        if let Some(range) = self.range {
            push_start_range(sql, range);
        }
        for tag in &self.tags {
            tag.push_here_or_in_resource(sql, self.service.as_slice());
        }
        if let Some(call) = &self.call {
            call.push(sql);
        }
    }
}

/// Adds ` AND ...`: the span starts in the range, to the nanosecond.
fn push_start_range(sql: &mut Sql, range: TimeRange) {
    sql.push(" AND start_time >= ").push_bind(time_of_us(range.start_us()));
    sql.push(" AND start_time < ").push_bind(time_of_us(range.end_us()));
    // Whole microseconds, as nearly all ranges have them, need no second look.
    let (start_sub_ns, end_sub_ns) = (range.start_ns.rem_euclid(1000), range.end_ns.rem_euclid(1000));
    if start_sub_ns > 0 {
        sql.push(" AND (start_time > ").push_bind(time_of_us(range.start_us()));
        sql.push(" OR start_sub_ns >= ").push_bind(start_sub_ns as i16).push(")");
    }
    if end_sub_ns > 0 {
        sql.push(" AND (start_time < ").push_bind(time_of_us(range.end_us() - 1));
        sql.push(" OR start_sub_ns < ").push_bind(end_sub_ns as i16).push(")");
    }
}

async fn operations(db: &mut PgConnection, name: &str, service: Option<i32>) -> sqlx::Result<Operations> {
    let rows = sqlx::query(
        "SELECT id, service_id FROM operations WHERE name = $1 AND ($2::int IS NULL OR service_id = $2)",
    )
    .bind(name)
    .bind(service)
    .fetch_all(db)
    .await?;
    let column = |index| rows.iter().map(|row| row.try_get(index)).collect::<sqlx::Result<Vec<i32>>>();
    Ok(Operations { ids: column(0)?, services: column(1)? })
}

fn hit(row: &PgRow) -> sqlx::Result<Hit> {
    let time: chrono::DateTime<chrono::Utc> = row.try_get(1)?;
    Ok(Hit { trace_id: row.try_get(0)?, time_us: time.timestamp_micros() })
}

/// Starts `SELECT trace_id, <time> FROM spans or traces` and tells the column of the time.
fn select_hits(conditions: &Conditions) -> (Sql, &'static str) {
    if conditions.need_spans() {
        (Sql::new("SELECT trace_id, start_time FROM spans h WHERE "), "start_time")
    } else {
        (Sql::new("SELECT trace_id, first_start FROM traces h WHERE "), "first_start")
    }
}

/// The same for the traces alone, each once.
fn select_late_traces(conditions: &Conditions) -> (Sql, &'static str) {
    if conditions.need_spans() {
        (Sql::new("SELECT DISTINCT trace_id FROM spans h WHERE "), "start_time")
    } else {
        (Sql::new("SELECT DISTINCT trace_id FROM traces h WHERE "), "first_start")
    }
}

fn push_conditions(sql: &mut Sql, conditions: &Conditions) {
    if conditions.need_spans() {
        conditions.push_span(sql);
    } else {
        conditions.piece_condition(sql, " AND ");
    }
}

/// Hits from `start_us` to before `end_us`, the latest first; with `after` those that follow it.
pub async fn hits(
    db: &mut PgConnection,
    conditions: &Conditions,
    start_us: i64,
    end_us: i64,
    after: Option<Hit>,
    limit: usize,
) -> sqlx::Result<Vec<Hit>> {
    let (mut sql, time) = select_hits(conditions);
    let end_us = after.map_or(end_us, |hit| hit.time_us + 1);
    sql.push(time).push(" >= ").push_bind(time_of_us(start_us));
    sql.push(" AND ").push(time).push(" < ").push_bind(time_of_us(end_us));
    if let Some(hit) = after {
        sql.push(" AND (").push(time).push(" < ").push_bind(time_of_us(hit.time_us));
        sql.push(" OR trace_id < ").push_bind(hit.trace_id).push(")");
    }
    push_conditions(&mut sql, conditions);
    sql.push(" ORDER BY ").push(time).push(" DESC, trace_id DESC LIMIT ").push_bind(limit as i64);
    sql.build().fetch_all(db).await?.iter().map(hit).collect()
}

/// Traces with a piece that begins from `start_us` to before `end_us` and ends at `beyond_ns` or later.
pub async fn straddlers(
    db: &mut PgConnection,
    start_us: i64,
    end_us: i64,
    beyond_ns: i64,
    limit: usize,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "SELECT DISTINCT trace_id FROM traces
         WHERE first_start >= $1 AND first_start < $2 AND end_ns >= $3 LIMIT $4",
    )
    .bind(time_of_us(start_us))
    .bind(time_of_us(end_us))
    .bind(beyond_ns)
    .bind(limit as i64)
    .fetch_all(db)
    .await
}

/// Traces with a hit from `from_us` to before `to_us` (or later still, without it) and a piece that
/// begins in `earlier`, the range before.
pub async fn late_hits(
    db: &mut PgConnection,
    conditions: &Conditions,
    from_us: i64,
    to_us: Option<i64>,
    earlier: (i64, i64),
    limit: usize,
) -> sqlx::Result<Vec<Uuid>> {
    let (mut sql, time) = select_late_traces(conditions);
    sql.push(time).push(" >= ").push_bind(time_of_us(from_us));
    if let Some(to_us) = to_us {
        sql.push(" AND ").push(time).push(" < ").push_bind(time_of_us(to_us));
    }
    push_conditions(&mut sql, conditions);
    sql.push(" AND EXISTS (SELECT FROM traces p WHERE p.trace_id = h.trace_id AND p.first_start >= ");
    sql.push_bind(time_of_us(earlier.0)).push(" AND p.first_start < ").push_bind(time_of_us(earlier.1));
    sql.push(") LIMIT ").push_bind(limit as i64);
    sql.build().fetch_all(db).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The start of the newest piece of all, in microseconds.
pub async fn newest_piece_us(db: &mut PgConnection) -> sqlx::Result<Option<i64>> {
    let newest: Option<chrono::DateTime<chrono::Utc>> =
        sqlx::query_scalar("SELECT max(first_start) FROM traces").fetch_one(db).await?;
    Ok(newest.map(|time| time.timestamp_micros()))
}

/// Which of the traces satisfy the conditions; all their spans lie from `start_us` to `end_us`.
pub async fn matching(
    db: &mut PgConnection,
    conditions: &Conditions,
    trace_ids: &[Uuid],
    start_us: i64,
    end_us: i64,
) -> sqlx::Result<Vec<Uuid>> {
    let mut sql = Sql::new("SELECT DISTINCT trace_id FROM spans h WHERE trace_id = ANY(");
    sql.push_bind(trace_ids.to_vec()).push(") AND start_time >= ").push_bind(time_of_us(start_us));
    sql.push(" AND start_time <= ").push_bind(time_of_us(end_us));
    conditions.push_span(&mut sql);
    sql.build_query_scalar().fetch_all(db).await
}

/// A trace that belongs to the results as far as pieces can tell.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The trace.
    pub trace_id: Uuid,
    /// Start of its earliest span.
    pub start_ns: i64,
    /// End of its latest span.
    pub end_ns: i64,
}

/// Those of the traces that start in the range, last as long as they should and satisfy the
/// conditions as far as pieces can tell. Only what is wanted leaves the database: a rare duration
/// has very many traces looked at.
pub async fn candidates(
    db: &mut PgConnection,
    conditions: &Conditions,
    filter: &Filter,
    range: TimeRange,
    trace_ids: &[Uuid],
) -> sqlx::Result<Vec<Candidate>> {
    let mut sql = Sql::new("SELECT trace_id, min(start_ns), max(end_ns) FROM traces WHERE trace_id = ANY(");
    sql.push_bind(trace_ids.to_vec()).push(") GROUP BY trace_id");
    push_having(&mut sql, conditions, filter, range);
    let rows = sql.build().fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate { trace_id: row.try_get(0)?, start_ns: row.try_get(1)?, end_ns: row.try_get(2)? })
        })
        .collect()
}

/// Adds ` HAVING ...` to a grouping of `traces` by trace.
fn push_having(sql: &mut Sql, conditions: &Conditions, filter: &Filter, range: TimeRange) {
    sql.push(" HAVING min(start_ns) >= ").push_bind(range.start_ns);
    sql.push(" AND min(start_ns) < ").push_bind(range.end_ns);
    if let Some(min_ns) = filter.duration_min_ns {
        sql.push(" AND max(end_ns) - min(start_ns) >= ").push_bind(min_ns);
    }
    if let Some(max_ns) = filter.duration_max_ns {
        sql.push(" AND max(end_ns) - min(start_ns) <= ").push_bind(max_ns);
    }
    if !conditions.need_spans() && conditions.piece_condition(sql, " AND bool_or(") {
        sql.push(")");
    }
}

/// The traces, merged from their pieces.
pub async fn merged(db: &mut PgConnection, trace_ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Merged>> {
    let mut rows = sqlx::query(
        "SELECT trace_id, start_ns, end_ns, root_service_id, root_operation_id, first_service_id,
                first_operation_id, span_count, error_count, service_ids, service_span_counts,
                service_error_counts
         FROM traces WHERE trace_id = ANY($1)",
    )
    .bind(trace_ids)
    .fetch(db);
    let mut traces = HashMap::<Uuid, Merged>::with_capacity(trace_ids.len());
    // One row at a time: a trace that never ends has pieces without number.
    while let Some(row) = rows.try_next().await? {
        let piece = piece(&row)?;
        match traces.entry(row.try_get(0)?) {
            std::collections::hash_map::Entry::Occupied(mut entry) => entry.get_mut().add(&piece),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Merged::new(&piece));
            }
        }
    }
    Ok(traces)
}

fn piece(row: &PgRow) -> sqlx::Result<Piece> {
    let root_service: Option<i32> = row.try_get(3)?;
    let root_operation: Option<i32> = row.try_get(4)?;
    let ids: Vec<i32> = row.try_get(9)?;
    let spans: Vec<i32> = row.try_get(10)?;
    let errors: Vec<i32> = row.try_get(11)?;
    Ok(Piece {
        start_ns: row.try_get(1)?,
        end_ns: row.try_get(2)?,
        root: root_service.zip(root_operation),
        first: (row.try_get(5)?, row.try_get(6)?),
        span_count: i64::from(row.try_get::<i32, _>(7)?),
        error_count: i64::from(row.try_get::<i32, _>(8)?),
        services: ids
            .into_iter()
            .zip(spans.into_iter().zip(errors))
            .map(|(id, (spans, errors))| (id, i64::from(spans), i64::from(errors)))
            .collect(),
    })
}

/// The longest traces in order: duration, then id, both descending. They start in `range`.
pub async fn longest(
    db: &mut PgConnection,
    conditions: &Conditions,
    filter: &Filter,
    range: TimeRange,
    cursor: Option<&Cursor>,
    limit: usize,
) -> sqlx::Result<Vec<Uuid>> {
    let mut sql = Sql::new("WITH candidates AS MATERIALIZED (SELECT DISTINCT trace_id FROM ");
    if conditions.bound_spans() {
        sql.push("spans h WHERE true");
        conditions.push_span(&mut sql);
    } else {
        // A trace that starts in the range has a piece that does; its other pieces may lie anywhere.
        sql.push("traces WHERE first_start >= ").push_bind(time_of_us(range.start_us()));
        sql.push(" AND first_start < ").push_bind(time_of_us(range.end_us()));
    }
    sql.push(
        "), merged AS MATERIALIZED (
             SELECT trace_id, max(end_ns) AS end_ns, max(end_ns) - min(start_ns) AS duration_ns
             FROM traces JOIN candidates USING (trace_id) GROUP BY trace_id",
    );
    push_having(&mut sql, conditions, filter, range);
    sql.push(") SELECT trace_id FROM merged WHERE true");
    if let Some(cursor) = cursor {
        sql.push(" AND (duration_ns, trace_id) < (").push_bind(cursor.key_ns).push(", ");
        sql.push_bind(Uuid::from_u128(cursor.trace_id.get())).push(")");
    }
    if conditions.need_spans() && !conditions.bound_spans() {
        sql.push(" AND trace_id IN (SELECT trace_id FROM spans h WHERE start_time >= ");
        sql.push_bind(time_of_us(range.start_us()));
        sql.push(
            " AND start_time <= (SELECT timestamptz 'epoch' + (max(end_ns) / 1000 + 1) * interval '1 us'
                                 FROM merged)",
        );
        conditions.push_span(&mut sql);
        sql.push(")");
    }
    sql.push(" ORDER BY duration_ns DESC, trace_id DESC LIMIT ").push_bind(limit as i64);
    sql.build_query_scalar().fetch_all(db).await
}
