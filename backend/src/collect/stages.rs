//! Starts the queue and its writers as configured, and stops them in the order that loses nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::queue::disk::{self, DiskBounds, DiskStatus};
use super::queue::rabbit::{self, Broker, RabbitReader, Share};
use super::queue::{Entry, Source};
use super::sample::Sampling;
use super::write::{Writer, servers};
use crate::config::{Config, QueueKind};
use crate::store::Store;

/// Longer than an attempt to write takes at most.
const WRITER_TIMEOUT: Duration = Duration::from_secs(40);

/// The stages behind the receivers, as far as this server has them.
pub struct Stages {
    /// The log on disk, and how far its writer is.
    log: Option<(DiskStatus, watch::Receiver<u64>)>,
    writers: Vec<JoinHandle<()>>,
    close: CancellationToken,
}

impl Stages {
    /// Starts what the server's roles ask for. `entries` is what its receivers hand in.
    ///
    /// # Errors
    /// If the log on disk cannot be used. A broker that is away is waited for.
    pub fn start(
        store: &Store,
        sampling: &watch::Receiver<Arc<Sampling>>,
        entries: mpsc::UnboundedReceiver<Entry>,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let mut stages = Self { log: None, writers: Vec::new(), close: CancellationToken::new() };
        let (receives, writes) = (config.roles.receive, config.roles.write);
        match config.queue.kind {
            QueueKind::Disk if receives || writes => {
                let bounds = DiskBounds {
                    bytes_max: config.queue.bytes_max,
                    segment_bytes: config.queue.segment_bytes,
                    memory_bytes_max: config.queue.memory_bytes_max,
                };
                let (log, status) = disk::open(&config.queue_dir(), bounds, entries)?;
                let written = stages.write(store, sampling, Source::Disk(log), config);
                stages.log = Some((status, written));
            }
            QueueKind::Disk => {}
            QueueKind::Rabbitmq => {
                let broker = Broker::new(&config.queue.rabbitmq)?;
                if receives {
                    // Ends with the last of the receivers.
                    tokio::spawn(rabbit::publish(broker.clone(), entries));
                }
                if writes {
                    let (share, queues, close) = (Share::default(), broker.name(), stages.close.clone());
                    let keep = servers::keep_share(store.clone(), queues, share.clone(), close);
                    stages.writers.push(tokio::spawn(keep));
                    for partition in 0..broker.partitions() {
                        let bytes_max = config.queue.rabbitmq.window_bytes_max;
                        let reader = RabbitReader::new(broker.clone(), partition, share.clone(), bytes_max);
                        stages.write(store, sampling, Source::Rabbit(Box::new(reader)), config);
                    }
                }
            }
        }
        Ok(stages)
    }

    fn write(
        &mut self,
        store: &Store,
        sampling: &watch::Receiver<Arc<Sampling>>,
        source: Source,
        config: &Config,
    ) -> watch::Receiver<u64> {
        let (writer, written) = Writer::new(store.clone(), source, sampling.clone(), config);
        self.writers.push(tokio::spawn(writer.run(self.close.clone())));
        written
    }

    /// Returns when everything that is in the log on disk now is in the database; at once if there is
    /// none, because nobody knows what others put into a broker.
    pub async fn settled(&self) {
        let Some((status, written)) = &self.log else { return };
        let end = status.next();
        // The sender goes with the writer, which is not waited for then.
        let _ = written.clone().wait_for(|written| *written >= end).await;
    }

    /// Writes what is in the log; what is in a broker stays there. Nothing may be handed in any more.
    pub async fn stop(self) -> Vec<anyhow::Error> {
        self.close.cancel();
        let deadline = tokio::time::Instant::now() + WRITER_TIMEOUT;
        let mut failures = Vec::new();
        for writer in self.writers {
            let ended = tokio::time::timeout_at(deadline, writer).await;
            let ended = ended.context("a writer did not end in time").and_then(|ended| Ok(ended?));
            failures.extend(ended.err());
        }
        failures
    }
}
