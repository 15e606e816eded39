//! Examples for Prometheus: now and then a stored span of each operation and bucket, so that a number leads
//! to a trace.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;
use foldhash::{HashMap, HashMapExt as _};
use spanloom_model::{Span, SpanKind, SpanStatus, histogram};
use sqlx::PgConnection;

use super::batch::Row;
use super::copy::{Copy, CopyBuffer};

const COPY: &str = "COPY span_exemplars (service_id, operation_id, kind, status, bound, exemplar) \
    FROM STDIN (FORMAT BINARY)";

/// An example stays the newest for so long, however many spans come: Prometheus takes one per scrape.
const KEPT_US: i64 = 10_000_000;

/// Series that are remembered; beyond, all are forgotten and get an example sooner.
const SERIES_MAX: usize = 200_000;

/// As the function `exemplar()` of the database: the greater, the newer; of one batch the slowest.
pub type Exemplar = [i64; 5];

/// When each series got its last example.
#[derive(Default)]
pub struct Due(HashMap<u64, i64>);

impl Due {
    /// Forgets everything: what was told may have been undone.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the series gets an example now, which is then its last. Two that hash alike share their
    /// examples' times, no more.
    pub fn take(&mut self, series: &impl Hash, now_us: i64) -> bool {
        if self.0.len() >= SERIES_MAX {
            self.0.clear();
        }
        let last_us = self.0.entry(FixedState::default().hash_one(series)).or_insert(i64::MIN);
        let is_due = now_us.saturating_sub(*last_us) >= KEPT_US;
        if is_due {
            *last_us = now_us;
        }
        is_due
    }
}

/// What has an example of its own.
#[derive(PartialEq, Eq, Hash)]
pub struct Series {
    service: i32,
    operation: i32,
    kind: SpanKind,
    status: SpanStatus,
    bound: i16,
}

/// A span as an example.
pub fn exemplar(span: &Span, stored_at_us: i64) -> Exemplar {
    let trace_id = span.trace_id.get();
    let half = |bits: u128| (bits as u64).cast_signed();
    [stored_at_us, span.duration_ns, half(trace_id >> 64), half(trace_id), span.span_id.to_i64()]
}

/// Adds examples of the spans, which are stored now; returns how many bytes that were.
pub async fn copy(
    connection: &mut PgConnection,
    rows: &[Row<'_>],
    stored_at_us: i64,
    due: &mut Due,
) -> sqlx::Result<usize> {
    let found = find(rows, stored_at_us, due);
    if found.is_empty() {
        return Ok(0);
    }
    let mut copy = Copy::begin(connection, COPY).await?;
    encode(&mut copy.buffer, &found, stored_at_us);
    copy.finish().await
}

/// The slowest span of each series that is due.
pub fn find<'a>(rows: &[Row<'a>], stored_at_us: i64, due: &mut Due) -> Vec<(Series, &'a Span)> {
    let mut slowest: HashMap<Series, &Span> = HashMap::new();
    for Row { span, ids, .. } in rows {
        let series = Series {
            service: ids.service,
            operation: ids.operation,
            kind: span.kind,
            status: span.status,
            bound: histogram::prometheus_bound_of(span.duration_ns),
        };
        let known = slowest.entry(series).or_insert(span);
        if span.duration_ns > known.duration_ns {
            *known = span;
        }
    }
    slowest.into_iter().filter(|(series, _)| due.take(series, stored_at_us)).collect()
}

/// Rows of examples.
pub fn encode(buffer: &mut CopyBuffer, found: &[(Series, &Span)], stored_at_us: i64) {
    for (series, span) in found {
        buffer.row(6);
        buffer.i32(series.service);
        buffer.i32(series.operation);
        buffer.i16(series.kind.number());
        buffer.i16(series.status.number());
        buffer.i16(series.bound);
        buffer.i64_array(&exemplar(span, stored_at_us));
    }
}

#[cfg(test)]
mod tests {
    use super::super::dimensions::Ids;
    use super::*;
    use crate::collect::testing::span;

    // Catches examples that each batch writes again, and series that never get another one.
    #[test]
    fn a_series_gets_an_example_now_and_then() {
        let mut due = Due::default();
        assert!(due.take(&1, 0));
        assert!(due.take(&2, 1));
        assert!(!due.take(&1, KEPT_US - 1));
        assert!(due.take(&1, KEPT_US));
        assert!(!due.take(&1, KEPT_US + 1));
        due.clear();
        assert!(due.take(&1, KEPT_US + 2), "undone");
    }

    // Catches a bucket without an example, and a typical span where a slow one tells more.
    #[test]
    fn each_bucket_has_its_slowest_span() {
        let lasting = |id, duration_ns| Span { duration_ns, ..span(1, id) };
        let spans = [lasting(1, 5), lasting(2, 7), lasting(3, 6), lasting(4, 3_000_000)];
        let ids = Ids { service: 1, operation: 1, resource: 1, scope: 1 };
        let rows: Vec<Row> = spans.iter().map(|span| Row { span, ids, weight: 1.0 }).collect();
        let mut due = Due::default();
        let mut found: Vec<u64> =
            find(&rows, 9, &mut due).iter().map(|(_, span)| span.span_id.get()).collect();
        found.sort_unstable();
        assert_eq!(found, [2, 4]);
        assert!(find(&rows, 9, &mut due).is_empty());
        assert_eq!(exemplar(&spans[1], 9), [9, 7, 0, 1, 2]);
    }
}
