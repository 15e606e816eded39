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
