//! The queue between receivers and writer: bounded by bytes, and who waits in it waits for the
//! commit of its spans.

use std::sync::Arc;

use spanloom_model::Span;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// One permit stands for this many bytes.
const PERMIT_BYTES: usize = 1024;

/// What a request needs at least, so that a flood of tiny requests is bounded too.
const REQUEST_BYTES_MIN: usize = 512;

/// Why spans were not stored. All of it can be retried, except [`Self::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too much is waiting already.
    #[error("too many spans are waiting to be written")]
    Full,
    /// The database does not answer.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
    /// The database refuses these spans: a fault of ours, told in the log.
    #[error("the spans could not be stored")]
    Refused,
}

/// One request's spans on their way to the writer.
pub struct Submission {
    /// The spans.
    pub spans: Vec<Span>,
    /// Who waits for the outcome.
    pub done: oneshot::Sender<Result<(), SubmitError>>,
    /// Room in the queue, given back when this is dropped.
    pub room: OwnedSemaphorePermit,
}

/// Where receivers hand in spans. Cheap to clone.
#[derive(Clone)]
pub struct Collector {
    sender: mpsc::UnboundedSender<Submission>,
    room: Arc<Semaphore>,
    permits_max: usize,
}

impl Collector {
    /// A queue of `bytes_max` and the writer's end of it.
    pub fn new(bytes_max: usize) -> (Self, mpsc::UnboundedReceiver<Submission>) {
        let permits_max = (bytes_max / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        // The channel itself needs no bound: the permits are one.
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, room: Arc::new(Semaphore::new(permits_max)), permits_max }, receiver)
    }

    /// Stores spans: returns when their transaction has committed. `size_bytes` is what the
    /// request occupies, as an estimate.
    pub async fn submit(&self, spans: Vec<Span>, size_bytes: usize) -> Result<(), SubmitError> {
        if spans.is_empty() {
            return Ok(());
        }
        // A request larger than the whole queue may pass alone.
        let permits = size_bytes.max(REQUEST_BYTES_MIN).div_ceil(PERMIT_BYTES).min(self.permits_max);
        let room =
            Arc::clone(&self.room).try_acquire_many_owned(permits as u32).map_err(|_| SubmitError::Full)?;
        let (done, outcome) = oneshot::channel();
        self.sender.send(Submission { spans, done, room }).map_err(|_| SubmitError::Stopping)?;
        outcome.await.unwrap_or(Err(SubmitError::Stopping))
    }

    /// Bytes that wait, in steps of a permit.
    pub fn queued_bytes(&self) -> usize {
        (self.permits_max - self.room.available_permits()) * PERMIT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> Span {
        Span {
            trace_id: spanloom_model::TraceId::new(1).unwrap(),
            span_id: spanloom_model::SpanId::new(1).unwrap(),
            parent_span_id: None,
            trace_state: String::new(),
            flags: 0,
            name: String::new(),
            kind: spanloom_model::SpanKind::Server,
            start_ns: 0,
            duration_ns: 0,
            attributes: spanloom_model::Attributes::default(),
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: spanloom_model::SpanStatus::Unset,
            status_message: String::new(),
            resource: Arc::default(),
            scope: Arc::default(),
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_room_returns_after_the_outcome() {
        let (collector, mut receiver) = Collector::new(2 * PERMIT_BYTES);
        let waiting = tokio::spawn({
            let collector = collector.clone();
            async move { collector.submit(vec![span()], 2 * PERMIT_BYTES).await }
        });
        let submission = receiver.recv().await.unwrap();
        assert_eq!(collector.submit(vec![span()], 1).await, Err(SubmitError::Full));
        assert_eq!(collector.queued_bytes(), 2 * PERMIT_BYTES);
        let Submission { done, room, .. } = submission;
        done.send(Ok(())).unwrap();
        drop(room);
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert_eq!(collector.queued_bytes(), 0);
    }

    #[tokio::test]
    async fn without_a_writer_nothing_is_acknowledged() {
        let (collector, receiver) = Collector::new(10 * PERMIT_BYTES);
        drop(receiver);
        assert_eq!(collector.submit(vec![span()], 1).await, Err(SubmitError::Stopping));
    }
}
