//! The private PostgreSQL: real processes, real crashes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use spanloom::store::embedded::EmbeddedPostgres;
use sqlx::{Connection, PgConnection};

/// What is lost in a power cut does not matter here.
const FAST: [(&str, &str); 2] = [("fsync", "off"), ("shared_buffers", "32MB")];

async fn start(data: &Path) -> anyhow::Result<EmbeddedPostgres> {
    EmbeddedPostgres::start_with(data, &FAST).await
}

async fn connect(postgres: &EmbeddedPostgres) -> PgConnection {
    PgConnection::connect_with(&postgres.options()).await.unwrap()
}

async fn remember(postgres: &EmbeddedPostgres, what: &'static str) {
    let mut connection = connect(postgres).await;
    sqlx::query("CREATE TABLE IF NOT EXISTS memory (what text)").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO memory VALUES ($1)").bind(what).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn remembered(postgres: &EmbeddedPostgres) -> Vec<String> {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar("SELECT what FROM memory").fetch_all(&mut connection).await.unwrap()
}

/// Where the cluster is: below the data directory, unless PostgreSQL's user could not reach it.
fn cluster(data: &Path) -> PathBuf {
    fs::read_to_string(data.join("pg/location"))
        .map_or_else(|_| data.join("pg/data"), |text| PathBuf::from(text.trim_end()))
}

/// The folder of one test. Removes the cluster too when that had to go elsewhere.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self::with_mode(0o755)
    }

    fn with_mode(mode: u32) -> Self {
        let permissions = fs::Permissions::from_mode(mode);
        Self(tempfile::Builder::new().permissions(permissions).tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let cluster = cluster(self.path());
        if !cluster.starts_with(self.path())
            && let Some(parent) = cluster.parent()
        {
            let _ = fs::remove_dir_all(parent);
        }
    }
}

// A benchmark leaves gigabytes behind if this misses the place, and loses a database if it is used.
#[tokio::test]
async fn removing_takes_everything_but_never_from_a_running_server() {
    // Closed to PostgreSQL's user where that is another: the cluster is kept elsewhere then.
    let scratch = Scratch::with_mode(0o700);
    let postgres = start(scratch.path()).await.unwrap();
    assert!(EmbeddedPostgres::remove(scratch.path()).is_err(), "it is in use");
    remember(&postgres, "still here").await;
    let cluster = cluster(scratch.path());
    postgres.stop().await.unwrap();
    assert!(cluster.exists());
    EmbeddedPostgres::remove(scratch.path()).unwrap();
    assert!(!cluster.exists() && !scratch.path().join("pg").exists());
    EmbeddedPostgres::remove(scratch.path()).unwrap();
}

// The point of a database: what was committed is there after a restart.
#[tokio::test]
async fn a_restart_keeps_the_data() {
    let scratch = Scratch::new();
    let first = start(scratch.path()).await.unwrap();
    assert!((15..=18).contains(&first.major()));
    remember(&first, "before").await;
    first.stop().await.unwrap();

    let second = start(scratch.path()).await.unwrap();
    assert_eq!(remembered(&second).await, ["before"]);
    second.stop().await.unwrap();
}

// Root's home, where a first try is often made, is closed to PostgreSQL's user.
#[tokio::test]
async fn a_data_folder_closed_to_others_works() {
    let scratch = Scratch::with_mode(0o700);
    let first = start(scratch.path()).await.unwrap();
    remember(&first, "inside").await;
    first.stop().await.unwrap();
    let second = start(scratch.path()).await.unwrap();
    assert_eq!(remembered(&second).await, ["inside"]);
    second.stop().await.unwrap();
}

// `spanloom user add` beside a running server has to reach the server's database.
#[tokio::test]
async fn another_command_finds_the_running_database() {
    let scratch = Scratch::new();
    assert!(EmbeddedPostgres::running_options(scratch.path()).unwrap().is_none());
    let postgres = start(scratch.path()).await.unwrap();
    remember(&postgres, "shared").await;
    let options = EmbeddedPostgres::running_options(scratch.path()).unwrap().unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let what: String =
        sqlx::query_scalar("SELECT what FROM memory").fetch_one(&mut connection).await.unwrap();
    assert_eq!(what, "shared");
    connection.close().await.unwrap();
    postgres.stop().await.unwrap();
    assert!(EmbeddedPostgres::running_options(scratch.path()).unwrap().is_none());
}

// Whoever reaches a TCP port of a database without a password owns it.
#[tokio::test]
async fn nothing_listens_on_tcp_and_the_role_is_no_superuser() {
    let scratch = Scratch::new();
    let postgres = start(scratch.path()).await.unwrap();
    let mut connection = connect(&postgres).await;
    let addresses: String =
        sqlx::query_scalar("SHOW listen_addresses").fetch_one(&mut connection).await.unwrap();
    assert_eq!(addresses, "");
    let superuser: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(!superuser);
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "off", "a given setting does not reach PostgreSQL");
    connection.close().await.unwrap();
    postgres.stop().await.unwrap();
}

// `kill -9` of the postmaster leaves its PID file and sometimes its backends.
#[tokio::test]
async fn starts_after_postgres_was_killed() {
    let scratch = Scratch::new();
    let first = start(scratch.path()).await.unwrap();
    remember(&first, "committed").await;
    kill(Pid::from_raw(first.pid()), Signal::SIGKILL).unwrap();
    let how = tokio::time::timeout(Duration::from_secs(10), first.ended()).await.unwrap();
    assert!(how.contains("signal: 9"), "{how}");
    drop(first);

    let second = start(scratch.path()).await.unwrap();
    assert_eq!(remembered(&second).await, ["committed"]);
    second.stop().await.unwrap();
}

// A server that dies without its PostgreSQL (no death signal, a debugger, ...) must not lock
// the next one out. The handle is dropped, which frees the lock, while PostgreSQL is stopped from
// stopping: the next start has to end it itself.
#[tokio::test]
async fn takes_over_from_a_postgres_that_still_runs() {
    let scratch = Scratch::new();
    let first = start(scratch.path()).await.unwrap();
    remember(&first, "committed").await;
    let pid = Pid::from_raw(first.pid());
    kill(pid, Signal::SIGSTOP).unwrap();
    drop(first);
    assert!(kill(pid, None).is_ok(), "it should still run: the test would prove nothing");

    let resume = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        kill(pid, Signal::SIGCONT).unwrap();
    });
    let second = start(scratch.path()).await.unwrap();
    resume.await.unwrap();
    assert_eq!(remembered(&second).await, ["committed"]);
    assert_ne!(second.pid(), pid.as_raw());
    second.stop().await.unwrap();
}

// After a reboot the number in the file may be anybody's; PostgreSQL alone would refuse to start
// over one that lives. Ours certainly lives.
#[tokio::test]
async fn ignores_a_stale_pid_file_whose_number_is_taken() {
    let scratch = Scratch::new();
    start(scratch.path()).await.unwrap().stop().await.unwrap();
    let cluster = cluster(scratch.path());
    // A process of PostgreSQL's own user, which is whom PostgreSQL asks about.
    let mut other = sleeper(&cluster);
    fs::write(
        cluster.join("postmaster.pid"),
        format!("{}\n{}\n1700000000\n5432\n/nowhere\n\n\n", other.id(), cluster.display()),
    )
    .unwrap();

    let started = start(scratch.path()).await;
    let is_alive = other.try_wait().unwrap().is_none();
    other.kill().unwrap();
    other.wait().unwrap();
    started.unwrap().stop().await.unwrap();
    assert!(is_alive, "an innocent process was stopped");
}

fn sleeper(owned_like: &Path) -> std::process::Child {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new("sleep");
    command.arg("600");
    if nix::unistd::geteuid().is_root() {
        command.current_dir("/").uid(owned_like.metadata().unwrap().uid());
    }
    command.spawn().unwrap()
}

// Two postmasters on one cluster destroy it.
#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let scratch = Scratch::new();
    let first = start(scratch.path()).await.unwrap();
    let error = start(scratch.path()).await.unwrap_err().to_string();
    assert!(error.contains("another Spanloom server"), "{error}");
    remember(&first, "undisturbed").await;
    first.stop().await.unwrap();
}

// Debian's upgrade removes 15 and installs 17: the person needs to hear both numbers.
#[tokio::test]
async fn data_of_another_major_version_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let first = start(scratch.path()).await.unwrap();
    let major = first.major();
    remember(&first, "old").await;
    first.stop().await.unwrap();
    let version = cluster(scratch.path()).join("PG_VERSION");
    fs::write(&version, "9\n").unwrap();

    let error = start(scratch.path()).await.unwrap_err().to_string();
    assert!(error.contains("written by PostgreSQL 9"), "{error}");
    assert!(error.contains(&format!("{major} in ")), "{error}");

    fs::write(&version, format!("{major}\n")).unwrap();
    let second = start(scratch.path()).await.unwrap();
    assert_eq!(remembered(&second).await, ["old"]);
    second.stop().await.unwrap();
}

// A socket's path holds some hundred bytes; home directories and CI checkouts get longer.
#[tokio::test]
async fn a_long_data_path_works() {
    let scratch = Scratch::new();
    let deep = scratch.path().join("a-rather-long-name/".repeat(8));
    let postgres = start(&deep).await.unwrap();
    remember(&postgres, "deep").await;
    postgres.stop().await.unwrap();
    let cluster = cluster(&deep);
    if !cluster.starts_with(&deep) {
        fs::remove_dir_all(cluster.parent().unwrap()).unwrap();
    }
}

// A mistaken extra setting must end in PostgreSQL's own words, not in a timeout.
#[tokio::test]
async fn a_failed_start_tells_postgres_s_reason() {
    let scratch = Scratch::new();
    let error = EmbeddedPostgres::start_with(scratch.path(), &[("fsync", "off"), ("no_such_setting", "1")])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

// `kill -9` of the server must not leave a PostgreSQL behind: the kernel has to tell it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn postgres_ends_with_a_killed_server() {
    let scratch = Scratch::new();
    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_spanloom"))
        .args(["serve", "--http", "127.0.0.1:0", "--otlp-grpc", "off", "--otlp-http", "off"])
        .args(["--zipkin", "off", "--jaeger-http", "off", "--jaeger-grpc", "off"])
        .args(["--jaeger-sampling", "off", "--data"])
        .arg(scratch.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the server's PostgreSQL answers", async || {
        let Ok(Some(options)) = EmbeddedPostgres::running_options(scratch.path()) else { return false };
        PgConnection::connect_with(&options).await.is_ok()
    })
    .await;
    let cluster = cluster(scratch.path()).canonicalize().unwrap();
    let pid_file = fs::read_to_string(cluster.join("postmaster.pid")).unwrap();
    let works_in = PathBuf::from(format!("/proc/{}/cwd", pid_file.lines().next().unwrap()));
    assert_eq!(
        fs::read_link(&works_in).unwrap(),
        cluster,
        "that is not its process: the test would prove nothing"
    );

    server.kill().unwrap();
    server.wait().unwrap();
    until("PostgreSQL has ended", async || fs::read_link(&works_in).is_err()).await;
    start(scratch.path()).await.unwrap().stop().await.unwrap();
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
