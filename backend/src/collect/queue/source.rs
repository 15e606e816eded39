//! The end of a queue that a writer drains.

use super::disk::DiskReader;
use super::rabbit::RabbitReader;
use super::{Appetite, Batch};
use crate::collect::slot::{SLOTS, slots_of_partition};

/// A queue to drain. How far that is done is the writer's business: see `write/progress.rs`.
pub enum Source {
    /// The log of this server.
    Disk(DiskReader),
    /// One partition in a broker that others read and write too.
    Rabbit(Box<RabbitReader>),
}

impl Source {
    /// The slots whose spans are in this queue.
    pub fn slots(&self) -> Vec<i16> {
        match self {
            Self::Disk(_) => slots_of_partition(0, 1),
            Self::Rabbit(reader) => reader.slots(),
        }
    }

    /// Which part of all slots that is, as a divisor.
    pub fn share(&self) -> usize {
        usize::from(SLOTS) / self.slots().len().max(1)
    }

    /// A name for files; none for the server's own log.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Disk(_) => None,
            Self::Rabbit(reader) => Some(reader.queue()),
        }
    }

    /// Whether what is left in it at the end is written by others, or by the next start as well.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Rabbit(_))
    }

    /// The next records; none if nothing came in time. What is read by a call that is cancelled is
    /// read again after [`Self::seek`].
    ///
    /// # Errors
    /// If what was read so far has to be forgotten, or the queue cannot be read.
    pub async fn next(&mut self, appetite: Appetite) -> anyhow::Result<Batch> {
        match self {
            Self::Disk(reader) => reader.next(appetite).await,
            Self::Rabbit(reader) => reader.next(appetite).await,
        }
    }

    /// Goes on reading at `position`, which was read before.
    pub fn seek(&mut self, position: u64) {
        match self {
            Self::Disk(reader) => reader.seek(position),
            Self::Rabbit(reader) => reader.seek(position),
        }
    }

    /// Everything before `position` is in the database and not needed any more.
    pub async fn done(&mut self, position: u64) {
        match self {
            Self::Disk(reader) => reader.done(position),
            Self::Rabbit(reader) => reader.done(position).await,
        }
    }
}
