//! The server that is measured: a child process on free ports with a database of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::args::ServerArgs;
use super::http1::Connection;
use super::store::{self, Database};
use crate::store::embedded::{EmbeddedPostgres, end_with_us};
use crate::store::parse_url;

const READY_TIMEOUT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(100);
/// The queue is written and PostgreSQL writes its buffers.
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
/// Of the server's log, when it does not start.
const LOG_LINES_SHOWN: usize = 15;
const DATABASE_URL: &str = "SPANLOOM__STORAGE__DATABASE_URL";

/// A running server. [`Self::stop`] it in every case; dropping it kills the child and leaves files
/// and the database behind.
pub struct MeasuredServer {
    child: Child,
    dir: PathBuf,
    database: OwnDatabase,
    /// Browser and API.
    pub http: SocketAddr,
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
}

/// Where the spans go.
enum OwnDatabase {
    /// The server's private PostgreSQL.
    Private,
    /// A database that we made on somebody's server.
    On { server: Box<PgConnectOptions>, name: String },
}

impl MeasuredServer {
    /// Starts this very program as a server, with `settings` (environment variables) besides those
    /// that it inherits, and waits until it is ready.
    pub async fn start(args: &ServerArgs, settings: &[(&str, String)]) -> anyhow::Result<Self> {
        let run = format!("{:08x}", rand::random::<u32>());
        let dir = std::path::absolute(args.dir.join(format!("run-{run}")))?;
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let database = OwnDatabase::prepare(args.database_url.as_deref(), &run).await?;
        let [http, otlp_grpc, otlp_http] = free_addresses()?;
        let mut command = program()?;
        command.arg("serve").arg("--data").arg(&dir);
        command.args(["--http", &http.to_string()]);
        command.args(["--otlp-grpc", &otlp_grpc.to_string(), "--otlp-http", &otlp_http.to_string()]);
        for other in ["--zipkin", "--jaeger-http", "--jaeger-grpc", "--jaeger-sampling"] {
            // Their ports are fixed, and may be another server's.
            command.args([other, "off"]);
        }
        database.name_to(&mut command);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let log = File::create(dir.join("server.log")).context("the server's log")?;
        command.stdout(log.try_clone()?).stderr(log);
        // Ctrl-C in a terminal reaches the whole group; we stop the server ourselves.
        command.process_group(0);
        // The kernel watches the thread that forks: this is the main one, which lives to the end.
        end_with_us(&mut command, Signal::SIGTERM);
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn();
        let mut server = Self {
            child: child.context("starting the server")?,
            dir,
            database,
            http,
            otlp_grpc,
            otlp_http,
        };
        match server.wait_until_ready().await {
            Ok(()) => Ok(server),
            Err(error) => {
                let log = last_lines(&server.dir.join("server.log"));
                server.stop().await?;
                Err(error.context(log))
            }
        }
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut connection = Connection::new(self.http);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at start ({status})");
            }
            let answer = timeout(READY_TIMEOUT, connection.get("/readyz", None)).await;
            if matches!(answer, Ok(Ok(response)) if response.status == 200) {
                return Ok(());
            }
            ensure!(started.elapsed() < READY_TIMEOUT, "the server does not get ready");
            sleep(POLL).await;
        }
    }

    /// The process id.
    pub fn pid(&self) -> anyhow::Result<i32> {
        self.child.id().map(u32::cast_signed).context("the server has ended")
    }

    /// A connection to its database.
    pub async fn database(&self) -> anyhow::Result<Database> {
        Database::connect(&self.database_options()?).await
    }

    /// How to connect to its database.
    pub fn database_options(&self) -> anyhow::Result<PgConnectOptions> {
        Ok(match &self.database {
            OwnDatabase::Private => EmbeddedPostgres::running_options(&self.dir)?
                .context("the server's private PostgreSQL does not run")?,
            OwnDatabase::On { server, name } => (**server).clone().database(name),
        })
    }

    /// A file for the benchmark's own use, gone after [`Self::stop`].
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A key that may read, made as an operator would make it.
    pub fn read_key(&self) -> anyhow::Result<String> {
        let mut command = program()?;
        command.args(["key", "add", "bench", "--scope", "read", "--data"]).arg(&self.dir);
        self.database.name_to(&mut command);
        let output = command.output().context("making a key")?;
        ensure!(
            output.status.success(),
            "making a key failed: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Stops the server in peace, or kills it when that takes too long, and removes everything that
    /// it left.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            // It may end at this moment; then there is nobody to signal.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        }
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            self.child.kill().await.context("killing the server")?;
        }
        match &self.database {
            OwnDatabase::Private => EmbeddedPostgres::remove(&self.dir)?,
            OwnDatabase::On { server, name } => store::drop_database(server, name).await?,
        }
        fs::remove_dir_all(&self.dir).with_context(|| format!("removing {}", self.dir.display()))
    }
}

impl OwnDatabase {
    async fn prepare(url: Option<&str>, run: &str) -> anyhow::Result<Self> {
        let Some(url) = url else { return Ok(Self::Private) };
        let (server, name) = (Box::new(parse_url(url)?), format!("spanloom_bench_{run}"));
        store::create_database(&server, &name).await?;
        Ok(Self::On { server, name })
    }

    /// Not on the command line, where every user of the machine could read the password.
    fn name_to(&self, command: &mut Command) {
        match self {
            Self::Private => command.env_remove(DATABASE_URL),
            Self::On { server, name } => {
                command.env(DATABASE_URL, (**server).clone().database(name).to_url_lossy().as_str())
            }
        };
    }
}

fn program() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe().context("looking for this program")?))
}

/// Addresses that were free a moment ago.
fn free_addresses() -> anyhow::Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // All are held before the first is let go, so that they differ.
    let listeners = [bind()?, bind()?, bind()?];
    let [http, grpc, otlp_http] = &listeners;
    Ok([http.local_addr()?, grpc.local_addr()?, otlp_http.local_addr()?])
}

fn last_lines(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
