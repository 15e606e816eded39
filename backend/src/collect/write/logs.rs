//! Log records into rows.
//!
//! They are stored when their request is counted, whatever becomes of the spans of their trace: a
//! record is not sampled away. Then the queue's position, or the message's id, is past them.

use std::collections::HashSet;

use anyhow::Context;
use rand::RngExt as _;
use spanloom_model::LogRecord;
use sqlx::PgConnection;
use uuid::Uuid;

use super::batch::split_ns;
use super::copy::{Copy, CopyBuffer};
use super::dimensions::Process;
use super::{Writer, end_direct_compress};
use crate::collect::queue::{Record, Source};

/// The columns are in the order in which they are encoded.
const COPY_LOGS: &str = "COPY logs (time, id, observed_time, trace_id, span_id, service_id, resource_id, \
    scope_id, flags, time_sub_ns, severity, severity_text, event_name, body, attributes, \
    dropped_attributes_count) FROM STDIN (FORMAT BINARY)";

/// Bytes that are handed to the database at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Days after which a broker has delivered again whatever it will.
const MESSAGE_DAYS: i32 = 14;

/// Takes the log records out of the records; gives those that are not stored yet. `counted` is what
/// [`super::progress::already_counted`] found. Call it with the slots' locks in hand, in a statement of
/// its own.
pub async fn take_new(
    connection: &mut PgConnection,
    source: &Source,
    records: &mut [Record],
    counted: &HashSet<u64>,
) -> sqlx::Result<Vec<LogRecord>> {
    let stored = stored_positions(connection, source, records).await?;
    let mut logs = Vec::new();
    for record in records {
        let taken = std::mem::take(&mut record.logs);
        if !counted.contains(&record.position) && !stored.contains(&record.position) {
            logs.extend(taken);
        }
    }
    Ok(logs)
}

/// Records of a broker whose log records were stored by a transaction that the broker never heard of.
/// Notes the others as stored.
async fn stored_positions(
    connection: &mut PgConnection,
    source: &Source,
    records: &[Record],
) -> sqlx::Result<HashSet<u64>> {
    let Source::Rabbit(queue) = source else { return Ok(HashSet::new()) };
    let with_logs: HashSet<u64> =
        records.iter().filter(|record| !record.logs.is_empty()).map(|record| record.position).collect();
    let (Some(first), Some(last)) = (with_logs.iter().min(), with_logs.iter().max()) else {
        return Ok(HashSet::new());
    };
    let messages: Vec<(u64, Uuid)> =
        queue.message_ids(*first..*last + 1).filter(|(at, _)| with_logs.contains(at)).collect();
    let ids: Vec<Uuid> = messages.iter().map(|(_, id)| *id).collect();
    // What conflicts is not returned: it stands there already.
    let new: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO queue_log_messages (message_id) SELECT unnest($1::uuid[])
         ON CONFLICT DO NOTHING RETURNING message_id",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM queue_log_messages WHERE message_id IN (
             SELECT message_id FROM queue_log_messages
             WHERE stored_at < now() - make_interval(days => $1) ORDER BY stored_at LIMIT 1000)",
    )
    .bind(MESSAGE_DAYS)
    .execute(connection)
    .await?;
    let new: HashSet<Uuid> = new.into_iter().collect();
    Ok(messages.into_iter().filter(|(_, id)| !new.contains(id)).map(|(at, _)| at).collect())
}

impl Writer {
    /// Adds log records; returns how many bytes went to the database.
    pub(super) async fn add_logs(
        &mut self,
        connection: &mut PgConnection,
        logs: &[LogRecord],
    ) -> anyhow::Result<usize> {
        if logs.is_empty() {
            return Ok(0);
        }
        let processes =
            self.dimensions.processes(&self.store.writers, &logs.iter().collect::<Vec<_>>()).await?;
        self.ensure_partitions(logs.iter().map(|log| log.time_ns)).await.context("partitions")?;
        let direct = self.begin_direct_compress(connection, logs.len()).await?;
        let bytes = copy(connection, logs, &processes).await.context("adding log records")?;
        end_direct_compress(connection, direct).await?;
        Ok(bytes)
    }
}

/// Adds log records, whose processes are given in their order; returns how many bytes that were.
async fn copy(
    connection: &mut PgConnection,
    logs: &[LogRecord],
    processes: &[Process],
) -> anyhow::Result<usize> {
    let mut copy = Copy::begin(connection, COPY_LOGS).await?;
    // Low bits that no other batch has, and the order within the batch above them.
    let batch_bits = rand::rng().random::<i64>() & ((1 << INDEX_SHIFT) - 1);
    for (index, (log, process)) in logs.iter().zip(processes).enumerate() {
        encode(&mut copy.buffer, log, *process, id_of(index, batch_bits))?;
        if copy.buffer.len() >= CHUNK_BYTES {
            copy.flush().await?;
        }
    }
    Ok(copy.finish().await?)
}

/// Leaves 24 bits for the place in a batch, and the sign.
const INDEX_SHIFT: u32 = 39;

fn id_of(index: usize, batch_bits: i64) -> i64 {
    ((index as i64 & 0xff_ffff) << INDEX_SHIFT) | batch_bits
}

fn encode(rows: &mut CopyBuffer, log: &LogRecord, process: Process, id: i64) -> serde_json::Result<()> {
    let (time_us, time_sub_ns) = split_ns(log.time_ns);
    rows.row(16);
    rows.timestamp_us(time_us);
    rows.i64(id);
    rows.timestamp_us(split_ns(log.observed_ns).0);
    match log.trace_id {
        Some(trace_id) => rows.uuid(trace_id.get()),
        None => rows.null(),
    }
    rows.i64_or_null(log.span_id.map(spanloom_model::SpanId::to_i64));
    rows.i32(process.service);
    rows.i32(process.resource);
    rows.i32(process.scope);
    rows.i32(log.flags.cast_signed());
    rows.i16(time_sub_ns);
    rows.i16(log.severity_number.into());
    rows.text_or_null(&log.severity_text);
    rows.text_or_null(&log.event_name);
    rows.text(&log.body_text());
    rows.json(&log.attributes)?;
    rows.count(log.dropped_attributes_count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches ids that do not keep the order of a batch, or are negative.
    #[test]
    fn ids_keep_the_order_of_a_batch() {
        let bits = (1 << INDEX_SHIFT) - 1;
        let ids = [0, 1, 2, 0xff_ffff].map(|index| id_of(index, bits));
        assert!(ids.is_sorted() && ids[0] >= 0, "{ids:?}");
        assert_ne!(id_of(1, 0), id_of(1, 1));
    }
}
