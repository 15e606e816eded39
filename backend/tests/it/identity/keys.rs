//! API keys and who may send spans.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use spanloom::config::Config;
use spanloom::identity::add_key;
use spanloom::store::Store;
use spanloom_model::api::{KeyScope, Role};

use super::fixture::{Browser, Server, sql};

fn with_key(server: &Server, key: &str) -> Browser {
    server.browser().with_header("Authorization", &format!("Bearer {key}"))
}

/// Polls until the condition holds, at most ten seconds.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Catches a key that can do more than its scopes say.
#[tokio::test]
async fn keys_do_what_their_scopes_say() {
    let server = Server::start(Config::default()).await;
    let read = add_key(&server.store, "reader", &[KeyScope::Read]).await.unwrap();
    let ingest = add_key(&server.store, "sender", &[KeyScope::Ingest]).await.unwrap();
    let both = add_key(&server.store, "both", &[KeyScope::Read, KeyScope::Ingest]).await.unwrap();
    let unknown = format!("slk_{}", "A".repeat(43));
    for (what, key, [viewer, editor, admin, sends]) in [
        ("read", &read, [200, 403, 403, 403]),
        ("ingest", &ingest, [403, 403, 403, 200]),
        ("both", &both, [200, 403, 403, 200]),
        ("unknown", &unknown, [401, 401, 401, 401]),
        ("malformed", &"slk_x".to_owned(), [401, 401, 401, 401]),
    ] {
        let mut client = with_key(&server, key);
        assert_eq!(client.get("/probe/viewer").await.status, viewer, "{what}");
        assert_eq!(client.get("/probe/editor").await.status, editor, "{what}");
        assert_eq!(client.get("/probe/admin").await.status, admin, "{what}");
        assert_eq!(client.post_empty("/probe/ingest").await.status, sends, "{what}");
    }
    let mut other_header = server.browser().with_header("X-API-Key", &read);
    assert_eq!(other_header.get("/probe/viewer").await.status, 200);
    assert_eq!(other_header.me().await, 403, "a key is nobody's account");
    assert_eq!(other_header.get("/api/v1/users").await.status, 403);
}

/// Catches a secret that is kept or shown a second time, and fields that are not checked.
#[tokio::test]
async fn a_key_is_shown_once() {
    let server = Server::start(Config::default()).await;
    let mut admin = server.person("admin", Role::Admin).await;
    let created =
        admin.post("/api/v1/keys", json!({"name": " checkout ", "scopes": ["ingest", "ingest"]})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(created.headers["Cache-Control"], "no-store");
    let secret = created.body["secret"].as_str().unwrap();
    let key = &created.body["key"];
    assert_eq!((&key["name"], &key["createdBy"]), (&json!("checkout"), &json!("admin")));
    assert_eq!(key["scopes"], json!(["ingest"]));
    assert_eq!(secret.len(), 47);
    assert_eq!(key["prefix"], secret[..12]);

    let list = admin.get("/api/v1/keys").await;
    assert_eq!(list.body, json!([key]));
    let stored: String = sqlx::query_scalar("SELECT api_keys::text FROM api_keys")
        .fetch_one(&server.store.pool)
        .await
        .unwrap();
    assert!(!stored.contains(&secret[12..]), "{stored}");

    for (body, field) in [
        (json!({"name": "", "scopes": ["read"]}), "name"),
        (json!({"name": "none", "scopes": []}), "scopes"),
    ] {
        let answer = admin.post("/api/v1/keys", body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["field"]), (400, &json!(field)));
    }
}

/// Catches a revoked key that goes on working: here at once, on another server after seconds.
#[tokio::test]
async fn a_revoked_key_stops_working() {
    let server = Server::start(Config::default()).await;
    let second = Server::on(server.store.clone(), Config::default()).await;
    let mut admin = server.person("admin", Role::Admin).await;
    let created = admin.post("/api/v1/keys", json!({"name": "sender", "scopes": ["ingest"]})).await;
    let key = created.body["secret"].as_str().unwrap();
    let path = format!("/api/v1/keys/{}", created.body["key"]["id"].as_str().unwrap());
    let (mut here, mut there) = (with_key(&server, key), with_key(&second, key));
    assert_eq!(here.post_empty("/probe/ingest").await.status, 200);
    assert_eq!(there.post_empty("/probe/ingest").await.status, 200);

    assert_eq!(admin.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(here.post_empty("/probe/ingest").await.status, 401);
    eventually("the other server learns of it", async || {
        there.post_empty("/probe/ingest").await.status == 401
    })
    .await;

    let revoked_at = admin.get("/api/v1/keys").await.body[0]["revokedAt"].clone();
    assert!(revoked_at.is_string());
    assert_eq!(admin.delete(&path).await.status, StatusCode::NO_CONTENT, "again");
    assert_eq!(admin.get("/api/v1/keys").await.body[0]["revokedAt"], revoked_at, "the first time counts");
    let unknown = admin.delete("/api/v1/keys/0192f0c1-2f1d-4c6e-9f0a-7d1f5a0b6c3d").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.delete("/api/v1/keys/nonsense").await.status, StatusCode::BAD_REQUEST);
}

async fn last_use(store: &Store, name: &str) -> Option<DateTime<Utc>> {
    sqlx::query_scalar("SELECT last_used_at FROM api_keys WHERE name = $1")
        .bind(name)
        .fetch_one(&store.pool)
        .await
        .unwrap()
}

/// Catches a last use that is never written, or written at every request.
#[tokio::test]
async fn the_last_use_is_noted_at_most_once_a_minute() {
    let server = Server::start(Config::default()).await;
    let store = &server.store;
    let key = add_key(store, "reader", &[KeyScope::Read]).await.unwrap();
    assert_eq!(last_use(store, "reader").await, None);
    assert_eq!(with_key(&server, &key).get("/probe/viewer").await.status, 200);
    eventually("the use is noted", async || last_use(store, "reader").await.is_some()).await;

    // A new server has nothing remembered, so it decides anew.
    sql(store, "UPDATE api_keys SET last_used_at = now() - interval '2 minutes'").await;
    let second = Server::on(store.clone(), Config::default()).await;
    assert_eq!(with_key(&second, &key).get("/probe/viewer").await.status, 200);
    let fresh = async || Utc::now() - last_use(store, "reader").await.unwrap() < TimeDelta::minutes(1);
    eventually("the use is noted again", fresh).await;

    sql(store, "UPDATE api_keys SET last_used_at = now() - interval '30 seconds'").await;
    let before = last_use(store, "reader").await;
    let third = Server::on(store.clone(), Config::default()).await;
    assert_eq!(with_key(&third, &key).get("/probe/viewer").await.status, 200);
    // Whatever that request wrote is written before what a later one writes.
    let marker = add_key(store, "marker", &[KeyScope::Read]).await.unwrap();
    assert_eq!(with_key(&third, &marker).get("/probe/viewer").await.status, 200);
    eventually("the marker is noted", async || last_use(store, "marker").await.is_some()).await;
    assert_eq!(last_use(store, "reader").await, before);
}

/// Catches strangers who send spans through a proxy on this machine or through a page in a browser.
#[tokio::test]
async fn only_this_machine_sends_without_a_key() {
    let server = Server::start(Config::default()).await;
    let local = server.browser();
    for (what, mut client, status) in [
        ("this machine", local.clone(), 200),
        ("through a proxy", local.with_header("X-Forwarded-For", "127.0.0.1"), 401),
        ("through a standard proxy", local.with_header("Forwarded", "for=127.0.0.1"), 401),
        ("a page of another site", local.with_header("Origin", "https://evil.example"), 401),
        ("a page of ours", local.with_header("Origin", &server.base), 200),
        ("a wrong key", with_key(&server, "wrong"), 401),
        ("another scheme", local.with_header("Authorization", "Basic YTpi"), 200),
    ] {
        let answer = client.post_empty("/probe/ingest").await;
        assert_eq!(answer.status, status, "{what}");
    }
    let jane = server.person("jane", Role::Admin).await;
    let mut relayed = jane.with_header("X-Forwarded-For", "198.51.100.1");
    assert_eq!(relayed.post_empty("/probe/ingest").await.status, 401, "keys only, no cookies");
    let key = add_key(&server.store, "sender", &[KeyScope::Ingest]).await.unwrap();
    let mut relayed = with_key(&server, &key).with_header("X-Forwarded-For", "198.51.100.1");
    assert_eq!(relayed.post_empty("/probe/ingest").await.status, 200);

    let mut strict = Config::default();
    strict.ingest.loopback_without_key = false;
    let strict = Server::on(server.store.clone(), strict).await;
    assert_eq!(strict.browser().post_empty("/probe/ingest").await.status, 401);
    let mut open = Config::default();
    open.ingest.open = true;
    let open = Server::on(server.store.clone(), open).await;
    let mut stranger = open.browser().with_header("X-Forwarded-For", "198.51.100.1");
    assert_eq!(stranger.post_empty("/probe/ingest").await.status, 200);
}

/// Catches a command line that makes keys which the API would refuse.
#[tokio::test]
async fn the_command_line_checks_names_and_scopes() {
    let server = Server::start(Config::default()).await;
    assert!(add_key(&server.store, "", &[KeyScope::Read]).await.is_err());
    assert!(add_key(&server.store, "none", &[]).await.is_err());
}
