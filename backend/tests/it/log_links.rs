//! Links to external log systems.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::{LogLink, Role};

use super::harness::Spanloom;

/// Catches a link that is saved as somebody else typed it, a script for an address, and names that are
/// taken twice.
#[tokio::test(flavor = "multi_thread")]
async fn links_are_checked_saved_changed_and_removed() {
    let server = Spanloom::start().await;
    let admin = server.login(Role::Admin).await;
    let post = async |body: Value| {
        admin.request(Method::POST, "/api/v1/log-links").json(&body).send().await.unwrap()
    };
    let template = "https://logs.example/x?q={traceId}&s={service}&from={startMs}";
    let created = post(json!({"name": " Kibana ", "urlTemplate": template})).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let link: LogLink = created.json().await.unwrap();
    assert_eq!(
        (link.name.as_str(), link.service.as_ref(), link.author.as_str()),
        ("Kibana", None, "admin")
    );
    let of_service = json!({"name": "Kibana", "service": "cart", "urlTemplate": template});
    assert_eq!(post(of_service.clone()).await.status(), StatusCode::CREATED, "for one service");
    assert_eq!(post(of_service.clone()).await.status(), StatusCode::CONFLICT);

    for (wrong, field) in [
        (json!({"name": "", "urlTemplate": template}), "name"),
        (json!({"name": "x".repeat(61), "urlTemplate": template}), "name"),
        (json!({"name": "x", "urlTemplate": "javascript:alert('{traceId}')"}), "urlTemplate"),
        (json!({"name": "x", "urlTemplate": "https://{service}/"}), "urlTemplate"),
        (json!({"name": "x", "urlTemplate": "https://logs.example/{trace}"}), "urlTemplate"),
        (json!({"name": "x", "service": "\u{1}", "urlTemplate": template}), "service"),
    ] {
        let refused = post(wrong.clone()).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["field"], field);
    }

    let path = format!("/api/v1/log-links/{}", link.id);
    let put = async |path: &str, body: &Value| {
        admin.request(Method::PUT, path).json(body).send().await.unwrap().status()
    };
    assert_eq!(put(&path, &of_service).await, StatusCode::CONFLICT);
    assert_eq!(put(&path, &json!({"name": "Loki", "urlTemplate": template})).await, StatusCode::OK);
    let missing = format!("/api/v1/log-links/{}", uuid::Uuid::new_v4());
    assert_eq!(put(&missing, &json!({"name": "x", "urlTemplate": template})).await, StatusCode::NOT_FOUND);

    let reader = server.reader().await;
    let names = async || {
        let links = reader.get("/api/v1/log-links").await;
        let names = links.as_array().unwrap().iter().map(|link| link["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["Kibana", "Loki"]);
    let delete = async || admin.request(Method::DELETE, &path).send().await.unwrap().status();
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    assert_eq!(delete().await, StatusCode::NOT_FOUND);
    assert_eq!(names().await, ["Kibana"]);
}
