//! The queue in a real RabbitMQ.

use std::sync::Arc;

use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions};
use reqwest::StatusCode;
use serde_json::{Value, json};
use spanloom::collect::queue::Source;
use spanloom::collect::queue::rabbit::{Broker, RabbitReader, Share};
use spanloom::collect::sample::Sampling;
use spanloom::collect::write::Writer;
use spanloom::config::{Config, QueueKind};
use spanloom::roles::Roles;
use spanloom_model::api::{SamplingPolicy, SamplingRule, SamplingSettings};
use spanloom_sampling::Policies;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::broker::{self, RabbitMq};
use super::harness::{self, Spanloom, now_us, until};

const RECEIVE: Roles = Roles { receive: true, write: false, query: false, jobs: false };
const WRITE: Roles = Roles { receive: false, write: true, query: false, jobs: false };

/// Spans of as many traces, so that all partitions get some.
fn spans(ids: std::ops::RangeInclusive<u64>) -> Value {
    ids.map(|id| {
        json!({
            "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "op",
            "serviceName": "shop", "startTime": now_us(), "duration": 5
        })
    })
    .collect()
}

async fn send(server: &Spanloom, spans: &Value) -> StatusCode {
    server.client.post(server.url("/api/v1/spans")).json(spans).send().await.unwrap().status()
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn stored(pool: &PgPool) -> i64 {
    count(pool, "SELECT count(*) FROM spans").await
}

async fn counted(pool: &PgPool) -> i64 {
    count(pool, "SELECT coalesce(sum(span_count), 0)::bigint FROM metrics_minute").await
}

/// Catches a partition that nobody reads, and messages that are never acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn spans_go_through_the_broker() {
    let database = harness::database().await;
    let mut config = Config::default();
    broker::shared(&mut config).await;
    let queue = config.queue.clone();
    let server = Spanloom::start_on(&database, |config| config.queue = queue.clone()).await;
    let body = spans(1..=500);
    // Twice, as a client does that missed the answer.
    assert_eq!(send(&server, &body).await, StatusCode::OK);
    assert_eq!(send(&server, &body).await, StatusCode::OK);
    until("everything is stored", async || stored(server.pool()).await == 500).await;
    assert_eq!(counted(server.pool()).await, 500);

    let connection =
        Connection::connect(&queue.rabbitmq.url, ConnectionProperties::default()).await.unwrap();
    until("the broker's queues are empty", async || {
        // Only what is not acknowledged comes back when the reader is gone.
        let channel = connection.create_channel().await.unwrap();
        let mut messages = 0;
        for partition in 0..4 {
            let name = format!("{}.4.{partition}", queue.rabbitmq.prefix);
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
            let found = channel.queue_declare(name.into(), passive, FieldTable::default()).await.unwrap();
            messages += found.message_count();
        }
        messages == 0
    })
    .await;
    server.server.stop().await.unwrap();
    let server = Spanloom::start_on(&database, |config| config.queue = queue).await;
    assert_eq!(send(&server, &spans(501..=600)).await, StatusCode::OK);
    until("what is sent later is stored", async || stored(server.pool()).await == 600).await;
    assert_eq!(counted(server.pool()).await, 600);
}

/// Catches a broker that fills without a bound, a refusal that clients take as final, and spans that
/// are lost or doubled when a request is refused in part.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_pushes_back_until_there_is_room() {
    let database = harness::database().await;
    let mut config = Config::default();
    broker::shared(&mut config).await;
    config.queue.rabbitmq.bytes_max = 20_000;
    let queue = config.queue.clone();
    let receiver = Spanloom::start_on(&database, |config| {
        config.roles = RECEIVE;
        config.queue = queue.clone();
    })
    .await;
    let mut sent = 0;
    let mut body = spans(1..=100);
    let refused = loop {
        let answer = receiver.client.post(receiver.url("/api/v1/spans")).json(&body).send().await.unwrap();
        if !answer.status().is_success() {
            break answer;
        }
        sent += 100;
        body = spans(sent + 1..=sent + 100);
        assert!(sent < 10_000, "four queues of 20,000 bytes hold no more");
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("full"), "{problem}");

    let _writer = Spanloom::start_on(&database, |config| {
        config.roles = WRITE;
        config.queue = queue;
    })
    .await;
    until("there is room again", async || send(&receiver, &body).await == StatusCode::OK).await;
    let sent = sent as i64 + 100;
    until("everything acknowledged is stored", async || stored(receiver.pool()).await == sent).await;
    assert_eq!(counted(receiver.pool()).await, sent);
}

/// Catches clients that hang while the broker is away, a server that does not come back to it, and
/// a broker that confirms what it has not on disk.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_clients_are_told_and_nothing_acknowledged_is_lost() {
    let mut rabbit = RabbitMq::start().await;
    let database = harness::database().await;
    let url = rabbit.url();
    let queue = |config: &mut Config| {
        config.queue.kind = QueueKind::Rabbitmq;
        config.queue.rabbitmq.url = url.clone();
    };
    let receiver = Spanloom::start_on(&database, |config| {
        config.roles = RECEIVE;
        queue(config);
    })
    .await;
    assert_eq!(send(&receiver, &spans(1..=100)).await, StatusCode::OK);
    rabbit.has_queues_on_disk("spanloom.4").await;
    rabbit.kill();
    let body = spans(101..=200);
    assert_eq!(send(&receiver, &body).await, StatusCode::SERVICE_UNAVAILABLE);
    rabbit.run().await;
    until("spans are accepted again", async || send(&receiver, &body).await == StatusCode::OK).await;

    let writer = Spanloom::start_on(&database, |config| {
        config.roles = WRITE;
        queue(config);
    })
    .await;
    until("everything is stored", async || stored(writer.pool()).await == 200).await;
    rabbit.kill();
    rabbit.run().await;
    let body = spans(201..=300);
    until("spans are accepted again", async || send(&receiver, &body).await == StatusCode::OK).await;
    until("the writer comes back too", async || stored(writer.pool()).await == 300).await;
    assert_eq!(counted(writer.pool()).await, 300);
}

/// A writer of one partition that is all there is, with a decision wait.
struct Site {
    receiver: Spanloom,
    config: Config,
}

impl Site {
    async fn start() -> Self {
        let mut config = Config::default();
        broker::shared(&mut config).await;
        config.queue.rabbitmq.partitions = 1;
        config.ingest.linger_ms = 5;
        let queue = config.queue.clone();
        let receiver = Spanloom::start_with(|config| {
            config.roles = RECEIVE;
            config.queue = queue;
        })
        .await;
        config.storage = receiver.config.storage.clone();
        Self { receiver, config }
    }

    /// Starts a writer that decides after this time, and how to change its policies.
    fn writer(&self, decision_wait_ms: u32) -> (JoinHandle<()>, watch::Sender<Arc<Sampling>>) {
        let (sender, sampling) = watch::channel(sampling(decision_wait_ms));
        let broker = Broker::new(&self.config.queue.rabbitmq).unwrap();
        let window_bytes_max = self.config.queue.rabbitmq.window_bytes_max;
        let reader = RabbitReader::new(broker, 0, Share::default(), window_bytes_max);
        let store = self.receiver.server.store.clone();
        let (writer, _) = Writer::new(store, Source::Rabbit(Box::new(reader)), sampling, &self.config);
        (tokio::spawn(writer.run(CancellationToken::new())), sender)
    }

    fn pool(&self) -> &PgPool {
        self.receiver.pool()
    }

    async fn messages(&self) -> i64 {
        count(self.pool(), "SELECT count(*) FROM queue_messages").await
    }
}

/// Keeps everything, after a while.
fn sampling(decision_wait_ms: u32) -> Arc<Sampling> {
    let policy = SamplingPolicy { name: "all".into(), enabled: true, rule: SamplingRule::AlwaysSample };
    let settings =
        SamplingSettings { decision_wait_ms, policies: vec![policy], ..SamplingSettings::default() };
    let policies = Policies::new(&settings).unwrap();
    Arc::new(Sampling { version: 1, settings, policies })
}

const LONG_MS: u32 = 600_000;
const SHORT_MS: u32 = 100;

/// Catches spans that are counted again, or lost, when a writer dies while they wait for the decision
/// of sampling.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_its_decision_is_counted_once_when_another_writer_takes_over() {
    let site = Site::start().await;
    let (first, _policies) = site.writer(LONG_MS);
    assert_eq!(send(&site.receiver, &spans(1..=100)).await, StatusCode::OK);
    until("the first writer has counted", async || counted(site.pool()).await == 100).await;
    assert_eq!((stored(site.pool()).await, site.messages().await), (0, 1));
    // It waits for its turn.
    let (_second, _policies) = site.writer(SHORT_MS);
    first.abort();
    assert_eq!(send(&site.receiver, &spans(101..=150)).await, StatusCode::OK);
    until("the second writer has decided", async || stored(site.pool()).await == 150).await;
    assert_eq!(counted(site.pool()).await, 150);
    until("messages that are written are forgotten", async || site.messages().await == 0).await;
}

/// Catches log records that are stored a second time when the broker delivers their message again to
/// another writer, and what is remembered against that without an end.
#[tokio::test(flavor = "multi_thread")]
async fn log_records_that_are_delivered_again_are_stored_once() {
    let site = Site::start().await;
    let logs_stored = async || count(site.pool(), "SELECT count(*) FROM logs").await;
    sqlx::query("INSERT INTO queue_log_messages VALUES (gen_random_uuid(), now() - interval '15 days')")
        .execute(site.pool())
        .await
        .unwrap();
    let (first, _policies) = site.writer(LONG_MS);
    // As long as spans wait for their decision, what comes after them is not acknowledged either.
    assert_eq!(send(&site.receiver, &spans(1..=10)).await, StatusCode::OK);
    until("the first writer has counted", async || counted(site.pool()).await == 10).await;
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"body": {"stringValue": "a"}}, {"body": {"stringValue": "b"}, "traceId": "1".repeat(32)}
    ]}]}]});
    let url = site.receiver.url("/v1/logs");
    let answer = site.receiver.client.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    until("the log records are stored", async || logs_stored().await == 2).await;
    assert_eq!(count(site.pool(), "SELECT count(*) FROM queue_log_messages").await, 1, "the old one went");
    // As if the message had been written whole, and the writer had died before it could tell the broker.
    sqlx::query("DELETE FROM queue_messages").execute(site.pool()).await.unwrap();
    let (_second, _policies) = site.writer(SHORT_MS);
    first.abort();
    until("the second writer has decided", async || stored(site.pool()).await == 10).await;
    until("everything is written", async || site.messages().await == 0).await;
    assert_eq!(logs_stored().await, 2);
}

/// Catches two writers that both write what they hold of the same message, because the broker gave
/// it to the second while the first was cut off.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_replaced_forgets_what_it_holds() {
    let site = Site::start().await;
    let (_writer, policies_of_writer) = site.writer(LONG_MS);
    assert_eq!(send(&site.receiver, &spans(1..=100)).await, StatusCode::OK);
    until("the writer has counted", async || counted(site.pool()).await == 100).await;
    let reader = "SELECT reader::text FROM queue_readers";
    let before: String = sqlx::query_scalar(reader).fetch_one(site.pool()).await.unwrap();
    // What another reader does, up to here.
    sqlx::query("UPDATE queue_readers SET reader = '00000000-0000-0000-0000-000000000001'")
        .execute(site.pool())
        .await
        .unwrap();
    assert_eq!(send(&site.receiver, &spans(101..=150)).await, StatusCode::OK);
    until("the writer has recovered", async || counted(site.pool()).await == 150).await;
    let after: String = sqlx::query_scalar(reader).fetch_one(site.pool()).await.unwrap();
    assert_ne!(after, before, "as somebody else");
    assert_eq!(stored(site.pool()).await, 0, "nothing is decided");
    policies_of_writer.send(sampling(SHORT_MS)).unwrap();
    until("everything is decided", async || stored(site.pool()).await == 150).await;
    assert_eq!(counted(site.pool()).await, 150);
}

/// Catches time that stands still when everything that a reader may have waits for a decision, so
/// that nothing is ever decided.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_full_of_waiting_spans_is_decided_all_the_same() {
    let mut site = Site::start().await;
    site.config.queue.rabbitmq.window_bytes_max = 1 << 20;
    let (_writer, _policies) = site.writer(SHORT_MS);
    for request in 0..20 {
        assert_eq!(
            send(&site.receiver, &spans(request * 10 + 1..=request * 10 + 10)).await,
            StatusCode::OK
        );
    }
    until("everything is decided", async || stored(site.pool()).await == 200).await;
    assert_eq!((counted(site.pool()).await, site.messages().await), (200, 0));
}
