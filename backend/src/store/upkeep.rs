//! What has to be done to the database now and then. Each step is harmless to repeat.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor};

/// Makes the partitions of today and tomorrow before spans need them.
pub async fn prepare_partitions(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("SELECT ensure_partitions($1, $2)")
        .bind(now)
        .bind(now + TimeDelta::days(1))
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves new metrics into the roll-ups and the sums since ever; returns how many cells.
pub async fn roll_up(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT roll_up_metrics()").fetch_one(connection).await
}

/// Forgets sums of what has not been counted for a month; nobody has been told them for most of it.
pub async fn forget_idle_totals(connection: &mut PgConnection) -> sqlx::Result<()> {
    for statement in [
        "DELETE FROM span_totals WHERE updated_at < now() - interval '30 days'",
        "DELETE FROM edge_totals WHERE updated_at < now() - interval '30 days'",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Joins the two ends of calls that wait; returns how many rows of edges changed.
pub async fn pair_edges(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT pair_edges()").fetch_one(connection).await
}

/// Moves what custom metrics counted into their points; returns how many rows.
pub async fn move_custom_metrics(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT move_custom_metrics()").fetch_one(connection).await
}

/// Counts the errors that writers noted; returns how many notes.
pub async fn fold_errors(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT fold_errors()").fetch_one(connection).await
}

/// Deletes groups of errors that nobody has met for long; returns how many.
pub async fn forget_errors(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT forget_errors()").fetch_one(connection).await
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

/// Whether the job's period has passed since any server ran it, by the database's clock.
pub async fn is_job_due(database: impl PgExecutor<'_>, job: &str, every: Duration) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM job_runs WHERE job = $1 AND started_at
         BETWEEN clock_timestamp() - make_interval(secs => $2) AND clock_timestamp())",
    )
    .bind(job)
    .bind(every.as_secs_f64())
    .fetch_one(database)
    .await
}

/// Notes that this transaction runs the job.
pub async fn note_job_run(connection: &mut PgConnection, job: &str) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO job_runs (job, started_at, runs) VALUES ($1, now(), 1)
         ON CONFLICT (job) DO UPDATE SET started_at = excluded.started_at, runs = job_runs.runs + 1",
    )
    .bind(job)
    .execute(connection)
    .await?;
    Ok(())
}
