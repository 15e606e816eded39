//! A RabbitMQ of the tests' own: loopback only, free ports, gone when the test is.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use spanloom::config::{Config, QueueKind};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::harness::{data_dir, until};

/// Ends everything with the pipe to the test, however the test ends.
const SCRIPT: &str =
    r#"epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 & "$0" & cat > /dev/null; kill -9 0"#;

/// A broker that can be killed and started again.
pub struct RabbitMq {
    dir: TempDir,
    /// AMQP, Erlang's distribution, its port mapper.
    ports: [u16; 3],
    process: Option<Child>,
}

impl RabbitMq {
    /// Starts one and waits until it takes connections.
    pub async fn start() -> Self {
        let base = data_dir();
        std::fs::create_dir_all(&base).unwrap();
        // Not all of them are dropped: who shares one leaves it to the next run to clean up.
        let dir = TempDir::new_in(base).unwrap();
        let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = sockets.map(|socket| socket.local_addr().unwrap().port());
        let listen = format!("listeners.tcp.1 = 127.0.0.1:{}\n", ports[0]);
        std::fs::write(dir.path().join("rabbitmq.conf"), listen).unwrap();
        std::fs::write(dir.path().join("plugins"), "[].\n").unwrap();
        let mut rabbit = Self { dir, ports, process: None };
        rabbit.run().await;
        rabbit
    }

    /// Starts it again after [`Self::kill`].
    pub async fn run(&mut self) {
        let dir = self.dir.path();
        let log = std::fs::File::create(dir.join("output")).unwrap();
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(program())
            .env("HOME", dir)
            .env("ERL_EPMD_PORT", self.ports[2].to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", self.ports[1].to_string())
            .env("RABBITMQ_NODENAME", "spanloom@localhost")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_CONF_ENV_FILE", dir.join("none"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_PID_FILE", dir.join("pid"))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        let url = self.url();
        let output = dir.join("output");
        until("RabbitMQ takes connections", || async {
            // Before the broker has its port, whoever has it may take the connection and say nothing.
            let connect = Connection::connect(&url, ConnectionProperties::default());
            let answer = tokio::time::timeout(Duration::from_secs(2), connect).await;
            let said = std::fs::read_to_string(&output).unwrap_or_default();
            assert!(!said.contains("BOOT FAILED"), "{said}");
            answer.is_ok_and(|connected| connected.is_ok())
        })
        .await;
    }

    /// Waits until the broker has Spanloom's queues in its directory on disk. It writes that some
    /// seconds after they are made; killed before, it has lost a queue with all that it confirmed.
    pub async fn has_queues_on_disk(&self, names: &str) {
        let directory = self.dir.path().join("data/spanloom@localhost/quorum/spanloom@localhost");
        for partition in 0..4 {
            let name = format!("{names}.{partition}");
            until("the broker has the queue on disk", async || {
                ["names.dets", "meta.dets"].iter().all(|file| {
                    let bytes = std::fs::read(directory.join(file)).unwrap_or_default();
                    bytes.windows(name.len()).any(|part| part == name.as_bytes())
                })
            })
            .await;
        }
    }

    /// `kill -9` of all its processes.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let _ = killpg(Pid::from_raw(process.id().cast_signed()), Signal::SIGKILL);
        let _ = process.wait();
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0])
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    // Debian's wrapper of that name changes to another user.
    let places = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server"];
    let found = places.iter().map(Path::new).find(|place| place.is_file());
    found
        .expect(
            "RabbitMQ is not installed: apt-get install rabbitmq-server, or let `cargo xtask test` do it",
        )
        .to_owned()
}

/// A broker for all tests that do not kill it, and names of one's own in it.
pub async fn shared(config: &mut Config) {
    static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let broker = SHARED.get_or_init(RabbitMq::start).await;
    config.queue.kind = QueueKind::Rabbitmq;
    config.queue.rabbitmq.url = broker.url();
    config.queue.rabbitmq.prefix = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
}
