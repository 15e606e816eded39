//! What tail sampling dropped, as identities alone: a resent span must not be counted again, and a
//! late one follows its trace.

use std::collections::HashSet;

use spanloom_model::{Span, SpanId, SpanKind, TraceId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::batch::split_ns;
use super::copy::Copy;
use super::lookup::traces_of;
use crate::collect::dedup::{Key, key};

const COPY: &str = "COPY sampled_out (trace_id, first_start, spans) FROM STDIN (FORMAT BINARY)";

/// Bytes of an identity: span id, start, kind.
const IDENTITY_BYTES: usize = 17;

/// Notes dropped spans, which come by trace; returns how many bytes that were.
pub async fn copy(connection: &mut PgConnection, dropped: &[(TraceId, Vec<Span>)]) -> sqlx::Result<usize> {
    let mut copy = Copy::begin(connection, COPY).await?;
    for (trace_id, spans) in dropped {
        let Some(first_ns) = spans.iter().map(|span| span.start_ns).min() else { continue };
        copy.buffer.row(3);
        copy.buffer.uuid(trace_id.get());
        copy.buffer.timestamp_us(split_ns(first_ns).0);
        copy.buffer.bytes(&identities(spans));
    }
    copy.finish().await
}

/// The keys of all dropped spans of these spans' traces.
pub async fn keys(connection: &mut PgConnection, suspects: &[&Span]) -> sqlx::Result<HashSet<Key>> {
    let rows: Vec<(Uuid, Vec<u8>)> =
        sqlx::query_as("SELECT trace_id, spans FROM sampled_out WHERE trace_id = ANY($1)")
            .bind(traces_of(suspects))
            .fetch_all(connection)
            .await?;
    Ok(rows.iter().flat_map(|(trace_id, spans)| keys_of(*trace_id, spans)).collect())
}

fn identities(spans: &[Span]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(spans.len() * IDENTITY_BYTES);
    for span in spans {
        let (_, span_id, start_ns, kind) = key(span);
        bytes.extend_from_slice(&span_id.get().to_be_bytes());
        bytes.extend_from_slice(&start_ns.to_be_bytes());
        bytes.push(kind.number() as u8);
    }
    bytes
}

fn keys_of(trace_id: Uuid, identities: &[u8]) -> Vec<Key> {
    let Ok(trace_id) = TraceId::new(trace_id.as_u128()) else { return Vec::new() };
    let key = |identity: &[u8]| {
        let span_id = SpanId::from_bytes(identity.get(..8)?).ok()?;
        let start_ns = i64::from_be_bytes(identity.get(8..16)?.try_into().ok()?);
        let kind = SpanKind::from_number(i32::from(*identity.get(16)?));
        Some((trace_id, span_id, start_ns, kind))
    };
    identities.chunks(IDENTITY_BYTES).filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::span;

    #[test]
    fn identities_come_back() {
        let spans = [span(7, 1), Span { kind: SpanKind::Consumer, start_ns: -3, ..span(7, u64::MAX) }];
        let keys = keys_of(Uuid::from_u128(7), &identities(&spans));
        assert_eq!(keys, spans.iter().map(key).collect::<Vec<_>>());
        assert!(keys_of(Uuid::nil(), &identities(&spans)).is_empty());
    }
}
