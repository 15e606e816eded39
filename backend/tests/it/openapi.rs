//! The OpenAPI document matches what is checked in, and every operation is closed to those who
//! may not use it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::{KeyScope, Role};

use super::harness::Spanloom;

fn document() -> Value {
    serde_json::to_value(spanloom::web::openapi::document()).unwrap()
}

/// Catches a change of the API that nobody wrote down.
#[test]
fn the_checked_in_document_is_current() {
    let checked_in = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");
    let checked_in = std::fs::read_to_string(checked_in).unwrap_or_default();
    let current = spanloom::web::openapi::document_text().unwrap();
    assert!(checked_in == current, "openapi/openapi.json is not current: run `cargo xtask openapi`");
}

/// An operation of the document, with its path parameters filled in.
struct Operation {
    name: String,
    method: Method,
    path: String,
    role: String,
    value: Value,
}

fn operations() -> Vec<Operation> {
    let document = document();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, value) in methods.as_object().unwrap() {
            let concrete = path
                .replace("{traceId}", "4bf92f3577b34da6a3ce929d0e0e4736")
                .replace("{id}", "0190163d-8694-739b-aea5-966c26f8ad91")
                .replace("{name}", "checkout")
                .replace("{key}", "http.route");
            assert!(!concrete.contains('{'), "give the test a value for the parameter of {path}");
            operations.push(Operation {
                name: format!("{} {path}", method.to_uppercase()),
                method: method.to_uppercase().parse().unwrap(),
                path: concrete,
                role: value["x-required-role"].as_str().unwrap_or_default().to_owned(),
                value: value.clone(),
            });
        }
    }
    assert!(operations.len() > 15, "the document is nearly empty");
    operations
}

/// Catches an operation without examples or without documented errors.
#[test]
fn every_operation_is_documented() {
    for operation in operations() {
        let name = &operation.name;
        let roles = ["public", "viewer", "editor", "admin", "ingest"];
        assert!(roles.contains(&operation.role.as_str()), "{name} does not tell the role it needs");
        assert!(operation.value["summary"].is_string(), "{name} has no summary");
        let responses = operation.value["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name} tells no success");
        let bodies = responses.iter().chain(
            operation.value["requestBody"].is_object().then_some((name, &operation.value["requestBody"])),
        );
        for (what, body) in bodies {
            for (content_type, content) in body["content"].as_object().into_iter().flatten() {
                let lacks_example = content["example"].is_null() && content["examples"].is_null();
                // Protobuf and Thrift cannot be shown as JSON.
                let is_binary = content_type.ends_with("protobuf") || content_type.contains("thrift");
                assert!(!lacks_example || is_binary, "{name}: no example for {what}");
            }
        }
        if operation.role != "public" {
            assert!(responses.contains_key("401"), "{name} does not tell 401");
            assert!(responses.contains_key("403"), "{name} does not tell 403");
        }
    }
}

/// The operations that anybody may call. Whoever adds one adds it here, on purpose.
const PUBLIC: [&str; 6] = [
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    // Who has no session is logged out already.
    "POST /api/v1/auth/logout",
];

/// Catches any operation that forgets to ask who is calling: nobody, a key without the scope, and
/// every role below the one that the operation declares are refused.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_closed_to_those_below_its_role() {
    // Otherwise this machine may send spans without a key.
    let server = Spanloom::start_with(|config| config.ingest.loopback_without_key = false).await;
    let ingest_key = server.key(&[KeyScope::Ingest]).await;
    let read_key = server.key(&[KeyScope::Read]).await;
    let (viewer, editor) = (server.login(Role::Viewer).await, server.login(Role::Editor).await);

    for operation in operations() {
        let Operation { name, method, path, role, .. } = operation;
        if role == "public" {
            assert!(PUBLIC.contains(&name.as_str()), "{name} is public: is that meant?");
            continue;
        }
        assert!(!PUBLIC.contains(&name.as_str()), "{name} should be public");
        let nobody = server.client.request(method.clone(), server.url(&path)).json(&json!({}));
        assert_eq!(nobody.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{name}, nobody");

        let wrong_key = if role == "ingest" { &read_key } else { &ingest_key };
        let wrong = server
            .client
            .request(method.clone(), server.url(&path))
            .bearer_auth(wrong_key)
            .json(&json!({}));
        assert_eq!(
            wrong.send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{name}, a key without the scope"
        );

        let below: &[_] = match role.as_str() {
            "editor" => &[("viewer", &viewer)],
            "admin" => &[("viewer", &viewer), ("editor", &editor)],
            _ => &[],
        };
        for (who, person) in below {
            let response = person.request(method.clone(), &path).json(&json!({})).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}, {who}");
        }
        if role == "viewer" && method != Method::GET {
            // Changing something with a session needs the CSRF token.
            let response =
                viewer.client.request(method, server.url(&path)).json(&json!({})).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}, without the CSRF token");
        }
    }
}

/// Catches a page that needs the internet.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_its_page_are_served() {
    let server = Spanloom::start().await;
    let served: Value =
        server.client.get(server.url("/api/openapi.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(served, document());
    let page = server.client.get(server.url("/api/docs/")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "nothing from elsewhere: {html}");
}
