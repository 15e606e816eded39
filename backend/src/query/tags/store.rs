//! The newest spans of a window.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::count::{Sample, SampledSpan};
use crate::query::params::TimeRange;
use crate::query::store::{begin_read, limit_statements, service_id, time_of_us, timed_out};
use crate::store::Store;
use crate::store::pairs::StoredAttributes;

/// Spans that are looked at.
pub const SAMPLE_SPANS_MAX: usize = 2_000;

/// Attributes beyond this are not worth reading for completion.
const ATTRIBUTE_BYTES_MAX: i32 = 65_536;

const FIRST_SLICE_US: i64 = 10_000_000;

/// Takes the newest spans, of one service if it is given, with the attributes of their processes.
/// When `search_time` is over it returns what it has.
pub async fn sample(
    store: &Store,
    service: Option<&str>,
    range: TimeRange,
    search_time: Duration,
) -> sqlx::Result<Sample> {
    let deadline = Instant::now() + search_time;
    let mut tx = begin_read(&store.pool, search_time).await?;
    let service = match service {
        None => None,
        Some(name) => match service_id(&mut tx, name).await? {
            None => return Ok(Sample::default()),
            id => id,
        },
    };

    let mut sample = Sample::default();
    // Backwards in growing slices: the newest spans are found without sorting the whole window.
    let mut end_us = range.end_us();
    let mut width_us = FIRST_SLICE_US;
    while end_us > range.start_us() && sample.spans.len() < SAMPLE_SPANS_MAX {
        let time_left = deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            break;
        }
        limit_statements(&mut tx, time_left).await?;
        let start_us = end_us.saturating_sub(width_us).max(range.start_us());
        let missing = SAMPLE_SPANS_MAX - sample.spans.len();
        match slice(&mut tx, service, start_us, end_us, missing).await {
            Ok(rows) => {
                for row in &rows {
                    sample.spans.push(SampledSpan {
                        attributes: StoredAttributes::from_columns(row, 0, 3)?,
                        resource_id: row.try_get(1)?,
                        weight: row.try_get(2)?,
                    });
                }
            }
            Err(error) if timed_out(&error) => {
                // The transaction has failed with it.
                tx.rollback().await?;
                tx = begin_read(&store.pool, search_time).await?;
                break;
            }
            Err(error) => return Err(error),
        }
        end_us = start_us;
        width_us = width_us.saturating_mul(4);
    }

    let ids: HashSet<i32> = sample.spans.iter().map(|span| span.resource_id).collect();
    limit_statements(&mut tx, search_time).await?;
    store.pairs.fill(&mut tx, sample.spans.iter_mut().map(|span| &mut span.attributes)).await?;
    let rows = sqlx::query("SELECT id, attributes FROM resources WHERE id = ANY($1)")
        .bind(ids.into_iter().collect::<Vec<i32>>())
        .fetch_all(&mut *tx)
        .await?;
    for row in &rows {
        sample.resources.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(sample)
}

async fn slice(
    db: &mut PgConnection,
    service: Option<i32>,
    start_us: i64,
    end_us: i64,
    limit: usize,
) -> sqlx::Result<Vec<PgRow>> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT CASE WHEN octet_length(attributes) <= ");
    sql.push_bind(ATTRIBUTE_BYTES_MAX);
    sql.push(" THEN attributes ELSE '{}' END, resource_id, weight, attribute_ids FROM spans WHERE start_time >= ");
    sql.push_bind(time_of_us(start_us)).push(" AND start_time < ").push_bind(time_of_us(end_us));
    if let Some(service) = service {
        sql.push(" AND service_id = ").push_bind(service);
    }
    sql.push(" ORDER BY start_time DESC LIMIT ").push_bind(limit as i64);
    sql.build().fetch_all(db).await
}
