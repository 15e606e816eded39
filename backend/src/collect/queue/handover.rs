//! From receivers to the queue: bounded by bytes, and who hands in waits until it is durable.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Contents, Entry, SubmitError};

/// One permit stands for this many bytes.
const PERMIT_BYTES: usize = 1024;

/// What a request needs at least, so that a flood of tiny requests is bounded too.
const REQUEST_BYTES_MIN: usize = 512;

/// Where receivers hand in what they received. Cheap to clone.
#[derive(Clone)]
pub struct Collector {
    sender: mpsc::UnboundedSender<Entry>,
    room: Arc<Semaphore>,
    permits_max: usize,
}

impl Collector {
    /// Room for `bytes_max` on the way, and the queue's end of it.
    pub fn new(bytes_max: usize) -> (Self, mpsc::UnboundedReceiver<Entry>) {
        let permits_max = (bytes_max / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        // The channel itself needs no bound: the permits are one.
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, room: Arc::new(Semaphore::new(permits_max)), permits_max }, receiver)
    }

    /// Queues what a request holds: returns when it is durable. `payload` is the form in which it is
    /// kept, `size_bytes` what both occupy in memory, as an estimate.
    pub async fn submit(
        &self,
        contents: Contents,
        payload: Bytes,
        size_bytes: usize,
    ) -> Result<(), SubmitError> {
        if contents.is_empty() {
            return Ok(());
        }
        // A request larger than all the room may pass alone.
        let permits = size_bytes.max(REQUEST_BYTES_MIN).div_ceil(PERMIT_BYTES).min(self.permits_max);
        let room =
            Arc::clone(&self.room).try_acquire_many_owned(permits as u32).map_err(|_| SubmitError::Busy)?;
        let (done, outcome) = oneshot::channel();
        self.sender.send(Entry { payload, contents, done, room }).map_err(|_| SubmitError::Stopping)?;
        outcome.await.unwrap_or(Err(SubmitError::Stopping))
    }

    /// Bytes on the way, in steps of a permit.
    pub fn waiting_bytes(&self) -> usize {
        (self.permits_max - self.room.available_permits()) * PERMIT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::span;

    fn one() -> Contents {
        Contents { spans: vec![span(1, 1)], logs: Vec::new() }
    }

    #[tokio::test]
    async fn without_room_nothing_is_taken_and_room_returns_after_the_outcome() {
        let (collector, mut receiver) = Collector::new(2 * PERMIT_BYTES);
        let waiting = tokio::spawn({
            let collector = collector.clone();
            async move { collector.submit(one(), Bytes::new(), 2 * PERMIT_BYTES).await }
        });
        let entry = receiver.recv().await.unwrap();
        assert_eq!(collector.submit(one(), Bytes::new(), 1).await, Err(SubmitError::Busy));
        assert_eq!(collector.waiting_bytes(), 2 * PERMIT_BYTES);
        let Entry { done, room, .. } = entry;
        done.send(Ok(())).unwrap();
        drop(room);
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert_eq!(collector.waiting_bytes(), 0);
    }

    #[tokio::test]
    async fn without_a_queue_nothing_is_acknowledged() {
        let (collector, receiver) = Collector::new(10 * PERMIT_BYTES);
        drop(receiver);
        assert_eq!(collector.submit(one(), Bytes::new(), 1).await, Err(SubmitError::Stopping));
    }
}
