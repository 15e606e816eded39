//! Counting what was stored before a metric was defined, from the newest back to the oldest.
//!
//! Step by step; the migration tells how a step and the writers share the spans out. A step that an error
//! or the end of the server interrupts is undone and done again, with half its length. After sampling
//! stored spans stand for several: what is back-filled is an estimate, what the writers count is exact.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use spanloom_measure::Tally;
use spanloom_sampling::Policies;
use sqlx::PgPool;

use super::backfill_store::{self as store, Plan, Step, Waiting};
use super::groups_store::Groups;
use super::live_store::meter;
use super::spans_store::{self, Resources};
use crate::collect::sample;
use crate::store::pairs::PairCache;
use crate::store::retention::{Limits, Signal};

/// A turn begins no step after so long.
const TURN_TIME: Duration = Duration::from_secs(20);

/// The first step of a turn; each is twice as long as the one before if that was quick.
const LENGTH: TimeDelta = TimeDelta::minutes(10);
const LENGTH_MAX: TimeDelta = TimeDelta::hours(6);
const LENGTH_MIN: TimeDelta = TimeDelta::minutes(1);
const QUICK: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(5);

/// Cells that are held before they are written.
const CELLS_MAX: usize = 100_000;

/// Beyond the decision of tail sampling, until it is written.
const DECISION_SLACK: TimeDelta = TimeDelta::seconds(5);

/// Goes on with what is to be counted and deleted, for a while.
///
/// # Errors
/// If the database fails. What was begun is done again.
pub async fn work(pool: &PgPool, limits: &Limits) -> anyhow::Result<()> {
    let started = Instant::now();
    store::purge(pool).await.context("deleting custom metrics")?;
    let mut length = LENGTH;
    while started.elapsed() < TURN_TIME {
        let step_started = Instant::now();
        let Some(step) = begin(pool, limits, length).await? else { return Ok(()) };
        fill(pool, step).await.context("back-filling custom metrics")?;
        if step_started.elapsed() < QUICK {
            length = (length * 2).min(LENGTH_MAX);
        } else if step_started.elapsed() > SLOW {
            length = half(length);
        }
    }
    Ok(())
}

async fn begin(pool: &PgPool, limits: &Limits, length: TimeDelta) -> anyhow::Result<Option<Step>> {
    let held = held_time(pool).await?;
    let now = Utc::now();
    for waiting in store::waiting(pool).await? {
        let Some(plan) = plan(&waiting, now, held, length) else { continue };
        let kept_from = now - TimeDelta::days(i64::from(limits.retention.of(Signal::Metrics).days));
        let kept_from = kept_from.duration_trunc(TimeDelta::minutes(1)).unwrap_or(kept_from);
        if let Some(step) = store::begin(pool, waiting.version, plan, kept_from).await? {
            return Ok(Some(step));
        }
    }
    Ok(None)
}

/// For how long spans that are counted may not be stored yet.
async fn held_time(pool: &PgPool) -> anyhow::Result<TimeDelta> {
    let settings = sample::store::newest(pool).await?.settings;
    // What cannot be compiled here is not in force here either.
    if Policies::new(&settings).is_ok_and(|policies| policies.is_pass_through()) {
        return Ok(TimeDelta::zero());
    }
    Ok(TimeDelta::milliseconds(i64::from(settings.decision_wait_ms)) + DECISION_SLACK)
}

/// What the next step should be; none if it has to wait.
fn plan(waiting: &Waiting, now: DateTime<Utc>, held: TimeDelta, length: TimeDelta) -> Option<Plan> {
    let Some(fill_start) = waiting.fill_start else {
        // From the next minute on the writers count. So long little is missing, and no span that was
        // received before begins later.
        let minute = TimeDelta::minutes(1);
        return Some(Plan::First((now + minute).duration_trunc(minute).unwrap_or(now)));
    };
    // What tail sampling held when the writers began would be seen by nobody.
    if !held.is_zero() && now < fill_start + held {
        return None;
    }
    Some(Plan::Next(waiting.interrupted.map_or(length, half)))
}

/// Half of a step, in whole minutes: what is counted is undone by the minute, so that a step must not end
/// within one.
fn half(length: TimeDelta) -> TimeDelta {
    TimeDelta::minutes(length.num_minutes() / 2).max(LENGTH_MIN)
}

/// Reads the step's spans and adds what they count.
async fn fill(pool: &PgPool, mut step: Step) -> anyhow::Result<()> {
    let version = step.version;
    let mut meter = meter(version, step.definition.clone())?;
    let mut groups = Groups::default();
    let mut resources = Resources::new();
    let pairs = PairCache::default();
    let mut tally = Tally::default();
    let mut spans_read = 0;
    loop {
        let mut spans = step.fetch().await?;
        let is_last = spans.is_empty();
        spans_read += spans.len() as i64;
        spans_store::fill_attributes(&mut step.reading, &pairs, &mut spans).await?;
        spans_store::add_resources(&mut step.reading, &spans, &mut resources).await?;
        // Reading attributes takes time, and this thread has other work.
        let known = resources.clone();
        let counted = tokio::task::spawn_blocking(move || {
            spans_store::observe(&meter, &spans, &known, &mut tally)?;
            anyhow::Ok((meter, tally))
        });
        (meter, tally) = counted.await.context("counting was cancelled")??;
        if tally.len() >= CELLS_MAX || (is_last && !tally.is_empty()) {
            let groups_max = meter.definition().groups_max;
            let ids = groups.resolve(pool, version, groups_max, &tally.groups()).await?;
            let Some(ids) = ids else { return Ok(()) };
            store::add_points(pool, &mut step.reading, version, &ids, &tally).await?;
            tally = Tally::default();
        }
        if is_last {
            return step.finish(spans_read).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    // Catches a seam in the past, behind which spans on their way would be counted by nobody.
    #[test]
    fn the_writers_begin_with_the_next_minute() {
        let waiting = Waiting { version: 1, fill_start: None, interrupted: None };
        for (now, first) in [
            ("2026-11-25T10:00:00Z", "2026-11-25T10:01:00Z"),
            ("2026-11-25T10:00:59.999Z", "2026-11-25T10:01:00Z"),
        ] {
            let planned = plan(&waiting, time(now), TimeDelta::zero(), LENGTH);
            assert_eq!(planned, Some(Plan::First(time(first))));
        }
    }

    // Catches a back-fill that misses what tail sampling holds, and a step that fails forever because it
    // is always as long.
    #[test]
    fn a_step_waits_for_held_spans_and_is_halved_when_it_failed() {
        let fill_start = time("2026-11-25T10:01:00Z");
        let waiting = Waiting { version: 1, fill_start: Some(fill_start), interrupted: None };
        let held = TimeDelta::seconds(15);
        assert_eq!(plan(&waiting, time("2026-11-25T10:01:14Z"), held, LENGTH), None);
        let later = time("2026-11-25T10:01:15Z");
        assert_eq!(plan(&waiting, later, held, LENGTH), Some(Plan::Next(LENGTH)));
        let early = time("2026-11-25T10:00:30Z");
        assert_eq!(plan(&waiting, early, TimeDelta::zero(), LENGTH), Some(Plan::Next(LENGTH)));
        let interrupted = Waiting { interrupted: Some(TimeDelta::minutes(40)), ..waiting };
        let half = Plan::Next(TimeDelta::minutes(20));
        assert_eq!(plan(&interrupted, later, held, LENGTH), Some(half));
    }

    // Catches steps that end within a minute: undoing the next one would delete what the first counted.
    #[test]
    fn steps_have_whole_minutes() {
        for (minutes, expected) in [(5, 2), (3, 1), (1, 1)] {
            assert_eq!(half(TimeDelta::minutes(minutes)), TimeDelta::minutes(expected));
        }
    }
}
