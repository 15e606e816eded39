//! Spans into rows: the spans themselves, one piece per trace, and partial metrics.

use std::collections::{BTreeMap, HashMap};

use spanloom_model::{Span, SpanKind, SpanStatus, TraceId, histogram};

use super::copy::CopyBuffer;
use super::dimensions::Ids;

/// COPY statements; the columns are in the order in which [`encode`] puts them.
pub const COPY_SPANS: &str = "COPY spans (start_time, duration_ns, span_id, parent_span_id, trace_id, \
    service_id, operation_id, resource_id, scope_id, weight, flags, kind, status, start_sub_ns, \
    status_message, trace_state, attributes, events, links, dropped_attributes_count, \
    dropped_events_count, dropped_links_count) FROM STDIN (FORMAT BINARY)";
/// See [`COPY_SPANS`].
pub const COPY_TRACES: &str = "COPY traces (trace_id, first_start, start_ns, end_ns, root_service_id, \
    root_operation_id, first_service_id, first_operation_id, span_count, error_count, service_ids, \
    service_span_counts, service_error_counts) FROM STDIN (FORMAT BINARY)";
/// See [`COPY_SPANS`].
pub const COPY_METRICS: &str = "COPY span_metrics (minute, service_id, operation_id, kind, status, \
    version, bucket, span_count, duration_ns_sum) FROM STDIN (FORMAT BINARY)";

const MINUTE_US: i64 = 60_000_000;

/// The rows of a batch in binary COPY form.
pub struct Rows {
    /// For [`COPY_SPANS`].
    pub spans: Vec<u8>,
    /// For [`COPY_TRACES`].
    pub traces: Vec<u8>,
    /// For [`COPY_METRICS`].
    pub metrics: Vec<u8>,
}

/// Encodes new spans; `ids` runs parallel to `spans`.
pub fn encode(spans: &[(&Span, Ids)]) -> serde_json::Result<Rows> {
    Ok(Rows { spans: encode_spans(spans)?, traces: encode_traces(spans), metrics: encode_metrics(spans) })
}

/// Microseconds since the epoch and the nanoseconds below, both as stored.
pub fn split_ns(unix_ns: i64) -> (i64, i16) {
    (unix_ns.div_euclid(1_000), unix_ns.rem_euclid(1_000) as i16)
}

fn encode_spans(spans: &[(&Span, Ids)]) -> serde_json::Result<Vec<u8>> {
    let mut rows = CopyBuffer::with_capacity(spans.len() * 700);
    for (span, ids) in spans {
        let (start_us, start_sub_ns) = split_ns(span.start_ns);
        rows.row(22);
        rows.timestamp_us(start_us);
        rows.i64(span.duration_ns);
        rows.i64(span.span_id.to_i64());
        rows.i64_or_null(span.parent_span_id.map(spanloom_model::SpanId::to_i64));
        rows.uuid(span.trace_id.get());
        rows.i32(ids.service);
        rows.i32(ids.operation);
        rows.i32(ids.resource);
        rows.i32(ids.scope);
        rows.f32(1.0);
        rows.i32(span.flags.cast_signed());
        rows.i16(span.kind.number());
        rows.i16(span.status.number());
        rows.i16(start_sub_ns);
        rows.text_or_null(&span.status_message);
        rows.text_or_null(&span.trace_state);
        rows.json(&span.attributes)?;
        rows.json_or_null(&span.events)?;
        rows.json_or_null(&span.links)?;
        rows.count(span.dropped_attributes_count);
        rows.count(span.dropped_events_count);
        rows.count(span.dropped_links_count);
    }
    Ok(rows.finish())
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

fn encode_traces(spans: &[(&Span, Ids)]) -> Vec<u8> {
    let mut pieces: HashMap<TraceId, Piece> = HashMap::new();
    for (span, ids) in spans {
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

    let mut rows = CopyBuffer::with_capacity(pieces.len() * 250);
    for (trace_id, piece) in &pieces {
        rows.row(13);
        rows.uuid(trace_id.get());
        rows.timestamp_us(split_ns(piece.start_ns).0);
        rows.i64(piece.start_ns);
        rows.i64(piece.end_ns);
        rows.i32_or_null(piece.root.map(|(_, ids)| ids.service));
        rows.i32_or_null(piece.root.map(|(_, ids)| ids.operation));
        rows.i32(piece.first.service);
        rows.i32(piece.first.operation);
        rows.i32(piece.span_count);
        rows.i32(piece.error_count);
        rows.i32_array(piece.services.keys().copied());
        rows.i32_array(piece.services.values().map(|(spans, _)| *spans));
        rows.i32_array(piece.services.values().map(|(_, errors)| *errors));
    }
    rows.finish()
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct MetricKey<'a> {
    minute_us: i64,
    service: i32,
    operation: i32,
    kind: SpanKind,
    status: SpanStatus,
    version: &'a str,
    bucket: i16,
}

fn encode_metrics(spans: &[(&Span, Ids)]) -> Vec<u8> {
    let mut metrics: BTreeMap<MetricKey, (f64, f64)> = BTreeMap::new();
    for (span, ids) in spans {
        let start_us = split_ns(span.start_ns).0;
        let key = MetricKey {
            minute_us: start_us - start_us.rem_euclid(MINUTE_US),
            service: ids.service,
            operation: ids.operation,
            kind: span.kind,
            status: span.status,
            version: span.resource.service_version(),
            bucket: histogram::bucket_of(span.duration_ns),
        };
        let (count, duration_ns) = metrics.entry(key).or_default();
        *count += 1.0;
        *duration_ns += span.duration_ns as f64;
    }

    let mut rows = CopyBuffer::with_capacity(metrics.len() * 110);
    for (key, (count, duration_ns)) in &metrics {
        rows.row(9);
        rows.timestamp_us(key.minute_us);
        rows.i32(key.service);
        rows.i32(key.operation);
        rows.i16(key.kind.number());
        rows.i16(key.status.number());
        rows.text(key.version);
        rows.i16(key.bucket);
        rows.f64(*count);
        rows.f64(*duration_ns);
    }
    rows.finish()
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
