//! The end of the broker's queue that receivers hand spans to.

use std::time::Duration;

use chrono::Utc;
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, Event, PublisherConfirm};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::split::{Message, Split};
use super::{Broker, MESSAGE_BYTES_MAX, TIME_HEADER, is_alive, routing_key};
use crate::collect::queue::{Entry, SubmitError};

/// Payload of the requests that are published together, about.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Groups that wait for confirms. What comes meanwhile makes the next group larger, and messages
/// that are large cost everybody less.
const GROUPS_MAX: usize = 4;

/// A broker that does not confirm for so long is of no use to a client, who waits ten seconds.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(8);

/// So long after the connection is lost clients wait for the next one; after it they are told at once.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Pauses between attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// AMQP's number for messages that go to disk.
const PERSISTENT: u8 = 2;

/// Publishes what is handed in until every [`crate::collect::Collector`] is gone.
pub async fn publish(broker: Broker, mut entries: mpsc::UnboundedReceiver<Entry>) {
    let (state, link) = watch::channel(State::Down(Instant::now()));
    let link = Link { state: link, lost: std::sync::Arc::new(Notify::new()) };
    let hand_on = async {
        let mut groups = JoinSet::new();
        while let Some(first) = entries.recv().await {
            let mut bytes = first.payload.len();
            let mut group = vec![first];
            while bytes < GROUP_BYTES_MAX {
                let Ok(next) = entries.try_recv() else { break };
                bytes += next.payload.len();
                group.push(next);
            }
            groups.spawn(publish_group(broker.clone(), link.clone(), group));
            while groups.len() >= GROUPS_MAX {
                groups.join_next().await;
            }
        }
        while groups.join_next().await.is_some() {}
    };
    tokio::select! {
        () = hand_on => {}
        never = keep_connected(&broker, &state, &link.lost) => match never {},
    }
}

/// Whether there is a channel to publish on.
#[derive(Clone)]
enum State {
    /// With publisher confirms.
    Up(Channel),
    /// Since when there is none.
    Down(Instant),
}

#[derive(Clone)]
struct Link {
    state: watch::Receiver<State>,
    /// Tells that the channel is of no use any more.
    lost: std::sync::Arc<Notify>,
}

impl Link {
    /// A channel, or none if the broker has been away for too long.
    async fn channel(&mut self) -> Option<Channel> {
        let asked = Instant::now();
        loop {
            let since = match &*self.state.borrow_and_update() {
                State::Up(channel) if is_alive(channel) => return Some(channel.clone()),
                State::Up(_) => asked,
                State::Down(since) => *since,
            };
            let changed = timeout_at(since + RECONNECT_PATIENCE, self.state.changed()).await;
            changed.ok()?.ok()?;
        }
    }
}

async fn keep_connected(
    broker: &Broker,
    state: &watch::Sender<State>,
    lost: &Notify,
) -> std::convert::Infallible {
    let mut pause = PAUSE_MIN;
    loop {
        match open(broker).await {
            Ok((connection, channel)) => {
                pause = PAUSE_MIN;
                tracing::info!("connected to RabbitMQ");
                stay(&connection, channel, state, lost).await;
                state.send_replace(State::Down(Instant::now()));
            }
            Err(error) => {
                tracing::warn!("spans are not accepted, RabbitMQ cannot be reached: {error:#}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

async fn open(broker: &Broker) -> anyhow::Result<(Connection, Channel)> {
    let connection = broker.connect("receiver").await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// Offers the channel as long as it is good.
async fn stay(connection: &Connection, channel: Channel, state: &watch::Sender<State>, lost: &Notify) {
    let mut events = Box::pin(connection.events_listener());
    // Complaints about the channel before this one.
    let _ = lost.notified().now_or_never();
    state.send_replace(State::Up(channel.clone()));
    while is_alive(&channel) {
        let event = tokio::select! {
            () = lost.notified() => return,
            event = events.next() => event,
        };
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!("spans are not accepted, RabbitMQ takes nothing now: {reason}");
                state.send_replace(State::Down(Instant::now()));
            }
            Some(Event::ConnectionUnblocked) => {
                state.send_replace(State::Up(channel.clone()));
            }
            Some(Event::Error(error)) => {
                tracing::warn!("the connection to RabbitMQ is lost: {error}");
                return;
            }
            Some(_) => {}
            None => return,
        }
    }
}

/// Publishes some requests and answers each when the broker has confirmed all messages with parts of
/// it. Spans that were confirmed of a request that fails in part are found as duplicates when the client
/// sends it again; log records have no identity and are stored a second time.
async fn publish_group(broker: Broker, mut link: Link, group: Vec<Entry>) {
    let mut split = Split::new(broker.partitions());
    let mut answers = Vec::with_capacity(group.len());
    let (mut bytes, mut items) = (0, 0);
    for entry in group {
        bytes += entry.payload.len();
        items += entry.contents.len();
        let touched = split.add(entry.contents, |trace_id| broker.partition_of(trace_id));
        answers.push((touched, entry.done, entry.room));
    }
    let failures = match link.channel().await {
        Some(channel) => {
            let messages = split.messages(MESSAGE_BYTES_MAX, bytes / items.max(1));
            drop(split);
            let failures = publish_all(&broker, &channel, messages).await;
            if failures.iter().flatten().any(|failure| *failure == SubmitError::Unavailable) {
                // Confirms that come too late must not pile up either.
                link.lost.notify_one();
            }
            failures
        }
        None => vec![Some(SubmitError::Unavailable); usize::from(broker.partitions())],
    };
    for (touched, done, room) in answers {
        let mut needed =
            failures.iter().enumerate().filter(|(partition, _)| (touched >> partition) & 1 == 1);
        let outcome = needed.find_map(|(_, failure)| failure.clone()).map_or(Ok(()), Err);
        if outcome.is_err() {
            metrics::counter!("spanloom_queue_write_errors_total").increment(1);
        }
        // A client that went away does not want to know; what it sent is kept all the same.
        let _ = done.send(outcome);
        drop(room);
    }
}

/// Publishes messages and waits for their confirms; what failed, by partition.
async fn publish_all(
    broker: &Broker,
    channel: &Channel,
    messages: Vec<Message>,
) -> Vec<Option<SubmitError>> {
    let mut failures = vec![None; usize::from(broker.partitions())];
    let deadline = Instant::now() + CONFIRM_TIMEOUT;
    let mut waiting = Vec::with_capacity(messages.len());
    for Message { partition, body } in messages {
        let sent = timeout_at(deadline, send(broker, channel, partition, &body)).await;
        match sent {
            Ok(Ok(confirm)) => waiting.push((partition, confirm)),
            Ok(Err(_)) | Err(_) => failures[usize::from(partition)] = Some(SubmitError::Unavailable),
        }
    }
    for (partition, confirm) in waiting {
        let failure = match timeout_at(deadline, confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => continue,
            Ok(Ok(Confirmation::Nack(_))) => SubmitError::Full,
            Ok(Ok(Confirmation::Ack(Some(_)))) => {
                // Declared again with the next connection.
                tracing::error!("the queue {} is gone from RabbitMQ", broker.queue(partition));
                SubmitError::Unavailable
            }
            Ok(Ok(Confirmation::NotRequested) | Err(_)) | Err(_) => SubmitError::Unavailable,
        };
        failures[usize::from(partition)] = Some(failure);
    }
    failures
}

async fn send(
    broker: &Broker,
    channel: &Channel,
    partition: u8,
    body: &[u8],
) -> lapin::Result<PublisherConfirm> {
    let mut headers = FieldTable::default();
    headers.insert(TIME_HEADER.into(), Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX).into());
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/x-protobuf".into())
        .with_message_id(Uuid::now_v7().to_string().into())
        .with_headers(headers);
    // A message that finds no queue comes back instead of being dropped.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish(broker.exchange(), routing_key(partition), options, body, properties).await
}
