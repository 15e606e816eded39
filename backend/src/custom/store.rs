//! The definitions and their versions.

use chrono::{DateTime, Utc};
use spanloom_model::api::{
    BackfillState, CustomMetric, CustomMetricBackfill, CustomMetricDefinition, CustomMetricNext,
};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::METRICS_MAX;
use crate::store::begin;

/// What came of a change.
#[derive(Debug)]
pub enum Saved {
    /// It is saved.
    Metric(Box<CustomMetric>),
    /// There is no such metric.
    Missing,
    /// Somebody changed it meanwhile; the version now.
    Overtaken(i32),
    /// Another one has the name.
    NameTaken,
    /// There are as many as there may be.
    TooMany,
}

const METRIC: &str = "SELECT m.id, m.name, m.version, m.author, m.updated_at, v.is_shown, v.definition,
        v.fill_state, nullif(v.filled_from, 'infinity'), v.spans_read,
        CASE WHEN v.filled_from < 'infinity' AND v.fill_start > v.fill_end
             THEN 100 * extract(epoch FROM v.fill_start - v.filled_from)
                  / extract(epoch FROM v.fill_start - v.fill_end) ELSE 0 END::float8
    FROM custom_metrics m JOIN custom_metric_versions v ON v.metric_id = m.id";

/// All metrics, by name.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<CustomMetric>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{METRIC} ORDER BY m.name, v.is_shown DESC")))
        .fetch_all(pool)
        .await?;
    metrics(&rows)
}

/// A metric; none if there is none with this id.
pub async fn get(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<CustomMetric>> {
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(format!("{METRIC} WHERE m.id = $1 ORDER BY v.is_shown DESC")))
            .bind(id)
            .fetch_all(connection)
            .await?;
    Ok(metrics(&rows)?.pop())
}

/// Each metric's shown version comes first.
fn metrics(rows: &[PgRow]) -> sqlx::Result<Vec<CustomMetric>> {
    let mut metrics: Vec<CustomMetric> = Vec::new();
    for row in rows {
        let Json(mut definition): Json<CustomMetricDefinition> = row.try_get(6)?;
        // A name holds for both versions at once.
        definition.name = row.try_get(1)?;
        let backfill = backfill(row)?;
        if row.try_get(5)? {
            metrics.push(CustomMetric {
                id: row.try_get(0)?,
                version: row.try_get(2)?,
                definition,
                backfill,
                next: None,
                author: row.try_get(3)?,
                updated_at: row.try_get(4)?,
            });
        } else if let Some(metric) = metrics.last_mut() {
            metric.next = Some(CustomMetricNext { definition, backfill });
        }
    }
    Ok(metrics)
}

fn backfill(row: &PgRow) -> sqlx::Result<CustomMetricBackfill> {
    let state = match row.try_get(7)? {
        "done" => BackfillState::Done,
        "stopped" => BackfillState::Stopped,
        _ => BackfillState::Running,
    };
    let percent: f64 = row.try_get(10)?;
    Ok(CustomMetricBackfill {
        state,
        percent: if state == BackfillState::Done { 100.0 } else { percent.clamp(0.0, 100.0) },
        done_from: row.try_get::<Option<DateTime<Utc>>, _>(8)?,
        spans_read: row.try_get(9)?,
    })
}

/// Adds a metric.
pub async fn create(
    pool: &PgPool,
    definition: &CustomMetricDefinition,
    author: &str,
) -> sqlx::Result<Saved> {
    let mut transaction = begin(pool).await?;
    // One after the other, so that two at once are not one too many.
    sqlx::query("LOCK TABLE custom_metrics IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM custom_metrics").fetch_one(&mut *transaction).await?;
    if count >= i64::from(METRICS_MAX) {
        return Ok(Saved::TooMany);
    }
    let id = Uuid::now_v7();
    let added = sqlx::query(
        "INSERT INTO custom_metrics (id, name, author) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(id)
    .bind(&definition.name)
    .bind(author)
    .execute(&mut *transaction)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(Saved::NameTaken);
    }
    add_version(&mut transaction, id, true, definition).await?;
    finish(transaction, id).await
}

/// Changes a metric. A definition that counts differently takes over when its back-fill is done.
pub async fn change(
    pool: &PgPool,
    id: Uuid,
    changed: i32,
    definition: &CustomMetricDefinition,
    author: &str,
) -> sqlx::Result<Saved> {
    let mut transaction = begin(pool).await?;
    let version: Option<i32> =
        sqlx::query_scalar("SELECT version FROM custom_metrics WHERE id = $1 FOR UPDATE")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
    match version {
        None => return Ok(Saved::Missing),
        Some(version) if version != changed => return Ok(Saved::Overtaken(version)),
        Some(_) => {}
    }
    let update = sqlx::query(
        "UPDATE custom_metrics SET name = $2, author = $3, version = version + 1, updated_at = now()
         WHERE id = $1",
    );
    match update.bind(id).bind(&definition.name).bind(author).execute(&mut *transaction).await {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(Saved::NameTaken),
        outcome => outcome?,
    };
    let rows = sqlx::query(
        "SELECT id, is_shown, definition FROM custom_metric_versions WHERE metric_id = $1 FOR UPDATE",
    )
    .bind(id)
    .fetch_all(&mut *transaction)
    .await?;
    let mut same = None;
    for row in &rows {
        let Json(known): Json<CustomMetricDefinition> = row.try_get(2)?;
        if known.counts_as(definition) {
            same = Some(row.try_get::<i32, _>(0)?);
        }
    }
    // What was to take over and is not what is wanted now never will.
    sqlx::query(
        "UPDATE custom_metric_versions SET metric_id = NULL
         WHERE metric_id = $1 AND NOT is_shown AND id IS DISTINCT FROM $2",
    )
    .bind(id)
    .bind(same)
    .execute(&mut *transaction)
    .await?;
    if let Some(same) = same {
        sqlx::query("UPDATE custom_metric_versions SET definition = $2 WHERE id = $1")
            .bind(same)
            .bind(Json(definition))
            .execute(&mut *transaction)
            .await?;
    } else {
        add_version(&mut transaction, id, false, definition).await?;
    }
    finish(transaction, id).await
}

async fn add_version(
    connection: &mut PgConnection,
    id: Uuid,
    is_shown: bool,
    definition: &CustomMetricDefinition,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO custom_metric_versions (metric_id, is_shown, definition) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(is_shown)
        .bind(Json(definition))
        .execute(connection)
        .await?;
    Ok(())
}

async fn finish(
    mut transaction: sqlx::Transaction<'static, sqlx::Postgres>,
    id: Uuid,
) -> sqlx::Result<Saved> {
    next_epoch(&mut transaction).await?;
    let saved = get(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(saved.map_or(Saved::Missing, |metric| Saved::Metric(Box::new(metric))))
}

/// Deletes a metric at once and its points bit by bit; false if there is none.
pub async fn delete(pool: &PgPool, id: Uuid) -> sqlx::Result<bool> {
    let mut transaction = begin(pool).await?;
    let deleted =
        sqlx::query("DELETE FROM custom_metrics WHERE id = $1").bind(id).execute(&mut *transaction).await?;
    next_epoch(&mut transaction).await?;
    transaction.commit().await?;
    Ok(deleted.rows_affected() > 0)
}

/// Stops a metric's back-fill: what is counted by then stays, and a changed definition takes over with
/// it. None if there is no such metric.
pub async fn stop_backfill(pool: &PgPool, id: Uuid) -> sqlx::Result<Option<CustomMetric>> {
    let mut transaction = begin(pool).await?;
    let versions: Vec<i32> = sqlx::query_scalar(
        "UPDATE custom_metric_versions SET fill_state = 'stopped'
         WHERE metric_id = $1 AND fill_state = 'running' AND fill_start IS NOT NULL RETURNING id",
    )
    .bind(id)
    .fetch_all(&mut *transaction)
    .await?;
    for version in versions {
        take_over(&mut transaction, version).await?;
    }
    let metric = get(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(metric)
}

/// Makes the version the one that is shown, if it is to follow another.
pub async fn take_over(connection: &mut PgConnection, version: i32) -> sqlx::Result<()> {
    let dropped = sqlx::query(
        "UPDATE custom_metric_versions old SET metric_id = NULL
         FROM custom_metric_versions new
         WHERE new.id = $1 AND NOT new.is_shown AND old.metric_id = new.metric_id AND old.is_shown",
    )
    .bind(version)
    .execute(&mut *connection)
    .await?;
    if dropped.rows_affected() > 0 {
        sqlx::query("UPDATE custom_metric_versions SET is_shown = true WHERE id = $1")
            .bind(version)
            .execute(&mut *connection)
            .await?;
        next_epoch(connection).await?;
    }
    Ok(())
}

/// Makes every writer look at the versions again in its next transaction.
pub async fn next_epoch(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("UPDATE custom_metric_epoch SET epoch = epoch + 1").execute(connection).await?;
    Ok(())
}
