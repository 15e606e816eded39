//! A server with the operations of this domain and one probe for each extractor; a browser that
//! keeps cookies and can be made to misbehave.

use std::collections::BTreeMap;

use actix_web::{App, HttpResponse, HttpServer, web};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom::config::Config;
use spanloom::identity::extract::{Admin, Editor, IngestClient, Viewer};
use spanloom::identity::{Identity, add_user, routes};
use spanloom::store::Store;
use spanloom_model::api::Role;
use utoipa_actix_web::{AppExt, scope};

use crate::harness;
pub use crate::harness::PASSWORD;

/// A migrated database of its own for one test.
pub async fn store() -> Store {
    Store::open(harness::database().await, &Config::default().storage).await.unwrap()
}

/// Runs a statement that moves the clock of a test, and says how many rows it met.
pub async fn sql(store: &Store, statement: &'static str) -> u64 {
    sqlx::query(statement).execute(&store.pool).await.unwrap().rows_affected()
}

/// Waits until so many statements on the test's database wait for a lock: they have got as far as
/// they get, whatever the machine's speed.
pub async fn blocked(store: &Store, count: i64) {
    for _ in 0..400 {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&store.pool)
        .await
        .unwrap();
        if waiting == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("never {count} statements that wait for a lock");
}

/// A running server.
pub struct Server {
    pub base: String,
    pub store: Store,
    pub identity: Identity,
}

impl Server {
    pub async fn start(config: Config) -> Self {
        Self::on(store().await, config).await
    }

    pub async fn on(store: Store, config: Config) -> Self {
        let identity = Identity::new(store.clone(), &config).await.unwrap();
        let data = web::Data::new(identity.clone());
        let server = HttpServer::new(move || {
            let probes = |config: &mut web::ServiceConfig| {
                config
                    .route("/probe/viewer", web::to(async |_: Viewer| HttpResponse::Ok()))
                    .route("/probe/editor", web::to(async |_: Editor| HttpResponse::Ok()))
                    .route("/probe/admin", web::to(async |_: Admin| HttpResponse::Ok()))
                    .route("/probe/ingest", web::to(async |_: IngestClient| HttpResponse::Ok()));
            };
            let (app, _) = App::new()
                .into_utoipa_app()
                .app_data(data.clone())
                .service(scope("/api/v1").configure(routes))
                .split_for_parts();
            app.configure(probes)
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { base, store, identity }
    }

    /// Adds a person with [`PASSWORD`].
    pub async fn add(&self, username: &str, role: Role) -> uuid::Uuid {
        add_user(&self.store, username, role, PASSWORD).await.unwrap().id
    }

    pub fn browser(&self) -> Browser {
        Browser { base: self.base.clone(), ..Browser::default() }
    }

    /// Adds a person and logs them in.
    pub async fn person(&self, username: &str, role: Role) -> Browser {
        self.add(username, role).await;
        self.log_in(username).await
    }

    pub async fn log_in(&self, username: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.log_in(username, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        browser
    }
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

/// Keeps cookies and repeats the CSRF token, like the browser application.
#[derive(Clone, Default)]
pub struct Browser {
    base: String,
    client: reqwest::Client,
    pub cookies: BTreeMap<String, String>,
    /// Sent with every request; they win over what the browser itself would send.
    pub headers: BTreeMap<&'static str, String>,
}

impl Browser {
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(name, value.to_owned());
        changed
    }

    pub fn without_cookies(&self) -> Self {
        Self { cookies: BTreeMap::new(), ..self.clone() }
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        let mut headers = self.headers.clone();
        if let Some(token) = self.cookies.get("spanloom_csrf") {
            headers.entry("X-CSRF-Token").or_insert(token.clone());
        }
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("Cookie", cookies.join("; "));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all("Set-Cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Answer { status, headers, body }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn post_empty(&mut self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub async fn patch(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn log_in(&mut self, username: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", json!({"username": username, "password": password})).await
    }

    pub async fn refresh(&mut self) -> Answer {
        self.post_empty("/api/v1/auth/refresh").await
    }

    /// The status of `GET auth/me`: 200 if the access token works.
    pub async fn me(&mut self) -> u16 {
        self.get("/api/v1/auth/me").await.status.as_u16()
    }
}
