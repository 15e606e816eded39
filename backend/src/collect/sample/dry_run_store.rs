//! The stored traces of a while, to try policies on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use spanloom_model::{Attributes, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::query::store::time_of_us;
use crate::store::pairs::{PairCache, StoredAttributes};

/// A range of the starts of traces, the end exclusive.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Inclusive.
    pub start: DateTime<Utc>,
    /// Exclusive.
    pub end: DateTime<Utc>,
}

/// Pieces of traces and spans that began in the range.
pub async fn extent(db: &mut PgConnection, range: Range) -> sqlx::Result<(u64, u64)> {
    let row = sqlx::query(
        "SELECT count(*), coalesce(sum(span_count), 0)::bigint FROM traces
         WHERE first_start >= $1 AND first_start < $2",
    )
    .bind(range.start)
    .bind(range.end)
    .fetch_one(db)
    .await?;
    Ok((row.try_get::<i64, _>(0)? as u64, row.try_get::<i64, _>(1)? as u64))
}

/// A trace to look at.
#[derive(Debug, Clone, Copy)]
pub struct Picked {
    /// The trace.
    pub trace_id: TraceId,
    /// Start of its first span, nanoseconds since the epoch.
    pub start_ns: i64,
    /// End of its last span, nanoseconds since the epoch.
    pub end_ns: i64,
    /// How many spans it has.
    pub spans: u64,
}

/// The traces that began in the range, or of each about `every_nth` second those that began in it, by
/// start. Seconds are picked by their hash: something that happens every minute is neither always in
/// nor always out.
pub async fn pick(
    db: &mut PgConnection,
    range: Range,
    every_nth: u32,
    traces_max: usize,
) -> anyhow::Result<Vec<Picked>> {
    // A piece may begin in a second that is picked although its trace did not: the whole trace counts.
    let rows = sqlx::query(
        "WITH candidates AS (
             SELECT DISTINCT trace_id FROM traces
             WHERE first_start >= $1 AND first_start < $2
               AND (hashint8(floor(extract(epoch FROM first_start))::bigint)::bigint & 2147483647) % $3 = 0
         )
         SELECT trace_id, min(start_ns), max(end_ns), sum(span_count)::bigint
         FROM traces JOIN candidates USING (trace_id)
         WHERE first_start >= $1 - interval '1 hour' AND first_start < $2
         GROUP BY trace_id
         HAVING min(first_start) >= $1
            AND (hashint8(floor(extract(epoch FROM min(first_start)))::bigint)::bigint & 2147483647) % $3 = 0
         ORDER BY 2, 1 LIMIT $4",
    )
    .bind(range.start)
    .bind(range.end)
    .bind(i64::from(every_nth))
    .bind(traces_max as i64)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Picked {
                trace_id: TraceId::new(row.try_get::<Uuid, _>(0)?.as_u128()).context("stored trace id")?,
                start_ns: row.try_get(1)?,
                end_ns: row.try_get(2)?,
                spans: row.try_get::<i64, _>(3)? as u64,
            })
        })
        .collect()
}

/// A span as far as policies look at it; attributes are none if they were not asked for.
#[derive(Debug)]
pub struct SpanRow {
    trace_id: TraceId,
    span_id: SpanId,
    start_ns: i64,
    duration_ns: i64,
    kind: SpanKind,
    status: SpanStatus,
    trace_state: Option<String>,
    attributes: Option<StoredAttributes>,
    resource: i32,
}

/// The spans of traces, in any order.
pub async fn spans(
    db: &mut PgConnection,
    pairs: &PairCache,
    traces: &[Picked],
    with_attributes: bool,
) -> anyhow::Result<Vec<SpanRow>> {
    let starts = traces.iter().map(|trace| trace.start_ns).min();
    let ends = traces.iter().map(|trace| trace.end_ns).max();
    let (Some(start_ns), Some(end_ns)) = (starts, ends) else { return Ok(Vec::new()) };
    let ids: Vec<Uuid> = traces.iter().map(|trace| Uuid::from_u128(trace.trace_id.get())).collect();
    let mut rows = sqlx::query(
        "SELECT trace_id, span_id, start_time, start_sub_ns, duration_ns, kind, status, trace_state,
                CASE WHEN $4 THEN attributes END, CASE WHEN $4 THEN attribute_ids END, resource_id
         FROM spans WHERE trace_id = ANY($1) AND start_time >= $2 AND start_time <= $3",
    )
    .bind(ids)
    .bind(time_of_us(start_ns.div_euclid(1_000)))
    .bind(time_of_us(end_ns.div_euclid(1_000)))
    .bind(with_attributes)
    .fetch(&mut *db);
    let mut spans = Vec::new();
    while let Some(row) = rows.try_next().await? {
        spans.push(span(&row)?);
    }
    drop(rows);
    pairs.fill(db, spans.iter_mut().filter_map(|span| span.attributes.as_mut())).await?;
    Ok(spans)
}

fn span(row: &PgRow) -> anyhow::Result<SpanRow> {
    let start: DateTime<Utc> = row.try_get(2)?;
    Ok(SpanRow {
        trace_id: TraceId::new(row.try_get::<Uuid, _>(0)?.as_u128()).context("stored trace id")?,
        span_id: SpanId::from_i64(row.try_get(1)?).context("stored span id")?,
        start_ns: start.timestamp_micros() * 1_000 + i64::from(row.try_get::<i16, _>(3)?),
        duration_ns: row.try_get(4)?,
        kind: SpanKind::from_number(i32::from(row.try_get::<i16, _>(5)?)),
        status: SpanStatus::from_number(i32::from(row.try_get::<i16, _>(6)?)),
        trace_state: row.try_get(7)?,
        attributes: StoredAttributes::from_columns_or_null(row, 8, 9)?,
        resource: row.try_get(10)?,
    })
}

/// Processes by id.
pub type Resources = HashMap<i32, Arc<Resource>>;

/// Adds the processes of the spans that are not known yet.
pub async fn add_resources(
    db: &mut PgConnection,
    spans: &[SpanRow],
    known: &mut Resources,
) -> anyhow::Result<()> {
    let missing: HashSet<i32> =
        spans.iter().map(|span| span.resource).filter(|id| !known.contains_key(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<i32> = missing.into_iter().collect();
    let rows: Vec<(i32, String)> =
        sqlx::query_as("SELECT id, attributes FROM resources WHERE id = ANY($1)")
            .bind(missing)
            .fetch_all(db)
            .await?;
    for (id, attributes) in rows {
        let attributes: Attributes = serde_json::from_str(&attributes).context("stored resource")?;
        known.insert(id, Arc::new(Resource { attributes, ..Resource::default() }));
    }
    Ok(())
}

impl SpanRow {
    /// The span, with nothing where no policy looks.
    pub fn into_span(self, resources: &Resources, scope: &Arc<Scope>) -> anyhow::Result<Span> {
        let attributes = self.attributes.as_ref().map(StoredAttributes::read).transpose()?;
        Ok(Span {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: None,
            trace_state: self.trace_state.unwrap_or_default(),
            flags: 0,
            name: String::new(),
            kind: self.kind,
            start_ns: self.start_ns,
            duration_ns: self.duration_ns,
            attributes: attributes.unwrap_or_default(),
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: self.status,
            status_message: String::new(),
            resource: resources.get(&self.resource).cloned().unwrap_or_default(),
            scope: scope.clone(),
        })
    }
}

/// Bytes that a stored span takes on average; 0 if none is stored.
pub async fn bytes_per_span(pool: &PgPool) -> sqlx::Result<f64> {
    let bytes: Option<f64> = sqlx::query_scalar("SELECT span_bytes_average()").fetch_one(pool).await?;
    Ok(bytes.unwrap_or_default())
}
