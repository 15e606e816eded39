//! The queue in a RabbitMQ broker: many receivers publish, one writer per partition reads.
//!
//! There is a quorum queue per partition, and a trace belongs to one partition, so that one writer
//! sees all of it. Which partition is decided here, by [`slot_of`], and not by the broker's
//! consistent-hash exchange: a writer has to know which slots of the table `write_slots` are its own,
//! and that exchange does not tell. The number of partitions is part of all names, because queues
//! with another number share out the slots differently.
//!
//! - [`publish`]: with confirms; a client is answered when the broker has everything on disk.
//! - [`RabbitReader`]: acknowledges what is in the database.

mod publish;
mod read;
mod share;
mod split;

use std::time::Duration;

use anyhow::Context;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{FieldTable, LongString, ShortString};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use spanloom_model::TraceId;

use crate::collect::slot::{slot_of, slots_of_partition};
use crate::config::RabbitConfig;

pub use publish::publish;
pub use read::RabbitReader;
pub use share::Share;

/// What a message holds at most, in bytes, unless a single span is larger. With the number of
/// messages that a reader may have it bounds the reader's memory.
const MESSAGE_BYTES_MAX: usize = 128 << 10;

/// A broker that takes longer is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often both sides tell that they are there. After two of them in silence the broker gives a
/// reader's messages to another one.
const HEARTBEAT_SECONDS: u16 = 10;

/// The header with the time at which a message was published, nanoseconds since the epoch.
const TIME_HEADER: &str = "time_ns";

/// Redeliveries after which a quorum queue drops a message: newer brokers do it after twenty, and a
/// writer that is killed twenty times loses nothing.
const DELIVERIES_MAX: i32 = i32::MAX;

/// Which broker, and what is ours in it. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    uri: AMQPUri,
    prefix: String,
    partitions: u8,
    bytes_max: u64,
}

impl Broker {
    /// The broker of the configuration.
    ///
    /// # Errors
    /// If the address cannot be read. The message does not repeat it: it may hold a password.
    pub fn new(config: &RabbitConfig) -> anyhow::Result<Self> {
        let mut uri: AMQPUri = config
            .url
            .parse()
            .map_err(|_| anyhow::anyhow!("queue.rabbitmq.url: not an amqp:// address"))?;
        anyhow::ensure!(
            uri.scheme == AMQPScheme::AMQP,
            "queue.rabbitmq.url: amqps:// is not supported, use amqp:// on a private network or through a tunnel"
        );
        uri.query.heartbeat = Some(uri.query.heartbeat.unwrap_or(HEARTBEAT_SECONDS));
        Ok(Self {
            uri,
            prefix: config.prefix.clone(),
            partitions: config.partitions,
            bytes_max: config.bytes_max,
        })
    }

    /// How many queues there are.
    pub fn partitions(&self) -> u8 {
        self.partitions
    }

    /// The slots of a partition.
    fn slots(&self, partition: u8) -> Vec<i16> {
        slots_of_partition(partition, self.partitions)
    }

    fn partition_of(&self, trace_id: TraceId) -> u8 {
        slot_of(trace_id) % self.partitions
    }

    /// The exchange, and what the names of the queues begin with.
    pub fn name(&self) -> String {
        format!("{}.{}", self.prefix, self.partitions)
    }

    fn exchange(&self) -> ShortString {
        self.name().into()
    }

    fn queue(&self, partition: u8) -> String {
        format!("{}.{partition}", self.name())
    }

    /// Connects and makes sure that the exchange and all queues are there.
    async fn connect(&self, who: &str) -> anyhow::Result<Connection> {
        let properties =
            ConnectionProperties::default().with_connection_name(format!("spanloom {who}").into());
        let connect = async {
            let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
            self.declare(&connection).await?;
            anyhow::Ok(connection)
        };
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connect).await;
        connection.context("RabbitMQ does not answer in time")?.context("connecting to RabbitMQ")
    }

    async fn declare(&self, connection: &Connection) -> anyhow::Result<()> {
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(self.exchange(), ExchangeKind::Direct, durable, FieldTable::default())
            .await?;
        for partition in 0..self.partitions {
            self.declare_queue(connection, partition)
                .await
                .with_context(|| format!("declaring the queue {}", self.queue(partition)))?;
            channel
                .queue_bind(
                    self.queue(partition).into(),
                    self.exchange(),
                    routing_key(partition),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await?;
        }
        Ok(())
    }

    async fn declare_queue(&self, connection: &Connection, partition: u8) -> anyhow::Result<()> {
        let mut arguments = FieldTable::default();
        let bytes_max = i64::try_from(self.bytes_max).unwrap_or(i64::MAX);
        arguments
            .insert("x-queue-type".into(), LongString::from("quorum").into())
            .insert("x-max-length-bytes".into(), bytes_max.into())
            .insert("x-overflow".into(), LongString::from("reject-publish").into())
            .insert("x-single-active-consumer".into(), true.into())
            .insert("x-delivery-limit".into(), DELIVERIES_MAX.into());
        let queue = self.queue(partition);
        // An error ends the channel, so that each attempt has its own.
        let channel = connection.create_channel().await?;
        let declared =
            channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments).await;
        match declared {
            Ok(_) => Ok(()),
            Err(error) if is_precondition_failed(&error) => {
                tracing::warn!(
                    "the queue {queue} exists with other settings, which stay as they are: {error}"
                );
                let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
                let channel = connection.create_channel().await?;
                channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn routing_key(partition: u8) -> ShortString {
    partition.to_string().into()
}

fn is_precondition_failed(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED))
}

/// A channel that is still good.
fn is_alive(channel: &Channel) -> bool {
    channel.status().connected()
}
