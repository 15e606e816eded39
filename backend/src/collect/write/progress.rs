//! What writers have to know of each other, and how far they are; see the migrations `queue` and
//! `rabbitmq`.
//!
//! A log has positions. A broker has none: it delivers again what is not acknowledged. Why all the
//! same nothing is stored or counted twice:
//!
//! - A message is acknowledged when all of its spans are stored or noted as dropped and that is
//!   committed. Delivered again after that, its spans are found by their identities, like those of any
//!   client that sends twice, and are neither stored nor counted.
//! - Before that, some of its spans may be counted while they wait for the decision of sampling, and
//!   nowhere to be found. Then its id stands in `queue_messages`, from the transaction that counts it
//!   to the one that writes the last of it; its spans are written, and not counted again.
//! - The broker may give a queue to another reader while the one before, slow or cut off, is still
//!   about to write the same messages. All that follows happens under the locks of the slots, so that
//!   one of them comes first, and the second sees what the first has committed. In its first
//!   transaction after a recovery a reader enters itself in `queue_readers`; it holds nothing then. In
//!   each later one it looks whether it still stands there. If not, the other one has, or had, all
//!   messages that this one holds: it forgets them and recovers. So no two readers write what they
//!   hold of the same message.
//! - The same transaction finds that the slots have another owner, and gives up the filter, which
//!   does not know what the other one stored.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::collect::queue::rabbit::RabbitReader;
use crate::collect::queue::{Record, Source};
use crate::custom::SEAM_LOCK;
use crate::store::pairs::PAIRS_LOCK;

/// First half of the slots' locks: any number that nobody else takes. The second is the slot.
const SLOT_LOCK: i32 = 0x534c_4f54;

/// How far a queue is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions {
    /// Everything before it is in the database.
    pub written_to: u64,
    /// Everything before it is in the metrics.
    pub counted_to: u64,
}

/// Waits until no other writer has any of the slots, to the end of the transaction, and nobody changes
/// what custom metrics count or deletes pairs of attributes.
pub async fn lock_slots(connection: &mut PgConnection, slots: &[i16]) -> sqlx::Result<()> {
    // Somebody who holds a lock and hangs must not hold everybody. And a partition that was never
    // analysed must not be read whole to find a few spans: the index is always better. What has no index
    // seems so expensive then that it would be compiled each time, for 80 ms.
    sqlx::query(
        "SELECT set_config('lock_timeout', '5s', true), set_config('enable_seqscan', 'off', true),
                set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)",
    )
    .execute(&mut *connection)
    .await?;
    // One order for all, so that nobody waits in a circle.
    sqlx::query(
        "SELECT pg_advisory_xact_lock_shared($3, 0), pg_advisory_xact_lock_shared($4, 0),
                pg_advisory_xact_lock($1, slot)
         FROM (SELECT unnest($2::smallint[])::int AS slot ORDER BY 1) s",
    )
    .bind(SLOT_LOCK)
    .bind(slots)
    .bind(SEAM_LOCK)
    .bind(PAIRS_LOCK)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether `owner` has all of the slots already, the newest start of any span in them, the epoch of
/// custom metrics, and the day, since the epoch, from which on no pair of attributes was deleted. Call it
/// with the locks in hand, in a statement of its own: it has to see what the owner before committed.
pub async fn read_slots(
    connection: &mut PgConnection,
    slots: &[i16],
    owner: Uuid,
) -> sqlx::Result<(bool, i64, i64, i32)> {
    sqlx::query_as(
        "SELECT bool_and(owner = $2), max(newest_start_ns), (SELECT epoch FROM custom_metric_epoch),
                (SELECT day - date '1970-01-01' FROM attribute_pairs_floor)
         FROM write_slots WHERE slot = ANY($1)",
    )
    .bind(slots)
    .bind(owner)
    .fetch_one(connection)
    .await
}

/// Takes the slots over and notes the newest start.
pub async fn save_slots(
    connection: &mut PgConnection,
    slots: &[i16],
    owner: Uuid,
    newest_start_ns: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE write_slots SET owner = $2, newest_start_ns = greatest(newest_start_ns, $3)
         WHERE slot = ANY($1) AND (owner <> $2 OR newest_start_ns < $3)",
    )
    .bind(slots)
    .bind(owner)
    .bind(newest_start_ns)
    .execute(connection)
    .await?;
    Ok(())
}

/// Who reads a broker's queue.
#[derive(Debug)]
pub struct Reader {
    id: Uuid,
    /// Whether a transaction that entered it has been committed.
    pub is_known: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self { id: Uuid::new_v4(), is_known: false }
    }
}

/// Goes back to what the database knows, and reads on from there.
pub async fn recover(connection: &mut PgConnection, source: &mut Source) -> anyhow::Result<Positions> {
    match source {
        Source::Disk(log) => {
            let positions = read_positions(connection, log.id()).await?;
            log.seek(positions.written_to);
            Ok(positions)
        }
        Source::Rabbit(queue) => {
            let position = queue.restart().await?;
            Ok(Positions { written_to: position, counted_to: position })
        }
    }
}

/// Makes sure that nobody else has taken what we read. Call it with the slots' locks in hand.
pub async fn claim_queue(
    connection: &mut PgConnection,
    source: &Source,
    reader: &Reader,
) -> anyhow::Result<()> {
    let Source::Rabbit(queue) = source else { return Ok(()) };
    let queue = queue.queue();
    if !reader.is_known {
        sqlx::query(
            "INSERT INTO queue_readers (queue, reader) VALUES ($1, $2)
             ON CONFLICT (queue) DO UPDATE SET reader = excluded.reader, since = now()",
        )
        .bind(queue)
        .bind(reader.id)
        .execute(connection)
        .await?;
        return Ok(());
    }
    let found: Option<Uuid> = sqlx::query_scalar("SELECT reader FROM queue_readers WHERE queue = $1")
        .bind(&queue)
        .fetch_optional(connection)
        .await?;
    anyhow::ensure!(found == Some(reader.id), "another server reads {queue} now");
    Ok(())
}

/// Positions of the records whose spans are in the metrics already. Call it with the slots' locks in
/// hand, in a statement of its own.
pub async fn already_counted(
    connection: &mut PgConnection,
    source: &Source,
    records: &[Record],
    positions: Positions,
) -> sqlx::Result<HashSet<u64>> {
    let queue = match source {
        Source::Disk(_) => {
            let read = records.iter().map(|record| record.position);
            return Ok(read.filter(|at| *at < positions.counted_to).collect());
        }
        Source::Rabbit(queue) => queue,
    };
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Ok(HashSet::new());
    };
    let read = first.position..last.position + 1;
    let ids: Vec<Uuid> = queue.message_ids(read.clone()).map(|(_, id)| id).collect();
    let counted: Vec<Uuid> =
        sqlx::query_scalar("SELECT message_id FROM queue_messages WHERE message_id = ANY($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    let counted: HashSet<Uuid> = counted.into_iter().collect();
    Ok(queue.message_ids(read).filter(|(_, id)| counted.contains(id)).map(|(at, _)| at).collect())
}

/// Notes in the transaction that it brought the queue from `before` to `after`; `counted` is what
/// [`already_counted`] found.
pub async fn save(
    connection: &mut PgConnection,
    source: &Source,
    before: Positions,
    after: Positions,
    counted: &HashSet<u64>,
) -> sqlx::Result<()> {
    match source {
        Source::Disk(log) => save_positions(connection, log.id(), after).await,
        Source::Rabbit(queue) => save_messages(connection, queue, before, after, counted).await,
    }
}

async fn save_messages(
    connection: &mut PgConnection,
    queue: &RabbitReader,
    before: Positions,
    after: Positions,
    counted: &HashSet<u64>,
) -> sqlx::Result<()> {
    let held = before.counted_to.max(after.written_to)..after.counted_to;
    let held: Vec<Uuid> = queue.message_ids(held).map(|(_, id)| id).collect();
    if !held.is_empty() {
        sqlx::query(
            "INSERT INTO queue_messages (message_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        )
        .bind(held)
        .execute(&mut *connection)
        .await?;
    }
    // What was counted before may stand there; what was counted and written at once does not.
    let written: Vec<Uuid> = queue
        .message_ids(before.written_to..after.written_to)
        .filter(|(at, _)| *at < before.counted_to || counted.contains(at))
        .map(|(_, id)| id)
        .collect();
    if !written.is_empty() {
        sqlx::query("DELETE FROM queue_messages WHERE message_id = ANY($1)")
            .bind(written)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn read_positions(connection: &mut PgConnection, queue: Uuid) -> sqlx::Result<Positions> {
    let row: Option<(i64, i64)> =
        sqlx::query_as("SELECT written_to, counted_to FROM queue_positions WHERE queue = $1")
            .bind(queue)
            .fetch_optional(connection)
            .await?;
    Ok(row.map_or_else(Positions::default, |(written_to, counted_to)| Positions {
        written_to: written_to.cast_unsigned(),
        counted_to: counted_to.cast_unsigned(),
    }))
}

async fn save_positions(
    connection: &mut PgConnection,
    queue: Uuid,
    positions: Positions,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO queue_positions (queue, written_to, counted_to) VALUES ($1, $2, $3)
         ON CONFLICT (queue) DO UPDATE
         SET written_to = excluded.written_to, counted_to = excluded.counted_to, updated_at = now()",
    )
    .bind(queue)
    .bind(positions.written_to.cast_signed())
    .bind(positions.counted_to.cast_signed())
    .execute(connection)
    .await?;
    Ok(())
}
