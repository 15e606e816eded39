//! SQL of metrics of calls.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt;
use sqlx::{PgPool, Postgres, QueryBuilder, Row};

use super::cells::{Count, GroupCells};
use super::params::Steps;
use super::store::Found;
use crate::query::dependencies::call::Call;
use crate::query::store::{begin_read, service_id};
use spanloom_model::api::MetricLabels;

/// Counts the calls by step, all in one group.
pub async fn count_calls(
    pool: &PgPool,
    call: &Call,
    steps: Steps,
    apdex_ns: f64,
    statement_time: Duration,
) -> sqlx::Result<Found> {
    let nothing = || Found::Groups(BTreeMap::new());
    let mut tx = begin_read(pool, statement_time).await?;
    let window = steps.window();
    let mut sql = QueryBuilder::<Postgres>::new("SELECT (extract(epoch FROM minute - ");
    sql.push_bind(window.start)
        .push(")::bigint / ")
        .push_bind(steps.step_s)
        .push(
            ")::int, is_error, bucket, sum(call_count), sum(duration_ns_sum)
             FROM edges_minute WHERE minute >= ",
        )
        .push_bind(window.start)
        .push(" AND minute < ")
        .push_bind(window.end);
    if let Some(name) = &call.caller {
        let Some(id) = service_id(&mut tx, name).await? else { return Ok(nothing()) };
        sql.push(" AND caller_id = ").push_bind(id);
    }
    match call.callee.kind_number() {
        None => {
            let Some(id) = service_id(&mut tx, &call.callee.name).await? else { return Ok(nothing()) };
            sql.push(" AND callee_id = ").push_bind(id);
        }
        Some(kind) => {
            sql.push(" AND callee_id = 0 AND kind = ").push_bind(kind);
            sql.push(" AND node = ").push_bind(call.callee.name.clone());
        }
    }
    sql.push(" GROUP BY 1, 2, 3");
    let mut cells = GroupCells::default();
    let mut rows = sql.build().fetch(&mut *tx);
    while let Some(row) = rows.try_next().await? {
        let count = Count {
            step: row.try_get::<i32, _>(0)?.max(0) as usize,
            is_error: row.try_get(1)?,
            bucket: row.try_get(2)?,
            spans: row.try_get(3)?,
            duration_ns: row.try_get(4)?,
        };
        cells.add(&count, apdex_ns);
    }
    Ok(Found::Groups(BTreeMap::from([(MetricLabels::default(), cells)])))
}
