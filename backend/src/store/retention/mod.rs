//! Retention: whole partitions go when they are too old or too many; no row is deleted.

mod plan;
mod settings;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

pub use plan::{Partition, Reason};
pub use settings::{Limits, RetentionConfig, Signal, SignalLimits};

/// Events that are remembered.
const EVENTS_MAX: i64 = 10_000;

/// Shorter than PostgreSQL waits before it looks for a deadlock, so that it is this job that gives up
/// and no reader; and no longer than readers may be held up behind it.
const LOCK_TIMEOUT: &str = "500ms";

/// Drops what the limits leave no room for, and notes it in `retention_events`. All of it or, if an
/// error ends the caller's transaction, nothing. Returns what went.
///
/// # Errors
/// If the database fails, or somebody uses the tables for so long that this would get in their way.
pub async fn enforce(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limits: &Limits,
) -> anyhow::Result<Vec<(Partition, Reason)>> {
    let partitions = partitions(connection).await?;
    let database_bytes = database_bytes(connection).await?;
    let plan = plan::plan(&partitions, now, limits, database_bytes);
    for (key, bytes) in &plan.unmet {
        tracing::warn!(bytes, "{key} is exceeded, and only what is being written is left");
    }
    sqlx::query("SELECT set_config('lock_timeout', $1, true)")
        .bind(LOCK_TIMEOUT)
        .execute(&mut *connection)
        .await?;
    let mut dropped = Vec::new();
    for (partition, reason) in plan.doomed {
        if drop_partition(connection, partition, reason)
            .await
            .with_context(|| format!("dropping {}", partition.name))?
        {
            dropped.push((partition.clone(), reason));
        }
    }
    if !dropped.is_empty() {
        sqlx::query("DELETE FROM retention_events WHERE id <= (SELECT max(id) FROM retention_events) - $1")
            .bind(EVENTS_MAX)
            .execute(connection)
            .await?;
    }
    Ok(dropped)
}

/// False if it is gone already.
async fn drop_partition(
    connection: &mut PgConnection,
    partition: &Partition,
    reason: Reason,
) -> sqlx::Result<bool> {
    let name: Option<String> = sqlx::query_scalar("SELECT drop_partition($1, $2, $3)")
        .bind(&partition.table)
        .bind(partition.from_time)
        .bind(partition.to_time)
        .fetch_one(&mut *connection)
        .await?;
    let Some(name) = name else { return Ok(false) };
    sqlx::query(
        "INSERT INTO retention_events
             (signal, table_name, partition, from_time, to_time, rows_estimate, bytes, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(partition.signal.name())
    .bind(&partition.table)
    .bind(name)
    .bind(partition.from_time)
    .bind(partition.to_time)
    .bind(signed(partition.rows_estimate))
    .bind(signed(partition.bytes()))
    .bind(reason.name())
    .execute(connection)
    .await?;
    Ok(true)
}

/// Every partition of the retained tables with its size, by table and time.
///
/// # Errors
/// If the database fails, or `retained_tables` names a signal that this program does not know.
pub async fn partitions(connection: &mut PgConnection) -> anyhow::Result<Vec<Partition>> {
    let rows = sqlx::query(
        "SELECT p.table_name, r.signal, p.partition, p.from_time, p.to_time,
                extract(epoch FROM r.age_min)::bigint, p.rows_estimate, p.heap_bytes, p.index_bytes,
                p.toast_bytes, p.uncompressed_bytes
         FROM storage_partitions() p JOIN retained_tables r USING (table_name)
         ORDER BY p.table_name, p.from_time",
    )
    .fetch_all(connection)
    .await
    .context("measuring partitions")?;
    rows.iter()
        .map(|row| {
            let signal: String = row.try_get(1)?;
            let bytes = |column: usize| row.try_get(column).map(unsigned);
            Ok(Partition {
                table: row.try_get(0)?,
                signal: Signal::named(&signal)
                    .with_context(|| format!("retained_tables: unknown signal {signal:?}"))?,
                name: row.try_get(2)?,
                from_time: row.try_get(3)?,
                to_time: row.try_get(4)?,
                age_min: TimeDelta::try_seconds(row.try_get(5)?).unwrap_or_default(),
                rows_estimate: bytes(6)?,
                heap_bytes: bytes(7)?,
                index_bytes: bytes(8)?,
                toast_bytes: bytes(9)?,
                uncompressed_bytes: row.try_get::<Option<i64>, _>(10)?.map(unsigned),
            })
        })
        .collect()
}

/// Bytes of the whole database, system catalogue included; not the write-ahead log.
pub async fn database_bytes(connection: &mut PgConnection) -> sqlx::Result<u64> {
    sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(connection)
        .await
        .map(unsigned)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
