//! The steps of the back-fill in the database, and deleting what is not asked for any more.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use spanloom_measure::Tally;
use spanloom_model::api::CustomMetricDefinition;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};

use super::spans_store::{self, SpanRow};
use super::{SEAM_LOCK, live_store, store};
use crate::query::store::time_of_us;

/// Spans that are read at a time.
const FETCH: &str = "FETCH 5000 FROM spans_to_count";

/// Points that are deleted in a statement, and statements of a turn.
const PURGE_ROWS: i64 = 20_000;
const PURGE_STATEMENTS_MAX: usize = 50;

/// A version whose back-fill is not done.
#[derive(Debug)]
pub struct Waiting {
    /// `custom_metric_versions.id`
    pub version: i32,
    /// Where the writers began to count; none if they did not.
    pub fill_start: Option<DateTime<Utc>>,
    /// How long the step was that did not end.
    pub interrupted: Option<TimeDelta>,
}

/// What a step is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The writers begin to count at this moment.
    First(DateTime<Utc>),
    /// So much of what was before.
    Next(TimeDelta),
}

/// A step under way.
pub struct Step {
    /// `custom_metric_versions.id`
    pub version: i32,
    /// What is counted.
    pub definition: CustomMetricDefinition,
    /// Has the cursor open, and adds the points.
    pub reading: Transaction<'static, Postgres>,
    attempt: i32,
    from: DateTime<Utc>,
}

/// The versions whose back-fill is not done; those that nobody counts yet first.
pub async fn waiting(pool: &PgPool) -> sqlx::Result<Vec<Waiting>> {
    // What was interrupted is put in order even if it was stopped then.
    let rows = sqlx::query(
        "SELECT id, fill_start, CASE WHEN live_from < filled_from AND filled_from < 'infinity'
                THEN extract(epoch FROM filled_from - live_from)::bigint END
         FROM custom_metric_versions
         WHERE metric_id IS NOT NULL AND (fill_state = 'running' OR live_from < filled_from)
         ORDER BY fill_start IS NOT NULL, id",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let interrupted: Option<i64> = row.try_get(2)?;
            Ok(Waiting {
                version: row.try_get(0)?,
                fill_start: row.try_get(1)?,
                interrupted: interrupted.and_then(TimeDelta::try_seconds),
            })
        })
        .collect()
}

/// Moves the seam while no writer is under way, and opens the cursor over what lies behind it. None if
/// there is nothing to do for this version any more. Nothing before `kept_from` is counted.
pub async fn begin(
    pool: &PgPool,
    version: i32,
    plan: Plan,
    kept_from: DateTime<Utc>,
) -> anyhow::Result<Option<Step>> {
    let mut reading = crate::store::begin(pool).await?;
    let mut moving = crate::store::begin(pool).await?;
    // Writers wait behind this, so that it must not wait long.
    sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *moving).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1, 0)").bind(SEAM_LOCK).execute(&mut *moving).await?;
    let row = sqlx::query(
        "SELECT definition, nullif(filled_from, 'infinity'), fill_end, live_from < filled_from
         FROM custom_metric_versions
         WHERE id = $1 AND metric_id IS NOT NULL AND (fill_state = 'running' OR live_from < filled_from)
         FOR UPDATE",
    )
    .bind(version)
    .fetch_optional(&mut *moving)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Json(definition): Json<CustomMetricDefinition> = row.try_get(0)?;
    let to: Option<DateTime<Utc>> = row.try_get(1)?;
    let end: Option<DateTime<Utc>> = row.try_get(2)?;
    if row.try_get(3)? {
        undo(&mut moving, version).await?;
    }
    let (from, end) = match (plan, to, end) {
        // The last step goes back to the end of what is kept, though nothing is stored there: what comes
        // late is for the writers.
        (Plan::Next(length), Some(to), Some(end)) if to - length <= end => (end.min(kept_from), end),
        (Plan::Next(length), Some(to), Some(end)) => (to - length, end),
        (Plan::First(from), None, None) => {
            let before = from - TimeDelta::minutes(1);
            (from, oldest(&mut moving, kept_from).await?.min(before))
        }
        // The first step was interrupted: the seam stays where it is, the writers have begun there.
        (Plan::Next(_), None, Some(end)) => {
            let from = sqlx::query_scalar("SELECT live_from FROM custom_metric_versions WHERE id = $1");
            (from.bind(version).fetch_one(&mut *moving).await?, end)
        }
        _ => return Ok(None),
    };
    let attempt: i32 = sqlx::query_scalar(
        "UPDATE custom_metric_versions
         SET live_from = $2, fill_start = coalesce(fill_start, $2), fill_end = $3, attempt = attempt + 1
         WHERE id = $1 RETURNING attempt",
    )
    .bind(version)
    .bind(from)
    .bind(end)
    .fetch_one(&mut *moving)
    .await?;
    store::next_epoch(&mut moving).await?;

    let meter = live_store::meter(version, definition.clone())?;
    // All rows are wanted, not the first ones soon.
    sqlx::query("SELECT set_config('cursor_tuple_fraction', '1', true)").execute(&mut *reading).await?;
    let declare = "DECLARE spans_to_count NO SCROLL CURSOR FOR ";
    let mut cursor = spans_store::select(declare, &meter, from, to);
    cursor.build().persistent(false).execute(&mut *reading).await.context("opening the cursor")?;
    moving.commit().await?;
    Ok(Some(Step { version, definition, reading, attempt, from }))
}

/// The oldest moment of which spans may be stored.
async fn oldest(connection: &mut PgConnection, kept_from: DateTime<Utc>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar(
        "SELECT greatest(coalesce(min(from_time), now()), $1)
         FROM storage_partitions() WHERE table_name = 'spans'",
    )
    .bind(kept_from)
    .fetch_one(connection)
    .await
}

/// Deletes what was counted beyond the last step that ended.
async fn undo(connection: &mut PgConnection, version: i32) -> sqlx::Result<()> {
    for statement in [
        "DELETE FROM custom_metric_points p USING custom_metric_versions v
         WHERE v.id = $1 AND p.version_id = v.id AND p.minute >= v.live_from AND p.minute < v.filled_from",
        "DELETE FROM custom_metric_parts p USING custom_metric_versions v
         WHERE v.id = $1 AND p.version_id = v.id AND p.minute >= v.live_from AND p.minute < v.filled_from",
    ] {
        sqlx::query(statement).bind(version).execute(&mut *connection).await?;
    }
    Ok(())
}

impl Step {
    /// The next spans; none at the end.
    pub async fn fetch(&mut self) -> sqlx::Result<Vec<SpanRow>> {
        let rows = sqlx::query(FETCH).persistent(false).fetch_all(&mut *self.reading).await?;
        rows.iter().map(spans_store::span).collect()
    }

    /// Ends the step: its points count from now on.
    pub async fn finish(mut self, spans_read: i64) -> anyhow::Result<()> {
        sqlx::query("CLOSE spans_to_count").execute(&mut *self.reading).await?;
        let is_done: Option<bool> = sqlx::query_scalar(
            "UPDATE custom_metric_versions
             SET filled_from = $3, spans_read = spans_read + $4,
                 fill_state = CASE WHEN $3 <= fill_end THEN 'done' ELSE fill_state END
             WHERE id = $1 AND attempt = $2 RETURNING fill_state = 'done'",
        )
        .bind(self.version)
        .bind(self.attempt)
        .bind(self.from)
        .bind(spans_read)
        .fetch_optional(&mut *self.reading)
        .await?;
        let is_done = is_done.context("another server has begun this step again")?;
        if is_done {
            store::take_over(&mut self.reading, self.version).await?;
        }
        self.reading.commit().await?;
        Ok(())
    }
}

/// Adds what was counted to the points; `ids` are the tally's groups.
pub async fn add_points(
    pool: &PgPool,
    connection: &mut PgConnection,
    version: i32,
    ids: &[i32],
    tally: &Tally,
) -> sqlx::Result<()> {
    let days: BTreeSet<_> =
        tally.cells().map(|(_, minute_us, ..)| time_of_us(minute_us).date_naive()).collect();
    for day in days {
        // On its own: it would keep writers out until the step ends.
        let noon = day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(12);
        sqlx::query("SELECT ensure_partitions($1, $1)").bind(noon).execute(pool).await?;
    }
    let rows = || tally.cells();
    // Several groups may be the one of all others.
    sqlx::query(
        "INSERT INTO custom_metric_points AS old
         SELECT $1, group_id, minute, bucket, sum(value_count), sum(value_sum), min(value_min), max(value_max)
         FROM unnest($2::int[], $3::timestamptz[], $4::smallint[], $5::float8[], $6::float8[], $7::float8[],
                     $8::float8[])
              AS new (group_id, minute, bucket, value_count, value_sum, value_min, value_max)
         GROUP BY 2, 3, 4 ORDER BY 2, 3, 4
         ON CONFLICT (version_id, group_id, minute, bucket) DO UPDATE
         SET value_count = old.value_count + excluded.value_count,
             value_sum = old.value_sum + excluded.value_sum,
             value_min = least(old.value_min, excluded.value_min),
             value_max = greatest(old.value_max, excluded.value_max)",
    )
    .bind(version)
    .bind(rows().map(|(group, ..)| ids[group]).collect::<Vec<i32>>())
    .bind(rows().map(|(_, minute_us, ..)| time_of_us(minute_us)).collect::<Vec<DateTime<Utc>>>())
    .bind(rows().map(|(_, _, bucket, _)| bucket).collect::<Vec<i16>>())
    .bind(rows().map(|(.., cell)| cell.count).collect::<Vec<f64>>())
    .bind(rows().map(|(.., cell)| cell.sum).collect::<Vec<f64>>())
    .bind(rows().map(|(.., cell)| cell.min).collect::<Vec<f64>>())
    .bind(rows().map(|(.., cell)| cell.max).collect::<Vec<f64>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes some of what belongs to versions that nobody asks for any more.
pub async fn purge(pool: &PgPool) -> sqlx::Result<()> {
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT id FROM custom_metric_versions WHERE metric_id IS NULL ORDER BY id")
            .fetch_all(pool)
            .await?;
    let mut statements = 0;
    for version in versions {
        loop {
            if statements == PURGE_STATEMENTS_MAX {
                return Ok(());
            }
            statements += 1;
            let deleted = sqlx::query(
                "DELETE FROM custom_metric_points p
                 USING (SELECT version_id, group_id, minute, bucket FROM custom_metric_points
                        WHERE version_id = $1 LIMIT $2) d
                 WHERE p.version_id = d.version_id AND p.group_id = d.group_id AND p.minute = d.minute
                   AND p.bucket = d.bucket",
            )
            .bind(version)
            .bind(PURGE_ROWS)
            .execute(pool)
            .await?;
            if (deleted.rows_affected() as i64) < PURGE_ROWS {
                break;
            }
        }
        // No writer may be about to add to it.
        let mut transaction = crate::store::begin(pool).await?;
        sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *transaction).await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1, 0)")
            .bind(SEAM_LOCK)
            .execute(&mut *transaction)
            .await?;
        for statement in [
            "DELETE FROM custom_metric_parts WHERE version_id = $1",
            // Moved since the last look.
            "DELETE FROM custom_metric_points WHERE version_id = $1",
            "DELETE FROM custom_metric_versions WHERE id = $1",
        ] {
            sqlx::query(statement).bind(version).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}
