//! Rate limits of keys and services, as clients see them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use spanloom::collect::receive::bucket::Rate;
use spanloom_model::api::KeyScope;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::harness::{Spanloom, now_us};
use super::ingest;

/// The first request passes, and no other for many minutes, however slow the test's machine is.
const SLOW: Rate = Rate { spans_per_second: 0, bytes_per_second: 1 };

fn request(service: &str, trace: u8) -> ExportTraceServiceRequest {
    let mut request = ingest::request((1..=9).map(|span| ingest::span(trace, span)).collect());
    let resource = request.resource_spans[0].resource.as_mut().unwrap();
    resource.attributes = vec![ingest::attribute("service.name", service)];
    request
}

async fn send_with(server: &Spanloom, key: &str, trace: u8) -> Result<(), tonic::Status> {
    let mut request = tonic::Request::new(request("shop", trace));
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    ingest::grpc(server).await.export(request).await.map(|_| ())
}

async fn limited(server: &Spanloom, by: &str, name: &str) -> bool {
    let metrics = server.client.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    metrics.contains(&format!("spanloom_limited_spans_total{{by=\"{by}\",name=\"{name}\"}}"))
}

/// Catches a key that takes from others, and a refusal that clients take as final.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_over_its_limit_is_told_to_come_again() {
    let server = Spanloom::start_with(|config| {
        config.ingest.limits.per_key = SLOW;
        config.ingest.limits.keys.insert("roomy".to_owned(), Rate::default());
    })
    .await;
    let key = async |name: &str| {
        spanloom::identity::add_key(&server.server.store, name, &[KeyScope::Ingest]).await.unwrap()
    };
    let (greedy, modest, roomy) = (key("greedy").await, key("modest").await, key("roomy").await);

    send_with(&server, &greedy, 1).await.unwrap();
    let status = send_with(&server, &greedy, 2).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(delay.as_secs(), 60, "a long debt, and no client waits for hours");

    let json = serde_json::to_vec(&request("shop", 2)).unwrap();
    let url = server.url("/v1/traces");
    let post = server.client.post(&url).header("Content-Type", "application/json").bearer_auth(&greedy);
    let response = post.body(json).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "60");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], 8);

    let span = json!([{"traceId": "2".repeat(32), "spanId": "2".repeat(16), "name": "op", "startTime": now_us(), "duration": 1}]);
    let post = server.client.post(server.url("/api/v1/spans")).bearer_auth(&greedy);
    let response = post.json(&span).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "60");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "too_many_requests");

    assert_eq!(server.stored_spans().await, 9, "nothing of what was refused");
    send_with(&server, &modest, 3).await.unwrap();
    for trace in 4..8 {
        send_with(&server, &roomy, trace).await.unwrap();
    }
    assert_eq!(server.stored_spans().await, 9 * 6);
    assert!(limited(&server, "key", "greedy").await);
    assert!(!limited(&server, "key", "roomy").await);
}

/// Catches a client that escapes its limit by showing no key.
#[tokio::test(flavor = "multi_thread")]
async fn clients_without_a_key_share_a_limit() {
    let server = Spanloom::start_with(|config| config.ingest.limits.per_key = SLOW).await;
    ingest::grpc(&server).await.export(request("shop", 1)).await.unwrap();
    let response =
        ingest::post(&server, "application/x-protobuf", None, request("shop", 2).encode_to_vec()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(limited(&server, "key", "(no key)").await);
}

/// Catches a loud service that costs the quiet ones of the same collector their spans, and spans that
/// are lost for good although the client could have waited.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_over_its_limit_costs_the_others_nothing() {
    let server = Spanloom::start_with(|config| {
        config.ingest.limits.services.insert("loud".to_owned(), SLOW);
    })
    .await;
    let mut client = ingest::grpc(&server).await;
    client.export(request("loud", 1)).await.unwrap();
    // Alone it is asked to wait.
    let status = client.export(request("loud", 2)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(delay.as_secs(), 60);
    // With others it is left out.
    let mut both = request("loud", 3);
    both.resource_spans.extend(request("quiet", 4).resource_spans);
    let answer = client.export(both).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!(answer.rejected_spans, 9);
    assert!(answer.error_message.contains("rate limit"), "{}", answer.error_message);
    assert_eq!(server.stored_spans().await, 18);
    let services: Vec<String> = sqlx::query_scalar("SELECT DISTINCT name FROM services ORDER BY name")
        .fetch_all(server.pool())
        .await
        .unwrap();
    assert_eq!(services, ["loud", "quiet"]);
    assert!(limited(&server, "service", "loud").await);

    // The native format stores a request whole or not at all.
    let span = |service: &str, id: &str| {
        json!({"traceId": "5".repeat(32), "spanId": id.repeat(16), "name": "op", "startTime": now_us(),
            "duration": 1, "serviceName": service})
    };
    let body = json!([span("loud", "5"), span("quiet", "6")]);
    let response = server.client.post(server.url("/api/v1/spans")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.stored_spans().await, 18);
}
