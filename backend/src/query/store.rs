//! SQL that the domains share.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};

use crate::store::begin_with;

/// Begins a transaction that only reads, sees one state of the database throughout and has a time
/// limit for each statement.
pub async fn begin_read(
    pool: &PgPool,
    statement_time: Duration,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut tx = begin_with(pool, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    // Times are bound values: only a plan made for these very values leaves partitions out. Compiling a
    // statement over many chunks takes longer than running it.
    sqlx::query(
        "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)",
    )
    .execute(&mut *tx)
    .await?;
    limit_statements(&mut tx, statement_time).await?;
    Ok(tx)
}

/// Sets the time limit of the statements that follow in this transaction.
pub async fn limit_statements(db: &mut PgConnection, statement_time: Duration) -> sqlx::Result<()> {
    // 0 would mean no limit at all.
    let limit_ms = statement_time.as_millis().max(1).to_string();
    sqlx::query("SELECT set_config('statement_timeout', $1, true)").bind(limit_ms).execute(db).await?;
    Ok(())
}

/// A stored time from microseconds since the epoch.
pub fn time_of_us(time_us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time_us).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The id of a service, if it ever sent a span.
pub async fn service_id(db: &mut PgConnection, name: &str) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar("SELECT id FROM services WHERE name = $1").bind(name).fetch_optional(db).await
}

/// Names of services by id.
pub async fn service_names(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<HashMap<i32, String>> {
    let rows =
        sqlx::query("SELECT id, name FROM services WHERE id = ANY($1)").bind(ids).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Names of operations by id.
pub async fn operation_names(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<HashMap<i32, String>> {
    let rows =
        sqlx::query("SELECT id, name FROM operations WHERE id = ANY($1)").bind(ids).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Whether the statement was cancelled because it took too long.
pub fn timed_out(error: &sqlx::Error) -> bool {
    // query_canceled
    matches!(error, sqlx::Error::Database(cause) if cause.code().as_deref() == Some("57014"))
}
