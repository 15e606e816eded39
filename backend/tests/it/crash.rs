//! `kill -9` of the server and of PostgreSQL, at random moments, under load.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt as _;
use spanloom::store::embedded::EmbeddedPostgres;
use sqlx::postgres::PgPoolOptions;

use super::harness::until;
use super::load::Load;

/// How often something is killed.
const KILLS: usize = 50;

/// The real program on a data directory, with a PostgreSQL of its own.
pub struct Program {
    pub child: Child,
    port: u16,
    pub url: String,
}

impl Program {
    pub fn start(data: &Path, port: u16) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_spanloom"))
            .args(["serve", "--otlp-grpc", "off", "--otlp-http", "off", "--data"])
            .arg(data)
            .args(["--http", &format!("127.0.0.1:{port}")])
            .env("SPANLOOM__QUEUE__SEGMENT_BYTES", "200000")
            .env("SPANLOOM__TELEMETRY__LOG", "error")
            // Another server on this machine may have these.
            .envs(
                ["ZIPKIN", "JAEGER_HTTP", "JAEGER_GRPC", "JAEGER_SAMPLING"]
                    .map(|listener| (format!("SPANLOOM__LISTEN__{listener}"), "off")),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, url: format!("http://127.0.0.1:{port}") }
    }

    /// Waits until it answers. Started again where it ended, as a supervisor of services would: a
    /// PostgreSQL that is killed while the server waits for its first word ends the start.
    pub async fn ready(&mut self, client: &reqwest::Client, data: &Path) {
        until("the server is ready", async || {
            if self.child.try_wait().unwrap().is_some() {
                *self = Self::start(data, self.port);
            }
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

/// Catches an acknowledged span that is lost, a span that is stored or counted twice, and a server
/// that does not come back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_span_is_lost_and_none_is_doubled() {
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut program = Program::start(&data, port);
    program.ready(&client, &data).await;

    let load = Load::start(&client, &[program.url.clone()]);
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
            program.ready(&client, &data).await;
        }
    }
    program.ready(&client, &data).await;
    assert!(load.acknowledged() > KILLS, "there was load: {}", load.acknowledged());
    let options = EmbeddedPostgres::running_options(&data).unwrap().unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    load.finish(&pool, &format!("{server_kills} kills of the server, {postgres_kills} of PostgreSQL"))
        .await;
}

/// The postmaster's process id, as PostgreSQL notes it.
fn postmaster(data: &Path) -> Option<Pid> {
    let pg = data.join("pg");
    let cluster = std::fs::read_to_string(pg.join("location"))
        .map_or_else(|_| pg.join("data"), |path| path.trim().into());
    let pid = std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    pid.lines().next()?.parse().ok().map(Pid::from_raw)
}
