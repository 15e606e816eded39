//! What Prometheus scrapes of custom metrics.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use spanloom_measure::Summary;
use spanloom_model::api::{CustomMetricAggregation, CustomMetricDefinition};
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

use super::groups_store::OTHER;
use super::series::labels;
use super::series_store::cell;

/// Minutes that a gauge or a quantile is of: the open one and those before.
pub const RECENT_MINUTES: i32 = 5;

/// What a group counted.
#[derive(Debug, Default)]
pub struct Exposed {
    /// Value by name.
    pub labels: BTreeMap<String, String>,
    /// Values and their sum since the metric counts as it does; what was back-filled is not in them, so
    /// that their rates are rates. None before the first value, and for aggregations that need none.
    pub since_ever: Option<(f64, f64)>,
    /// The values of the last minutes, for aggregations that need them.
    pub recent: Summary,
}

/// A metric with its series, by group.
#[derive(Debug)]
pub struct ExposedMetric {
    /// What it is, under its present name.
    pub definition: CustomMetricDefinition,
    /// Of the groups that have anything to tell.
    pub series: Vec<Exposed>,
}

/// All metrics by name.
#[derive(Debug, Default)]
pub struct ExposedMetrics {
    /// Those that are shown.
    pub metrics: Vec<ExposedMetric>,
    /// Groups beyond the limit, the newest ones.
    pub left_out: usize,
}

/// Reads all metrics that are shown, at most `groups_max` groups, the oldest first, and for each metric
/// everything beyond its own bound.
///
/// # Errors
/// If the database fails.
pub async fn exposed(db: &mut PgConnection, groups_max: i64) -> sqlx::Result<ExposedMetrics> {
    let rows = sqlx::query(
        "SELECT v.id, v.definition, m.name
         FROM custom_metric_versions v JOIN custom_metrics m ON m.id = v.metric_id
         WHERE v.is_shown ORDER BY m.name",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut metrics: Vec<(i32, CustomMetricDefinition)> = Vec::new();
    for row in &rows {
        let Json(mut definition): Json<CustomMetricDefinition> = row.try_get(1)?;
        definition.name = row.try_get(2)?;
        metrics.push((row.try_get(0)?, definition));
    }
    let versions: Vec<i32> = metrics.iter().map(|(version, _)| *version).collect();
    let (names, left_out) = groups(db, &versions, groups_max).await?;
    let ids: Vec<i32> = names.keys().copied().chain([OTHER]).collect();

    let mut found: BTreeMap<(i32, i32), Exposed> = BTreeMap::new();
    let of = |is_meant: fn(CustomMetricAggregation) -> bool| -> Vec<i32> {
        metrics.iter().filter(|(_, of)| is_meant(of.aggregation)).map(|(version, _)| *version).collect()
    };
    since_ever(db, &of(grows), &ids, &mut found).await?;
    recent(db, &of(lasts), &ids, &mut found).await?;
    let of_version = |(version, definition): (i32, CustomMetricDefinition)| {
        let mut series = Vec::new();
        for ((_, group), mut one) in
            found.extract_if((version, i32::MIN)..=(version, i32::MAX), |_, _| true)
        {
            one.labels = labels(&definition, names.get(&group).map(Vec::as_slice));
            series.push(one);
        }
        ExposedMetric { definition, series }
    };
    Ok(ExposedMetrics { metrics: metrics.into_iter().map(of_version).collect(), left_out })
}

/// Whether it is told as counters.
fn grows(aggregation: CustomMetricAggregation) -> bool {
    use CustomMetricAggregation::{Avg, Count, Quantile, Sum};
    matches!(aggregation, Count | Sum | Avg | Quantile { .. })
}

/// Whether the last minutes are told.
fn lasts(aggregation: CustomMetricAggregation) -> bool {
    use CustomMetricAggregation::{Distinct, Max, Min, Quantile};
    matches!(aggregation, Min | Max | Distinct | Quantile { .. })
}

/// Labels by group, the oldest groups, and how many more there are.
async fn groups(
    db: &mut PgConnection,
    versions: &[i32],
    groups_max: i64,
) -> sqlx::Result<(HashMap<i32, Vec<String>>, usize)> {
    let rows: Vec<(i32, Vec<String>, i64)> = sqlx::query_as(
        "SELECT id, labels, count(*) OVER () FROM custom_metric_groups
         WHERE version_id = ANY($1) ORDER BY id LIMIT $2",
    )
    .bind(versions)
    .bind(groups_max)
    .fetch_all(db)
    .await?;
    let known = rows.first().map_or(0, |(_, _, known)| *known) as usize;
    let left_out = known - rows.len();
    Ok((rows.into_iter().map(|(id, labels, _)| (id, labels)).collect(), left_out))
}

async fn since_ever(
    db: &mut PgConnection,
    versions: &[i32],
    groups: &[i32],
    found: &mut BTreeMap<(i32, i32), Exposed>,
) -> sqlx::Result<()> {
    let rows: Vec<(i32, i32, f64, f64)> = sqlx::query_as(
        "SELECT version_id, group_id, sum(value_count), sum(value_sum)
         FROM (SELECT version_id, group_id, value_count, value_sum FROM custom_metric_totals
               UNION ALL
               SELECT version_id, group_id, value_count, value_sum FROM custom_metric_parts) counted
         WHERE version_id = ANY($1) AND group_id = ANY($2) GROUP BY 1, 2",
    )
    .bind(versions)
    .bind(groups)
    .fetch_all(db)
    .await?;
    for (version, group, count, sum) in rows {
        found.entry((version, group)).or_default().since_ever = Some((count, sum));
    }
    Ok(())
}

async fn recent(
    db: &mut PgConnection,
    versions: &[i32],
    groups: &[i32],
    found: &mut BTreeMap<(i32, i32), Exposed>,
) -> sqlx::Result<()> {
    let mut rows = sqlx::query(
        "SELECT bucket, sum(value_count), sum(value_sum), min(value_min), max(value_max), version_id,
                group_id
         FROM custom_metric_minutes
         WHERE version_id = ANY($1) AND group_id = ANY($2)
           AND minute > spanloom_now() - make_interval(mins => $3)
         GROUP BY 1, 6, 7",
    )
    .bind(versions)
    .bind(groups)
    .bind(RECENT_MINUTES)
    .fetch(db);
    while let Some(row) = rows.try_next().await? {
        let (bucket, cell) = cell(&row)?;
        found.entry((row.try_get(5)?, row.try_get(6)?)).or_default().recent.add(bucket, &cell);
    }
    Ok(())
}
