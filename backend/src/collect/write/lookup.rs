//! The slow path of deduplication: which suspects are in the database.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use spanloom_model::{Span, SpanId, SpanKind, TraceId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::batch::time_us;
use crate::collect::dedup::Key;
use crate::store::Flavour;

/// Looks are bounded, so that one statement never carries a whole import.
const SPANS_PER_LOOK_MAX: usize = 20_000;

/// Which of the spans are stored already, as keys.
///
/// One look per hour of start times: a single straggler would otherwise stretch the range over
/// everything between, and a columnstore has no index that would make up for it.
pub async fn stored_keys(
    connection: &mut PgConnection,
    flavour: Flavour,
    spans: &[&Span],
) -> anyhow::Result<HashSet<Key>> {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let mut hours: BTreeMap<i64, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        hours.entry(span.start_ns.div_euclid(HOUR_NS)).or_default().push(span);
    }
    let mut keys = HashSet::new();
    for spans in hours.values() {
        for spans in spans.chunks(SPANS_PER_LOOK_MAX) {
            keys.extend(stored_keys_within(connection, flavour, spans).await?);
        }
    }
    Ok(keys)
}

async fn stored_keys_within(
    connection: &mut PgConnection,
    flavour: Flavour,
    spans: &[&Span],
) -> anyhow::Result<Vec<Key>> {
    let span_ids: Vec<i64> = spans.iter().map(|span| span.span_id.to_i64()).collect();
    let starts = spans.iter().map(|span| span.start_ns);
    let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else {
        return Ok(Vec::new());
    };
    // The bounds let PostgreSQL skip all other partitions.
    let rows: Vec<(Uuid, i64, DateTime<Utc>, i16, i16)> = sqlx::query_as(match flavour {
        // One trace at a time: for a list of unknown length the planner takes the index by service
        // and time, and reads all of the time.
        Flavour::Postgres => {
            "SELECT s.trace_id, s.span_id, s.start_time, s.start_sub_ns, s.kind
             FROM unnest($1::uuid[]) AS wanted (trace_id) CROSS JOIN LATERAL (
                 SELECT * FROM spans
                 WHERE trace_id = wanted.trace_id AND span_id = ANY($2) AND start_time BETWEEN $3 AND $4
                 OFFSET 0
             ) s"
        }
        // A columnstore is read by batches, with a sparse index for the whole list.
        Flavour::Timescale => {
            "SELECT trace_id, span_id, start_time, start_sub_ns, kind FROM spans
             WHERE trace_id = ANY($1) AND span_id = ANY($2) AND start_time BETWEEN $3 AND $4"
        }
    })
    .bind(traces_of(spans))
    .bind(span_ids)
    .bind(time_us(first))
    .bind(time_us(last))
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(trace, span, start, sub_ns, kind)| {
            let start_ns = start.timestamp_micros() * 1_000 + i64::from(sub_ns);
            let kind = SpanKind::from_number(i32::from(kind));
            Ok((TraceId::new(trace.as_u128())?, SpanId::from_i64(span)?, start_ns, kind))
        })
        .collect()
}

/// Which of the spans' traces are stored, and how many traces each stands for.
pub async fn kept_weights(
    connection: &mut PgConnection,
    spans: &[&Span],
) -> anyhow::Result<HashMap<TraceId, f64>> {
    let rows: Vec<(Uuid, f32)> = sqlx::query_as(
        "SELECT trace_id, max(weight) FROM spans WHERE trace_id = ANY($1) GROUP BY trace_id",
    )
    .bind(traces_of(spans))
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(trace, weight)| Ok((TraceId::new(trace.as_u128())?, f64::from(weight))))
        .collect()
}

/// The spans' traces, each once.
pub fn traces_of(spans: &[&Span]) -> Vec<Uuid> {
    let traces: HashSet<Uuid> = spans.iter().map(|span| Uuid::from_u128(span.trace_id.get())).collect();
    traces.into_iter().collect()
}
