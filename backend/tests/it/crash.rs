//! `kill -9` of the server and of PostgreSQL, at random moments, under load.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt as _;
use serde_json::{Value, json};
use spanloom::store::embedded::EmbeddedPostgres;
use sqlx::postgres::PgPoolOptions;

use super::harness::now_us;

/// How often something is killed.
const KILLS: usize = 50;

const SENDERS: u64 = 4;

/// Spans of a request.
const SPANS: u64 = 20;

/// A generous bound for whatever is waited for; nothing here measures time.
const PATIENCE: Duration = Duration::from_mins(3);

/// The real program on a data directory, with a PostgreSQL of its own.
struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(data: &Path, port: u16) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_spanloom"))
            .args(["serve", "--otlp-grpc", "off", "--otlp-http", "off", "--data"])
            .arg(data)
            .args(["--http", &format!("127.0.0.1:{port}")])
            .env("SPANLOOM__QUEUE__SEGMENT_BYTES", "200000")
            .env("SPANLOOM__TELEMETRY__LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    async fn ready(&self, client: &reqwest::Client) {
        until("the server is ready", async || {
            let answer = client.get(format!("{}/readyz", self.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn body(request: u64) -> Value {
    let now = now_us();
    (0..SPANS)
        .map(|index| {
            json!({
                "traceId": format!("{:032x}", request + 1), "spanId": format!("{:016x}", request * SPANS + index + 1),
                "name": "op", "serviceName": "crash", "startTime": now, "duration": 5
            })
        })
        .collect()
}

/// Sends until it is told to stop, each request again until it is acknowledged, as SDKs do. Notes
/// the requests that were acknowledged.
async fn send(
    client: reqwest::Client,
    url: String,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<u64>>>,
) {
    while !stop.load(Ordering::Relaxed) {
        let request = next.fetch_add(1, Ordering::Relaxed);
        let body = body(request);
        let started = Instant::now();
        loop {
            let answer = client.post(&url).json(&body).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "the server does not come back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        acknowledged.lock().unwrap().push(request);
    }
}

/// Catches an acknowledged span that is lost, a span that is stored or counted twice, and a server
/// that does not come back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_span_is_lost_and_none_is_doubled() {
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut program = Program::start(&data, port);
    program.ready(&client).await;

    let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let url = format!("{}/api/v1/spans", program.url);
            tokio::spawn(send(client.clone(), url, next.clone(), stop.clone(), acknowledged.clone()))
        })
        .collect();

    let (mut server_kills, mut postgres_kills) = (0, 0);
    while server_kills + postgres_kills < KILLS {
        // The moment is what is random; under load something is always under way.
        let pause_ms = rand::rng().random_range(1..400);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        if rand::rng().random_bool(0.5) {
            program.child.kill().unwrap();
            program.child.wait().unwrap();
            program = Program::start(&data, port);
            server_kills += 1;
        } else if let Some(postmaster) = postmaster(&data) {
            // It may have ended in between.
            postgres_kills += usize::from(kill(postmaster, Signal::SIGKILL).is_ok());
        }
        if rand::rng().random_bool(0.5) {
            // Otherwise the next blow falls while it is still getting up.
            program.ready(&client).await;
        }
    }
    program.ready(&client).await;
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > KILLS, "there was load: {}", acknowledged.len());
    let options = EmbeddedPostgres::running_options(&data).unwrap().unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let count = async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap();
    let sent = next.load(Ordering::Relaxed) as i64 * SPANS as i64;
    until("everything queued is written", async || count("SELECT count(*) FROM spans").await >= sent).await;

    let stored: Vec<(i64, i64)> = sqlx::query_as("SELECT span_id, count(*) FROM spans GROUP BY span_id")
        .fetch_all(&pool)
        .await
        .unwrap();
    let stored: HashMap<i64, i64> = stored.into_iter().collect();
    let told = format!("{server_kills} kills of the server, {postgres_kills} of PostgreSQL");
    for request in acknowledged {
        for id in request * SPANS + 1..=(request + 1) * SPANS {
            assert_eq!(stored.get(&(id as i64)), Some(&1), "span {id} after {told}");
        }
    }
    assert!(stored.values().all(|count| *count == 1), "doubled after {told}");
    let stored = stored.len() as i64;
    assert_eq!(count("SELECT sum(span_count)::bigint FROM metrics_minute").await, stored, "metrics");
    assert_eq!(count("SELECT sum(span_count)::bigint FROM traces").await, stored, "pieces of traces");
}

/// The postmaster's process id, as PostgreSQL notes it.
fn postmaster(data: &Path) -> Option<Pid> {
    let pg = data.join("pg");
    let cluster = std::fs::read_to_string(pg.join("location"))
        .map_or_else(|_| pg.join("data"), |path| path.trim().into());
    let pid = std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    pid.lines().next()?.parse().ok().map(Pid::from_raw)
}
