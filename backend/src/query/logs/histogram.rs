//! How many records there are over time.

use std::collections::BTreeMap;

use chrono::DateTime;
use spanloom_model::api::{LogBucket, LogCounts, LogHistogram};
use sqlx::PgPool;

use super::params::HistogramParams;
use super::search_store::{Conditions, count};
use super::walk::{Limits, Slices, searched};
use crate::query::store::{begin_read, limit_statements, timed_out};

/// Counts the newest part of the range first, as far as there is time.
pub async fn histogram(
    pool: &PgPool,
    limits: Limits,
    params: &HistogramParams,
) -> sqlx::Result<LogHistogram> {
    let HistogramParams { filter, range, step_seconds } = params;
    let mut tx = begin_read(pool, limits.statement_time).await?;
    let (start_us, end_us) = (range.start_us(), range.end_us());
    let conditions = Conditions::resolve(&mut tx, filter).await?;
    // Without such a service nothing is left to count.
    let start_of_count_us = if conditions.is_some() { start_us } else { end_us };
    let conditions = conditions.unwrap_or_default();
    let width_us = if conditions.is_of_one_trace() { end_us - start_us } else { (end_us - start_us) / 20 };
    let mut slices = Slices::new(start_of_count_us, end_us, width_us.max(1_000_000), limits.search_time);
    let mut buckets: BTreeMap<i64, LogCounts> = BTreeMap::new();
    while let Some((range_us, left)) = slices.next() {
        limit_statements(&mut tx, left).await?;
        match count(&mut tx, &conditions, range_us, *step_seconds).await {
            Ok(counts) => {
                for (step, level, count) in counts {
                    buckets.entry(step).or_default().add(level, count);
                }
                slices.seen(range_us.0);
            }
            Err(error) if timed_out(&error) => break,
            Err(error) => return Err(error),
        }
    }
    let step = i64::from(*step_seconds);
    let bucket = |(number, counts): (i64, LogCounts)| {
        Some(LogBucket { time: DateTime::from_timestamp(number.checked_mul(step)?, 0)?, counts })
    };
    Ok(LogHistogram {
        step_seconds: *step_seconds,
        buckets: buckets.into_iter().filter_map(bucket).collect(),
        searched: searched(*range, slices.is_complete(), slices.seen_from_us),
    })
}
