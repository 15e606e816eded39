//! What a request must carry: CSRF token, origin, role.

use reqwest::{Method, StatusCode};
use serde_json::json;
use spanloom::config::Config;
use spanloom_model::api::Role;
use utoipa_actix_web::{AppExt, scope};

use super::fixture::{PASSWORD, Server};

/// Catches requests that another site makes with a person's cookies.
#[tokio::test]
async fn cookies_need_the_csrf_token_to_change_something() {
    let server = Server::start(Config::default()).await;
    let browser = server.person("admin", Role::Admin).await;
    let neighbour = server.person("neighbour", Role::Viewer).await;
    let body = json!({"name": "key", "scopes": ["read"]});

    let mut forged = vec![("empty", browser.with_header("X-CSRF-Token", ""))];
    forged.push(("wrong", browser.with_header("X-CSRF-Token", "wrong")));
    let mut no_cookie = browser.with_header("X-CSRF-Token", &browser.cookies["spanloom_csrf"]);
    no_cookie.cookies.remove("spanloom_csrf");
    forged.push(("no cookie", no_cookie));
    let mut planted = browser.clone();
    planted.cookies.insert("spanloom_csrf".to_owned(), neighbour.cookies["spanloom_csrf"].clone());
    forged.push(("a neighbour's, as header and as cookie", planted));
    for (what, mut browser) in forged {
        assert_eq!(
            browser.post("/api/v1/keys", body.clone()).await.status,
            StatusCode::FORBIDDEN,
            "{what}"
        );
        assert_eq!(browser.me().await, 200, "{what}: reading needs none");
    }
    for path in ["/api/v1/auth/refresh", "/api/v1/auth/logout"] {
        let mut wrong = browser.with_header("X-CSRF-Token", "wrong");
        assert_eq!(wrong.post_empty(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut good = browser.clone();
    assert_eq!(good.post("/api/v1/keys", body.clone()).await.status, StatusCode::CREATED);

    let bearer = format!("Bearer {}", browser.cookies["spanloom_access"]);
    let mut program = server.browser().with_header("Authorization", &bearer);
    assert_eq!(program.post("/api/v1/keys", body).await.status, StatusCode::CREATED, "no browser, no CSRF");
}

/// Catches requests from pages of other origins, log-in included.
#[tokio::test]
async fn foreign_origins_are_refused() {
    let mut config = Config::default();
    config.auth.trusted_origins = vec!["https://traces.example.com".to_owned()];
    let server = Server::start(config).await;
    let browser = server.person("admin", Role::Admin).await;
    let body = json!({"name": "key", "scopes": ["read"]});
    for (origin, status) in [
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        (server.base.as_str(), 201),
        ("https://traces.example.com", 201),
    ] {
        let mut browser = browser.with_header("Origin", origin);
        assert_eq!(browser.post("/api/v1/keys", body.clone()).await.status, status, "{origin}");
        let login = browser.without_cookies().log_in("admin", PASSWORD).await.status.as_u16();
        assert_eq!(login, if status == 403 { 403 } else { 200 }, "{origin}");
        let refreshed = browser.clone().refresh().await.status.as_u16();
        assert_eq!(refreshed, if status == 403 { 403 } else { 200 }, "{origin}");
    }
}

/// Catches HTML forms (no JSON) and bodies without bound.
#[tokio::test]
async fn bodies_are_json_and_small() {
    let server = Server::start(Config::default()).await;
    server.add("jane", Role::Viewer).await;
    let client = reqwest::Client::new();
    let url = format!("{}/api/v1/auth/login", server.base);
    let credentials = format!(r#"{{"username":"jane","password":"{PASSWORD}"}}"#);
    let form = client.post(&url).header("Content-Type", "text/plain").body(credentials.clone());
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let charset =
        client.post(&url).header("Content-Type", "application/json; charset=utf-8").body(credentials);
    assert_eq!(charset.send().await.unwrap().status(), StatusCode::OK);
    let large = json!({"username": "jane", "password": "x".repeat(20_000)});
    assert_eq!(
        client.post(&url).json(&large).send().await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let unknown = json!({"username": "jane", "password": PASSWORD, "role": "admin"});
    assert_eq!(client.post(&url).json(&unknown).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

/// Catches an operation that lets in less than the declared role, whatever its body, and one that
/// declares nothing.
#[tokio::test]
async fn every_operation_demands_the_role_that_it_declares() {
    let server = Server::start(Config::default()).await;
    let anonymous = server.browser();
    let viewer = server.person("viewer", Role::Viewer).await;
    let editor = server.person("editor", Role::Editor).await;
    let admin = server.person("admin", Role::Admin).await;
    let (_, document) = actix_web::App::new()
        .into_utoipa_app()
        .service(scope("/api/v1").configure(spanloom::identity::routes))
        .split_for_parts();
    let document = serde_json::to_value(&document).unwrap();
    let mut checked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let role = operation["x-required-role"].as_str().unwrap();
            let path = path.replace("{id}", "0192f0c1-2f1d-4c6e-9f0a-7d1f5a0b6c3d");
            let expected = match role {
                "public" => continue,
                "viewer" => [401, 0, 0, 0],
                "admin" => [401, 403, 403, 0],
                other => panic!("{method} {path} declares {other}"),
            };
            let browsers = [&anonymous, &viewer, &editor, &admin];
            for (browser, expected) in browsers.into_iter().zip(expected) {
                let status = browser.clone().send(method.clone(), &path, None).await.status.as_u16();
                if expected == 0 {
                    assert!(![401, 403].contains(&status), "{method} {path} refused with {status}");
                } else {
                    assert_eq!(status, expected, "{method} {path}");
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 9, "operations that need a role");
}

/// Catches roles that are not ordered, and methods other than POST that escape the CSRF check.
#[tokio::test]
async fn roles_include_the_ones_before() {
    let server = Server::start(Config::default()).await;
    for (name, role, editor, admin) in [
        ("viewer", Role::Viewer, 403, 403),
        ("editor", Role::Editor, 200, 403),
        ("admin", Role::Admin, 200, 200),
    ] {
        let mut browser = server.person(name, role).await;
        assert_eq!(browser.get("/probe/viewer").await.status, 200, "{name}");
        assert_eq!(browser.get("/probe/editor").await.status, editor, "{name}");
        assert_eq!(browser.get("/probe/admin").await.status, admin, "{name}");
        let mut forged = browser.with_header("X-CSRF-Token", "wrong");
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
            assert_eq!(forged.send(method, "/probe/viewer", None).await.status, 403, "{name}");
        }
    }
}
