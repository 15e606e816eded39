//! Groups of errors, as they were counted last.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use serde::de::DeserializeOwned;
use spanloom_model::api::{
    ErrorDetail, ErrorEvent, ErrorGroup, ErrorOrder, ErrorSample, ErrorShare, ErrorsResponse,
};
use spanloom_model::{SpanId, TraceId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row};
use uuid::Uuid;

use super::params::{ErrorParams, Steps};
use crate::query::params::Window;
use crate::query::store::begin_read;

/// Points of a trend in the list, and of a group alone.
const LIST_POINTS_MAX: i64 = 30;
const DETAIL_POINTS_MAX: i64 = 120;

const GROUP_COLUMNS: &str = "g.id, s.name, g.type, g.message, g.is_overflow, g.state, g.first_seen, \
    g.last_seen, g.error_count, g.example";

/// What satisfies the filters of service ($3), operation ($4) and version ($5) within $1 and $2.
const COUNTS: &str = "FROM error_counts c WHERE c.minute >= $1 AND c.minute < $2
    AND ($3::text IS NULL OR c.group_id IN (
        SELECT e.id FROM error_groups e JOIN services v ON v.id = e.service_id WHERE v.name = $3))
    AND ($4::text IS NULL OR c.operation_id IN (SELECT o.id FROM operations o WHERE o.name = $4))
    AND ($5::text IS NULL OR c.version = $5)";

/// The groups that satisfy the parameters.
pub async fn list(
    pool: &PgPool,
    params: &ErrorParams,
    statement_time: Duration,
) -> anyhow::Result<ErrorsResponse> {
    let mut tx = begin_read(pool, statement_time).await?;
    let order = match params.order {
        ErrorOrder::LastSeen => "g.last_seen",
        ErrorOrder::FirstSeen => "g.first_seen",
        ErrorOrder::Count => "n.count",
        ErrorOrder::Trend => "n.growth",
    };
    let statement = format!(
        "WITH n AS (
             SELECT c.group_id, sum(c.error_count) AS count,
                    sum(CASE WHEN c.minute >= $6 THEN c.error_count ELSE -c.error_count END) AS growth
             {COUNTS} GROUP BY 1
         )
         SELECT {GROUP_COLUMNS}, n.count, count(*) OVER (), sum(n.count) OVER ()
         FROM n JOIN error_groups g ON g.id = n.group_id JOIN services s ON s.id = g.service_id
         WHERE g.state = ANY ($7)
           AND ($8::text IS NULL OR strpos(lower(g.type || ' ' || g.message || ' ' || g.example), lower($8)) > 0)
         ORDER BY {order} DESC, g.id LIMIT $9"
    );
    let states: Vec<&str> = params.states.iter().map(|state| state.name()).collect();
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(params.window.start)
        .bind(params.window.end)
        .bind(&params.service)
        .bind(&params.operation)
        .bind(&params.version)
        .bind(Steps::middle(params.window))
        .bind(states)
        .bind(&params.text)
        .bind(params.limit)
        .fetch_all(&mut *tx)
        .await?;
    let mut groups = rows.iter().map(group).collect::<anyhow::Result<Vec<_>>>()?;
    let steps = Steps::of(params.window, LIST_POINTS_MAX);
    let mut trends = trends(&mut tx, params, &groups, steps).await?;
    for group in &mut groups {
        group.trend = steps.fill(trends.remove(&group.id).unwrap_or_default().into_iter());
    }
    let (group_count, count) = match rows.first() {
        Some(row) => (row.try_get::<i64, _>(11)?, row.try_get(12)?),
        None => (0, 0.0),
    };
    Ok(ErrorsResponse {
        groups,
        group_count: group_count.unsigned_abs(),
        count,
        start_time: params.window.start,
        end_time: params.window.end,
        step_seconds: steps.seconds,
    })
}

/// Counts by group and step.
async fn trends(
    db: &mut PgConnection,
    params: &ErrorParams,
    groups: &[ErrorGroup],
    steps: Steps,
) -> sqlx::Result<HashMap<Uuid, Vec<(i32, f64)>>> {
    let ids: Vec<Uuid> = groups.iter().map(|group| group.id).collect();
    let statement = format!(
        "SELECT c.group_id, floor(extract(epoch FROM c.minute - $1) / $7)::int, sum(c.error_count)
         {COUNTS} AND c.group_id = ANY ($6) GROUP BY 1, 2"
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(params.window.start)
        .bind(params.window.end)
        .bind(&params.service)
        .bind(&params.operation)
        .bind(&params.version)
        .bind(&ids)
        .bind(steps.seconds)
        .fetch_all(db)
        .await?;
    let mut trends: HashMap<Uuid, Vec<(i32, f64)>> = HashMap::new();
    for row in &rows {
        trends.entry(row.try_get(0)?).or_default().push((row.try_get(1)?, row.try_get(2)?));
    }
    Ok(trends)
}

/// The group's columns and its count in the window.
fn group(row: &PgRow) -> anyhow::Result<ErrorGroup> {
    Ok(ErrorGroup {
        id: row.try_get(0)?,
        service: row.try_get(1)?,
        kind: row.try_get(2)?,
        message: row.try_get(3)?,
        example: row.try_get(9)?,
        is_overflow: row.try_get(4)?,
        state: named(row.try_get(5)?)?,
        first_seen: row.try_get(6)?,
        last_seen: row.try_get(7)?,
        total_count: row.try_get(8)?,
        count: row.try_get::<Option<f64>, _>(10)?.unwrap_or_default(),
        trend: Vec::new(),
    })
}

/// One group; none if there is no such.
pub async fn detail(
    pool: &PgPool,
    id: Uuid,
    window: Window,
    statement_time: Duration,
) -> anyhow::Result<Option<ErrorDetail>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let statement = format!(
        "SELECT {GROUP_COLUMNS},
                (SELECT sum(c.error_count) FROM error_counts c
                 WHERE c.group_id = g.id AND c.minute >= $2 AND c.minute < $3),
                g.stacktrace, g.resolved_versions IS NOT NULL
         FROM error_groups g JOIN services s ON s.id = g.service_id WHERE g.id = $1"
    );
    let row = sqlx::query(AssertSqlSafe(statement))
        .bind(id)
        .bind(window.start)
        .bind(window.end)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let steps = Steps::of(window, DETAIL_POINTS_MAX);
    let points: Vec<(i32, f64)> = sqlx::query_as(
        "SELECT floor(extract(epoch FROM minute - $2) / $4)::int, sum(error_count)
         FROM error_counts WHERE group_id = $1 AND minute >= $2 AND minute < $3 GROUP BY 1",
    )
    .bind(id)
    .bind(window.start)
    .bind(window.end)
    .bind(steps.seconds)
    .fetch_all(&mut *tx)
    .await?;
    Ok(Some(ErrorDetail {
        group: ErrorGroup { trend: steps.fill(points.into_iter()), ..group(&row)? },
        resolved_in_next_version: row.try_get(12)?,
        stack_trace: row.try_get(11)?,
        operations: shares(&mut tx, "o.name", id, window).await?,
        versions: shares(&mut tx, "c.version", id, window).await?,
        samples: samples(&mut tx, id).await?,
        events: events(&mut tx, id).await?,
        start_time: window.start,
        end_time: window.end,
        step_seconds: steps.seconds,
    }))
}

/// The group's counts by a column of `error_counts c JOIN operations o`.
async fn shares(
    db: &mut PgConnection,
    by: &'static str,
    id: Uuid,
    window: Window,
) -> sqlx::Result<Vec<ErrorShare>> {
    let statement = format!(
        "SELECT {by}, sum(c.error_count), min(c.minute), max(c.minute)
         FROM error_counts c JOIN operations o ON o.id = c.operation_id
         WHERE c.group_id = $1 AND c.minute >= $2 AND c.minute < $3
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50"
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(id)
        .bind(window.start)
        .bind(window.end)
        .fetch_all(db)
        .await?;
    let share = |row: &PgRow| {
        Ok(ErrorShare {
            name: row.try_get(0)?,
            count: row.try_get(1)?,
            first_seen: row.try_get(2)?,
            last_seen: row.try_get(3)?,
        })
    };
    rows.iter().map(share).collect()
}

/// Samples whose traces are still there. A piece of a trace begins no later than its spans.
async fn samples(db: &mut PgConnection, id: Uuid) -> anyhow::Result<Vec<ErrorSample>> {
    let rows = sqlx::query(
        "SELECT s.trace_id, s.span_id, s.start_time, o.name, s.version, s.message
         FROM error_samples s JOIN operations o ON o.id = s.operation_id
         WHERE s.group_id = $1 AND EXISTS (
             SELECT FROM traces t WHERE t.trace_id = s.trace_id AND t.first_start <= s.start_time
               AND t.first_start > s.start_time - interval '1 day')
         ORDER BY s.start_time DESC LIMIT 30",
    )
    .bind(id)
    .fetch_all(db)
    .await?;
    let sample = |row: &PgRow| {
        Ok(ErrorSample {
            trace_id: TraceId::new(row.try_get::<Uuid, _>(0)?.as_u128())?,
            span_id: SpanId::from_i64(row.try_get(1)?)?,
            start_time: row.try_get(2)?,
            operation: row.try_get(3)?,
            version: row.try_get(4)?,
            message: row.try_get(5)?,
        })
    };
    rows.iter().map(sample).collect()
}

async fn events(db: &mut PgConnection, id: Uuid) -> anyhow::Result<Vec<ErrorEvent>> {
    let rows = sqlx::query(
        "SELECT at, kind, actor, nullif(version, '') FROM error_events
         WHERE group_id = $1 ORDER BY id DESC LIMIT 100",
    )
    .bind(id)
    .fetch_all(db)
    .await?;
    let event = |row: &PgRow| {
        Ok(ErrorEvent {
            at: row.try_get(0)?,
            kind: named(row.try_get(1)?)?,
            actor: row.try_get(2)?,
            version: row.try_get(3)?,
        })
    };
    rows.iter().map(event).collect()
}

/// A value whose name in the database is that of the API.
fn named<T: DeserializeOwned>(name: &str) -> anyhow::Result<T> {
    serde_json::from_value(name.into()).with_context(|| format!("unknown name {name:?}"))
}
