//! SQL of what Prometheus scrapes.

use std::time::Duration;

use spanloom_model::api::DependencyKind;
use spanloom_model::{SpanId, SpanKind, SpanStatus, TraceId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::render::{EdgeSeries, Scrape, SpanSeries, Told, Totals};
use super::text::Exemplar;
use crate::custom::exposed_store::exposed;
use crate::query::store::begin_read;

/// Sets of labels of span metrics at most, each with 18 series.
const SPAN_SERIES_MAX: i64 = 4_000;

/// Sets of labels of the service graph at most, each with 19 series or 36.
const EDGE_SERIES_MAX: i64 = 2_000;

/// Groups of custom metrics at most, each with up to three series.
const CUSTOM_GROUPS_MAX: i64 = 1_000;

/// Everything that is scraped, of one moment.
pub async fn scrape(pool: &PgPool, statement_time: Duration) -> sqlx::Result<Scrape> {
    let mut tx = begin_read(pool, statement_time).await?;
    let (spans, edges) = (spans(&mut tx).await?, edges(&mut tx).await?);
    Ok(Scrape { spans, edges, custom: exposed(&mut tx, CUSTOM_GROUPS_MAX).await? })
}

/// The oldest series first: a limit that is reached leaves out what is new, and the others go on. What has
/// not been counted for a day is not told; when it comes back it goes on where it was. Rows come in one
/// order, because in another the last digit of a sum may be smaller than it was.
async fn spans(db: &mut PgConnection) -> sqlx::Result<Told<SpanSeries>> {
    let rows = sqlx::query(
        "WITH series AS MATERIALIZED (
             SELECT service_id, operation_id, kind, status, min(since) AS since FROM span_totals_now
             GROUP BY 1, 2, 3, 4 HAVING max(updated_at) > now() - interval '1 day'
         ), told AS MATERIALIZED (
             SELECT * FROM series ORDER BY since, service_id, operation_id, kind, status LIMIT $1
         )
         SELECT (SELECT count(*) FROM series), n.bound, sum(n.duration_us)::float8,
                sum(n.span_count_milli)::float8, max(n.exemplar), told.service_id, told.operation_id,
                told.kind, told.status, v.name, o.name
         FROM told JOIN span_totals_now n USING (service_id, operation_id, kind, status)
         JOIN services v ON v.id = told.service_id JOIN operations o ON o.id = told.operation_id
         GROUP BY n.bound, told.service_id, told.operation_id, told.kind, told.status, v.name, o.name
         ORDER BY told.service_id, told.operation_id, told.kind, told.status, n.bound",
    )
    .bind(SPAN_SERIES_MAX)
    .fetch_all(db)
    .await?;
    let mut told = Told { series: Vec::new(), known: 0 };
    let mut last: Option<(i32, i32, i16, i16)> = None;
    for row in &rows {
        told.known = row.try_get::<i64, _>(0)? as usize;
        let key = (row.try_get(5)?, row.try_get(6)?, row.try_get(7)?, row.try_get(8)?);
        if last != Some(key) {
            last = Some(key);
            told.series.push(SpanSeries {
                service: row.try_get(9)?,
                operation: row.try_get(10)?,
                kind: SpanKind::from_number(i32::from(key.2)),
                status: SpanStatus::from_number(i32::from(key.3)),
                totals: Totals::default(),
            });
        }
        if let Some(series) = told.series.last_mut() {
            add(&mut series.totals, row)?;
        }
    }
    Ok(told)
}

/// See [`spans`]. Calls over HTTP and remote procedure calls have the same labels.
async fn edges(db: &mut PgConnection) -> sqlx::Result<Told<EdgeSeries>> {
    let rows = sqlx::query(
        "WITH totals AS MATERIALIZED (
             SELECT caller_id, callee_id, node, CASE kind WHEN 2 THEN 1::smallint ELSE kind END AS kind, bound,
                    call_count_milli, error_count_milli, duration_us, exemplar, since, updated_at
             FROM edge_totals_now
         ), series AS MATERIALIZED (
             SELECT caller_id, callee_id, node, kind, min(since) AS since FROM totals
             GROUP BY 1, 2, 3, 4 HAVING max(updated_at) > now() - interval '1 day'
         ), told AS MATERIALIZED (
             SELECT * FROM series ORDER BY since, caller_id, callee_id, node, kind LIMIT $1
         )
         SELECT (SELECT count(*) FROM series), n.bound, sum(n.duration_us)::float8,
                sum(n.call_count_milli)::float8, max(n.exemplar), caller_id, callee_id, node, kind, a.name,
                b.name, sum(n.error_count_milli)::float8
         FROM told JOIN totals n USING (caller_id, callee_id, node, kind)
         JOIN services a ON a.id = caller_id LEFT JOIN services b ON b.id = callee_id
         GROUP BY n.bound, caller_id, callee_id, node, kind, a.name, b.name
         ORDER BY caller_id, callee_id, node, kind, n.bound",
    )
    .bind(EDGE_SERIES_MAX)
    .fetch_all(db)
    .await?;
    let mut told = Told { series: Vec::new(), known: 0 };
    let mut last: Option<(i32, i32, String, i16)> = None;
    for row in &rows {
        told.known = row.try_get::<i64, _>(0)? as usize;
        let key: (i32, i32, String, i16) =
            (row.try_get(5)?, row.try_get(6)?, row.try_get(7)?, row.try_get(8)?);
        if last.as_ref() != Some(&key) {
            let Some(kind) = DependencyKind::from_number(key.3) else { continue };
            told.series.push(EdgeSeries {
                caller: row.try_get(9)?,
                callee: row.try_get(10)?,
                node: key.2.clone(),
                kind,
                errors: 0.0,
                totals: Totals::default(),
            });
            last = Some(key);
        }
        if let Some(series) = told.series.last_mut() {
            add(&mut series.totals, row)?;
            series.errors += row.try_get::<f64, _>(11)? / 1e3;
        }
    }
    Ok(told)
}

/// Adds a row's bucket, duration, count and example: columns 1 to 4.
fn add(totals: &mut Totals, row: &PgRow) -> sqlx::Result<()> {
    let bound = row.try_get::<i16, _>(1)?;
    totals.duration_s += row.try_get::<f64, _>(2)? / 1e6;
    if let Some(bucket) = totals.buckets.get_mut(bound as usize) {
        bucket.0 += row.try_get::<f64, _>(3)? / 1e3;
        bucket.1 = row.try_get::<Option<Vec<i64>>, _>(4)?.and_then(|it| exemplar(&it));
    }
    Ok(())
}

/// The reverse of the database's `exemplar()`.
fn exemplar(stored: &[i64]) -> Option<Exemplar> {
    let &[written_at_us, duration_ns, trace_high, trace_low, span_id] = stored else { return None };
    let half = |bits: i64| u128::from(bits.cast_unsigned());
    Some(Exemplar {
        trace_id: TraceId::new(half(trace_high) << 64 | half(trace_low)).ok()?,
        span_id: SpanId::new(span_id.cast_unsigned()).ok()?,
        value: duration_ns as f64 / 1e9,
        time_s: written_at_us as f64 / 1e6,
    })
}
