//! The queue as a log on disk: segments of records with checksums in one folder, appended by one
//! thread and made durable by one `fdatasync` for all who wait.
//!
//! What was appended lately is in memory too, so that a writer that keeps up never reads a file.
//! Segments are removed when everything in them is in the database.

mod append;
mod files;
mod read;

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::{Entry, Record};
use files::Segment;
pub use read::DiskReader;

/// Bounds of a log.
#[derive(Debug, Clone, Copy)]
pub struct DiskBounds {
    /// All segments together; beyond it nothing is accepted.
    pub bytes_max: u64,
    /// A segment is closed when it is larger than this.
    pub segment_bytes: u64,
    /// What is kept in memory for the writer, as [`super::memory_bytes`] counts it.
    pub memory_bytes_max: usize,
}

/// How the log stands. Cheap to clone.
#[derive(Clone)]
pub struct DiskStatus(Arc<Shared>);

impl DiskStatus {
    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.0.state().bytes()
    }

    /// The position of the next record.
    pub fn next(&self) -> u64 {
        self.0.state().next
    }
}

struct Shared {
    dir: PathBuf,
    id: Uuid,
    bytes_max: u64,
    segment_bytes: u64,
    memory_bytes_max: usize,
    state: Mutex<State>,
    /// Told after each append. One reader waits.
    appended: Notify,
    /// Held as long as the log is in use: two servers must not write one log.
    _lock: File,
}

struct State {
    /// Oldest first, never empty; the last one is written on.
    segments: VecDeque<Segment>,
    /// Whether the next record has to begin a new segment.
    sealed: bool,
    /// Position of the next record.
    next: u64,
    /// No later record is of an earlier time.
    last_time_ns: i64,
    /// The newest records with what each occupies, as far as there is room.
    tail: VecDeque<(Record, usize)>,
    tail_bytes: usize,
}

impl Shared {
    /// The state stays usable after a panic: it is changed only when the work behind it is done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_size(&self) {
        metrics::gauge!("spanloom_queue_bytes").set(self.state().bytes() as f64);
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Keeps a record for the writer if there is room; else it will read the file.
    fn keep_in_memory(&mut self, record: Record, bytes: usize, bytes_max: usize) {
        if self.tail_bytes + bytes <= bytes_max {
            self.tail_bytes += bytes;
            self.tail.push_back((record, bytes));
        }
    }

    fn take_front(&mut self) -> Option<Record> {
        let (record, bytes) = self.tail.pop_front()?;
        self.tail_bytes -= bytes;
        Some(record)
    }
}

/// Opens the log in `dir`, which is made when it is new, and starts the thread that appends what
/// comes from `entries`. Gives the end to read from.
///
/// # Errors
/// If the folder cannot be used, or another server uses it.
pub fn open(
    dir: &Path,
    bounds: DiskBounds,
    entries: mpsc::UnboundedReceiver<Entry>,
) -> anyhow::Result<(DiskReader, DiskStatus)> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))
        .with_context(|| format!("cannot write to the queue's folder {}", dir.display()))?;
    try_lock_patiently(&lock).map_err(|error| match error {
        TryLockError::WouldBlock => anyhow::anyhow!("another server uses the queue in {}", dir.display()),
        TryLockError::Error(error) => error.into(),
    })?;
    let found = files::recover(dir).with_context(|| format!("the queue in {}", dir.display()))?;
    let shared = Arc::new(Shared {
        dir: dir.to_owned(),
        id: found.id,
        bytes_max: bounds.bytes_max,
        segment_bytes: bounds.segment_bytes,
        memory_bytes_max: bounds.memory_bytes_max,
        state: Mutex::new(State {
            segments: found.segments.into(),
            sealed: false,
            next: found.next,
            last_time_ns: found.last_time_ns,
            tail: VecDeque::new(),
            tail_bytes: 0,
        }),
        appended: Notify::new(),
        _lock: lock,
    });
    let appender = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("queue".to_owned())
        .spawn(move || append::run(&appender, entries))
        .context("starting the queue's thread")?;
    Ok((DiskReader::new(Arc::clone(&shared)), DiskStatus(shared)))
}

/// A child between fork and exec holds the lock for an instant, and so does the thread of a log that
/// was just dropped.
fn try_lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests;
