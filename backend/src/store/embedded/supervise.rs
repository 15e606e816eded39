//! A private PostgreSQL that is started again when it ends by itself: killed by the system for
//! want of memory, for example. Spans wait in the queue meanwhile.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::EmbeddedPostgres;

/// A PostgreSQL that cannot be started again so many times in a row is given up.
const ATTEMPTS_MAX: u32 = 5;

const PAUSE: Duration = Duration::from_secs(1);

/// Watches over a PostgreSQL until it is stopped.
pub struct Supervised {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    given_up: watch::Receiver<Option<String>>,
    pid: watch::Receiver<i32>,
}

impl Supervised {
    /// Starts watching.
    pub fn new(mut postgres: EmbeddedPostgres) -> Self {
        let stop = CancellationToken::new();
        let (given_up_tx, given_up) = watch::channel(None);
        let (pid_tx, pid) = watch::channel(postgres.pid());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            loop {
                let how = tokio::select! {
                    () = stopped.cancelled() => return postgres.stop().await,
                    how = postgres.ended() => how,
                };
                tracing::error!("{how}; starting it again, spans wait in the queue meanwhile");
                if let Err(error) = revive(&mut postgres, &stopped).await {
                    given_up_tx
                        .send_replace(Some(format!("{how}, and it does not start again: {error:#}")));
                    return Ok(());
                }
                pid_tx.send_replace(postgres.pid());
            }
        });
        Self { stop, task, given_up, pid }
    }

    /// The process id of the present postmaster.
    pub fn pid(&self) -> i32 {
        *self.pid.borrow()
    }

    /// Returns when PostgreSQL has ended for good, with words that say how.
    pub async fn ended(&self) -> String {
        let mut given_up = self.given_up.clone();
        match given_up.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or_default(),
            // The task ends without a word only when it was asked to.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops PostgreSQL; waits until it has written everything.
    ///
    /// # Errors
    /// If it does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await.context("the task that watches PostgreSQL panicked")?
    }
}

async fn revive(postgres: &mut EmbeddedPostgres, stop: &CancellationToken) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut attempts = 0;
    loop {
        attempts += 1;
        match postgres.revive().await {
            Ok(()) => {
                tracing::info!(milliseconds = started.elapsed().as_millis() as u64, "PostgreSQL is back");
                return Ok(());
            }
            Err(error) if attempts >= ATTEMPTS_MAX || stop.is_cancelled() => return Err(error),
            Err(error) => {
                tracing::error!("PostgreSQL does not start, it will be tried again: {error:#}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
