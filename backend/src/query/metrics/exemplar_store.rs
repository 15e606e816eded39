//! SQL of exemplars.
//!
//! What is looked for comes from the counts, so that few spans are read until enough are found: of slow ones
//! every twentieth is one, of typical ones every tenth, and failed ones are looked for where most failed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use spanloom_model::api::Exemplar;
use spanloom_model::{Resource, SpanId, SpanKind, SpanStatus, TraceId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::exemplars::{Failures, Question, Wanted, reason_of, wants_errors};
use super::store::{Ids, push_filter, resolve};
use crate::query::store::{begin_read, operation_names};

type Sql = QueryBuilder<Postgres>;

/// What is read of a span.
const COLUMNS: &str =
    "start_time, start_sub_ns, duration_ns, trace_id, span_id, operation_id, resource_id, kind, status";

/// Stored spans that satisfy the filter and what is wanted.
pub async fn find(
    pool: &PgPool,
    question: &Question,
    wanted: &[Wanted],
    statement_time: Duration,
) -> anyhow::Result<Vec<Exemplar>> {
    let mut tx = begin_read(pool, statement_time).await?;
    let Some(ids) = resolve(&mut tx, &question.filter).await? else { return Ok(Vec::new()) };
    let resources = match (&question.filter.version, ids.service) {
        (Some(version), Some(service)) => Some(resources_of(&mut tx, service, version).await?),
        _ => None,
    };
    let failures = if wants_errors(&question.filter) {
        failures(&mut tx, question, &ids).await?
    } else {
        BTreeMap::new()
    };
    let mut sql = statement(question, wanted, &ids, resources.as_deref(), &failures);
    let rows = sql.build().fetch_all(&mut *tx).await?;

    let column = |index| rows.iter().map(|row| row.try_get(index)).collect::<sqlx::Result<Vec<i32>>>();
    let operations = operation_names(&mut tx, &column(6)?).await?;
    let versions = versions(&mut tx, &column(7)?).await?;
    rows.iter().map(|row| exemplar(row, &operations, &versions)).collect()
}

/// The service's processes of that version.
async fn resources_of(db: &mut PgConnection, service: i32, version: &str) -> anyhow::Result<Vec<i32>> {
    // Looking for a text is much cheaper than parsing.
    let quoted = serde_json::Value::from(version).to_string();
    let fragment = &quoted[1..quoted.len() - 1];
    let mut rows = sqlx::query(
        "SELECT id, attributes FROM resources WHERE service_id = $1 AND strpos(attributes, $2) > 0",
    )
    .bind(service)
    .bind(fragment)
    .fetch(db);
    let mut ids = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if version_of(row.try_get(1)?)? == version {
            ids.push(row.try_get(0)?);
        }
    }
    Ok(ids)
}

/// For each step with failed spans, by its index, the part of it with the most.
async fn failures(
    db: &mut PgConnection,
    question: &Question,
    ids: &Ids,
) -> sqlx::Result<BTreeMap<i64, Failures>> {
    let steps = question.steps;
    let window = steps.window();
    // What is not rolled up yet has times within the part.
    let part_s = steps.level().part_s();
    let mut sql = Sql::new("SELECT extract(epoch FROM time)::bigint / ");
    sql.push_bind(part_s).push(" * ").push_bind(part_s).push(", sum(span_count) FROM ");
    sql.push(steps.level().view(ids.operations.is_some()))
        .push(" WHERE status = 2 AND time >= ")
        .push_bind(window.start);
    sql.push(" AND time < ").push_bind(window.end);
    push_filter(&mut sql, &question.filter, ids);
    if let Some(version) = &question.filter.version {
        sql.push(" AND version = ").push_bind(version.clone());
    }
    sql.push(" GROUP BY 1 ORDER BY 1");
    let mut failures = BTreeMap::<i64, Failures>::new();
    let mut rows = sql.build().fetch(db);
    while let Some(row) = rows.try_next().await? {
        let found = Failures { start_s: row.try_get(0)?, count: row.try_get(1)? };
        let most =
            failures.entry((found.start_s - steps.start_s).div_euclid(steps.step_s)).or_insert(found);
        if found.count > most.count {
            *most = found;
        }
    }
    Ok(failures)
}

fn statement(
    question: &Question,
    wanted: &[Wanted],
    ids: &Ids,
    resources: Option<&[i32]>,
    failures: &BTreeMap<i64, Failures>,
) -> Sql {
    let steps = question.steps;
    let time = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let failed_from = |it: &Wanted| {
        let index = (it.start_s - steps.start_s).div_euclid(steps.step_s);
        failures.get(&index).map(|found| time(found.start_s))
    };
    let times = |of: fn(&Wanted) -> i64, plus_s: i64| -> Vec<DateTime<Utc>> {
        wanted.iter().map(|it| time(of(it) + plus_s)).collect()
    };
    let durations = |of: fn(&Wanted) -> i64| wanted.iter().map(of).collect::<Vec<i64>>();
    let part = Duration::from_secs(steps.level().part_s().unsigned_abs());
    let from_step: &'static str = "start_time >= w.step_start AND start_time < w.step_end";
    let is_slow: &'static str = "duration_ns >= w.slow_ns";

    let mut sql = Sql::new("SELECT f.* FROM unnest(");
    sql.push_bind(times(|it| it.start_s, 0)).push(", ");
    sql.push_bind(times(|it| it.start_s, steps.step_s)).push(", ");
    sql.push_bind(durations(|it| it.slow_ns)).push(", ");
    sql.push_bind(durations(|it| it.typical_ns.0)).push(", ");
    sql.push_bind(durations(|it| it.typical_ns.1)).push(", ");
    sql.push_bind(wanted.iter().map(failed_from).collect::<Vec<_>>()).push(", ");
    sql.push_bind(wanted.iter().map(|it| failed_from(it).map(|from| from + part)).collect::<Vec<_>>());
    sql.push(
        ") AS w (step_start, step_end, slow_ns, low_ns, high_ns, failed_start, failed_end)
         CROSS JOIN LATERAL (
             (SELECT 0::smallint, slow.* FROM (",
    );
    // The longest of a handful from either end of the step: of all it would be, if all were read.
    let mut select = |condition: &[&'static str], rest: &str| {
        push_select(&mut sql, question, ids, resources, condition);
        sql.push(rest);
    };
    select(&[from_step, is_slow], " ORDER BY start_time LIMIT 8) UNION ");
    select(
        &[from_step, is_slow],
        " ORDER BY start_time DESC LIMIT 8)) slow ORDER BY duration_ns DESC LIMIT 2)
             UNION ALL (SELECT 1::smallint, typical.* FROM ",
    );
    select(
        &[from_step, "duration_ns BETWEEN w.low_ns AND w.high_ns"],
        " ORDER BY start_time DESC LIMIT 1) typical)
             UNION ALL (SELECT 2::smallint, failed.* FROM (",
    );
    // What the second half finds is asked for only if sampling dropped what the first one looks for.
    select(
        &["start_time >= w.failed_start AND start_time < w.failed_end AND status = 2"],
        " ORDER BY start_time DESC LIMIT 1) UNION ALL ",
    );
    select(
        &[from_step, "w.failed_start IS NOT NULL AND status = 2"],
        " ORDER BY start_time DESC LIMIT 1)) failed LIMIT 1)
         ) f",
    );
    sql
}

/// Opens a parenthesis and adds a selection from `spans`.
fn push_select(
    sql: &mut Sql,
    question: &Question,
    ids: &Ids,
    resources: Option<&[i32]>,
    conditions: &[&'static str],
) {
    let window = question.steps.window();
    sql.push("(SELECT ").push(COLUMNS).push(" FROM spans WHERE ");
    // Known when the statement is planned, which leaves partitions out.
    sql.push("start_time >= ").push_bind(window.start);
    sql.push(" AND start_time < ").push_bind(window.end);
    push_filter(sql, &question.filter, ids);
    if let Some(resources) = resources {
        sql.push(" AND resource_id = ANY(").push_bind(resources.to_vec()).push(")");
    }
    for condition in conditions {
        sql.push(" AND ").push(*condition);
    }
}

/// `service.version` of processes by their ids.
async fn versions(db: &mut PgConnection, resources: &[i32]) -> anyhow::Result<HashMap<i32, String>> {
    let rows = sqlx::query("SELECT id, attributes FROM resources WHERE id = ANY($1)")
        .bind(resources)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, version_of(row.try_get(1)?)?))).collect()
}

fn version_of(attributes: &str) -> anyhow::Result<String> {
    let attributes = serde_json::from_str(attributes).context("stored attributes of a resource")?;
    Ok(Resource { attributes, ..Resource::default() }.service_version().to_owned())
}

/// A row as it leaves for a person.
fn exemplar(
    row: &PgRow,
    operations: &HashMap<i32, String>,
    versions: &HashMap<i32, String>,
) -> anyhow::Result<Exemplar> {
    let start: DateTime<Utc> = row.try_get(1)?;
    let sub_ns: i16 = row.try_get(2)?;
    Ok(Exemplar {
        trace_id: TraceId::new(row.try_get::<Uuid, _>(4)?.as_u128()).context("stored trace id")?,
        span_id: SpanId::from_i64(row.try_get(5)?).context("stored span id")?,
        start_time: start + Duration::from_nanos(sub_ns.unsigned_abs().into()),
        duration_ns: row.try_get(3)?,
        status: SpanStatus::from_number(i32::from(row.try_get::<i16, _>(9)?)),
        operation: operations.get(&row.try_get(6)?).cloned().unwrap_or_default(),
        kind: SpanKind::from_number(i32::from(row.try_get::<i16, _>(8)?)),
        version: versions.get(&row.try_get(7)?).cloned().unwrap_or_default(),
        reason: reason_of(row.try_get(0)?),
    })
}
