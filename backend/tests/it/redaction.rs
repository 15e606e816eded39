//! Secrets never touch a disk: sent in every format, they are neither in the database nor in the queue.

use std::path::Path;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::json;
use spanloom_redact::{Action, KeyRule};
use sqlx::AssertSqlSafe;

use super::harness::{Spanloom, now_us};
use super::ingest;

/// Stands for every secret.
const CANARY: &str = "CaNaRy0x7f3kQ9";

/// Keys with values that hold the canary, in the places and forms that rules are about.
fn planted() -> Vec<(&'static str, String)> {
    let c = CANARY;
    vec![
        ("http.request.header.authorization", format!("Bearer {c}")),
        ("http.response.header.set-cookie", format!("id={c}; Path=/")),
        ("rpc.grpc.request.metadata.x-api-key", c.to_owned()),
        ("db.password", c.to_owned()),
        ("session_id", c.to_owned()),
        ("url.full", format!("https://ann:{c}@shop.example/x?access_token={c}&page=2")),
        ("http.target", format!("/cb?code={c}&state=x")),
        ("db.connection_string", format!("Server=db;Password={c};Encrypt=yes")),
        ("db.query.text", format!("SELECT * FROM users WHERE name = '{c}' AND id IN (1, 2)")),
        ("process.command_line", format!("app --password {c} --verbose")),
        ("exception.message", format!("no route for {{\"token\": \"{c}\"}}")),
        ("note", format!("seen eyJhbGciOiJIUzI1NiJ9.{c}.{c} at the door")),
    ]
}

fn attributes() -> Vec<KeyValue> {
    let mut attributes: Vec<KeyValue> =
        planted().iter().map(|(key, value)| ingest::attribute(key, value)).collect();
    let array =
        ArrayValue { values: attributes.iter().filter_map(|entry| entry.value.clone()).take(1).collect() };
    let nested = KeyValueList { values: attributes.clone() };
    let value = |value| Some(AnyValue { value: Some(value) });
    attributes.push(KeyValue {
        key: "http.request.header.cookie".to_owned(),
        value: value(Any::ArrayValue(array)),
        ..KeyValue::default()
    });
    attributes.push(KeyValue {
        key: "request".to_owned(),
        value: value(Any::KvlistValue(nested)),
        ..KeyValue::default()
    });
    attributes
}

/// A request with the canary in every place that may hold a secret.
fn request(trace: u8) -> Vec<u8> {
    let span = Span {
        name: format!("GET /x?access_token={CANARY}"),
        attributes: attributes(),
        events: vec![Event {
            time_unix_nano: 1,
            name: format!("login password={CANARY}"),
            attributes: attributes(),
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: vec![7; 16],
            span_id: vec![7; 8],
            attributes: attributes(),
            ..Link::default()
        }],
        status: Some(Status { message: format!("amqp://app:{CANARY}@mq is away"), code: 2 }),
        ..ingest::span(trace, 1)
    };
    let mut request = ingest::request(vec![span]);
    let process = &mut request.resource_spans[0];
    let mut resource = attributes();
    resource.push(ingest::attribute("service.name", "shop"));
    process.resource = Some(Resource { attributes: resource, ..Resource::default() });
    process.scope_spans[0].scope = Some(InstrumentationScope {
        name: "library".to_owned(),
        attributes: attributes(),
        ..InstrumentationScope::default()
    });
    request.encode_to_vec()
}

/// All rows of all tables as text.
async fn dump(server: &Spanloom) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname NOT LIKE 'pg_temp%'",
    )
    .fetch_all(server.pool())
    .await
    .unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} AS t")))
                .fetch_all(server.pool())
                .await
                .unwrap();
        dump += &rows.join("\n");
    }
    dump
}

/// Whether any file under `folder` holds the canary.
fn is_on_disk(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
    })
}

async fn send_everything(server: &Spanloom) {
    let message = |trace| ExportTraceServiceRequest::decode(&request(trace)[..]).unwrap();
    ingest::grpc(server).await.export(message(1)).await.unwrap();
    let response = ingest::post(server, "application/x-protobuf", None, request(2)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let json = serde_json::to_vec(&message(3)).unwrap();
    assert_eq!(ingest::post(server, "application/json", None, json).await.status(), StatusCode::OK);
    let tags: serde_json::Map<String, serde_json::Value> =
        planted().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    server
        .ingest(&json!([{
            "traceId": "4".repeat(32), "spanId": "4".repeat(16), "name": format!("GET /x?code={CANARY}"),
            "startTime": now_us(), "duration": 1, "tags": tags, "serviceName": "shop"
        }]))
        .await;
    let tags: serde_json::Map<String, serde_json::Value> =
        planted().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let zipkin = json!([{
        "traceId": "5".repeat(32), "id": "5".repeat(16), "name": format!("get /x?code={CANARY}"),
        "timestamp": now_us(), "duration": 1, "localEndpoint": {"serviceName": "shop"}, "tags": tags,
        "annotations": [{"timestamp": now_us(), "value": format!("login password={CANARY}")}]
    }]);
    let response = server.client.post(server.url("/api/v2/spans")).json(&zipkin).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(server.stored_spans().await, 5);
}

/// Catches bytes that are kept although decoding left them out, so that nobody looked at them: the
/// earlier of two equal keys, a field of a later version.
#[tokio::test(flavor = "multi_thread")]
async fn what_decoding_leaves_out_is_nowhere_either() {
    let server = Spanloom::start().await;
    let span = Span {
        attributes: vec![ingest::attribute("note", CANARY), ingest::attribute("note", "harmless")],
        ..ingest::span(1, 1)
    };
    let mut body = ingest::request(vec![span]).encode_to_vec();
    // Field 1000, length-delimited.
    body.extend([0xc2, 0x3e, CANARY.len() as u8]);
    body.extend(CANARY.as_bytes());
    let response = ingest::post(&server, "application/x-protobuf", None, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.stored_spans().await, 1);
    assert!(!dump(&server).await.contains(CANARY));
    assert!(!is_on_disk(&server.config.storage.data_dir), "in the queue's files");
}

/// Catches a format, a place or a table that secrets get past the stage by.
#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_nowhere() {
    let server = Spanloom::start().await;
    send_everything(&server).await;
    let dump = dump(&server).await;
    assert!(
        dump.contains("https://***@shop.example/x?access_token=***&page=2"),
        "what stands around stays"
    );
    assert!(dump.contains("SELECT * FROM users WHERE name = ? AND id IN (?)"));
    assert!(!dump.contains(CANARY), "{}", around(&dump));
    assert!(!is_on_disk(&server.config.storage.data_dir), "in the queue's files");
    let metrics = server.client.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    for rule in ["headers", "keys", "sessions", "urls", "tokens", "sql", "commands"] {
        let counter = format!("spanloom_values_redacted_total{{rule=\"{rule}\"}}");
        assert!(metrics.contains(&counter), "{counter} is missing");
    }
}

fn around(dump: &str) -> &str {
    let at = dump.find(CANARY).unwrap_or_default();
    let start = dump.floor_char_boundary(at.saturating_sub(200));
    &dump[start..dump.ceil_char_boundary((at + 200).min(dump.len()))]
}

/// Catches a test that would pass if nothing were stored at all.
#[tokio::test(flavor = "multi_thread")]
async fn without_redaction_they_are_there() {
    let server = Spanloom::start_with(|config| config.redaction.enabled = false).await;
    send_everything(&server).await;
    assert!(dump(&server).await.contains(CANARY));
    assert!(is_on_disk(&server.config.storage.data_dir));
}

/// Catches hashes that differ from server to server, so that nothing can be joined.
#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_database_hash_alike() {
    let database = super::harness::database().await;
    let rule =
        KeyRule { name: "customer".to_owned(), pattern: "customer\\.id".to_owned(), action: Action::Hash };
    let one = Spanloom::start_on(&database, |config| config.redaction.keys.push(rule.clone())).await;
    let other = Spanloom::start_on(&database, |config| config.redaction.keys.push(rule.clone())).await;
    for (server, span) in [(&one, "1"), (&other, "2")] {
        server
            .ingest(&json!([{
                "traceId": "1".repeat(32), "spanId": span.repeat(16), "name": "op", "startTime": now_us(),
                "duration": 1, "tags": {"customer.id": "ann"}
            }]))
            .await;
    }
    let hashes: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT attributes::jsonb ->> 'customer.id' FROM spans")
            .fetch_all(one.pool())
            .await
            .unwrap();
    assert_eq!(hashes.len(), 1, "{hashes:?}");
    assert!(hashes[0].starts_with("hmac_"), "{hashes:?}");
}
