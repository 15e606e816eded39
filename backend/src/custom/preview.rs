//! What a definition that is not saved makes of the spans that are stored.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use spanloom_measure::{Meter, Tally};
use spanloom_model::api::CustomMetricPreview;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::series::{Group, Known, answer};
use super::spans_store::{self, Resources, SpanRow};
use crate::query::metrics::params::Steps;
use crate::query::params::TimeRange;
use crate::query::store::{begin_read, timed_out};
use crate::store::pairs::PairCache;

/// Stored spans that are looked at.
pub const SPANS_MAX: usize = 50_000;

/// After so long the answer is what was found by then.
const TIME_MAX: Duration = Duration::from_secs(8);

/// Waiting for other previews.
const TURN_TIME: Duration = Duration::from_secs(10);

/// What is looked at.
const LENGTH: TimeDelta = TimeDelta::hours(1);

/// The newest spans are found in growing slices, without sorting the whole hour.
const FIRST_SLICE: TimeDelta = TimeDelta::seconds(30);

const STEP_S: i64 = 60;

/// Groups that are told.
const SERIES_MAX: usize = 10;

/// Memory and processor time are for one at a time.
static RUNNING: Semaphore = Semaphore::const_new(1);

/// Tries a definition on the hour before `end`; none if other previews go on for too long.
///
/// # Errors
/// If the database fails.
pub async fn run(
    pool: &PgPool,
    meter: Meter,
    end: DateTime<Utc>,
) -> anyhow::Result<Option<CustomMetricPreview>> {
    let Ok(Ok(_turn)) = tokio::time::timeout(TURN_TIME, RUNNING.acquire()).await else { return Ok(None) };
    let start = end - LENGTH;
    let (spans, resources, from) = read(pool, &meter, start, end).await?;
    let counted = tokio::task::spawn_blocking(move || {
        let mut tally = Tally::default();
        let matched = spans_store::observe(&meter, &spans, &resources, &mut tally)?;
        anyhow::Ok(told(&meter, &tally, spans.len() as u64, matched, from, (start, end)))
    });
    Ok(Some(counted.await.context("counting was cancelled")??))
}

/// The newest spans, and from when on they are all.
async fn read(
    pool: &PgPool,
    meter: &Meter,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) -> anyhow::Result<(Vec<SpanRow>, Resources, DateTime<Utc>)> {
    let deadline = Instant::now() + TIME_MAX;
    let mut spans = Vec::new();
    let pairs = PairCache::default();
    let (mut to, mut length) = (end, FIRST_SLICE);
    while to > start && spans.len() < SPANS_MAX {
        let time_left = deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            break;
        }
        let from = (to - length).max(start);
        let mut tx = begin_read(pool, time_left).await?;
        let missing = SPANS_MAX - spans.len();
        let mut sql = spans_store::select("", meter, from, Some(to));
        sql.push(" ORDER BY s.start_time DESC LIMIT ").push_bind(missing as i64);
        match spans_store::fetch(&mut tx, &pairs, &mut sql).await {
            Ok(mut slice) => {
                let is_full = slice.len() == missing;
                spans.append(&mut slice);
                if is_full {
                    let oldest = spans.last().map_or(from, SpanRow::start);
                    to = oldest;
                    break;
                }
            }
            Err(error) if timed_out(&error) => break,
            Err(error) => return Err(error.into()),
        }
        to = from;
        length = length * 2;
    }
    let mut resources = Resources::new();
    let mut tx = begin_read(pool, TIME_MAX).await?;
    spans_store::add_resources(&mut tx, &spans, &mut resources).await?;
    Ok((spans, resources, to))
}

fn told(
    meter: &Meter,
    tally: &Tally,
    spans_read: u64,
    spans_matched: u64,
    from: DateTime<Utc>,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
) -> CustomMetricPreview {
    let nanoseconds = |time: DateTime<Utc>| time.timestamp_nanos_opt().unwrap_or(i64::MAX);
    let range = TimeRange { start_ns: nanoseconds(from), end_ns: nanoseconds(end) };
    let steps = Steps::covering(range, STEP_S);
    let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for (labels, minute_us, summary) in tally.summaries() {
        let step = (minute_us / 1_000_000 - steps.start_s) / steps.step_s;
        let group = groups
            .entry(labels)
            .or_insert_with_key(|labels| Group { labels: Some(labels.clone()), ..Group::default() });
        group.steps.entry(step.max(0) as usize).or_default().merge(&summary);
    }
    let (groups_found, groups_max) = (groups.len(), meter.definition().groups_max as usize);
    let mut groups: Vec<Group> = groups.into_values().collect();
    if groups_found > groups_max {
        // Which come first nobody knows; here the first by name are kept apart.
        let mut other = Group::default();
        for group in groups.split_off(groups_max) {
            for (step, summary) in group.steps {
                other.steps.entry(step).or_default().merge(&summary);
            }
        }
        groups.push(other);
    }
    // The first minute may be there in part.
    let known =
        Known { from_s: from.timestamp() + i64::from(from.timestamp_subsec_nanos() > 0), whole: true };
    let overflowed = groups_found > groups_max;
    let mut result = answer(meter.definition(), steps, known, &groups, groups_found as u64, overflowed);
    result.series.truncate(SERIES_MAX);
    CustomMetricPreview { spans_read, spans_matched, complete: from <= start, result }
}
