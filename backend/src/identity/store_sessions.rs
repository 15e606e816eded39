//! Sessions, refresh tokens and the servers' secrets in the database.

use spanloom_model::api::User;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::secret;
use super::store_users::user_from;

/// Sessions of one account at most; the one that ends soonest gives way.
const SESSIONS_PER_USER_MAX: i64 = 100;

/// A secret that all servers on this database share; the first one to ask makes it.
pub(super) async fn server_secret(pool: &PgPool, name: &str) -> anyhow::Result<[u8; 32]> {
    sqlx::query("INSERT INTO server_secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(&secret::random_bytes()[..])
        .execute(pool)
        .await?;
    let value: Vec<u8> = sqlx::query_scalar("SELECT value FROM server_secrets WHERE name = $1")
        .bind(name)
        .fetch_one(pool)
        .await?;
    value.try_into().map_err(|_| anyhow::anyhow!("server_secrets.{name} does not have 32 bytes"))
}

/// Opens a session and stores its first refresh token. None if the account was shut, removed or got
/// another password since the check: the row lock makes such a change wait and then end the session.
pub(super) async fn open(
    connection: &mut PgConnection,
    user: Uuid,
    checked_hash: &str,
    idle_days: u32,
) -> sqlx::Result<Option<Uuid>> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "INSERT INTO sessions (id, user_id, expires_at)
         SELECT $1, id, now() + make_interval(days => $4) FROM users
         WHERE id = $2 AND NOT disabled AND password_hash = $3
         FOR SHARE
         RETURNING id",
    )
    .bind(Uuid::new_v4())
    .bind(user)
    .bind(checked_hash)
    .bind(idle_days as i32)
    .fetch_optional(&mut *connection)
    .await?;
    if id.is_some() {
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = $1 AND (expires_at < now() OR id IN (
                 SELECT id FROM sessions WHERE user_id = $1 ORDER BY expires_at DESC OFFSET $2))",
        )
        .bind(user)
        .bind(SESSIONS_PER_USER_MAX)
        .execute(connection)
        .await?;
    }
    Ok(id)
}

/// Who a session belongs to; none if it or the account has ended.
pub(super) async fn user(pool: &PgPool, session: Uuid, user: Uuid) -> sqlx::Result<Option<User>> {
    let row = sqlx::query(
        "SELECT u.id, u.username, u.role, u.disabled, u.created_at
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND u.id = $2 AND s.expires_at > now() AND NOT u.disabled",
    )
    .bind(session)
    .bind(user)
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(user_from).transpose()
}

/// The session of a refresh token with its person, locked until the end of the transaction so that
/// refreshes of one session happen one after the other. None if any of them has ended.
pub(super) async fn lock_by_token(
    connection: &mut PgConnection,
    token: &[u8; 32],
) -> sqlx::Result<Option<(Uuid, User)>> {
    let row = sqlx::query(
        "SELECT s.id AS session_id, u.id, u.username, u.role, u.disabled, u.created_at
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
         WHERE t.hash = $1 AND s.expires_at > now() AND NOT u.disabled
         FOR UPDATE OF s",
    )
    .bind(&token[..])
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((row.try_get("session_id")?, user_from(&row)?))).transpose()
}

/// Seconds since a token was used: outer none if there is no such token, inner none if it was not
/// used yet.
pub(super) async fn token_age(
    connection: &mut PgConnection,
    token: &[u8; 32],
) -> sqlx::Result<Option<Option<f64>>> {
    sqlx::query_scalar(
        "SELECT extract(epoch FROM clock_timestamp() - used_at)::float8 FROM refresh_tokens WHERE hash = $1",
    )
    .bind(&token[..])
    .fetch_optional(connection)
    .await
}

/// Stores a token that may be used once.
pub(super) async fn add_token(
    connection: &mut PgConnection,
    session: Uuid,
    token: &[u8; 32],
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)")
        .bind(&token[..])
        .bind(session)
        .execute(connection)
        .await?;
    Ok(())
}

/// Marks a token as used, moves the session's end on and forgets tokens that would have ended by
/// now anyway.
pub(super) async fn use_token(
    connection: &mut PgConnection,
    session: Uuid,
    token: &[u8; 32],
    idle_days: u32,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE refresh_tokens SET used_at = clock_timestamp() WHERE hash = $1")
        .bind(&token[..])
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE sessions SET expires_at = now() + make_interval(days => $2) WHERE id = $1")
        .bind(session)
        .bind(idle_days as i32)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM refresh_tokens WHERE session_id = $1 AND used_at < now() - make_interval(days => $2)",
    )
    .bind(session)
    .bind(idle_days as i32)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a session.
pub(super) async fn end(connection: &mut PgConnection, session: Uuid) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE id = $1").bind(session).execute(connection).await?;
    Ok(())
}

/// Ends the session that a refresh token, used or not, belongs to.
pub(super) async fn end_by_token(pool: &PgPool, token: &[u8; 32]) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = $1)")
        .bind(&token[..])
        .execute(pool)
        .await?;
    Ok(())
}

/// Ends all sessions of an account, except one if given.
pub(super) async fn end_all(
    connection: &mut PgConnection,
    user: Uuid,
    except: Option<Uuid>,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2")
        .bind(user)
        .bind(except)
        .execute(connection)
        .await?;
    Ok(())
}
