//! The private PostgreSQL that `spanloom serve` runs when no database URL is configured.
//!
//! It lives in `DATA/pg`, listens on a unix socket in a private folder only, and ends with the
//! server, also when the server is killed. Two roles exist: `postgres`, the superuser that this
//! module alone uses, and `spanloom`, which owns the database of the same name.

mod account;
mod binaries;
mod cluster;
mod leftover;
mod place;
mod process;
mod running;
mod supervise;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{Connection, Executor};

use account::Account;
use binaries::Binaries;
use place::SocketDir;
use process::Postmaster;
pub use supervise::Supervised;

pub(crate) use process::end_with_us;

/// Recovery after a crash reads the log since the last checkpoint; `max_wal_size` bounds it.
const READY_TIMEOUT: Duration = Duration::from_mins(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
const DATABASE: &str = "spanloom";
/// Names the socket file only, since nothing listens on TCP.
const PORT: u16 = 5432;

/// A running private PostgreSQL. Dropping it asks PostgreSQL to stop but does not wait: prefer
/// [`EmbeddedPostgres::stop`].
#[derive(Debug)]
pub struct EmbeddedPostgres {
    process: Postmaster,
    launch: Launch,
    // Order matters: the socket's folder goes before the lock lets another server in.
    socket: SocketDir,
    _lock: File,
}

impl EmbeddedPostgres {
    /// Starts PostgreSQL in `data_dir`, which is created and initialised when it is new, and waits
    /// until it answers. What an earlier, killed run left behind is cleaned up first.
    ///
    /// Fails when no PostgreSQL 15 to 18 is installed, when the data belongs to another major
    /// version or another OS user, or when another server uses `data_dir`.
    pub async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(data_dir, &[]).await
    }

    /// Like [`EmbeddedPostgres::start`], with settings that win over our own, for example
    /// `("fsync", "off")` in tests.
    pub async fn start_with(data_dir: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let started = Instant::now();
        let data_dir = data_dir.to_owned();
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let prepared = tokio::task::spawn_blocking(move || prepare(&data_dir, &settings))
            .await
            .context("preparing PostgreSQL panicked")??;

        let process = process::spawn(prepared.launch.command())?;
        let Prepared { launch, socket, lock } = prepared;
        let postgres = Self { process, launch, socket, _lock: lock };
        let mut connection = postgres.wait_until_ready().await?;
        create_role_and_database(&mut connection).await?;
        connection.close().await.context("closing the superuser's connection")?;
        tracing::info!(
            major = postgres.major(),
            timescaledb = postgres.has_timescale(),
            data = %postgres.launch.data.display(),
            start_ms = started.elapsed().as_millis() as u64,
            "private PostgreSQL is ready"
        );
        Ok(postgres)
    }

    /// How to connect to the database `spanloom`, as its owner. The role may create databases.
    pub fn options(&self) -> PgConnectOptions {
        connect_options(self.socket.path(), "spanloom", DATABASE)
    }

    /// PostgreSQL's major version, 15 to 18.
    pub fn major(&self) -> u32 {
        self.launch.binaries.major
    }

    /// Whether TimescaleDB's library is loaded, so that `CREATE EXTENSION timescaledb` works.
    pub fn has_timescale(&self) -> bool {
        self.launch.binaries.has_timescale()
    }

    /// The process id of PostgreSQL's postmaster.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Returns when PostgreSQL has ended, for whatever reason, with words that say how. A server
    /// that did not ask for this has lost its database.
    pub async fn ended(&self) -> String {
        self.process.ended().await
    }

    /// Starts PostgreSQL again after it has ended, at the same socket, and waits until it answers:
    /// connection pools find it again by themselves.
    ///
    /// # Errors
    /// If it does not start. It may be tried again.
    pub async fn revive(&mut self) -> anyhow::Result<()> {
        let (data, binaries) = (self.launch.data.clone(), self.launch.binaries.clone());
        // Its backends may outlive a killed postmaster for a moment.
        tokio::task::spawn_blocking(move || leftover::stop_and_clear(&data, &binaries))
            .await
            .context("clearing up after PostgreSQL panicked")??;
        self.process = process::spawn(self.launch.command())?;
        self.wait_until_ready().await?.close().await.context("closing the superuser's connection")?;
        Ok(())
    }

    /// Ends open transactions and stops PostgreSQL; waits until it has written everything.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }

    async fn wait_until_ready(&self) -> anyhow::Result<PgConnection> {
        let options = connect_options(self.socket.path(), "postgres", "postgres");
        let started = Instant::now();
        let mut told = started;
        loop {
            let attempt = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
            if let Ok(Ok(connection)) = attempt {
                return Ok(connection);
            }
            if let Some(how) = self.process.has_ended() {
                anyhow::bail!("PostgreSQL did not start: {how}\n{}", self.process.last_lines());
            }
            if started.elapsed() > READY_TIMEOUT {
                let problem = match attempt {
                    Ok(Err(error)) => error.to_string(),
                    _ => "no answer".to_owned(),
                };
                anyhow::bail!("PostgreSQL is not ready: {problem}\n{}", self.process.last_lines());
            }
            if told.elapsed() > PROGRESS_INTERVAL {
                told = Instant::now();
                tracing::info!(seconds = started.elapsed().as_secs(), "PostgreSQL is still starting");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn connect_options(socket: &Path, role: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(role)
        .database(database)
}

struct Prepared {
    launch: Launch,
    socket: SocketDir,
    lock: File,
}

/// How the process is started, also a second time.
#[derive(Debug)]
struct Launch {
    binaries: Binaries,
    account: Option<Account>,
    data: PathBuf,
    socket_setting: String,
    settings: Vec<(String, String)>,
}

impl Launch {
    fn command(&self) -> std::process::Command {
        let mut command = account::command(&self.binaries.dir.join("postgres"), self.account.as_ref());
        command.arg("-D").arg(&self.data);
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        // On the command line, so that nothing in the data directory makes it listen elsewhere.
        set("listen_addresses", "");
        set("port", &PORT.to_string());
        set("unix_socket_permissions", "0700");
        set("unix_socket_directories", &self.socket_setting);
        for (name, value) in &self.settings {
            set(name, value);
        }
        command
    }
}

/// Everything up to the start of the process. Blocks: files, `initdb`, waiting for leftovers.
fn prepare(data_dir: &Path, settings: &[(String, String)]) -> anyhow::Result<Prepared> {
    let base = place::create_base(data_dir)?;
    let lock = leftover::lock(&base)?;
    let known = place::known_data(&base)?;
    let account = account::choose(&known)?;
    let data = place::settle_data(&base, known, account.as_ref())?;

    let installed = binaries::find();
    let binaries = binaries::choose(&installed, cluster::major(&data)?, &data)?;
    leftover::stop_and_clear(&data, binaries)?;
    let socket = SocketDir::create(&base, account.as_ref())?;

    let is_new = cluster::major(&data)?.is_none();
    if is_new {
        tracing::info!(major = binaries.major, data = %data.display(), "creating a PostgreSQL database");
        let fsync_off = settings.iter().any(|(name, value)| name == "fsync" && value == "off");
        cluster::initialise(binaries, &data, account.as_ref(), !fsync_off)?;
    }
    cluster::write_settings(&data, binaries.has_timescale(), account.as_ref())?;

    tracing::info!(major = binaries.major, binaries = %binaries.dir.display(), "starting PostgreSQL");
    let (binaries, socket_setting) = (binaries.clone(), socket.setting());
    let launch = Launch { binaries, account, data, socket_setting, settings: settings.to_vec() };
    Ok(Prepared { launch, socket, lock })
}

async fn create_role_and_database(connection: &mut PgConnection) -> anyhow::Result<()> {
    let role: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'spanloom')")
        .fetch_one(&mut *connection)
        .await
        .context("looking for the role spanloom")?;
    if !role {
        connection
            .execute("CREATE ROLE spanloom LOGIN CREATEDB")
            .await
            .context("creating the role spanloom")?;
    }
    let database: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'spanloom')")
            .fetch_one(&mut *connection)
            .await
            .context("looking for the database spanloom")?;
    if !database {
        connection
            .execute("CREATE DATABASE spanloom OWNER spanloom")
            .await
            .context("creating the database spanloom")?;
    }
    Ok(())
}
