//! What was counted.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures::TryStreamExt;
use spanloom_measure::{Cell, Summary};
use spanloom_model::api::CustomMetricDefinition;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::groups_store::OTHER;
use super::series::{Group, Known, labels, rank};
use crate::query::metrics::params::Steps;
use crate::query::store::begin_read;

/// What is asked for.
#[derive(Debug)]
pub struct Question {
    /// The metric.
    pub id: Uuid,
    /// When.
    pub steps: Steps,
    /// Only groups with these labels.
    pub labels: Vec<(String, String)>,
    /// Groups at most, those with most.
    pub top: usize,
    /// All groups together as one.
    pub merged: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// What the metric is.
    pub definition: CustomMetricDefinition,
    /// How far back it reaches.
    pub known: Known,
    /// The groups with most.
    pub groups: Vec<Group>,
    /// How many groups have something in the range.
    pub groups_found: u64,
    /// Whether there is something beyond the bound of groups.
    pub overflowed: bool,
}

/// The version that is shown, and how far back it reaches.
struct Shown {
    version: i32,
    definition: CustomMetricDefinition,
    known: Known,
}

/// Reads a metric; none if there is none with this id.
pub async fn read(
    pool: &PgPool,
    question: &Question,
    statement_time: Duration,
) -> sqlx::Result<Option<Found>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let Some(shown) = shown(&mut tx, question.id).await? else { return Ok(None) };
    let known_labels = groups(&mut tx, shown.version).await?;
    let fits = |id: i32| {
        let of_group = labels(&shown.definition, known_labels.get(&id).map(Vec::as_slice));
        question.labels.iter().all(|(name, value)| of_group.get(name) == Some(value))
    };
    let mut ranked = totals(&mut tx, &shown, question.steps).await?;
    ranked.retain(|(id, _)| fits(*id));
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let (groups_found, overflowed) = (ranked.len() as u64, ranked.iter().any(|(id, _)| *id == OTHER));
    if !question.merged {
        ranked.truncate(question.top);
    }
    let ids: Vec<i32> = ranked.into_iter().map(|(id, _)| id).collect();
    let mut steps = steps_of(&mut tx, shown.version, question, &ids).await?;
    if question.merged {
        let group = Group { labels: None, steps: steps.remove(&OTHER).unwrap_or_default() };
        let definition = CustomMetricDefinition { group_by: Vec::new(), ..shown.definition };
        let (known, groups) = (shown.known, vec![group]);
        return Ok(Some(Found { definition, known, groups, groups_found, overflowed }));
    }
    let group = |id: &i32| Group {
        labels: known_labels.get(id).cloned(),
        steps: steps.remove(id).unwrap_or_default(),
    };
    let groups = ids.iter().map(group).collect();
    Ok(Some(Found { definition: shown.definition, known: shown.known, groups, groups_found, overflowed }))
}

async fn shown(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Shown>> {
    let row = sqlx::query(
        "SELECT id, definition, extract(epoch FROM nullif(filled_from, 'infinity'))::bigint,
                fill_state = 'done'
         FROM custom_metric_versions WHERE metric_id = $1 AND is_shown",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Json(definition) = row.try_get(1)?;
    let from_s: Option<i64> = row.try_get(2)?;
    let is_done: bool = row.try_get(3)?;
    let known = Known { from_s: from_s.unwrap_or(i64::MAX), whole: !is_done };
    Ok(Some(Shown { version: row.try_get(0)?, definition, known }))
}

/// Labels by group.
async fn groups(db: &mut PgConnection, version: i32) -> sqlx::Result<HashMap<i32, Vec<String>>> {
    let rows: Vec<(i32, Vec<String>)> =
        sqlx::query_as("SELECT id, labels FROM custom_metric_groups WHERE version_id = $1")
            .bind(version)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().collect())
}

/// The groups that have something in the range, and what they are ranked by.
async fn totals(db: &mut PgConnection, shown: &Shown, steps: Steps) -> sqlx::Result<Vec<(i32, f64)>> {
    let window = steps.window();
    let rows: Vec<(i32, f64, f64)> = sqlx::query_as(
        "SELECT group_id, sum(value_count), sum(value_sum) FROM custom_metric_minutes
         WHERE version_id = $1 AND minute >= $2 AND minute < $3 GROUP BY 1",
    )
    .bind(shown.version)
    .bind(window.start)
    .bind(window.end)
    .fetch_all(db)
    .await?;
    let aggregation = shown.definition.aggregation;
    Ok(rows.into_iter().map(|(id, count, sum)| (id, rank(aggregation, count, sum))).collect())
}

async fn steps_of(
    db: &mut PgConnection,
    version: i32,
    question: &Question,
    ids: &[i32],
) -> sqlx::Result<HashMap<i32, BTreeMap<usize, Summary>>> {
    let window = question.steps.window();
    let mut rows = sqlx::query(
        "SELECT bucket, sum(value_count), sum(value_sum), min(value_min), max(value_max),
                CASE WHEN $6 THEN 0 ELSE group_id END, (extract(epoch FROM minute - $3)::bigint / $5)::int
         FROM custom_metric_minutes
         WHERE version_id = $1 AND group_id = ANY($2) AND minute >= $3 AND minute < $4
         GROUP BY 1, 6, 7",
    )
    .bind(version)
    .bind(ids)
    .bind(window.start)
    .bind(window.end)
    .bind(question.steps.step_s)
    .bind(question.merged)
    .fetch(db);
    let mut found: HashMap<i32, BTreeMap<usize, Summary>> = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let (bucket, cell) = cell(&row)?;
        let step = row.try_get::<i32, _>(6)?.max(0) as usize;
        found.entry(row.try_get(5)?).or_default().entry(step).or_default().add(bucket, &cell);
    }
    Ok(found)
}

/// A row's bucket, and what is in it: columns 0 to 4.
pub fn cell(row: &PgRow) -> sqlx::Result<(i16, Cell)> {
    let cell =
        Cell { count: row.try_get(1)?, sum: row.try_get(2)?, min: row.try_get(3)?, max: row.try_get(4)? };
    Ok((row.try_get(0)?, cell))
}
