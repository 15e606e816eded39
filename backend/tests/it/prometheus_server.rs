//! A Prometheus of the tests' own: loopback only, a free port, gone when the test is.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::harness::{Spanloom, data_dir, until};

/// Ends everything with the pipe to the test, however the test ends.
const SCRIPT: &str = r#""$0" "$@" & cat > /dev/null; kill -9 0"#;

pub struct Prometheus {
    process: Child,
    base: String,
    client: reqwest::Client,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes the server every second, as an operator would set it up.
    pub async fn scraping(server: &Spanloom, key: &str) -> Self {
        let base = data_dir();
        std::fs::create_dir_all(&base).unwrap();
        let dir = TempDir::new_in(base).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let target = server.url("").trim_start_matches("http://").to_owned();
        let config = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n\
             - job_name: spanloom\n  \
               metrics_path: /api/v1/metrics/prometheus\n  \
               authorization: {{credentials: {key}}}\n  \
               static_configs: [{{targets: ['{target}']}}]\n"
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let log = std::fs::File::create(dir.path().join("output")).unwrap();
        let process = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(program())
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let client = reqwest::Client::new();
        let prometheus = Self { process, base: format!("http://{address}"), client, _dir: dir };
        let ready = format!("{}/-/ready", prometheus.base);
        until("Prometheus is ready", async || {
            prometheus.client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        prometheus
    }

    /// `data` of the answer.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let request = self.client.get(format!("{}{path}", self.base)).query(parameters);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].clone()
    }

    /// The value of an expression now; none where there is none.
    pub async fn value(&self, expression: &str) -> Option<f64> {
        let data = self.get("/api/v1/query", &[("query", expression)]).await;
        let result = data["result"].as_array().unwrap();
        assert!(result.len() <= 1, "{expression}: {data}");
        result.first().map(|one| one["value"][1].as_str().unwrap().parse().unwrap())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

fn program() -> PathBuf {
    let places = ["/usr/bin/prometheus", "/opt/homebrew/bin/prometheus"];
    let found = places.iter().map(Path::new).find(|place| place.is_file());
    found
        .expect("Prometheus is not installed: apt-get install prometheus, or let `cargo xtask test` do it")
        .to_owned()
}
