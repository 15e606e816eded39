//! Receiving, keeping and dropping log records, through real sockets.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use spanloom::config::Config;
use spanloom::store::embedded::EmbeddedPostgres;
use spanloom::store::retention::{self, Limits, Signal, SignalLimits};
use spanloom_model::api::KeyScope;
use sqlx::postgres::PgPoolOptions;
use tonic::Code;
use tonic::codec::CompressionEncoding;

use super::crash::Program;
use super::harness::{self, Spanloom, ago_ns, until};
use super::ingest::attribute;

pub fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text.to_owned())) }
}

/// A record of a second ago.
pub fn record(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: ago_ns(1),
        severity_number: 9,
        body: Some(text(body)),
        ..LogRecord::default()
    }
}

pub fn request(service: &str, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let resource =
        Some(Resource { attributes: vec![attribute("service.name", service)], ..Resource::default() });
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }],
    }
}

async fn grpc(server: &Spanloom) -> LogsServiceClient<tonic::transport::Channel> {
    let endpoint = format!("http://{}", server.server.otlp_grpc.unwrap());
    LogsServiceClient::connect(endpoint).await.unwrap()
}

/// Sends by OTLP/HTTP and waits until the records are stored.
pub async fn ingest(server: &Spanloom, request: &ExportLogsServiceRequest) {
    let response = post(server, "application/x-protobuf", request.encode_to_vec()).await;
    assert_eq!(response.status(), StatusCode::OK);
    server.server.settled().await;
}

async fn post(server: &Spanloom, content_type: &str, body: Vec<u8>) -> reqwest::Response {
    let url = format!("http://{}/v1/logs", server.server.otlp_http.unwrap());
    server.client.post(url).header("Content-Type", content_type).body(body).send().await.unwrap()
}

async fn stored(server: &Spanloom) -> i64 {
    server.server.settled().await;
    sqlx::query_scalar("SELECT count(*) FROM logs").fetch_one(server.pool()).await.unwrap()
}

/// Catches a transport or an encoding that does not lead to the same stored record.
#[tokio::test(flavor = "multi_thread")]
async fn every_otlp_transport_and_encoding_stores_the_record() {
    let server = Spanloom::start().await;
    let sent = LogRecord {
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        attributes: vec![attribute("order.id", "4711")],
        event_name: "order.failed".to_owned(),
        ..record("card was declined")
    };
    let sent = request("shop", vec![sent]);
    grpc(&server).await.export(sent.clone()).await.unwrap();
    grpc(&server).await.send_compressed(CompressionEncoding::Gzip).export(sent.clone()).await.unwrap();
    let protobuf = "application/x-protobuf";
    let response = post(&server, protobuf, sent.encode_to_vec()).await;
    assert_eq!(response.headers()["content-type"], protobuf);
    let answer = ExportLogsServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.partial_success, None);
    let response = post(&server, "application/json", serde_json::to_vec(&sent).unwrap()).await;
    assert_eq!(response.json::<Value>().await.unwrap(), json!({}));
    // The main port takes them too, compressed as well.
    let compressed = zstd::encode_all(&sent.encode_to_vec()[..], 1).unwrap();
    let response = server.client.post(server.url("/v1/logs")).header("Content-Type", protobuf);
    let response = response.header("Content-Encoding", "zstd").body(compressed).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(stored(&server).await, 5);
    let distinct: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT DISTINCT time, time_sub_ns, trace_id, span_id, service_id, severity,
             severity_text, event_name, body, attributes FROM logs) s",
    )
    .fetch_one(server.pool())
    .await
    .unwrap();
    assert_eq!(distinct, 1);
    let logs = server.reader().await.get("/api/v1/logs").await;
    let log = &logs["logs"][0];
    let expected = json!({
        "level": "error", "severityNumber": 17, "severityText": "ERROR", "body": "card was declined",
        "traceId": "01".repeat(16), "spanId": "02".repeat(8), "eventName": "order.failed",
        "attributes": {"order.id": "4711"}, "resource": 0, "scope": 0
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&log[field], value, "{field}");
    }
    assert_eq!(logs["resources"][0]["service"], "shop");
}

/// Catches a bad record that costs its batch, or that is dropped without a word; and errors that are
/// not the protocol's.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_told_in_the_protocols_manner() {
    let server = Spanloom::start().await;
    let old = LogRecord { time_unix_nano: 1, ..record("old") };
    let odd_ids = LogRecord { trace_id: vec![1; 3], ..record("kept without a trace") };
    let answer = grpc(&server).await.export(request("shop", vec![old.clone(), odd_ids])).await.unwrap();
    let partial = answer.into_inner().partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 1);
    assert!(partial.error_message.contains("older than the retention"), "{}", partial.error_message);
    let body = serde_json::to_vec(&request("shop", vec![old, record("fine")])).unwrap();
    let answer: Value = post(&server, "application/json", body).await.json().await.unwrap();
    assert_eq!(answer["partialSuccess"]["rejectedLogRecords"], "1");
    assert_eq!(stored(&server).await, 2);

    grpc(&server).await.export(ExportLogsServiceRequest::default()).await.unwrap();
    let status = post(&server, "application/json", b"[]".to_vec()).await;
    assert_eq!(status.status(), StatusCode::BAD_REQUEST);
    assert_eq!(status.json::<Value>().await.unwrap()["code"], 3);
    let status = post(&server, "text/plain", b"{}".to_vec()).await;
    assert_eq!(status.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// Catches logs that come in without a key where spans do not.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_and_limits_of_spans_hold() {
    let server = Spanloom::start_with(|config| {
        config.ingest.loopback_without_key = false;
        config.ingest.limits.burst_seconds = 1;
        config.ingest.limits.per_key.spans_per_second = 2;
    })
    .await;
    let refused = grpc(&server).await.export(request("shop", vec![record("a")])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let body = || request("shop", vec![record("a"); 50]).encode_to_vec();
    assert_eq!(post(&server, "application/x-protobuf", body()).await.status(), StatusCode::UNAUTHORIZED);
    let keys = [server.key(&[KeyScope::Read]).await, server.key(&[KeyScope::Ingest]).await];
    let send = async |key: &str| {
        let url = format!("http://{}/v1/logs", server.server.otlp_http.unwrap());
        let request = server.client.post(url).header("Content-Type", "application/x-protobuf");
        request.bearer_auth(key).body(body()).send().await.unwrap()
    };
    assert_eq!(send(&keys[0]).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(send(&keys[1]).await.status(), StatusCode::OK);
    let limited = send(&keys[1]).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(stored(&server).await, 50);
}

/// Catches a secret in a log record that reaches the queue's files or the database.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_log_records_never_touch_a_disk() {
    const CANARY: &str = "CaNaRy0x7f3kQ9";
    let server = Spanloom::start().await;
    let log = LogRecord {
        attributes: vec![attribute("db.password", CANARY)],
        ..record(&format!("login with password={CANARY} refused"))
    };
    harness::allow_connections(&server, false).await;
    let body = request("shop", vec![log]).encode_to_vec();
    assert_eq!(post(&server, "application/x-protobuf", body).await.status(), StatusCode::OK);
    let mut queued = Vec::new();
    for file in std::fs::read_dir(server.config.queue_dir()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            queued.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|part| part == what.as_bytes());
    assert!(holds(&queued, "login with password="), "the record is in the queue");
    assert!(!holds(&queued, CANARY));
    harness::allow_connections(&server, true).await;
    assert_eq!(stored(&server).await, 1);
    let row: String =
        sqlx::query_scalar("SELECT body || attributes FROM logs").fetch_one(server.pool()).await.unwrap();
    assert!(!row.contains(CANARY) && row.contains("password"), "{row}");
}

/// Catches records that are lost while the database is away, or stored again by the next start.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_while_the_database_is_away_is_stored_once() {
    let database = harness::database().await;
    let dir = tempfile::TempDir::new().unwrap();
    let start = async || {
        Spanloom::start_on(&database, |config| config.storage.data_dir = dir.path().to_owned()).await
    };
    let server = start().await;
    grpc(&server).await.export(request("shop", vec![record("before")])).await.unwrap();
    assert_eq!(stored(&server).await, 1);
    harness::allow_connections(&server, false).await;
    for number in 0..20 {
        let logs = vec![record(&format!("during {number}")), record(&format!("during {number}, too"))];
        grpc(&server).await.export(request("shop", logs)).await.unwrap();
    }
    harness::allow_connections(&server, true).await;
    assert_eq!(stored(&server).await, 41);
    server.server.stop().await.unwrap();
    let server = start().await;
    grpc(&server).await.export(request("shop", vec![record("after")])).await.unwrap();
    assert_eq!(stored(&server).await, 42);
}

/// How often the server is killed.
const KILLS: usize = 8;

/// Catches an acknowledged record that is lost, or one that is stored twice, when the server is killed
/// at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_and_doubles_no_acknowledged_record() {
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut program = Program::start(&data, port);
    program.ready(&client, &data).await;
    let acknowledged = std::sync::Arc::new(Mutex::new(Vec::new()));
    let stop = tokio_util::sync::CancellationToken::new();
    let sender = {
        let (acknowledged, stop, client) = (acknowledged.clone(), stop.clone(), client.clone());
        let url = format!("{}/v1/logs", program.url);
        tokio::spawn(async move {
            // Each body is sent once: what is not acknowledged may be there or not.
            for number in 0.. {
                if stop.is_cancelled() {
                    return;
                }
                let body = request("shop", vec![record(&number.to_string())]).encode_to_vec();
                let sent = client
                    .post(&url)
                    .header("Content-Type", "application/x-protobuf")
                    .body(body)
                    .send()
                    .await;
                match sent {
                    Ok(answer) if answer.status().is_success() => acknowledged.lock().unwrap().push(number),
                    // It is being started again.
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
    };
    for kill in 1..=KILLS {
        let so_far = acknowledged.lock().unwrap().len();
        let enough = async || acknowledged.lock().unwrap().len() > so_far + 7 * kill;
        until("more is acknowledged", enough).await;
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        program = Program::start(&data, port);
    }
    program.ready(&client, &data).await;
    stop.cancel();
    sender.await.unwrap();
    let acknowledged: Vec<u64> = acknowledged.lock().unwrap().clone();
    let options = EmbeddedPostgres::running_options(&data).unwrap().unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let last = acknowledged.last().unwrap().to_string();
    until("everything queued is written", async || {
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM logs WHERE body = $1")
            .bind(&last)
            .fetch_one(&pool)
            .await
            .unwrap();
        found > 0
    })
    .await;
    let stored: Vec<(String, i64)> =
        sqlx::query_as("SELECT body, count(*) FROM logs GROUP BY 1").fetch_all(&pool).await.unwrap();
    let stored: HashMap<String, i64> = stored.into_iter().collect();
    assert!(stored.values().all(|count| *count == 1), "doubled");
    for number in acknowledged {
        assert!(stored.contains_key(&number.to_string()), "{number} is lost");
    }
}

/// Catches logs that go with the traces, or stay with them.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_kept_as_long_as_their_own_signal_says() {
    let server = Spanloom::start().await;
    let day_ns = 86_400_000_000_000;
    for days in [0, 3] {
        let log = LogRecord { time_unix_nano: ago_ns(1) - days * day_ns, ..record("kept") };
        ingest(&server, &request("shop", vec![log])).await;
    }
    let span = json!([{
        "traceId": "1".repeat(32), "spanId": "1".repeat(16), "name": "op", "serviceName": "shop",
        "startTime": harness::now_us() - 3 * 86_400_000_000, "duration": 5
    }]);
    server.ingest(&span).await;
    let limits = |days| Limits {
        retention: Config::default()
            .storage
            .retention
            .with(Signal::Logs, SignalLimits { days, bytes_max: None }),
        bytes_max: None,
    };
    let mut tx = server.pool().begin().await.unwrap();
    assert!(retention::enforce(&mut tx, Utc::now(), &limits(7)).await.unwrap().is_empty());
    let dropped = retention::enforce(&mut tx, Utc::now(), &limits(1)).await.unwrap();
    tx.commit().await.unwrap();
    let cut = Utc::now() - TimeDelta::days(1);
    assert!(!dropped.is_empty());
    assert!(dropped.iter().all(|(it, _)| it.table == "logs" && it.to_time <= cut), "{dropped:?}");
    assert_eq!((stored(&server).await, server.stored_spans().await), (1, 1));
    let storage = server.reader().await.get("/api/v1/storage").await;
    let signals = storage["signals"].as_array().unwrap();
    let logs = signals.iter().find(|signal| signal["name"] == "logs").unwrap();
    assert!(logs["bytes"].as_u64().unwrap() > 0 && logs["daysMax"] == 7, "{logs}");
}

/// Catches a log record that is too old by the rules of logs and comes in by those of traces.
#[tokio::test(flavor = "multi_thread")]
async fn records_older_than_logs_are_kept_are_rejected() {
    let server = Spanloom::start_with(|config| {
        config.storage.retention =
            config.storage.retention.clone().with(Signal::Logs, SignalLimits { days: 2, bytes_max: None });
    })
    .await;
    let log = LogRecord { time_unix_nano: ago_ns(3 * 86_400), ..record("old") };
    let answer = grpc(&server).await.export(request("shop", vec![log, record("new")])).await.unwrap();
    assert_eq!(answer.into_inner().partial_success.unwrap().rejected_log_records, 1);
}
