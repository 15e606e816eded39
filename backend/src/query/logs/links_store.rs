//! SQL of the links to external log systems.

use chrono::{DateTime, Utc};
use spanloom_model::api::{LogLink, LogLinkRequest};
use sqlx::{PgPool, Postgres, Row, Transaction};
use uuid::Uuid;

use crate::store::begin;

/// Links at most: they are all read for every page that shows them.
pub const LINKS_MAX: i64 = 200;

/// First half of the lock under which links are counted and added.
const ADD_LOCK: i32 = 0x4c49_4e4b;

/// What became of a change.
#[derive(Debug)]
pub enum Saved {
    /// It is there.
    Link(LogLink),
    /// Another one has the name for the same service.
    NameTaken,
    /// There are as many as there may be.
    TooMany,
    /// There is none to change.
    Missing,
}

fn link(row: &sqlx::postgres::PgRow) -> sqlx::Result<LogLink> {
    let created_at: DateTime<Utc> = row.try_get(5)?;
    Ok(LogLink {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        service: row.try_get(2)?,
        url_template: row.try_get(3)?,
        author: row.try_get(4)?,
        created_at,
    })
}

/// All links by name.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<LogLink>> {
    let rows = sqlx::query(
        "SELECT id, name, service, url_template, author, created_at FROM log_links
         ORDER BY lower(name), service NULLS FIRST LIMIT $1",
    )
    .bind(LINKS_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(link).collect()
}

/// Adds a link.
pub async fn create(pool: &PgPool, request: &LogLinkRequest, author: &str) -> sqlx::Result<Saved> {
    let mut tx: Transaction<'_, Postgres> = begin(pool).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1, 0)").bind(ADD_LOCK).execute(&mut *tx).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM log_links").fetch_one(&mut *tx).await?;
    if count >= LINKS_MAX {
        return Ok(Saved::TooMany);
    }
    let row = sqlx::query(
        "INSERT INTO log_links (id, name, service, url_template, author) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING RETURNING id, name, service, url_template, author, created_at",
    )
    .bind(Uuid::new_v4())
    .bind(&request.name)
    .bind(&request.service)
    .bind(&request.url_template)
    .bind(author)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(Saved::NameTaken) };
    tx.commit().await?;
    Ok(Saved::Link(link(&row)?))
}

/// Replaces a link.
pub async fn change(
    pool: &PgPool,
    id: Uuid,
    request: &LogLinkRequest,
    author: &str,
) -> sqlx::Result<Saved> {
    let changed = sqlx::query(
        "UPDATE log_links SET name = $2, service = $3, url_template = $4, author = $5, created_at = now()
         WHERE id = $1 RETURNING id, name, service, url_template, author, created_at",
    )
    .bind(id)
    .bind(&request.name)
    .bind(&request.service)
    .bind(&request.url_template)
    .bind(author)
    .fetch_optional(pool)
    .await;
    match changed {
        Ok(Some(row)) => Ok(Saved::Link(link(&row)?)),
        Ok(None) => Ok(Saved::Missing),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Saved::NameTaken),
        Err(error) => Err(error),
    }
}

/// Removes a link; false if there is none.
pub async fn delete(pool: &PgPool, id: Uuid) -> sqlx::Result<bool> {
    let deleted = sqlx::query("DELETE FROM log_links WHERE id = $1").bind(id).execute(pool).await?;
    Ok(deleted.rows_affected() > 0)
}
