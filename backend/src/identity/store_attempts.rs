//! Failed log-ins in the database.

use sqlx::PgPool;

/// Rows of past windows that one attempt clears away: more than it can add.
const PURGED_PER_ATTEMPT: i64 = 100;

/// Counts an attempt in advance, in one statement, so that a hundred attempts at once cannot all
/// find the counter low. False, and nothing counted, if the limit is reached.
pub(super) async fn reserve(
    pool: &PgPool,
    subject: &[u8; 32],
    failures_max: i64,
    window_seconds: i64,
) -> sqlx::Result<bool> {
    let counted: Option<i32> = sqlx::query_scalar(
        "INSERT INTO login_attempts AS a (subject, failures, window_started_at) VALUES ($1, 1, now())
         ON CONFLICT (subject) DO UPDATE SET
             failures = CASE WHEN a.window_started_at <= now() - make_interval(secs => $3)
                             THEN 1 ELSE a.failures + 1 END,
             window_started_at = CASE WHEN a.window_started_at <= now() - make_interval(secs => $3)
                                      THEN now() ELSE a.window_started_at END
         WHERE a.failures < $2 OR a.window_started_at <= now() - make_interval(secs => $3)
         RETURNING a.failures",
    )
    .bind(&subject[..])
    .bind(failures_max)
    .bind(window_seconds as f64)
    .fetch_optional(pool)
    .await?;
    Ok(counted.is_some())
}

/// Seconds until the subject's window ends, at least 1.
pub(super) async fn retry_after_seconds(
    pool: &PgPool,
    subject: &[u8; 32],
    window_seconds: i64,
) -> sqlx::Result<u64> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM window_started_at + make_interval(secs => $2) - now())::float8
         FROM login_attempts WHERE subject = $1",
    )
    .bind(&subject[..])
    .bind(window_seconds as f64)
    .fetch_optional(pool)
    .await?;
    Ok(seconds.unwrap_or(1.0).ceil().max(1.0) as u64)
}

/// Takes back one counted attempt.
pub(super) async fn refund(pool: &PgPool, subject: &[u8; 32]) -> sqlx::Result<()> {
    sqlx::query("UPDATE login_attempts SET failures = failures - 1 WHERE subject = $1 AND failures > 0")
        .bind(&subject[..])
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets a subject's failures.
pub(super) async fn clear(pool: &PgPool, subject: &[u8; 32]) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM login_attempts WHERE subject = $1").bind(&subject[..]).execute(pool).await?;
    Ok(())
}

/// Clears away some rows whose window is over.
pub(super) async fn purge(pool: &PgPool, window_seconds: i64) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM login_attempts WHERE subject IN (
             SELECT subject FROM login_attempts WHERE window_started_at < now() - make_interval(secs => $1)
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(window_seconds as f64)
    .bind(PURGED_PER_ATTEMPT)
    .execute(pool)
    .await?;
    Ok(())
}
