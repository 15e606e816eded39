//! Health, metrics, shutdown.

use std::time::Duration;

use serde_json::json;

use super::harness::{Spanloom, now_us};

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_are_public() {
    let server = Spanloom::start().await;
    let health = server.client.get(server.url("/healthz")).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "ok"));
    let ready: serde_json::Value =
        server.client.get(server.url("/readyz")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready, json!({"ready": true, "database": true, "migrations": true}));

    server.ingest(&json!([{
        "traceId": format!("{:032x}", 1), "spanId": "00f067aa0ba902b7", "name": "op", "startTime": now_us(), "duration": 1
    }])).await;
    let text = server.client.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    for name in [
        "spanloom_spans_received_total{protocol=\"native\"}",
        "spanloom_spans_written_total",
        "spanloom_queue_bytes",
        "spanloom_write_duration_seconds_bucket",
    ] {
        assert!(text.contains(name), "{name} is missing from\n{text}");
    }
}

/// Catches a readiness that stays green without a schema.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_migration_makes_the_server_unready() {
    let server = Spanloom::start().await;
    sqlx::query("DELETE FROM _sqlx_migrations").execute(server.pool()).await.unwrap();
    let response = server.client.get(server.url("/readyz")).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(
        response.json::<serde_json::Value>().await.unwrap(),
        json!({"ready": false, "database": true, "migrations": false})
    );
}

/// Catches a shutdown that acknowledges spans and then drops them, or that drops requests which
/// are under way without an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_loses_no_acknowledged_span() {
    let Spanloom { server, client, .. } = Spanloom::start().await;
    let url = format!("http://{}/api/v1/spans", server.http);
    let options = server.store.pool.connect_options();
    let senders: Vec<_> = (0..4_u64)
        .map(|sender| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let mut acknowledged = 0_i64;
                // Bounded: the server stops long before.
                for number in 0..100_000_u64 {
                    let trace = format!("{:032x}", sender << 32 | (number + 1));
                    let body = json!([{
                        "traceId": trace, "spanId": "00f067aa0ba902b7", "name": "op", "startTime": now_us(), "duration": 1
                    }]);
                    match client.post(&url).json(&body).send().await {
                        Ok(response) if response.status().is_success() => acknowledged += 1,
                        Ok(response) => assert_eq!(response.status().as_u16(), 503, "asked to come again"),
                        Err(_) => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut stored: i64 = 0;
    while stored < 50 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        stored =
            sqlx::query_scalar("SELECT count(*) FROM spans").fetch_one(&server.store.pool).await.unwrap();
    }
    server.stop().await.unwrap();
    let mut acknowledged = 0;
    for sender in senders {
        acknowledged += sender.await.unwrap();
    }
    let pool = sqlx::PgPool::connect_with((*options).clone()).await.unwrap();
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM spans").fetch_one(&pool).await.unwrap();
    assert!(acknowledged >= 50);
    assert!(stored >= acknowledged, "{acknowledged} acknowledged, {stored} stored");
}

/// Catches a shutdown that waits for ever for a client that vanished without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_does_not_keep_the_server_from_stopping() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Spanloom { server, .. } = Spanloom::start().await;
    let mut silent = tokio::net::TcpStream::connect(server.otlp_grpc.unwrap()).await.unwrap();
    // HTTP/2's preface and empty settings; whatever the server then asks, nobody answers.
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    silent.read_u8().await.unwrap();
    server.stop().await.unwrap();
    drop(silent);
}

/// Catches a probe by HEAD that gets the browser application's page, and a wrong method that
/// looks like a wrong path.
#[tokio::test(flavor = "multi_thread")]
async fn methods_are_told_apart_from_paths() {
    use reqwest::Method;
    let server = Spanloom::start().await;
    let send = async |method: Method, path: &str| {
        let response = server.client.request(method, server.url(path)).send().await.unwrap();
        let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        (response.status().as_u16(), allow)
    };
    assert_eq!(send(Method::HEAD, "/readyz").await, (200, None));
    assert_eq!(send(Method::POST, "/healthz").await, (405, Some("GET".to_owned())));
    assert_eq!(send(Method::PUT, "/api/v1/traces").await, (405, Some("GET".to_owned())));
    assert_eq!(send(Method::GET, "/v1/traces").await, (405, Some("POST".to_owned())));
    assert_eq!(send(Method::GET, "/api/v1/nothing").await, (404, None));
    assert_eq!(send(Method::POST, "/some/page").await.0, 405);
}
