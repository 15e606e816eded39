//! Work on a schedule: who runs what, once.
//!
//! Every server has the schedule and looks every few seconds which jobs are due. Who gets the job's
//! lock in the database runs it and notes that, in one transaction: a server that dies in the middle
//! loses the lock with its connection, nothing is noted, and the next one to look takes over. Jobs are
//! harmless to repeat.

use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use crate::custom::backfill;
use crate::store::retention::{self, Limits};
use crate::store::{Store, begin, pairs, upkeep};

/// A job that takes longer than this is given up until its next turn.
const JOB_TIMEOUT: Duration = Duration::from_mins(5);

/// How often a server looks whether a job is due: so long it takes until a job that died with its
/// server runs on another.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long a server keeps away from a job that failed, at most.
const FAILURE_PAUSE_MAX: Duration = Duration::from_mins(1);

/// First half of a job's lock; the second is the job's number.
const JOB_LOCK: i32 = 0x4a4f_4253;

/// What is to be done now and then.
#[derive(Debug, Clone, Copy)]
pub enum Job {
    /// Moves metrics into their roll-ups.
    RollUp,
    /// Makes the partitions that spans will need, and forgets sums that have long been idle.
    Partitions,
    /// Drops what is too old or too much.
    Retention,
    /// Joins the two ends of calls between services.
    PairEdges,
    /// Counts errors by group and makes new groups.
    FoldErrors,
    /// Moves what custom metrics counted into their points.
    MoveCustomMetrics,
    /// Counts stored spans for custom metrics that are new, and deletes what is left of old ones.
    FillCustomMetrics,
    /// Deletes pairs of attributes that no stored span has any more.
    SweepPairs,
}

impl Job {
    /// In the table `job_runs`.
    fn name(self) -> &'static str {
        match self {
            Self::RollUp => "roll up",
            Self::Partitions => "partitions",
            Self::Retention => "retention",
            Self::PairEdges => "pair edges",
            Self::FoldErrors => "fold errors",
            Self::MoveCustomMetrics => "move custom metrics",
            Self::FillCustomMetrics => "fill custom metrics",
            Self::SweepPairs => "sweep attribute pairs",
        }
    }

    fn every(self) -> Duration {
        match self {
            Self::FillCustomMetrics => Duration::from_secs(1),
            Self::RollUp | Self::MoveCustomMetrics => Duration::from_secs(20),
            // Reads all that waits; most pairs are counted before, by the writer.
            Self::PairEdges => Duration::from_secs(30),
            // What people and alerts see of errors is as old as this.
            Self::FoldErrors => Duration::from_secs(4),
            Self::SweepPairs => Duration::from_mins(10),
            Self::Partitions => Duration::from_mins(30),
            Self::Retention => Duration::from_mins(2),
        }
    }
}

/// Runs all jobs until the token is cancelled.
pub async fn run(store: Store, limits: Limits, stop: CancellationToken) {
    let jobs = [
        Job::Partitions,
        Job::Retention,
        Job::RollUp,
        Job::PairEdges,
        Job::FoldErrors,
        Job::MoveCustomMetrics,
        Job::FillCustomMetrics,
        Job::SweepPairs,
    ];
    futures::future::join_all(jobs.map(|job| repeat(job, &store, &limits, &stop))).await;
}

async fn repeat(job: Job, store: &Store, limits: &Limits, stop: &CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = tokio::time::timeout(JOB_TIMEOUT, turn(job, store, limits)) => outcome,
        };
        match outcome {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => tracing::warn!(?job, "job failed, it will be tried again: {error:#}"),
            Err(_) => tracing::warn!(?job, "job took too long, it will be tried again"),
        }
        looks.reset_after(job.every().min(FAILURE_PAUSE_MAX));
    }
}

/// Runs the job if it is due and no other server is at it; whether it ran.
///
/// # Errors
/// If the job failed. It is due as before.
pub async fn turn(job: Job, store: &Store, limits: &Limits) -> anyhow::Result<bool> {
    if !upkeep::is_job_due(&store.pool, job.name(), job.every()).await? {
        return Ok(false);
    }
    // One transaction holds the lock and does the work: both end together, whatever happens.
    let mut transaction = begin(&store.pool).await?;
    if !upkeep::try_job_lock(&mut transaction, JOB_LOCK, job as i32).await? {
        return Ok(false);
    }
    // Whoever had the lock a moment ago has done it.
    if !upkeep::is_job_due(&mut *transaction, job.name(), job.every()).await? {
        return Ok(false);
    }
    let mut dropped = Vec::new();
    match job {
        Job::RollUp => {
            upkeep::roll_up(&mut transaction).await?;
        }
        Job::PairEdges => {
            upkeep::pair_edges(&mut transaction).await?;
        }
        Job::FoldErrors => {
            upkeep::fold_errors(&mut transaction).await?;
        }
        Job::MoveCustomMetrics => {
            upkeep::move_custom_metrics(&mut transaction).await?;
        }
        // Steps of their own; this transaction has the lock meanwhile.
        Job::FillCustomMetrics => backfill::work(&store.pool, limits).await?,
        Job::Partitions => {
            upkeep::prepare_partitions(&mut transaction, Utc::now()).await?;
            upkeep::forget_idle_totals(&mut transaction).await?;
        }
        Job::Retention => {
            dropped = retention::enforce(&mut transaction, Utc::now(), limits).await?;
            upkeep::forget_errors(&mut transaction).await?;
        }
        Job::SweepPairs => {
            pairs::sweep(&mut transaction).await?;
        }
    }
    upkeep::note_job_run(&mut transaction, job.name()).await?;
    transaction.commit().await?;
    for (partition, reason) in dropped {
        tracing::info!(
            signal = partition.signal.name(),
            table = partition.table,
            partition = partition.name,
            bytes = partition.bytes(),
            reason = reason.name(),
            "dropped a partition"
        );
    }
    Ok(true)
}
