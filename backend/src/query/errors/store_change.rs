//! What people say of groups.

use spanloom_model::api::ErrorState;
use sqlx::PgPool;
use uuid::Uuid;

use crate::store::begin;

/// A change of states.
#[derive(Debug)]
pub struct Change<'a> {
    /// The groups.
    pub ids: &'a [Uuid],
    /// `Regressed` is nothing that people say.
    pub state: ErrorState,
    /// Whether a resolved group comes back only with a version that it did not have.
    pub in_next_version: bool,
    /// Who says so.
    pub actor: &'a str,
}

/// How many of the groups there are, and how many were in another state, each of which gets an event.
pub async fn change(pool: &PgPool, change: &Change<'_>) -> sqlx::Result<(u64, u64)> {
    let mut tx = begin(pool).await?;
    // In the order of their ids, as counting does.
    let found = sqlx::query("SELECT FROM error_groups WHERE id = ANY ($1) ORDER BY id FOR UPDATE")
        .bind(change.ids)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    let event = match change.state {
        ErrorState::Resolved => "resolved",
        ErrorState::Ignored => "ignored",
        ErrorState::Open | ErrorState::Regressed => "reopened",
    };
    let changed = sqlx::query(
        "WITH changed AS (
             UPDATE error_groups g
             SET state = $2, resolved_at = CASE WHEN $2 = 'resolved' THEN now() END,
                 resolved_versions = CASE WHEN $2 = 'resolved' AND $3 THEN ARRAY (
                     SELECT DISTINCT c.version FROM error_counts c WHERE c.group_id = g.id
                 ) END
             WHERE g.id = ANY ($1) AND g.state <> $2
             RETURNING g.id
         )
         INSERT INTO error_events (group_id, kind, actor) SELECT id, $4, $5 FROM changed ORDER BY id",
    )
    .bind(change.ids)
    .bind(change.state.name())
    .bind(change.in_next_version)
    .bind(event)
    .bind(change.actor)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok((found, changed))
}
