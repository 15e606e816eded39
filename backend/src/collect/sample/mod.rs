//! Sampling: the settings, who changes them, and what they would do.
//!
//! Which traces are kept is decided by `spanloom_sampling`, between aggregation and writing. Here are
//! the versioned settings ([`store`]), the operations for people ([`http`]), the trial on what is
//! stored ([`dry_run`]), and what clients with a remote sampler are told ([`jaeger_http`]). Every
//! server follows the newest version with [`watch`].

pub mod dry_run;
mod dry_run_store;
pub mod http;
mod http_docs;
pub mod jaeger_http;
pub mod selection;
pub mod store;

pub use http::routes;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use spanloom_model::api::SamplingSettings;
use spanloom_sampling::Policies;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// How long a change takes at most to be in force on every server.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Sampling {
    /// Their version; 0 before anybody saved any.
    pub version: i32,
    /// As they were saved.
    pub settings: SamplingSettings,
    /// Compiled.
    pub policies: Policies,
}

/// The settings in force now and whenever they change, until `stop`.
///
/// # Errors
/// If the first ones cannot be read, or were saved by a newer version of the program. Later failures
/// are logged, and what was in force stays.
pub async fn watch(
    store: &Store,
    stop: CancellationToken,
) -> anyhow::Result<(watch::Receiver<Arc<Sampling>>, JoinHandle<()>)> {
    let first = load(&store.pool).await.context("the sampling settings")?;
    let (sender, receiver) = watch::channel(Arc::new(first));
    let pool = store.pool.clone();
    let task = tokio::spawn(async move {
        let mut turns = tokio::time::interval(RELOAD_INTERVAL);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The version that could not be loaded, so that the log tells it once.
        let mut failed = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = turns.tick() => {}
            }
            let version = match store::newest_version(&pool).await {
                Ok(version) => version,
                Err(error) => {
                    tracing::debug!(%error, "the version of the sampling settings could not be read");
                    continue;
                }
            };
            if version == sender.borrow().version || Some(version) == failed {
                continue;
            }
            match load(&pool).await {
                Ok(sampling) => {
                    tracing::info!(version = sampling.version, "new sampling settings are in force");
                    failed = None;
                    sender.send_replace(Arc::new(sampling));
                }
                Err(error) => {
                    tracing::warn!(version, "new sampling settings cannot be used: {error:#}");
                    failed = Some(version);
                }
            }
        }
    });
    Ok((receiver, task))
}

async fn load(pool: &PgPool) -> anyhow::Result<Sampling> {
    let newest = store::newest(pool).await?;
    let policies = Policies::new(&newest.settings).map_err(|faults| {
        let faults: Vec<String> =
            faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
        anyhow::anyhow!("version {} is not valid here: {}", newest.version, faults.join("; "))
    })?;
    Ok(Sampling { version: newest.version, settings: newest.settings, policies })
}
