//! The durable queue between receivers and writer. Who hands in spans or log records waits until they
//! are safe here; the writer drains it in large batches.
//!
//! - [`disk`]: a log in the data directory, the default.
//! - [`rabbit`]: a broker between several servers.
//! - [`Source`]: either of them, as a writer sees it.
//! - What waits to become durable is bounded by bytes; what is durable is bounded by bytes on disk.

pub mod config;
pub mod disk;
mod handover;
pub mod payload;
pub mod rabbit;
mod source;

use std::time::Duration;

use bytes::Bytes;
use spanloom_model::{LogRecord, Span};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

pub use handover::Collector;
pub use source::Source;

/// How long a client should wait unless something else is known.
const RETRY_AFTER_SECONDS: u64 = 2;

/// Why spans or log records were not accepted. All of it can be retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too much is waiting to become durable.
    #[error("too many spans are waiting to be queued")]
    Busy,
    /// The queue is as large as it may get: the database has been away, or too slow, for long.
    #[error("the queue is full: the database does not take what is waiting")]
    Full,
    /// The queue cannot be written.
    #[error("the queue cannot be written now")]
    Unavailable,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
    /// A key or a service sends more than its limit.
    #[error("more than the rate limit of this key or service (ingest.limits)")]
    Limited {
        /// When it may send again.
        retry_after_seconds: u64,
    },
}

impl SubmitError {
    /// How long a client should wait before it sends again.
    pub fn retry_after_seconds(&self) -> u64 {
        match self {
            Self::Limited { retry_after_seconds } => *retry_after_seconds,
            Self::Busy | Self::Full | Self::Unavailable | Self::Stopping => RETRY_AFTER_SECONDS,
        }
    }
}

/// What a request occupies in memory: its payload and what is decoded of it, which is about three times
/// as large (a list entry of 56 bytes and an allocation for every attribute).
pub const fn memory_bytes(payload_bytes: usize, items: usize) -> usize {
    /// What a decoded span or log record occupies at least.
    const ITEM_BYTES_MIN: usize = 512;
    let by_payload = payload_bytes * 4;
    let by_items = items * ITEM_BYTES_MIN;
    if by_payload > by_items { by_payload } else { by_items }
}

/// What a request holds: one of the two as a rule.
#[derive(Debug, Default)]
pub struct Contents {
    /// Spans.
    pub spans: Vec<Span>,
    /// Log records.
    pub logs: Vec<LogRecord>,
}

impl Contents {
    /// How many spans and log records.
    pub fn len(&self) -> usize {
        self.spans.len() + self.logs.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One request on its way into the queue.
pub struct Entry {
    /// What is kept; see [`payload`].
    pub payload: Bytes,
    /// The same, decoded.
    pub contents: Contents,
    /// Who waits for it to be durable.
    pub done: oneshot::Sender<Result<(), SubmitError>>,
    /// Room among what waits, given back when this is dropped.
    pub room: OwnedSemaphorePermit,
}

/// One request on its way out of the queue.
#[derive(Debug)]
pub struct Record {
    /// Its place in the queue: records are numbered from zero without gaps, except for damage.
    pub position: u64,
    /// When it was accepted, nanoseconds since the epoch; never less than that of the record before.
    pub time_ns: i64,
    /// Its spans.
    pub spans: Vec<Span>,
    /// Its log records.
    pub logs: Vec<LogRecord>,
}

impl Record {
    /// A record with what was accepted.
    pub fn new(position: u64, time_ns: i64, contents: Contents) -> Self {
        let Contents { spans, logs } = contents;
        Self { position, time_ns, spans, logs }
    }

    /// How many spans and log records.
    pub fn items(&self) -> usize {
        self.spans.len() + self.logs.len()
    }
}

/// What the writer gets at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order; empty if nothing came in time.
    pub records: Vec<Record>,
    /// The queue's clock: every later record is of this time or a later one.
    pub now_ns: i64,
}

/// How much a batch may hold, and how long to wait for it.
#[derive(Debug, Clone, Copy)]
pub struct Appetite {
    /// Spans and log records after which nothing more is added.
    pub spans_max: usize,
    /// How long to wait for the first record.
    pub patience: Duration,
    /// How long to wait for more once there is one. Large batches cost less per span.
    pub linger: Duration,
}
