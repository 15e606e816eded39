//! API keys in the database.

use spanloom_model::api::{ApiKey, KeyScope};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::role::{parse_scope, scope_name};

/// Keys in force at most: the list of them is one page.
pub(super) const KEYS_MAX: i64 = 1_000;

fn key_from(row: &PgRow) -> sqlx::Result<ApiKey> {
    let scopes: Vec<String> = row.try_get("scopes")?;
    let scopes: anyhow::Result<Vec<KeyScope>> = scopes.iter().map(|name| parse_scope(name)).collect();
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        scopes: scopes.map_err(|error| sqlx::Error::Decode(error.into()))?,
        prefix: row.try_get("prefix")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

/// Stores a key; none if there are too many in force.
pub(super) async fn insert(
    pool: &PgPool,
    name: &str,
    scopes: &[KeyScope],
    hash: &[u8; 32],
    prefix: &str,
    created_by: Option<&str>,
) -> sqlx::Result<Option<ApiKey>> {
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope_name(*scope)).collect();
    let row = sqlx::query(
        "INSERT INTO api_keys (id, name, hash, prefix, scopes, created_by)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL) < $7
         RETURNING id, name, scopes, prefix, created_by, created_at, last_used_at, revoked_at",
    )
    .bind(Uuid::new_v4())
    .bind(name)
    .bind(&hash[..])
    .bind(prefix)
    .bind(scopes)
    .bind(created_by)
    .bind(KEYS_MAX)
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(key_from).transpose()
}

/// Keys in force, newest first, then the latest revoked ones.
pub(super) async fn list(pool: &PgPool) -> sqlx::Result<Vec<ApiKey>> {
    let rows = sqlx::query(
        "SELECT id, name, scopes, prefix, created_by, created_at, last_used_at, revoked_at FROM api_keys
         ORDER BY revoked_at DESC NULLS FIRST, created_at DESC, id LIMIT $1",
    )
    .bind(KEYS_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(key_from).collect()
}

/// The key in force with this hash.
pub(super) async fn by_hash(pool: &PgPool, hash: &[u8; 32]) -> sqlx::Result<Option<ApiKey>> {
    let row = sqlx::query(
        "SELECT id, name, scopes, prefix, created_by, created_at, last_used_at, revoked_at FROM api_keys
         WHERE hash = $1 AND revoked_at IS NULL",
    )
    .bind(&hash[..])
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(key_from).transpose()
}

/// Revokes a key; a second time changes nothing. False if there is none.
pub(super) async fn revoke(pool: &PgPool, id: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1")
        .bind(id)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a key was used, unless that was noted within the last minute.
pub(super) async fn touch(pool: &PgPool, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE api_keys SET last_used_at = now()
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
    )
    .bind(id)
    .execute(pool)
    .await?;
    Ok(())
}
