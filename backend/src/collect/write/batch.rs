//! Spans into rows: the spans themselves, one piece per trace, and partial metrics.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashMapExt as _};
use serde::{Serialize, Serializer};
use spanloom_model::{Attributes, Span, SpanKind, SpanStatus, TraceId};
use sqlx::PgConnection;

use super::cells::Cells;
use super::copy::{Copy, CopyBuffer};
use super::dimensions::Ids;

/// COPY statements; the columns are in the order in which they are encoded.
const COPY_SPANS: &str = "COPY spans (start_time, duration_ns, span_id, parent_span_id, trace_id, \
    service_id, operation_id, resource_id, scope_id, weight, flags, kind, status, start_sub_ns, \
    status_message, trace_state, attributes, attribute_ids, events, links, dropped_attributes_count, \
    dropped_events_count, dropped_links_count) FROM STDIN (FORMAT BINARY)";
/// See [`COPY_SPANS`].
const COPY_TRACES: &str = "COPY traces (trace_id, first_start, start_ns, end_ns, root_service_id, \
    root_operation_id, first_service_id, first_operation_id, span_count, error_count, service_ids, \
    service_span_counts, service_error_counts) FROM STDIN (FORMAT BINARY)";
/// See [`COPY_SPANS`].
const COPY_METRICS: &str = "COPY span_metrics (minute, service_id, operation_id, kind, status, \
    version, buckets, bounds, span_counts, duration_ns_sums) FROM STDIN (FORMAT BINARY)";

/// A minute in microseconds.
const MINUTE_US: i64 = 60_000_000;

/// A span to be added.
pub struct Row<'a> {
    /// The span.
    pub span: &'a Span,
    /// Its dimensions.
    pub ids: Ids,
    /// How many spans it stands for.
    pub weight: f64,
}

/// Adds spans; returns how many bytes that were. `numbers` has one for each attribute of each span, 0 for
/// what is stored with the span.
pub async fn copy_spans(
    connection: &mut PgConnection,
    rows: &[Row<'_>],
    numbers: &[i32],
) -> anyhow::Result<usize> {
    let mut copy = Copy::begin(connection, COPY_SPANS).await?;
    let mut encoder = SpanEncoder::new(numbers);
    for row in rows {
        encoder.encode(&mut copy.buffer, row)?;
        copy.flush_large().await?;
    }
    Ok(copy.finish().await?)
}

/// Adds the pieces of the spans' traces; returns how many bytes that were.
pub async fn copy_traces(connection: &mut PgConnection, rows: &[Row<'_>]) -> sqlx::Result<usize> {
    let mut copy = Copy::begin(connection, COPY_TRACES).await?;
    encode_traces(&mut copy.buffer, rows);
    copy.finish().await
}

/// Adds the spans to the metrics; returns how many bytes that were.
pub async fn copy_metrics(connection: &mut PgConnection, rows: &[Row<'_>]) -> sqlx::Result<usize> {
    let mut copy = Copy::begin(connection, COPY_METRICS).await?;
    encode_metrics(&mut copy.buffer, rows);
    copy.finish().await
}

/// The moment in PostgreSQL's resolution.
pub fn time_us(unix_ns: i64) -> DateTime<Utc> {
    // Microseconds of an i64 of nanoseconds are always within chrono's range.
    DateTime::from_timestamp_micros(split_ns(unix_ns).0).unwrap_or_default()
}

/// Microseconds since the epoch and the nanoseconds below, both as stored.
pub fn split_ns(unix_ns: i64) -> (i64, i16) {
    (unix_ns.div_euclid(1_000), unix_ns.rem_euclid(1_000) as i16)
}

/// The minute in which the span starts, in microseconds since the epoch.
pub fn minute_us(span: &Span) -> i64 {
    let start_us = split_ns(span.start_ns).0;
    start_us - start_us.rem_euclid(MINUTE_US)
}

/// Encodes spans one after the other.
pub struct SpanEncoder<'a> {
    /// Of the attributes of the spans to come.
    numbers: &'a [i32],
}

impl<'a> SpanEncoder<'a> {
    /// Begins a batch; `numbers` as in [`copy_spans`].
    pub fn new(numbers: &'a [i32]) -> Self {
        Self { numbers }
    }

    /// A row of the next span.
    pub fn encode(&mut self, rows: &mut CopyBuffer, row: &Row<'_>) -> serde_json::Result<()> {
        let Row { span, ids, weight } = row;
        let (start_us, start_sub_ns) = split_ns(span.start_ns);
        let numbers;
        (numbers, self.numbers) = self.numbers.split_at(span.attributes.len());
        rows.row(23);
        rows.timestamp_us(start_us);
        rows.i64(span.duration_ns);
        rows.i64(span.span_id.to_i64());
        rows.i64_or_null(span.parent_span_id.map(spanloom_model::SpanId::to_i64));
        rows.uuid(span.trace_id.get());
        rows.i32(ids.service);
        rows.i32(ids.operation);
        rows.i32(ids.resource);
        rows.i32(ids.scope);
        rows.f32(*weight as f32);
        rows.i32(span.flags.cast_signed());
        rows.i16(span.kind.number());
        rows.i16(span.status.number());
        rows.i16(start_sub_ns);
        rows.text_or_null(&span.status_message);
        rows.text_or_null(&span.trace_state);
        rows.json(&WithoutNumber { attributes: &span.attributes, numbers })?;
        rows.numbers_or_null(numbers.iter().copied().filter(|number| *number != 0));
        rows.json_or_null(&span.events)?;
        rows.json_or_null(&span.links)?;
        rows.count(span.dropped_attributes_count);
        rows.count(span.dropped_events_count);
        rows.count(span.dropped_links_count);
        Ok(())
    }
}

/// The attributes whose number is 0.
struct WithoutNumber<'a> {
    attributes: &'a Attributes,
    numbers: &'a [i32],
}

impl Serialize for WithoutNumber<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let others = self.attributes.iter().zip(self.numbers).filter(|(_, number)| **number == 0);
        serializer.collect_map(others.map(|(attribute, _)| attribute))
    }
}

/// What a batch knows of a trace.
struct Piece {
    start_ns: i64,
    end_ns: i64,
    root: Option<(i64, Ids)>,
    first: Ids,
    span_count: i32,
    error_count: i32,
    /// Spans and errors by service.
    services: BTreeMap<i32, (i32, i32)>,
}

fn encode_traces(buffer: &mut CopyBuffer, rows: &[Row<'_>]) {
    let mut pieces: HashMap<TraceId, Piece> = HashMap::new();
    for Row { span, ids, .. } in rows {
        let end_ns = span.start_ns.saturating_add(span.duration_ns);
        let piece = pieces.entry(span.trace_id).or_insert_with(|| Piece {
            start_ns: span.start_ns,
            end_ns,
            root: None,
            first: *ids,
            span_count: 0,
            error_count: 0,
            services: BTreeMap::new(),
        });
        if span.start_ns < piece.start_ns {
            piece.start_ns = span.start_ns;
            piece.first = *ids;
        }
        piece.end_ns = piece.end_ns.max(end_ns);
        // Of several roots the earliest counts.
        if span.parent_span_id.is_none() && piece.root.is_none_or(|(start_ns, _)| span.start_ns < start_ns)
        {
            piece.root = Some((span.start_ns, *ids));
        }
        let error = i32::from(span.status == SpanStatus::Error);
        piece.span_count += 1;
        piece.error_count += error;
        let service = piece.services.entry(ids.service).or_default();
        service.0 += 1;
        service.1 += error;
    }

    for (trace_id, piece) in &pieces {
        buffer.row(13);
        buffer.uuid(trace_id.get());
        buffer.timestamp_us(split_ns(piece.start_ns).0);
        buffer.i64(piece.start_ns);
        buffer.i64(piece.end_ns);
        buffer.i32_or_null(piece.root.map(|(_, ids)| ids.service));
        buffer.i32_or_null(piece.root.map(|(_, ids)| ids.operation));
        buffer.i32(piece.first.service);
        buffer.i32(piece.first.operation);
        buffer.i32(piece.span_count);
        buffer.i32(piece.error_count);
        buffer.i32_array(piece.services.keys().copied());
        buffer.i32_array(piece.services.values().map(|(spans, _)| *spans));
        buffer.i32_array(piece.services.values().map(|(_, errors)| *errors));
    }
}

/// What spans of one row have in common.
#[derive(PartialEq, Eq, Hash)]
struct Series<'a> {
    minute_us: i64,
    service: i32,
    operation: i32,
    kind: SpanKind,
    status: SpanStatus,
    version: &'a str,
}

/// Rows of the spans' metrics.
pub fn encode_metrics(buffer: &mut CopyBuffer, rows: &[Row<'_>]) {
    let mut metrics: HashMap<Series, Cells> = HashMap::new();
    for Row { span, ids, weight } in rows {
        let series = Series {
            minute_us: minute_us(span),
            service: ids.service,
            operation: ids.operation,
            kind: span.kind,
            status: span.status,
            version: span.resource.service_version(),
        };
        metrics.entry(series).or_default().add(span.duration_ns, *weight);
    }

    for (series, mut cells) in metrics {
        buffer.row(6 + Cells::COLUMNS);
        buffer.timestamp_us(series.minute_us);
        buffer.i32(series.service);
        buffer.i32(series.operation);
        buffer.i16(series.kind.number());
        buffer.i16(series.status.number());
        buffer.text(series.version);
        cells.encode(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_split_downwards_also_before_the_epoch() {
        assert_eq!(split_ns(1_001), (1, 1));
        assert_eq!(split_ns(-1), (-1, 999));
    }
}
