//! What has to be done to the database now and then. Each step is harmless to repeat.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

/// How long hours and days of metrics are kept.
const ROLLUP_RETENTION_DAYS: i64 = 400;

/// Makes the partitions of today and tomorrow before spans need them.
pub async fn prepare_partitions(pool: &PgPool, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("SELECT ensure_partitions($1, $2)")
        .bind(now)
        .bind(now + TimeDelta::days(1))
        .execute(pool)
        .await?;
    Ok(())
}

/// Moves new metrics into the roll-ups; returns how many rows.
pub async fn roll_up(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT roll_up_metrics()").fetch_one(pool).await
}

/// Drops partitions whose spans are all older than the retention period; returns their names.
pub async fn drop_old(pool: &PgPool, now: DateTime<Utc>, retention_days: u32) -> sqlx::Result<Vec<String>> {
    let mut transaction = pool.begin().await?;
    // Dropping needs the table for itself. Rather later than in the way of readers and writers.
    sqlx::query("SET LOCAL lock_timeout = '2s'").execute(&mut *transaction).await?;
    let dropped = sqlx::query_scalar("SELECT drop_before($1, $2)")
        .bind(now - TimeDelta::days(i64::from(retention_days)))
        .bind(now - TimeDelta::days(ROLLUP_RETENTION_DAYS.max(i64::from(retention_days))))
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(dropped)
}

/// Takes a job's lock for the transaction, or says that another server has it.
pub async fn try_job_lock(connection: &mut sqlx::PgConnection, class: i32, job: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
        .bind(class)
        .bind(job)
        .fetch_one(connection)
        .await
}
