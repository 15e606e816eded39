//! Managing people.

use reqwest::StatusCode;
use serde_json::{Value, json};
use spanloom::config::Config;
use spanloom::identity::account::AccountError;
use spanloom::identity::{Identity, add_user, set_password};
use spanloom::store::Store;
use spanloom_model::api::{Role, UserChange};

use super::fixture::{PASSWORD, Server, blocked, store};

/// Two changes to accounts, both held up at the point where they write until both are there.
async fn at_once<A, B>(store: &Store, a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let mut held = store.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE users IN SHARE MODE").execute(&mut *held).await.unwrap();
    let release = async {
        blocked(store, 2).await;
        held.commit().await.unwrap();
    };
    let (a, b, ()) = tokio::join!(a, b, release);
    (a, b)
}

/// Catches two servers that start at once and both make an administrator, and a later start that
/// brings back the preset password.
#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let store = store().await;
    let config = Config::default();
    let (one, two) =
        tokio::join!(Identity::new(store.clone(), &config), Identity::new(store.clone(), &config));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.create_first_admin("too short").await.is_err());
    let (a, b) = Box::pin(at_once(
        &store,
        one.create_first_admin(PASSWORD),
        two.create_first_admin("another good password"),
    ))
    .await;
    assert!(a.unwrap() ^ b.unwrap(), "one of them");
    assert!(!one.create_first_admin("a third good password").await.unwrap());
    let people = one.users().await.unwrap();
    assert_eq!(people.len(), 1);
    assert_eq!((people[0].username.as_str(), people[0].role), ("admin", Role::Admin));
}

/// Catches servers of one database that do not accept one another's tokens.
#[tokio::test]
async fn servers_share_their_secrets() {
    let server = Server::start(Config::default()).await;
    let second = Server::on(server.store.clone(), Config::default()).await;
    let browser = server.person("jane", Role::Viewer).await;
    let mut elsewhere = second.browser();
    elsewhere.cookies = browser.cookies;
    assert_eq!(elsewhere.me().await, 200);
    assert_eq!(elsewhere.refresh().await.status, StatusCode::OK);
}

/// Catches the life of an account going wrong: what is refused, what is stored, what ends.
#[tokio::test]
async fn people_are_added_changed_and_removed() {
    let server = Server::start(Config::default()).await;
    let mut admin = server.person("admin", Role::Admin).await;
    let request =
        |name: &str, password: &str| json!({"username": name, "password": password, "role": "viewer"});
    for (body, status, field) in [
        (request("a b", PASSWORD), 400, Some("username")),
        (request("jane", "too short"), 400, Some("password")),
        (request("ADMIN", PASSWORD), 409, None),
        (json!({"username": "jane", "password": PASSWORD, "role": "owner"}), 400, None),
    ] {
        let answer = admin.post("/api/v1/users", body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.body["errors"][0]["field"].as_str(), field);
    }
    let created = admin.post("/api/v1/users", request("jane", PASSWORD)).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let path = format!("/api/v1/users/{}", created.body["id"].as_str().unwrap());
    let list = admin.get("/api/v1/users").await.body;
    let names: Vec<&Value> = list.as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["admin", "jane"]);
    assert!(!list.to_string().contains("argon2"));

    let mut jane = server.log_in("jane").await;
    assert_eq!(jane.get("/probe/editor").await.status, 403);
    let changed = admin.patch(&path, json!({"role": "editor"})).await;
    assert_eq!((changed.status, &changed.body["role"]), (StatusCode::OK, &json!("editor")));
    assert_eq!(jane.get("/probe/editor").await.status, 200, "at once, with the old token");
    assert_eq!(admin.patch(&path, json!({"role": "viewer"})).await.status, StatusCode::OK);
    assert_eq!(jane.get("/probe/editor").await.status, 403);

    assert_eq!(admin.patch(&path, json!({"password": "too short"})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(jane.me().await, 200);
    let changed = admin.patch(&path, json!({"password": "another good password"})).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(jane.me().await, 401);
    assert_eq!(jane.log_in("jane", "another good password").await.status, StatusCode::OK);

    assert_eq!(admin.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(jane.me().await, 401);
    assert_eq!(jane.refresh().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(admin.delete(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.patch(&path, json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.delete("/api/v1/users/nonsense").await.status, StatusCode::BAD_REQUEST);
}

/// Catches a token that outlives its account's being shut, also after it is opened again.
#[tokio::test]
async fn shutting_an_account_ends_its_sessions() {
    let server = Server::start(Config::default()).await;
    let mut admin = server.person("admin", Role::Admin).await;
    let id = server.add("jane", Role::Viewer).await;
    let mut jane = server.log_in("jane").await;
    let path = format!("/api/v1/users/{id}");
    assert_eq!(admin.patch(&path, json!({"disabled": true})).await.body["disabled"], true);
    assert_eq!(jane.me().await, 401);
    assert_eq!(jane.clone().refresh().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(admin.patch(&path, json!({"disabled": false})).await.body["disabled"], false);
    assert_eq!(jane.me().await, 401, "the old session stays ended");
    assert_eq!(jane.log_in("jane", PASSWORD).await.status, StatusCode::OK);
}

/// Catches everybody being locked out.
#[tokio::test]
async fn the_last_administrator_stays() {
    let server = Server::start(Config::default()).await;
    let id = server.add("admin", Role::Admin).await;
    let other = server.add("other", Role::Admin).await;
    let mut admin = server.log_in("admin").await;
    let own = format!("/api/v1/users/{id}");
    for body in [json!({"disabled": true}), json!({"password": "another good password"})] {
        assert_eq!(admin.patch(&own, body).await.status, StatusCode::CONFLICT, "not against oneself");
    }
    assert_eq!(admin.delete(&own).await.status, StatusCode::CONFLICT, "not against oneself");

    // An administrator who cannot log in does not count.
    let shut = admin.patch(&format!("/api/v1/users/{other}"), json!({"disabled": true})).await;
    assert_eq!(shut.status, StatusCode::OK);
    assert_eq!(admin.patch(&own, json!({"role": "viewer"})).await.status, StatusCode::CONFLICT);
    for attempt in [
        server.identity.delete_user(other, id).await,
        server.identity.change_user(other, id, disabled()).await.map(drop),
    ] {
        assert!(matches!(attempt, Err(AccountError::Refused(_))), "{attempt:?}");
    }
    assert_eq!(admin.me().await, 200);
}

fn disabled() -> UserChange {
    UserChange { disabled: Some(true), ..UserChange::default() }
}

/// Catches two administrators who shut one another at the same moment, each seeing the other.
#[tokio::test]
async fn two_administrators_cannot_shut_one_another() {
    let server = Server::start(Config::default()).await;
    let (a, b) = (server.add("a", Role::Admin).await, server.add("b", Role::Admin).await);
    let identity = &server.identity;
    let demoted = UserChange { role: Some(Role::Viewer), ..UserChange::default() };
    let (one, two) = Box::pin(at_once(
        &server.store,
        identity.change_user(a, b, disabled()),
        identity.change_user(b, a, demoted),
    ))
    .await;
    assert!(one.is_ok() ^ two.is_ok(), "{one:?} {two:?}");
}

/// Catches a command line that accepts what the API refuses, or a new password that leaves sessions.
#[tokio::test]
async fn the_command_line_manages_people() {
    let server = Server::start(Config::default()).await;
    let mut jane = server.person("jane", Role::Viewer).await;
    let store = &server.store;
    assert!(matches!(
        add_user(store, "Jane", Role::Admin, PASSWORD).await,
        Err(AccountError::NameTaken(_))
    ));
    assert!(matches!(add_user(store, "john", Role::Admin, "short").await, Err(AccountError::Invalid(..))));
    assert!(matches!(set_password(store, "john", PASSWORD).await, Err(AccountError::NotFound)));
    set_password(store, "JANE", "another good password").await.unwrap();
    assert_eq!(jane.me().await, 401);
    assert_eq!(jane.log_in("jane", "another good password").await.status, StatusCode::OK);
}
