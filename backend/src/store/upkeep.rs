//! What has to be done to the database now and then. Each step is harmless to repeat.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

/// Makes the partitions of today and tomorrow before spans need them.
pub async fn prepare_partitions(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("SELECT ensure_partitions($1, $2)")
        .bind(now)
        .bind(now + TimeDelta::days(1))
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves new metrics into the roll-ups; returns how many rows.
pub async fn roll_up(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT roll_up_metrics()").fetch_one(connection).await
}

/// Takes a job's lock for the transaction, or says that another server has it. What the job then
/// waits for in vain it gives up: rather later than in the way of readers and writers.
pub async fn try_job_lock(connection: &mut PgConnection, class: i32, job: i32) -> sqlx::Result<bool> {
    sqlx::query("SET LOCAL lock_timeout = '2s'").execute(&mut *connection).await?;
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
        .bind(class)
        .bind(job)
        .fetch_one(connection)
        .await
}
