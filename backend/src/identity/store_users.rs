//! People in the database.

use chrono::{DateTime, Utc};
use spanloom_model::api::{Role, User};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::role::{parse_role, role_name};

/// Accounts at most: the list of them is one page.
pub(super) const USERS_MAX: i64 = 10_000;

/// A row of `users` without the hash.
pub(super) fn user_from(row: &PgRow) -> sqlx::Result<User> {
    let role: String = row.try_get("role")?;
    Ok(User {
        id: row.try_get("id")?,
        username: row.try_get("username")?,
        role: parse_role(&role).map_err(|error| sqlx::Error::Decode(error.into()))?,
        disabled: row.try_get("disabled")?,
        created_at: row.try_get::<DateTime<Utc>, _>("created_at")?,
    })
}

/// An account and its password hash, by name irrespective of case.
pub(super) async fn with_hash(pool: &PgPool, username: &str) -> sqlx::Result<Option<(User, String)>> {
    if username.contains('\0') || !username.is_ascii() {
        // Nobody has such a name. PostgreSQL's text cannot hold NUL, and its lower() turns some other
        // letters into ASCII ones: several spellings of one account would each have their attempts.
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT id, username, role, disabled, created_at, password_hash FROM users
         WHERE lower(username) = lower($1)",
    )
    .bind(username)
    .fetch_optional(pool)
    .await?;
    row.map(|row| Ok((user_from(&row)?, row.try_get("password_hash")?))).transpose()
}

/// All accounts by name.
pub(super) async fn list(pool: &PgPool) -> sqlx::Result<Vec<User>> {
    let rows = sqlx::query(
        "SELECT id, username, role, disabled, created_at FROM users ORDER BY lower(username) LIMIT $1",
    )
    .bind(USERS_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(user_from).collect()
}

/// Until the end of the transaction nobody else adds, changes or removes accounts. Whoever decides
/// by counting accounts (the first one, the last administrator) calls it first. Log-ins go on.
pub(super) async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").execute(connection).await?;
    Ok(())
}

/// How many accounts there are.
pub(super) async fn count(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(connection).await
}

/// How many administrators besides this one can log in.
pub(super) async fn other_admins(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM users WHERE role = 'admin' AND NOT disabled AND id <> $1")
        .bind(id)
        .fetch_one(connection)
        .await
}

/// An account.
pub(super) async fn by_id(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<User>> {
    let row = sqlx::query("SELECT id, username, role, disabled, created_at FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(user_from).transpose()
}

/// A new account; none if the name is taken.
pub(super) async fn insert(
    connection: &mut PgConnection,
    username: &str,
    password_hash: &str,
    role: Role,
) -> sqlx::Result<Option<User>> {
    let row = sqlx::query(
        "INSERT INTO users (id, username, password_hash, role) VALUES ($1, $2, $3, $4)
         ON CONFLICT (lower(username)) DO NOTHING
         RETURNING id, username, role, disabled, created_at",
    )
    .bind(Uuid::new_v4())
    .bind(username)
    .bind(password_hash)
    .bind(role_name(role))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(user_from).transpose()
}

/// Changes role and state.
pub(super) async fn update(
    connection: &mut PgConnection,
    id: Uuid,
    role: Role,
    disabled: bool,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET role = $2, disabled = $3 WHERE id = $1")
        .bind(id)
        .bind(role_name(role))
        .bind(disabled)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets a password hash.
pub(super) async fn set_hash(connection: &mut PgConnection, id: Uuid, hash: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(id)
        .bind(hash)
        .execute(connection)
        .await?;
    Ok(())
}

/// Replaces a password hash if it is still the one that was checked. Says whether it was.
pub(super) async fn replace_hash(
    connection: &mut PgConnection,
    id: Uuid,
    checked: &str,
    new: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
        .bind(id)
        .bind(checked)
        .bind(new)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes an account with its sessions.
pub(super) async fn delete(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}
