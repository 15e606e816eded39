//! The end of the broker's queue that a writer reads: one partition.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::share::Share;
use super::{Broker, CONNECT_TIMEOUT, MESSAGE_BYTES_MAX, TIME_HEADER, is_alive};
use crate::collect::queue::{Appetite, Batch, Record, payload};

/// While nothing arrives the queue's clock follows the wall clock at this distance: what is on its
/// way, from clocks that go differently, should not be of an earlier time.
const CLOCK_MARGIN_NS: i64 = 5_000_000_000;

/// How often a reader looks whether others wait to read too.
const SHARE_INTERVAL: Duration = Duration::from_secs(5);

/// So many looks in a row a reader that should leave waits for a moment at which it holds nothing.
const OVERSTAYS_MAX: u32 = 6;

/// Reads one partition.
///
/// Of all writers that want to, the broker lets one read (a "single active consumer"); the others
/// wait until it is gone. What is read stays in memory until it is acknowledged, so that a writer
/// whose database is away can go back; the broker keeps it too, and gives it to the next reader if
/// this one vanishes.
///
/// Records are numbered as they arrive. The numbers begin with the time, so that those of a restarted
/// server are others, and mean nothing to anybody else.
pub struct RabbitReader {
    broker: Broker,
    partition: u8,
    /// Messages that the broker delivers ahead of their acknowledgement.
    prefetch: u16,
    /// What this server reads of all partitions.
    share: Share,
    session: Option<Session>,
    /// What is not acknowledged, oldest first. The broker bounds it: at most `prefetch` messages.
    window: VecDeque<Message>,
    /// Position of the first message in `window`.
    first: u64,
    /// Position that is handed over next.
    next: u64,
    /// No later record is of an earlier time.
    clock_ns: i64,
}

/// A channel on which messages arrive. Acknowledgements are valid on it alone.
struct Session {
    _connection: Connection,
    channel: Channel,
    consumer: Consumer,
    /// When to look whether others wait.
    share_look: Instant,
    /// Looks in a row at which it should have left.
    overstays: u32,
}

struct Message {
    /// The channel's number for it.
    tag: u64,
    id: Uuid,
    time_ns: i64,
    body: Vec<u8>,
}

impl RabbitReader {
    /// A reader that is not connected. `share` is what all readers of the server have in common. What it has in memory is bounded by `window_bytes_max`.
    pub fn new(broker: Broker, partition: u8, share: Share, window_bytes_max: usize) -> Self {
        let prefetch = (window_bytes_max / MESSAGE_BYTES_MAX).clamp(1, usize::from(u16::MAX)) as u16;
        let first = Utc::now().timestamp_nanos_opt().unwrap_or_default().cast_unsigned();
        Self {
            broker,
            partition,
            prefetch,
            share,
            session: None,
            window: VecDeque::new(),
            first,
            next: first,
            clock_ns: 0,
        }
    }

    /// The queue's name in the broker.
    pub fn queue(&self) -> String {
        self.broker.queue(self.partition)
    }

    /// The slots whose traces are in this partition.
    pub fn slots(&self) -> Vec<i16> {
        self.broker.slots(self.partition)
    }

    /// Goes back to the oldest message that is not acknowledged; connects if there is no connection.
    /// Returns the position at which it goes on.
    pub async fn restart(&mut self) -> anyhow::Result<u64> {
        if self.session.as_ref().is_none_or(|session| !is_alive(&session.channel)) {
            // The broker delivers all of it again, under other numbers.
            self.end_session();
            self.first += self.window.len() as u64;
            self.window.clear();
            let session = tokio::time::timeout(CONNECT_TIMEOUT * 2, self.open()).await;
            self.session = Some(session.context("RabbitMQ does not answer in time")??);
        }
        self.next = self.first;
        Ok(self.first)
    }

    async fn open(&self) -> anyhow::Result<Session> {
        let connection = self.broker.connect(&format!("writer {}", self.partition)).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(self.queue().into(), "".into(), options, FieldTable::default()).await?;
        let share_look = Instant::now() + SHARE_INTERVAL;
        Ok(Session { _connection: connection, channel, consumer, share_look, overstays: 0 })
    }

    fn end_session(&mut self) {
        self.session = None;
        self.share.leave(self.partition);
    }

    /// Leaves the queue to another server if this one has too many, and waits for its turn again.
    async fn share_out(&mut self) -> anyhow::Result<()> {
        let queue = self.queue();
        let Some(session) = &mut self.session else { return Ok(()) };
        if Instant::now() < session.share_look {
            return Ok(());
        }
        session.share_look = Instant::now() + SHARE_INTERVAL;
        if !self.share.is_too_much(self.partition, self.broker.partitions()) {
            session.overstays = 0;
            return Ok(());
        }
        session.overstays += 1;
        if !self.window.is_empty() {
            anyhow::ensure!(
                session.overstays <= OVERSTAYS_MAX,
                "the queue {queue} is left to another server"
            );
            return Ok(());
        }
        tracing::info!("the queue {queue} is left to another server");
        self.end_session();
        self.restart().await?;
        Ok(())
    }

    /// Goes on reading at a position that was read and is not acknowledged.
    pub fn seek(&mut self, position: u64) {
        self.next = position.clamp(self.first, self.end());
    }

    /// The next records; none if nothing came in time.
    ///
    /// # Errors
    /// If the connection is lost: what was read has to be forgotten, it is delivered again.
    pub async fn next(&mut self, appetite: Appetite) -> anyhow::Result<Batch> {
        if let Err(error) = self.share_out().await {
            self.end_session();
            return Err(error);
        }
        let mut batch = Batch::default();
        let mut spans = 0;
        let mut deadline = Instant::now() + appetite.patience;
        while spans < appetite.spans_max {
            let session = self.session.as_mut().context("not connected to RabbitMQ")?;
            if let Some(message) = self.window.get((self.next - self.first) as usize) {
                let position = self.next;
                let is_first = batch.records.is_empty();
                self.next += 1;
                // It was read before it was published, so that an error is a fault of ours.
                match payload::decode(&message.body) {
                    Ok(decoded) => {
                        spans += decoded.len();
                        batch.records.push(Record::new(position, message.time_ns, decoded));
                    }
                    Err(error) => tracing::error!(id = %message.id, "a message cannot be read: {error}"),
                }
                if is_first && !batch.records.is_empty() {
                    deadline = Instant::now() + appetite.linger;
                }
                continue;
            }
            match timeout_at(deadline, session.consumer.next()).await {
                Err(_) => break,
                Ok(Some(Ok(delivery))) => self.receive(delivery),
                Ok(Some(Err(error))) => {
                    self.end_session();
                    return Err(anyhow::Error::new(error).context("reading from RabbitMQ"));
                }
                Ok(None) => {
                    self.end_session();
                    anyhow::bail!("RabbitMQ has ended the reading of {}", self.queue());
                }
            }
        }
        batch.now_ns = self.clock_ns(&batch);
        Ok(batch)
    }

    fn receive(&mut self, delivery: Delivery) {
        let id = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
        let headers = delivery.properties.headers().as_ref();
        let time_ns = match headers.and_then(|headers| headers.inner().get(TIME_HEADER)) {
            Some(AMQPValue::LongLongInt(time_ns)) => *time_ns,
            _ => 0,
        };
        self.share.enter(self.partition);
        self.clock_ns = self.clock_ns.max(time_ns);
        self.window.push_back(Message {
            tag: delivery.delivery_tag,
            // One that others published has none, and is a new one each time.
            id: id.unwrap_or_else(Uuid::now_v7),
            time_ns: self.clock_ns,
            body: delivery.data,
        });
    }

    /// The time of what was handed over last. When nothing comes, or nothing can come because
    /// everything waits for a decision, time goes on all the same.
    fn clock_ns(&mut self, batch: &Batch) -> i64 {
        if let Some(last) = batch.records.last() {
            return last.time_ns;
        }
        if !self.window.is_empty() {
            let now_ns = Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
            self.clock_ns = self.clock_ns.max(now_ns - CLOCK_MARGIN_NS);
        }
        self.clock_ns
    }

    fn end(&self) -> u64 {
        self.first + self.window.len() as u64
    }

    /// The messages at these positions, as far as they are not acknowledged.
    pub fn message_ids(&self, positions: Range<u64>) -> impl Iterator<Item = (u64, Uuid)> {
        let start = positions.start.clamp(self.first, self.end());
        let end = positions.end.clamp(start, self.end());
        (start..end).filter_map(|at| Some((at, self.window.get((at - self.first) as usize)?.id)))
    }

    /// Everything before `position` is in the database: the broker may forget it.
    pub async fn done(&mut self, position: u64) {
        let messages = position.saturating_sub(self.first).min(self.window.len() as u64);
        let Some(last) = self.window.drain(..messages as usize).next_back() else { return };
        self.first += messages;
        let Some(session) = &self.session else { return };
        // What is not acknowledged in the end is delivered again, and found as duplicates.
        let acknowledged = session.channel.basic_ack(last.tag, BasicAckOptions { multiple: true }).await;
        if let Err(error) = acknowledged {
            tracing::warn!("the connection to RabbitMQ is lost: {error}");
            self.end_session();
        }
    }
}
