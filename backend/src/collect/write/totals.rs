//! What Prometheus scrapes: counts since ever by operation, and the newest span of each bucket as an example.

use foldhash::{HashMap, HashMapExt as _};
use spanloom_model::{Span, SpanKind, SpanStatus, histogram};
use sqlx::PgConnection;

use super::batch::Row;
use super::copy::{Copy, CopyBuffer};

const COPY: &str = "COPY span_total_parts (service_id, operation_id, kind, status, bound, span_count_milli, \
    duration_us, exemplar) FROM STDIN (FORMAT BINARY)";

/// As the function `exemplar()` of the database: the greater, the newer; of one batch the slowest.
pub type Exemplar = [i64; 5];

/// What is told of spans.
#[derive(Debug, Clone, Copy)]
pub struct Tell {
    /// Whether they count; they may have been counted before.
    pub count: bool,
    /// The time in microseconds if they are stored now, so that an example of them can be opened.
    pub stored_at_us: Option<i64>,
}

#[derive(PartialEq, Eq, Hash)]
struct Series {
    service: i32,
    operation: i32,
    kind: SpanKind,
    status: SpanStatus,
    bound: i16,
}

#[derive(Default)]
struct Total {
    count: f64,
    duration_ns: f64,
    exemplar: Option<Exemplar>,
}

/// A span as an example.
pub fn exemplar(span: &Span, stored_at_us: i64) -> Exemplar {
    let trace_id = span.trace_id.get();
    let half = |bits: u128| (bits as u64).cast_signed();
    [stored_at_us, span.duration_ns, half(trace_id >> 64), half(trace_id), span.span_id.to_i64()]
}

/// Adds the spans; returns how many bytes that were.
pub async fn copy(connection: &mut PgConnection, rows: &[Row<'_>], tell: Tell) -> sqlx::Result<usize> {
    if !tell.count && tell.stored_at_us.is_none() {
        return Ok(0);
    }
    let mut copy = Copy::begin(connection, COPY).await?;
    encode(&mut copy.buffer, rows, tell);
    copy.finish().await
}

/// Rows of the spans' totals.
pub fn encode(buffer: &mut CopyBuffer, rows: &[Row<'_>], tell: Tell) {
    for (series, total) in &sum(rows, tell) {
        buffer.row(8);
        buffer.i32(series.service);
        buffer.i32(series.operation);
        buffer.i16(series.kind.number());
        buffer.i16(series.status.number());
        buffer.i16(series.bound);
        // Sums of whole numbers do not depend on their order: a counter must not go down by a last digit.
        buffer.i64((total.count * 1e3).round() as i64);
        buffer.i64((total.duration_ns / 1e3).round() as i64);
        buffer.i64_array_or_null(total.exemplar.as_ref().map(|exemplar| &exemplar[..]));
    }
}

fn sum(rows: &[Row<'_>], tell: Tell) -> HashMap<Series, Total> {
    let mut totals: HashMap<Series, Total> = HashMap::new();
    for Row { span, ids, weight } in rows {
        let series = Series {
            service: ids.service,
            operation: ids.operation,
            kind: span.kind,
            status: span.status,
            bound: histogram::prometheus_bound_of(span.duration_ns),
        };
        let total = totals.entry(series).or_default();
        if tell.count {
            total.count += weight;
            total.duration_ns += span.duration_ns as f64 * weight;
        }
        total.exemplar = total.exemplar.max(tell.stored_at_us.map(|at_us| exemplar(span, at_us)));
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::super::dimensions::Ids;
    use super::*;
    use crate::collect::testing::span;

    // Catches spans that count again when sampling lets them pass, and examples that nobody can open.
    #[test]
    fn what_counts_and_what_is_an_example_are_two_things() {
        let spans = [Span { duration_ns: 5, ..span(1, 1) }, Span { duration_ns: 7, ..span(1, 2) }];
        let ids = Ids { service: 1, operation: 1, resource: 1, scope: 1 };
        let rows: Vec<Row> = spans.iter().map(|span| Row { span, ids, weight: 2.5 }).collect();
        let told = |count, stored_at_us| {
            let totals = sum(&rows, Tell { count, stored_at_us });
            let [total] = totals.values().collect::<Vec<_>>()[..] else { panic!("one series") };
            ((total.count, total.duration_ns), total.exemplar)
        };
        let slowest = Some([9, 7, 0, 1, 2]);
        assert_eq!(told(true, None), ((5.0, 30.0), None));
        assert_eq!(told(false, Some(9)), ((0.0, 0.0), slowest));
        assert_eq!(told(true, Some(9)), ((5.0, 30.0), slowest));
    }
}
