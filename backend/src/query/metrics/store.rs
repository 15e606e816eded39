//! SQL of metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::TryStreamExt;
use spanloom_model::api::MetricLabels;
use spanloom_model::{SpanKind, SpanStatus};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row};

use super::cells::{Count, GroupCells};
use super::params::{Filter, Group, Question, Steps};
use crate::query::store::{begin_read, operation_names, service_id, service_names};

/// Where counts are read: the coarser, the fewer rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Minute,
    Hour,
    Day,
}

impl Level {
    /// Without operations there are fewer rows.
    pub(super) fn view(self, needs_operations: bool) -> &'static str {
        match (self, needs_operations) {
            (Self::Minute, true) => "metrics_minute",
            (Self::Hour, true) => "metrics_hour",
            (Self::Day, true) => "metrics_day",
            (Self::Minute, false) => "service_metrics_minute",
            (Self::Hour, false) => "service_metrics_hour",
            (Self::Day, false) => "service_metrics_day",
        }
    }

    /// How long one of its parts is.
    pub(super) fn part_s(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// What was found.
pub enum Found {
    /// The groups by their labels.
    Groups(BTreeMap<MetricLabels, GroupCells>),
    /// More groups than are told, for this many steps each.
    TooMany,
}

/// What a row is grouped by, as stored; none for what is not grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: Option<i32>,
    operation: Option<i32>,
    kind: Option<i16>,
    status: Option<i16>,
    version: Option<String>,
}

/// Names resolved to ids.
pub(super) struct Ids {
    pub service: Option<i32>,
    /// All operations with the name.
    pub operations: Option<Vec<i32>>,
}

/// Counts the spans by group and step.
pub async fn count(
    pool: &PgPool,
    question: &Question,
    steps: Steps,
    statement_time: Duration,
) -> sqlx::Result<Found> {
    let mut tx = begin_read(pool, statement_time).await?;
    let Some(ids) = resolve(&mut tx, &question.filter).await? else {
        return Ok(Found::Groups(BTreeMap::new()));
    };
    let groups_max = question.groups_max();
    let mut sql = statement(question, &ids, steps);
    let mut groups = BTreeMap::<Key, GroupCells>::new();
    let mut rows = sql.build().fetch(&mut *tx);
    while let Some(row) = rows.try_next().await? {
        let key = Key {
            service: row.try_get(0)?,
            operation: row.try_get(1)?,
            kind: row.try_get(2)?,
            status: row.try_get(3)?,
            version: row.try_get(4)?,
        };
        if groups.len() >= groups_max && !groups.contains_key(&key) {
            return Ok(Found::TooMany);
        }
        groups.entry(key).or_default().add(&count_of(&row)?, question.apdex_ns);
    }
    drop(rows);
    Ok(Found::Groups(labelled(&mut tx, groups).await?))
}

fn count_of(row: &PgRow) -> sqlx::Result<Count> {
    Ok(Count {
        step: row.try_get::<i32, _>(5)?.max(0) as usize,
        is_error: row.try_get(6)?,
        bucket: row.try_get(7)?,
        spans: row.try_get(8)?,
        duration_ns: row.try_get(9)?,
    })
}

/// None if no span can fit, because its service or operation was never seen.
pub(super) async fn resolve(db: &mut PgConnection, filter: &Filter) -> sqlx::Result<Option<Ids>> {
    let mut ids = Ids { service: None, operations: None };
    if let Some(name) = &filter.service {
        ids.service = service_id(db, name).await?;
        if ids.service.is_none() {
            return Ok(None);
        }
    }
    if let Some(name) = &filter.operation {
        let found: Vec<i32> = sqlx::query_scalar(
            "SELECT id FROM operations WHERE name = $1 AND ($2::int IS NULL OR service_id = $2)",
        )
        .bind(name)
        .bind(ids.service)
        .fetch_all(db)
        .await?;
        if found.is_empty() {
            return Ok(None);
        }
        ids.operations = Some(found);
    }
    Ok(Some(ids))
}

fn statement(question: &Question, ids: &Ids, steps: Steps) -> QueryBuilder<Postgres> {
    let groups = |group| question.groups.contains(&group);
    let column =
        |group, column: &'static str, none: &'static str| if groups(group) { column } else { none };
    let needs_operations = groups(Group::Operation) || ids.operations.is_some();
    let window = steps.window();
    let mut sql = QueryBuilder::<Postgres>::new("SELECT ");
    sql.push(column(Group::Service, "service_id", "NULL::int"))
        .push(", ")
        .push(column(Group::Operation, "operation_id", "NULL::int"))
        .push(", ")
        .push(column(Group::Kind, "kind", "NULL::smallint"))
        .push(", ")
        .push(column(Group::Status, "status", "NULL::smallint"))
        .push(", ")
        .push(column(Group::Version, "version", "NULL::text"))
        .push(", (extract(epoch FROM time - ")
        .push_bind(window.start)
        .push(")::bigint / ")
        .push_bind(steps.step_s)
        .push(")::int, status = 2, bucket, sum(span_count), sum(duration_ns_sum) FROM ")
        .push(steps.level().view(needs_operations))
        .push(" WHERE time >= ")
        .push_bind(window.start)
        .push(" AND time < ")
        .push_bind(window.end);
    push_filter(&mut sql, &question.filter, ids);
    if let Some(version) = &question.filter.version {
        sql.push(" AND version = ").push_bind(version.clone());
    }
    sql.push(" GROUP BY 1, 2, 3, 4, 5, 6, 7, 8");
    sql
}

/// Adds ` AND ...` about a row of spans or of their counts: everything but the version, which spans have in
/// their resource.
pub(super) fn push_filter(sql: &mut QueryBuilder<Postgres>, filter: &Filter, ids: &Ids) {
    if let Some(id) = ids.service {
        sql.push(" AND service_id = ").push_bind(id);
    }
    if let Some(operations) = &ids.operations {
        sql.push(" AND operation_id = ANY(").push_bind(operations.clone()).push(")");
    }
    if !filter.kinds.is_empty() {
        let kinds: Vec<i16> = filter.kinds.iter().map(|kind| kind.number()).collect();
        sql.push(" AND kind = ANY(").push_bind(kinds).push(")");
    }
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.number());
    }
}

/// Ids become names. An id without a name cannot be: dimensions are never deleted.
async fn labelled(
    db: &mut PgConnection,
    groups: BTreeMap<Key, GroupCells>,
) -> sqlx::Result<BTreeMap<MetricLabels, GroupCells>> {
    let ids = |of: fn(&Key) -> Option<i32>| -> Vec<i32> {
        groups.keys().filter_map(of).collect::<BTreeSet<i32>>().into_iter().collect()
    };
    let services = service_names(db, &ids(|key| key.service)).await?;
    let operations = operation_names(db, &ids(|key| key.operation)).await?;
    let mut labelled = BTreeMap::<MetricLabels, GroupCells>::new();
    for (key, cells) in groups {
        let labels = MetricLabels {
            service: key.service.and_then(|id| services.get(&id).cloned()),
            operation: key.operation.and_then(|id| operations.get(&id).cloned()),
            kind: key.kind.map(|number| SpanKind::from_number(i32::from(number))),
            status: key.status.map(|number| SpanStatus::from_number(i32::from(number))),
            version: key.version,
        };
        // Operations of several services share a name; by name they are one group.
        labelled.entry(labels).or_default().merge(cells);
    }
    Ok(labelled)
}
