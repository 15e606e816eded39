//! A server per test: real sockets on free ports, a database cloned from a migrated template.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use spanloom::config::{Config, Listen};
use spanloom::startup::Server;
use spanloom::store::embedded::EmbeddedPostgres;
use spanloom::store::{Store, parse_url};
use spanloom_model::api::{KeyScope, Role};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;

/// A generous bound for whatever is waited for; nothing measures time with it.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// The password of every account in the tests.
pub const PASSWORD: &str = "correct horse battery";

/// The PostgreSQL of this run and its migrated template database.
struct Cluster {
    options: PgConnectOptions,
    template: String,
}

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async {
            let options = match std::env::var("SPANLOOM_TEST_DATABASE_URL") {
                Ok(url) => parse_url(&url).unwrap(),
                Err(_) => tokio::task::spawn_blocking(start_postgres).await.unwrap(),
            };
            let template = format!("template_{}", std::process::id());
            create_database(&options, &template, None).await;
            let store =
                Store::open(options.clone().database(&template), &Config::default().storage).await.unwrap();
            store.pool.close().await;
            // TimescaleDB's background workers keep away from templates; elsewhere their connections
            // would block cloning.
            let mark = format!("ALTER DATABASE {template} IS_TEMPLATE true");
            let mut connection = PgConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            Cluster { options, template }
        })
        .await
}

/// PostgreSQL ends with the thread that started it, so that thread lives as long as the tests.
fn start_postgres() -> PgConnectOptions {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let settings = [("fsync", "off"), ("full_page_writes", "off"), ("max_connections", "300")];
            let postgres = EmbeddedPostgres::start_with(&data_dir(), &settings).await.unwrap();
            sender.send(postgres.options()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// A folder of this process; those of ended ones are removed.
pub fn data_dir() -> PathBuf {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("it");
    for entry in std::fs::read_dir(&base).into_iter().flatten().flatten() {
        let process = PathBuf::from("/proc").join(entry.file_name());
        if !process.exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    base.join(std::process::id().to_string())
}

async fn create_database(options: &PgConnectOptions, name: &str, template: Option<&str>) {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    let template = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}{template}")))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// A database with nothing in it, not even the schema.
pub async fn empty_database() -> PgConnectOptions {
    let cluster = cluster().await;
    let name = database_name();
    create_database(&cluster.options, &name, None).await;
    cluster.options.clone().database(&name)
}

/// A migrated database of one's own.
pub async fn database() -> PgConnectOptions {
    let cluster = cluster().await;
    let name = database_name();
    create_database(&cluster.options, &name, Some(&cluster.template)).await;
    cluster.options.clone().database(&name)
}

fn database_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

static NEXT_SERVER: AtomicU32 = AtomicU32::new(0);

/// A running server with a database of its own. Needs `#[tokio::test(flavor = "multi_thread")]`.
pub struct Spanloom {
    pub server: Server,
    pub config: Config,
    /// Without cookies: every request is its own.
    pub client: reqwest::Client,
}

impl Spanloom {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a server whose configuration `change` has changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(&database().await, change).await
    }

    /// Starts a server, perhaps a second one, on a database.
    pub async fn start_on(database: &PgConnectOptions, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.storage.database_url = Some(database.to_url_lossy().to_string());
        config.storage.connections_max = 8;
        let free = "127.0.0.1:0".parse().unwrap();
        // A queue on disk has one server.
        config.storage.data_dir =
            data_dir().join(format!("server_{}", NEXT_SERVER.fetch_add(1, Ordering::Relaxed)));
        config.ingest.linger_ms = 5;
        config.listen.http = free;
        config.listen.otlp_grpc = Listen::On(free);
        config.listen.otlp_http = Listen::On(free);
        config.listen.zipkin = Listen::On(free);
        config.listen.jaeger_http = Listen::On(free);
        config.listen.jaeger_grpc = Listen::On(free);
        config.listen.jaeger_sampling = Listen::On(free);
        change(&mut config);
        let server = Server::start(&config, None).await.unwrap();
        Self { server, config, client: reqwest::Client::new() }
    }

    pub fn pool(&self) -> &sqlx::PgPool {
        &self.server.store.pool
    }

    /// The address of a path on the main port.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.http)
    }

    /// An API key.
    pub async fn key(&self, scopes: &[KeyScope]) -> String {
        spanloom::identity::add_key(&self.server.store, "test", scopes).await.unwrap()
    }

    /// A key that reads, made once per call.
    pub async fn reader(&self) -> Reader<'_> {
        Reader { spanloom: self, key: self.key(&[KeyScope::Read]).await }
    }

    /// A person of that role, logged in.
    pub async fn login(&self, role: Role) -> Person {
        let name = format!("{role:?}").to_lowercase();
        spanloom::identity::add_user(&self.server.store, &name, role, PASSWORD).await.unwrap();
        self.login_as(&name, PASSWORD).await
    }

    /// Logs an existing person in.
    pub async fn login_as(&self, name: &str, password: &str) -> Person {
        let client = reqwest::Client::builder().cookie_store(true).build().unwrap();
        let response = client
            .post(self.url("/api/v1/auth/login"))
            .json(&json!({"username": name, "password": password}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let session: Value = response.json().await.unwrap();
        Person { client, base: self.url(""), csrf: session["csrfToken"].as_str().unwrap().to_owned() }
    }

    /// Sends spans in the native format and expects them to be stored.
    pub async fn ingest(&self, spans: &Value) {
        let response = self.client.post(self.url("/api/v1/spans")).json(spans).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, StatusCode::OK, "{}", response.text().await.unwrap());
        self.server.settled().await;
    }

    /// How many spans are stored.
    pub async fn stored_spans(&self) -> i64 {
        self.server.settled().await;
        sqlx::query_scalar("SELECT count(*) FROM spans").fetch_one(self.pool()).await.unwrap()
    }
}

/// Takes a server's database away, as far as the server can tell, or gives it back.
pub async fn allow_connections(server: &Spanloom, allow: bool) {
    let name = server.pool().connect_options().get_database().unwrap().to_owned();
    let mut connection = PgConnection::connect_with(&cluster().await.options).await.unwrap();
    let alter = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}");
    sqlx::raw_sql(AssertSqlSafe(alter)).execute(&mut connection).await.unwrap();
    end_connections_to(&mut connection, &name).await;
}

/// Ends what is connected to a server's database, so that it connects anew.
pub async fn end_connections(server: &Spanloom) {
    let name = server.pool().connect_options().get_database().unwrap().to_owned();
    let mut connection = PgConnection::connect_with(&cluster().await.options).await.unwrap();
    end_connections_to(&mut connection, &name).await;
}

async fn end_connections_to(connection: &mut PgConnection, name: &str) {
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(name)
        .execute(connection)
        .await
        .unwrap();
}

/// Reads the API with a key.
pub struct Reader<'a> {
    spanloom: &'a Spanloom,
    key: String,
}

impl Reader<'_> {
    pub async fn response(&self, path: &str) -> Response {
        self.spanloom.client.get(self.spanloom.url(path)).bearer_auth(&self.key).send().await.unwrap()
    }

    /// The JSON of a successful answer.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.response(path).await;
        let status = response.status();
        let body = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

/// A person with a browser: cookies and the CSRF token.
pub struct Person {
    pub client: reqwest::Client,
    base: String,
    pub csrf: String,
}

impl Person {
    /// A request with everything that a browser of ours would send.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).header("X-CSRF-Token", &self.csrf)
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Now, in microseconds since the epoch.
pub fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// Nanoseconds since the epoch, `seconds` ago.
pub fn ago_ns(seconds: i64) -> u64 {
    ((now_us() - seconds * 1_000_000) * 1_000) as u64
}
