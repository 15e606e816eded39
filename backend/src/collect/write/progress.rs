//! What writers have to know of each other, and how far they are; see the migration `queue`.

use sqlx::PgConnection;
use uuid::Uuid;

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

/// Waits until no other writer has any of the slots, to the end of the transaction.
pub async fn lock_slots(connection: &mut PgConnection, slots: &[i16]) -> sqlx::Result<()> {
    // Somebody who holds a lock and hangs must not hold everybody. And a partition that was never
    // analysed must not be read whole to find a few spans: the index is always better.
    sqlx::query(
        "SELECT set_config('lock_timeout', '5s', true), set_config('enable_seqscan', 'off', true),
                set_config('enable_bitmapscan', 'off', true)",
    )
    .execute(&mut *connection)
    .await?;
    // One order for all, so that nobody waits in a circle.
    sqlx::query(
        "SELECT pg_advisory_xact_lock($1, slot) FROM (SELECT unnest($2::smallint[])::int AS slot ORDER BY 1) s",
    )
    .bind(SLOT_LOCK)
    .bind(slots)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether `owner` has all of the slots already, and the newest start of any span in them. Call it
/// with the locks in hand, in a statement of its own: it has to see what the owner before committed.
pub async fn read_slots(
    connection: &mut PgConnection,
    slots: &[i16],
    owner: Uuid,
) -> sqlx::Result<(bool, i64)> {
    sqlx::query_as(
        "SELECT bool_and(owner = $2), max(newest_start_ns) FROM write_slots WHERE slot = ANY($1)",
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

/// Where reading has to go on.
pub async fn read_positions(connection: &mut PgConnection, queue: Uuid) -> sqlx::Result<Positions> {
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

/// Notes where reading has to go on.
pub async fn save_positions(
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
