//! What a server with some of the roles does, and what it leaves to others.

use reqwest::StatusCode;
use serde_json::json;
use spanloom::config::{Config, QueueKind};
use spanloom::roles::Roles;

use super::harness::Spanloom;

const NONE: Roles = Roles { receive: false, write: false, query: false, jobs: false };

async fn get(server: &Spanloom, path: &str) -> StatusCode {
    server.client.get(server.url(path)).send().await.unwrap().status()
}

async fn post(server: &Spanloom, path: &str) -> StatusCode {
    server.client.post(server.url(path)).json(&json!([])).send().await.unwrap().status()
}

/// Catches a server that takes spans although nothing writes them.
#[tokio::test(flavor = "multi_thread")]
async fn without_receive_nothing_is_received() {
    let server = Spanloom::start_with(|config| config.roles = Roles { receive: false, ..Roles::ALL }).await;
    assert_eq!((server.server.otlp_grpc, server.server.otlp_http), (None, None));
    assert_eq!(post(&server, "/api/v1/spans").await, StatusCode::NOT_FOUND);
    assert_eq!(post(&server, "/v1/traces").await, StatusCode::NOT_FOUND);
    assert_eq!(get(&server, "/readyz").await, StatusCode::OK);
    assert_eq!(get(&server, "/api/v1/services").await, StatusCode::UNAUTHORIZED);
}

/// Catches an API that is open on machines which are only meant to receive.
#[tokio::test(flavor = "multi_thread")]
async fn without_query_there_is_neither_api_nor_application() {
    let server = Spanloom::start_with(|config| config.roles = Roles { query: false, ..Roles::ALL }).await;
    for path in
        ["/api/v1/services", "/api/v1/auth/session", "/api/docs/", "/api/openapi.json", "/", "/search"]
    {
        assert_eq!(get(&server, path).await, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(post(&server, "/api/v1/auth/login").await, StatusCode::NOT_FOUND);
    assert_eq!(post(&server, "/api/v1/spans").await, StatusCode::OK);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(&server, path).await, StatusCode::OK, "{path}");
    }
}

/// Catches a server that locks the log of another one on the same machine.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_answers_queries_needs_no_queue() {
    let writer = Spanloom::start().await;
    let options = (*writer.pool().connect_options()).clone();
    let data_dir = writer.config.storage.data_dir.clone();
    let server = Spanloom::start_on(&options, |config| {
        config.storage.data_dir = data_dir;
        config.roles = Roles { query: true, ..NONE };
    })
    .await;
    assert_eq!(get(&server, "/readyz").await, StatusCode::OK);
}

/// Catches a configuration in which acknowledged spans would wait for ever.
#[test]
fn roles_that_do_not_fit_the_queue_are_refused() {
    let load = |roles: &[&str], kind: &str| {
        Config::load(None, &[("roles", json!(roles)), ("queue.kind", json!(kind))])
    };
    let error = load(&["receive", "query"], "disk").unwrap_err().to_string();
    assert!(error.starts_with("roles: ") && error.contains("queue.kind"), "{error}");
    let error = load(&[], "disk").unwrap_err().to_string();
    assert!(error.starts_with("roles: "), "{error}");
    let error = load(&["recieve"], "disk").unwrap_err().to_string();
    assert!(error.contains("roles") && error.contains("recieve"), "{error}");
    let config = load(&["receive"], "rabbitmq").unwrap();
    assert_eq!((config.roles, config.queue.kind), (Roles { receive: true, ..NONE }, QueueKind::Rabbitmq));
    assert_eq!(load(&["write"], "disk").unwrap().writers(), 1);
    assert_eq!(load(&["query", "jobs"], "disk").unwrap().writers(), 0);
    assert_eq!(load(&["write"], "rabbitmq").unwrap().writers(), 4);
}

#[test]
fn the_brokers_settings_are_checked_and_its_password_is_not_shown() {
    for (key, value) in [
        ("queue.rabbitmq.url", json!("http://guest:hidden@broker")),
        ("queue.rabbitmq.url", json!("amqps://guest:hidden@broker")),
        ("queue.rabbitmq.partitions", json!(3)),
        ("queue.rabbitmq.partitions", json!(0)),
        ("queue.rabbitmq.prefix", json!("a b")),
        ("queue.rabbitmq.window_bytes_max", json!(1)),
        ("queue.rabbitmq.bytes_max", json!(0)),
    ] {
        let error = Config::load(None, &[(key, value)]).unwrap_err().to_string();
        assert!(error.starts_with(key), "{key}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    let url = json!("amqp://spanloom:hidden@broker/%2f?heartbeat=5");
    let config = Config::load(None, &[("queue.rabbitmq.url", url)]).unwrap();
    let shown = serde_json::to_string(&config.without_secrets()).unwrap();
    assert!(shown.contains("amqp://***@broker/") && !shown.contains("hidden"), "{shown}");
}
