//! What can be configured of the queue.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rabbit::Broker;
use crate::collect::slot::SLOTS;

/// Where accepted spans wait for the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// `disk`: a log of this server; `rabbitmq`: a broker for several servers.
    pub kind: QueueKind,
    /// The broker, if that is what is used.
    pub rabbitmq: RabbitConfig,
    /// The log's folder; `queue` in `storage.data_dir` if it is not told.
    pub dir: Option<PathBuf>,
    /// Bytes of the log at most; beyond it nothing is accepted until the database has caught up.
    pub bytes_max: u64,
    /// A file of the log is closed at this size, and removed when everything in it is written.
    pub segment_bytes: u64,
    /// How much of the log is in memory too, so that a writer that keeps up need not read files.
    pub memory_bytes_max: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            kind: QueueKind::Disk,
            rabbitmq: RabbitConfig::default(),
            dir: None,
            bytes_max: 8 << 30,
            segment_bytes: 64 << 20,
            memory_bytes_max: 192 << 20,
        }
    }
}

/// What the queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueKind {
    /// A log in the data directory.
    Disk,
    /// Quorum queues in a RabbitMQ broker.
    Rabbitmq,
}

/// The queue in a RabbitMQ broker. Servers that work together have the same `partitions` and `prefix`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:5672/vhost`, where `%2f` is the virtual host "/". Without TLS: a private
    /// network or a tunnel has to protect it.
    pub url: String,
    /// Queues, and writers that work at the same time, at most: 1, 2, 4, 8 or 16.
    pub partitions: u8,
    /// What the names of exchange and queues begin with.
    pub prefix: String,
    /// Bytes of each queue at most; beyond it nothing is accepted. Read when a queue is made.
    pub bytes_max: u64,
    /// Bytes that each writer has in memory and not yet in the database at most, about. It bounds what
    /// can wait for the decision of tail sampling as well.
    pub window_bytes_max: usize,
}

impl Default for RabbitConfig {
    fn default() -> Self {
        Self {
            url: "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned(),
            partitions: 4,
            prefix: "spanloom".to_owned(),
            bytes_max: 2 << 30,
            window_bytes_max: 128 << 20,
        }
    }
}

impl RabbitConfig {
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        Broker::new(self)?;
        anyhow::ensure!(
            self.partitions > 0 && SLOTS.is_multiple_of(self.partitions),
            "queue.rabbitmq.partitions: must be 1, 2, 4, 8 or 16"
        );
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        anyhow::ensure!(
            (1..=64).contains(&self.prefix.len()) && self.prefix.chars().all(is_plain),
            "queue.rabbitmq.prefix: must be 1 to 64 of letters, digits, '.', '-' and '_'"
        );
        anyhow::ensure!(
            self.window_bytes_max >= 1 << 20,
            "queue.rabbitmq.window_bytes_max: must be at least 1048576"
        );
        Ok(())
    }
}
