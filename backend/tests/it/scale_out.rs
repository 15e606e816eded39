//! Several servers on one database and one broker, each with a part of the roles.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::broker::RabbitMq;
use super::harness::{self, until};
use super::load::Load;

/// What the servers have in common.
struct Site {
    database: PgConnectOptions,
    broker_url: String,
    dir: tempfile::TempDir,
    client: reqwest::Client,
}

/// The real program with some of the roles.
struct Program {
    child: Child,
    role: &'static str,
    data: PathBuf,
    port: u16,
}

impl Site {
    fn start(&self, role: &'static str, number: u8) -> Program {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = self.dir.path().join(format!("{role}{number}"));
        self.run(role, data, port)
    }

    fn run(&self, role: &'static str, data: PathBuf, port: u16) -> Program {
        let child = Command::new(env!("CARGO_BIN_EXE_spanloom"))
            .args(["serve", "--roles", role, "--otlp-grpc", "off", "--otlp-http", "off", "--zipkin", "off"])
            .args(["--jaeger-http", "off", "--jaeger-grpc", "off", "--jaeger-sampling", "off", "--data"])
            .arg(&data)
            .args(["--http", &format!("127.0.0.1:{port}")])
            .env("SPANLOOM__STORAGE__DATABASE_URL", self.database.to_url_lossy().as_str())
            .env("SPANLOOM__QUEUE__KIND", "rabbitmq")
            .env("SPANLOOM__QUEUE__RABBITMQ__URL", &self.broker_url)
            .env("SPANLOOM__TELEMETRY__LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Program { child, role, data, port }
    }

    async fn ready(&self, program: &Program) {
        until("the server is ready", async || {
            let answer = self.client.get(format!("{}/readyz", program.url())).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// `kill -9`, and another one in its place.
    fn replace(&self, program: &mut Program) {
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        *program = self.run(program.role, program.data.clone(), program.port);
    }

    /// How many spans the writer has written since it was started.
    async fn written(&self, program: &Program) -> u64 {
        let answer = self.client.get(format!("{}/metrics", program.url())).send().await;
        let Ok(answer) = answer else { return 0 };
        let text = answer.text().await.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("spanloom_spans_written_total "));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Program {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Catches an acknowledged span that is lost between servers, one that two writers store or count,
/// and a server that nobody takes over from.
#[tokio::test(flavor = "multi_thread")]
async fn servers_and_the_broker_die_and_every_acknowledged_span_is_stored_once() {
    let mut broker = RabbitMq::start().await;
    let site = Site {
        database: harness::database().await,
        broker_url: broker.url(),
        dir: tempfile::TempDir::new().unwrap(),
        client: reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap(),
    };
    let mut receivers = [site.start("receive", 0), site.start("receive", 1)];
    let mut writers = [site.start("write", 0), site.start("write", 1)];
    for program in receivers.iter().chain(&writers) {
        site.ready(program).await;
    }
    let load = Load::start(&site.client, &receivers.each_ref().map(Program::url));
    let more = async |what: &str| {
        let enough = load.acknowledged() + 100;
        until(what, async || load.acknowledged() >= enough).await;
    };
    until("both writers have their share", async || {
        site.written(&writers[0]).await > 0 && site.written(&writers[1]).await > 0
    })
    .await;

    site.replace(&mut receivers[0]);
    more("the other receiver takes requests").await;
    site.replace(&mut writers[0]);
    let written = site.written(&writers[1]).await;
    until("the other writer goes on", async || site.written(&writers[1]).await > written).await;
    site.ready(&receivers[0]).await;
    more("both receivers take requests").await;
    broker.has_queues_on_disk("spanloom.4").await;
    broker.kill();
    broker.run().await;
    more("requests are taken after the broker is back").await;
    site.replace(&mut writers[1]);
    site.ready(&writers[1]).await;
    more("requests are taken with everybody back").await;

    let pool = PgPoolOptions::new().max_connections(1).connect_with(site.database.clone()).await.unwrap();
    load.finish(&pool, "a receiver, both writers and the broker were killed").await;
}
