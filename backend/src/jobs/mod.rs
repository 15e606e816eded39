//! Work on a schedule: who runs what, once.
//!
//! Every server has the schedule; before a job runs it takes the job's lock in the database, and
//! who does not get it skips this turn. Jobs are harmless to repeat.

use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use crate::store::retention::{self, Limits};
use crate::store::{Store, upkeep};

/// A job that takes longer than this is given up until its next turn.
const JOB_TIMEOUT: Duration = Duration::from_mins(5);

/// First half of a job's lock; the second is the job's number.
const JOB_LOCK: i32 = 0x4a4f_4253;

#[derive(Debug, Clone, Copy)]
enum Job {
    RollUp,
    Partitions,
    Retention,
}

impl Job {
    fn every(self) -> Duration {
        match self {
            Self::RollUp => Duration::from_secs(20),
            Self::Partitions => Duration::from_mins(30),
            Self::Retention => Duration::from_mins(2),
        }
    }
}

/// Runs all jobs until the token is cancelled.
pub async fn run(store: Store, limits: Limits, stop: CancellationToken) {
    let jobs = [Job::Partitions, Job::Retention, Job::RollUp];
    futures::future::join_all(jobs.map(|job| repeat(job, &store, &limits, &stop))).await;
}

async fn repeat(job: Job, store: &Store, limits: &Limits, stop: &CancellationToken) {
    let mut turns = tokio::time::interval(job.every());
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = turns.tick() => {}
        }
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = tokio::time::timeout(JOB_TIMEOUT, turn(job, store, limits)) => outcome,
        };
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(?job, "job failed, it will be tried again: {error:#}"),
            Err(_) => tracing::warn!(?job, "job took too long, it will be tried again"),
        }
    }
}

async fn turn(job: Job, store: &Store, limits: &Limits) -> anyhow::Result<()> {
    // One transaction holds the lock and does the work: both end together, whatever happens.
    let mut transaction = store.pool.begin().await?;
    if !upkeep::try_job_lock(&mut transaction, JOB_LOCK, job as i32).await? {
        return Ok(());
    }
    let mut dropped = Vec::new();
    match job {
        Job::RollUp => {
            upkeep::roll_up(&mut transaction).await?;
        }
        Job::Partitions => upkeep::prepare_partitions(&mut transaction, Utc::now()).await?,
        Job::Retention => {
            dropped = retention::enforce(&mut transaction, Utc::now(), limits).await?;
        }
    }
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
    Ok(())
}
