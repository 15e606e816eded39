//! One trace: its rows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Context;
use futures::TryStreamExt;
use spanloom_model::{SpanId, SpanKind, SpanStatus, TraceId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::query::store::{begin_read, operation_names, service_names, time_of_us};
use crate::store::Store;
use crate::store::pairs::StoredAttributes;

/// A trace as it is stored. Events and links are JSON.
#[derive(Debug)]
pub struct TraceRows {
    /// The trace.
    pub trace_id: TraceId,
    /// How many spans it has, those left out included.
    pub span_count: i64,
    /// Its spans by start, at most as many as were asked for.
    pub spans: Vec<SpanRow>,
    /// Whether there are more.
    pub truncated: bool,
    /// Names of operations by id.
    pub operations: HashMap<i32, String>,
    /// Processes by id.
    pub resources: HashMap<i32, ResourceRow>,
    /// Libraries by id.
    pub scopes: HashMap<i32, ScopeRow>,
}

/// A row of `spans`.
#[derive(Debug)]
pub struct SpanRow {
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// Nanoseconds.
    pub duration_ns: i64,
    /// The span.
    pub span_id: SpanId,
    /// Its parent.
    pub parent_span_id: Option<SpanId>,
    /// Id of the operation.
    pub operation: i32,
    /// Id of the process.
    pub resource: i32,
    /// Id of the library.
    pub scope: i32,
    /// Trace flags.
    pub flags: u32,
    /// Its kind.
    pub kind: SpanKind,
    /// Its status.
    pub status: SpanStatus,
    /// Why it failed.
    pub status_message: Option<String>,
    /// W3C trace state.
    pub trace_state: Option<String>,
    /// Its attributes.
    pub attributes: StoredAttributes,
    /// JSON array.
    pub events: Option<String>,
    /// JSON array.
    pub links: Option<String>,
    /// Attributes, events and links that the client dropped.
    pub dropped: [u32; 3],
}

/// A row of `resources`.
#[derive(Debug)]
pub struct ResourceRow {
    /// Name of the service.
    pub service: String,
    /// JSON object.
    pub attributes: String,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// Schema of the attributes.
    pub schema_url: String,
}

/// A row of `scopes`.
#[derive(Debug)]
pub struct ScopeRow {
    /// The library's name.
    pub name: String,
    /// The library's version.
    pub version: String,
    /// JSON object.
    pub attributes: String,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// Schema of the attributes.
    pub schema_url: String,
}

/// Reads a trace with at most `spans_max` spans; none if nothing is stored under the id.
pub async fn trace(
    store: &Store,
    trace_id: TraceId,
    spans_max: usize,
    statement_time: Duration,
) -> anyhow::Result<Option<TraceRows>> {
    let mut tx = begin_read(&store.pool, statement_time).await?;
    let uuid = Uuid::from_u128(trace_id.get());
    // The pieces tell the time, so that partitions without the trace are left alone.
    let extent =
        sqlx::query("SELECT min(start_ns), max(end_ns), sum(span_count) FROM traces WHERE trace_id = $1")
            .bind(uuid)
            .fetch_one(&mut *tx)
            .await?;
    let (Some(start_ns), Some(end_ns)) = (extent.try_get(0)?, extent.try_get(1)?) else {
        return Ok(None);
    };
    let mut spans = spans(&mut tx, uuid, (start_ns, end_ns), spans_max + 1).await?;
    if spans.is_empty() {
        return Ok(None);
    }
    let truncated = spans.len() > spans_max;
    spans.truncate(spans_max);
    store.pairs.fill(&mut tx, spans.iter_mut().map(|span| &mut span.attributes)).await?;

    let ids = |id: fn(&SpanRow) -> i32| Vec::from_iter(spans.iter().map(id).collect::<HashSet<i32>>());
    Ok(Some(TraceRows {
        trace_id,
        span_count: extent.try_get(2)?,
        truncated,
        operations: operation_names(&mut tx, &ids(|span| span.operation)).await?,
        resources: resources(&mut tx, &ids(|span| span.resource)).await?,
        scopes: scopes(&mut tx, &ids(|span| span.scope)).await?,
        spans,
    }))
}

async fn spans(
    db: &mut PgConnection,
    trace_id: Uuid,
    (start_ns, end_ns): (i64, i64),
    limit: usize,
) -> anyhow::Result<Vec<SpanRow>> {
    let mut rows = sqlx::query(
        "SELECT start_time, start_sub_ns, duration_ns, span_id, parent_span_id, operation_id, resource_id,
                scope_id, flags, kind, status, status_message, trace_state, attributes, events, links,
                dropped_attributes_count, dropped_events_count, dropped_links_count, attribute_ids
         FROM spans WHERE trace_id = $1 AND start_time >= $2 AND start_time <= $3
         ORDER BY start_time, start_sub_ns, duration_ns DESC, span_id LIMIT $4",
    )
    .bind(trace_id)
    .bind(time_of_us(start_ns.div_euclid(1000)))
    .bind(time_of_us(end_ns.div_euclid(1000)))
    .bind(limit as i64)
    .fetch(db);
    let mut spans = Vec::new();
    while let Some(row) = rows.try_next().await? {
        spans.push(span(&row)?);
    }
    Ok(spans)
}

fn span(row: &PgRow) -> anyhow::Result<SpanRow> {
    let start: chrono::DateTime<chrono::Utc> = row.try_get(0)?;
    let parent: Option<i64> = row.try_get(4)?;
    let dropped = |column: usize| Ok::<u32, sqlx::Error>(bits(row.try_get::<Option<i32>, _>(column)?));
    Ok(SpanRow {
        start_ns: start.timestamp_micros() * 1000 + i64::from(row.try_get::<i16, _>(1)?),
        duration_ns: row.try_get(2)?,
        span_id: SpanId::from_i64(row.try_get(3)?).context("stored span id")?,
        parent_span_id: parent.map(SpanId::from_i64).transpose().context("stored parent span id")?,
        operation: row.try_get(5)?,
        resource: row.try_get(6)?,
        scope: row.try_get(7)?,
        flags: row.try_get::<i32, _>(8)?.cast_unsigned(),
        kind: SpanKind::from_number(i32::from(row.try_get::<i16, _>(9)?)),
        status: SpanStatus::from_number(i32::from(row.try_get::<i16, _>(10)?)),
        status_message: row.try_get(11)?,
        trace_state: row.try_get(12)?,
        attributes: StoredAttributes::from_columns(row, 13, 19)?,
        events: row.try_get(14)?,
        links: row.try_get(15)?,
        dropped: [dropped(16)?, dropped(17)?, dropped(18)?],
    })
}

/// Counts are unsigned and stored in 32 bits.
fn bits(count: Option<i32>) -> u32 {
    count.unwrap_or_default().cast_unsigned()
}

/// Processes by id.
pub async fn resources(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<HashMap<i32, ResourceRow>> {
    let rows = sqlx::query(
        "SELECT id, service_id, attributes, dropped_attributes_count, schema_url
         FROM resources WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(&mut *db)
    .await?;
    let services = rows.iter().map(|row| row.try_get(1)).collect::<sqlx::Result<HashSet<i32>>>()?;
    let names = service_names(db, &Vec::from_iter(services)).await?;
    rows.iter()
        .map(|row| {
            let resource = ResourceRow {
                service: names.get(&row.try_get(1)?).cloned().unwrap_or_default(),
                attributes: row.try_get(2)?,
                dropped_attributes_count: bits(row.try_get(3)?),
                schema_url: row.try_get(4)?,
            };
            Ok((row.try_get(0)?, resource))
        })
        .collect()
}

/// Libraries by id.
pub async fn scopes(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<HashMap<i32, ScopeRow>> {
    let rows = sqlx::query(
        "SELECT id, name, version, attributes, dropped_attributes_count, schema_url
         FROM scopes WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let scope = ScopeRow {
                name: row.try_get(1)?,
                version: row.try_get(2)?,
                attributes: row.try_get(3)?,
                dropped_attributes_count: bits(row.try_get(4)?),
                schema_url: row.try_get(5)?,
            };
            Ok((row.try_get(0)?, scope))
        })
        .collect()
}
