//! The versions of the settings in the database.

use spanloom_model::api::{SamplingSettings, SamplingVersion};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgPool, Row};

use crate::store::begin;

/// Versions that a reader gets.
const HISTORY_MAX: i64 = 20;

/// Versions that are kept.
const KEPT_MAX: i32 = 200;

fn version_from(row: &PgRow) -> sqlx::Result<SamplingVersion> {
    let Json(settings) = row.try_get("settings")?;
    Ok(SamplingVersion {
        version: row.try_get("version")?,
        settings,
        author: row.try_get("author")?,
        created_at: row.try_get("created_at")?,
    })
}

/// The settings in force; the default ones if none were saved.
pub async fn newest(pool: &PgPool) -> sqlx::Result<SamplingVersion> {
    let row = sqlx::query(
        "SELECT version, settings, author, created_at FROM sampling_settings
         ORDER BY version DESC LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    let default = || SamplingVersion {
        version: 0,
        settings: SamplingSettings::default(),
        author: None,
        created_at: None,
    };
    row.as_ref().map_or_else(|| Ok(default()), version_from)
}

/// The version in force.
pub async fn newest_version(pool: &PgPool) -> sqlx::Result<i32> {
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM sampling_settings").fetch_one(pool).await
}

/// The latest versions, the newest first.
pub async fn history(pool: &PgPool) -> sqlx::Result<Vec<SamplingVersion>> {
    let rows = sqlx::query(
        "SELECT version, settings, author, created_at FROM sampling_settings
         ORDER BY version DESC LIMIT $1",
    )
    .bind(HISTORY_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(version_from).collect()
}

/// Saves the version after `changed`; none if that is not the newest any more.
pub async fn save(
    pool: &PgPool,
    changed: i32,
    settings: &SamplingSettings,
    author: &str,
) -> sqlx::Result<Option<SamplingVersion>> {
    let mut transaction = begin(pool).await?;
    // Of two that save at once, the second waits here for the first and then finds its version taken.
    let row = sqlx::query(
        "INSERT INTO sampling_settings (version, settings, author)
         SELECT $1 + 1, $2, $3
         WHERE (SELECT coalesce(max(version), 0) FROM sampling_settings) = $1
         ON CONFLICT (version) DO NOTHING
         RETURNING version, settings, author, created_at",
    )
    .bind(changed)
    .bind(Json(settings))
    .bind(author)
    .fetch_optional(&mut *transaction)
    .await?;
    sqlx::query("DELETE FROM sampling_settings WHERE version <= $1 - $2")
        .bind(changed)
        .bind(KEPT_MAX)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    row.as_ref().map(version_from).transpose()
}
