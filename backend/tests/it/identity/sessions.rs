//! Log in, refresh, log out, limits.

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde_json::json;
use spanloom::config::Config;
use spanloom_model::api::Role;

use super::fixture::{Browser, PASSWORD, Server, blocked, sql};

fn config(attempts_max: u32) -> Config {
    let mut config = Config::default();
    config.auth.attempts_max = attempts_max;
    config
}

/// Catches cookies that scripts can read or that other sites send, and a session nobody can use.
#[tokio::test]
async fn logging_in_opens_a_session_in_protected_cookies() {
    let server = Server::start(Config::default()).await;
    server.add("jane", Role::Editor).await;
    let mut browser = server.browser();
    assert_eq!(browser.me().await, 401);

    let answer = browser.log_in("JANE", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["user"]["username"], "jane");
    assert_eq!(answer.body["user"]["role"], "editor");
    assert_eq!(answer.body["csrfToken"], browser.cookies["spanloom_csrf"]);
    assert_eq!(answer.headers["Cache-Control"], "no-store");
    let ends: DateTime<Utc> = answer.body["accessExpiresAt"].as_str().unwrap().parse().unwrap();
    let minutes = (ends - Utc::now()).num_seconds();
    assert!((14 * 60..=15 * 60).contains(&minutes), "ends in {minutes} s");

    let cookies: Vec<&str> =
        answer.headers.get_all("Set-Cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let find = |name: &str| *cookies.iter().find(|cookie| cookie.starts_with(name)).unwrap();
    for (name, http_only, path) in [
        ("spanloom_access=", true, "/"),
        ("spanloom_refresh=", true, "/api/v1/auth"),
        ("spanloom_csrf=", false, "/"),
    ] {
        let cookie = find(name);
        assert!(cookie.contains("SameSite=Strict"), "{cookie}");
        assert_eq!(cookie.contains("HttpOnly"), http_only, "{cookie}");
        assert!(cookie.split("; ").any(|part| part == format!("Path={path}")), "{cookie}");
        assert!(!cookie.contains("Secure"), "{cookie}");
    }

    let me = browser.get("/api/v1/auth/me").await;
    assert_eq!((me.status, &me.body["username"]), (StatusCode::OK, &json!("jane")));
}

/// Catches cookies that go over plain HTTP although HTTPS was demanded.
#[tokio::test]
async fn secure_cookies_are_marked_as_such() {
    let mut config = Config::default();
    config.auth.secure_cookies = true;
    let server = Server::start(config).await;
    server.add("jane", Role::Viewer).await;
    let answer = server.browser().log_in("jane", PASSWORD).await;
    let cookies = answer.headers.get_all("Set-Cookie");
    assert_eq!(cookies.iter().count(), 3);
    assert!(cookies.iter().all(|cookie| cookie.to_str().unwrap().contains("; Secure")));
}

/// Catches an answer that tells whether an account exists.
#[tokio::test]
async fn wrong_unknown_and_shut_look_the_same() {
    let server = Server::start(Config::default()).await;
    server.add("jane", Role::Viewer).await;
    server.add("shut", Role::Viewer).await;
    assert_eq!(sql(&server.store, "UPDATE users SET disabled = true WHERE username = 'shut'").await, 1);
    let mut bodies = Vec::new();
    for (username, password) in
        [("jane", "wrong password"), ("nobody", "wrong password"), ("shut", PASSWORD)]
    {
        let mut browser = server.browser();
        let mut answer = browser.log_in(username, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{username}");
        assert_eq!(answer.headers["Content-Type"], "application/problem+json");
        assert!(browser.cookies.is_empty());
        answer.body.as_object_mut().unwrap().remove("traceId");
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
}

/// Catches guessing without end, a limit for existing accounts only, a limit that hits other
/// accounts, and one that never ends.
#[tokio::test]
async fn failures_are_limited_per_account() {
    let server = Server::start(config(2)).await;
    server.add("jane", Role::Viewer).await;
    server.add("john", Role::Viewer).await;
    for username in ["jane", "nobody"] {
        for _ in 0..2 {
            let answer = server.browser().log_in(username, "wrong password").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let answer = server.browser().log_in(username, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{username}");
        let seconds: u64 = answer.headers["Retry-After"].to_str().unwrap().parse().unwrap();
        assert!((1..=900).contains(&seconds), "{seconds}");
    }
    server.log_in("john").await;

    // Another server of the same database knows; the window's end forgets.
    let second = Server::on(server.store.clone(), config(2)).await;
    let answer = second.browser().log_in("jane", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    sql(
        &server.store,
        "UPDATE login_attempts SET window_started_at = window_started_at - interval '15 minutes'",
    )
    .await;
    server.log_in("jane").await;
}

/// Catches a check before the count: guesses that arrive together would all find it low.
#[tokio::test]
async fn simultaneous_guesses_share_the_limit() {
    let server = Server::start(config(2)).await;
    server.add("jane", Role::Viewer).await;
    let guesses = (0..8).map(|_| {
        let mut browser = server.browser();
        async move { browser.log_in("jane", "wrong password").await.status.as_u16() }
    });
    let mut statuses = futures::future::join_all(guesses).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [401, 401, 429, 429, 429, 429, 429, 429]);
}

/// Catches guessing over many accounts, a reset of the address by one own account, and belief in
/// `X-Forwarded-For` from anybody.
#[tokio::test]
async fn failures_are_limited_per_address() {
    let server = Server::start(config(1)).await;
    server.add("jane", Role::Viewer).await;
    for number in 0..10 {
        let answer = server.browser().log_in(&format!("guess{number}"), "wrong password").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{number}");
        if number == 5 {
            server.log_in("jane").await;
            // Refused because of the account: does not count against the address.
            let refused = server.browser().log_in("guess0", "wrong password").await;
            assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        }
    }
    let claims_to_be_elsewhere = server.browser().with_header("X-Forwarded-For", "198.51.100.1");
    for mut browser in [server.browser(), claims_to_be_elsewhere] {
        let answer = browser.log_in("jane", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }

    let mut behind_proxy = config(1);
    behind_proxy.auth.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let proxied = Server::on(server.store.clone(), behind_proxy).await;
    let answer =
        proxied.browser().with_header("X-Forwarded-For", "198.51.100.1").log_in("jane", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "another client of a trusted proxy");
}

/// Catches a refresh token that stays the same, and two tabs that log one another out.
#[tokio::test]
async fn refreshing_rotates_and_tolerates_two_tabs() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.person("jane", Role::Viewer).await;
    let before = browser.cookies.clone();
    let tabs = (0..4).map(|_| {
        let mut tab = browser.clone();
        async move {
            assert_eq!(tab.refresh().await.status, StatusCode::OK);
            tab.cookies
        }
    });
    let tabs = futures::future::join_all(tabs).await;
    assert_ne!(tabs[0]["spanloom_refresh"], before["spanloom_refresh"]);
    assert!(tabs.iter().all(|tab| tab["spanloom_refresh"] == tabs[0]["spanloom_refresh"]), "one successor");
    assert_eq!(tabs[0]["spanloom_csrf"], before["spanloom_csrf"], "open pages go on working");

    // Whichever answer came last, the session goes on, also when the tab that was slow comes after
    // another refresh.
    browser.cookies = tabs[3].clone();
    assert_eq!(browser.refresh().await.status, StatusCode::OK);
    let newest = browser.cookies["spanloom_refresh"].clone();
    let mut slow = browser.clone();
    slow.cookies.clone_from(&before);
    assert_eq!(slow.refresh().await.status, StatusCode::OK);
    assert_eq!(slow.cookies["spanloom_refresh"], newest);
    assert_eq!(browser.me().await, 200);
}

/// Catches a stolen refresh token that goes on working beside its owner's.
#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session() {
    let server = Server::start(Config::default()).await;
    let mut owner = server.person("jane", Role::Viewer).await;
    let mut other_device = server.log_in("jane").await;
    let mut thief = owner.clone();
    assert_eq!(thief.refresh().await.status, StatusCode::OK);
    assert_eq!(thief.me().await, 200);
    let moved = sql(
        &server.store,
        "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE used_at IS NOT NULL",
    )
    .await;
    assert_eq!(moved, 1);

    let answer = owner.refresh().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(owner.cookies.is_empty(), "the browser forgets the session");
    assert_eq!(thief.me().await, 401);
    assert_eq!(thief.refresh().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other_device.me().await, 200, "another session of the same person goes on");
}

/// Catches tokens that outlive the session's idle time.
#[tokio::test]
async fn an_idle_session_ends() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.person("jane", Role::Viewer).await;
    sql(&server.store, "UPDATE sessions SET expires_at = now() + interval '1 hour'").await;
    assert_eq!(browser.refresh().await.status, StatusCode::OK);
    assert_eq!(
        sql(
            &server.store,
            "UPDATE sessions SET expires_at = now() WHERE expires_at > now() + interval '29 days'"
        )
        .await,
        1,
        "a refresh moves the end on"
    );
    assert_eq!(browser.me().await, 401);
    assert_eq!(browser.refresh().await.status, StatusCode::UNAUTHORIZED);
}

/// Catches a log-out that only removes cookies.
#[tokio::test]
async fn logging_out_ends_the_session() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.person("jane", Role::Viewer).await;
    let mut copy = browser.clone();
    let answer = browser.post_empty("/api/v1/auth/logout").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(browser.cookies.is_empty());
    assert_eq!(copy.me().await, 401);
    assert_eq!(copy.refresh().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.post_empty("/api/v1/auth/logout").await.status, StatusCode::NO_CONTENT);
}

/// Catches a log-out that needs an access token although the refresh token is still there.
#[tokio::test]
async fn logging_out_works_after_the_access_token_ended() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.person("jane", Role::Viewer).await;
    let mut copy = browser.clone();
    browser.cookies.remove("spanloom_access");
    assert_eq!(browser.post_empty("/api/v1/auth/logout").await.status, StatusCode::NO_CONTENT);
    assert_eq!(copy.me().await, 401);
}

/// Catches a changed password that leaves a thief's session open or logs oneself out, and a change
/// by whoever finds an open browser.
#[tokio::test]
async fn changing_the_password_ends_the_other_sessions() {
    let server = Server::start(Config::default()).await;
    let mut browser = server.person("jane", Role::Viewer).await;
    let mut other: Browser = server.log_in("jane").await;
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let path = "/api/v1/auth/password";

    let wrong = browser.post(path, change("wrong password", "another good password")).await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.body["errors"][0]["field"]),
        (400, &json!("currentPassword"))
    );
    let short = browser.post(path, change(PASSWORD, "too short")).await;
    assert_eq!((short.status.as_u16(), &short.body["errors"][0]["field"]), (400, &json!("newPassword")));
    assert_eq!(other.me().await, 200);

    let changed = browser.post(path, change(PASSWORD, "another good password")).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.body);
    assert_eq!(browser.me().await, 200);
    assert_eq!(browser.refresh().await.status, StatusCode::OK);
    assert_eq!(other.me().await, 401);
    assert_eq!(server.browser().log_in("jane", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    let again = server.browser().log_in("jane", "another good password").await;
    assert_eq!(again.status, StatusCode::OK);
}

/// Catches a session that a log-in with the old password opens just after the password was changed
/// and the sessions were ended.
#[tokio::test]
async fn a_log_in_that_the_change_of_the_password_overtakes_fails() {
    let server = Server::start(Config::default()).await;
    server.add("jane", Role::Viewer).await;
    let mut change = server.store.pool.begin().await.unwrap();
    sqlx::query("UPDATE users SET password_hash = 'changed'").execute(&mut *change).await.unwrap();
    let commit = async {
        blocked(&server.store, 1).await;
        change.commit().await.unwrap();
    };
    let mut browser = server.browser();
    let (answer, ()) = tokio::join!(browser.log_in("jane", PASSWORD), commit);
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}
