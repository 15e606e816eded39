//! Configuration: a TOML file, `SPANLOOM__SECTION__KEY` variables and flags, in this order.
//!
//! Everything is validated once, at start; an error names the key at fault.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where data lives.
    pub storage: StorageConfig,
    /// What listens where.
    pub listen: ListenConfig,
    /// What is accepted.
    pub ingest: IngestConfig,
    /// How long searches may take and how much they may return.
    pub query: QueryConfig,
    /// Sessions.
    pub auth: AuthConfig,
    /// What Spanloom tells about itself.
    pub telemetry: TelemetryConfig,
}

/// Where data lives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// `postgres://...`; without it Spanloom runs a PostgreSQL of its own in `data_dir`.
    pub database_url: Option<String>,
    /// Where the private PostgreSQL and the server's secrets live.
    pub data_dir: PathBuf,
    /// Connections at most.
    pub connections_max: u32,
    /// Spans older than this are refused and dropped.
    pub retention_days: u32,
    /// Hours that a chunk (TimescaleDB) of spans covers. Read when the database is created.
    pub chunk_hours: u32,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            database_url: None,
            data_dir: PathBuf::from(".spanloom"),
            connections_max: 16,
            retention_days: 7,
            chunk_hours: 1,
        }
    }
}

/// An address, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// Not listening.
    Off,
    /// Listening there; port 0 takes any free one.
    On(SocketAddr),
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::On)
            .map_err(|_| format!("{text:?} is neither an address like 127.0.0.1:4317 nor \"off\""))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        match listen {
            Listen::Off => "off".to_owned(),
            Listen::On(address) => address.to_string(),
        }
    }
}

/// What listens where.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// Browser, API, and OTLP/HTTP too.
    pub http: SocketAddr,
    /// OTLP over gRPC.
    pub otlp_grpc: Listen,
    /// OTLP over HTTP.
    pub otlp_http: Listen,
    /// Jaeger remote sampling.
    pub jaeger_sampling: Listen,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            http: local(8080),
            otlp_grpc: Listen::On(local(4317)),
            otlp_http: Listen::On(local(4318)),
            jaeger_sampling: Listen::On(local(5778)),
        }
    }
}

/// What is accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// A request's body, before and after decompression.
    pub body_bytes_max: usize,
    /// Spans of the native format in one request.
    pub spans_per_request_max: usize,
    /// Bytes of requests that wait to be written, estimated; beyond it clients are asked to retry.
    pub queue_bytes_max: usize,
    /// Spans that one transaction writes at most.
    pub batch_spans_max: usize,
    /// How far in the future a span may start.
    pub future_seconds_max: u64,
    /// Whether clients on this machine may send without a key.
    pub loopback_without_key: bool,
    /// Whether every client may send without a key.
    pub open: bool,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            spans_per_request_max: 10_000,
            queue_bytes_max: 256 << 20,
            batch_spans_max: 20_000,
            future_seconds_max: 600,
            loopback_without_key: true,
            open: false,
        }
    }
}

/// How long searches may take and how much they may return.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// A search that takes longer returns what it has and says so.
    pub search_seconds_max: u64,
    /// A statement that takes longer is cancelled.
    pub statement_seconds_max: u64,
    /// Traces on a page at most.
    pub limit_max: u32,
    /// Spans of one trace that a response holds at most.
    pub trace_spans_max: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            search_seconds_max: 10,
            statement_seconds_max: 30,
            limit_max: 1_000,
            trace_spans_max: 200_000,
        }
    }
}

/// Sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Lifetime of an access token.
    pub access_minutes: u32,
    /// Lifetime of a session that is not used.
    pub refresh_days: u32,
    /// Whether cookies demand HTTPS. Turn it on behind a TLS proxy.
    pub secure_cookies: bool,
    /// Failed log-ins per account, and ten times as many per address, before a pause.
    pub attempts_max: u32,
    /// How long failed log-ins count.
    pub attempts_window_minutes: u32,
    /// Origins besides the server's own that browsers may call from, such as `https://traces.example.com`
    /// in front of a proxy.
    pub trusted_origins: Vec<String>,
    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            access_minutes: 15,
            refresh_days: 30,
            secure_cookies: false,
            attempts_max: 10,
            attempts_window_minutes: 15,
            trusted_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// What Spanloom tells about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What is logged, in the syntax of `RUST_LOG`.
    pub log: String,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// Whether Spanloom sends spans about its own requests to itself.
    pub self_tracing: bool,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log: "info,actix_server=warn".to_owned(), log_format: LogFormat::Text, self_tracing: false }
    }
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the file (if any), the environment and the flags (`overrides`, dotted keys), and
    /// validates the whole. The error names the key at fault.
    pub fn load(file: Option<&Path>, overrides: &[(&str, serde_json::Value)]) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            anyhow::ensure!(file.is_file(), "no configuration file at {}", file.display());
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed("SPANLOOM__").split("__"));
        for (key, value) in overrides {
            figment = figment.merge(Serialized::default(key, value));
        }
        let config: Self = figment.extract().map_err(describe)?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> anyhow::Result<()> {
        let positive = [
            ("storage.connections_max", u64::from(self.storage.connections_max)),
            ("storage.retention_days", u64::from(self.storage.retention_days)),
            ("storage.chunk_hours", u64::from(self.storage.chunk_hours)),
            ("ingest.body_bytes_max", self.ingest.body_bytes_max as u64),
            ("ingest.spans_per_request_max", self.ingest.spans_per_request_max as u64),
            ("ingest.queue_bytes_max", self.ingest.queue_bytes_max as u64),
            ("ingest.batch_spans_max", self.ingest.batch_spans_max as u64),
            ("query.search_seconds_max", self.query.search_seconds_max),
            ("query.statement_seconds_max", self.query.statement_seconds_max),
            ("query.limit_max", u64::from(self.query.limit_max)),
            ("query.trace_spans_max", self.query.trace_spans_max as u64),
            ("auth.access_minutes", u64::from(self.auth.access_minutes)),
            ("auth.refresh_days", u64::from(self.auth.refresh_days)),
            ("auth.attempts_max", u64::from(self.auth.attempts_max)),
            ("auth.attempts_window_minutes", u64::from(self.auth.attempts_window_minutes)),
        ];
        for (key, value) in positive {
            anyhow::ensure!(value > 0, "{key}: must be at least 1");
        }
        anyhow::ensure!(
            self.storage.connections_max >= 4,
            "storage.connections_max: must be at least 4 (writer, jobs and two readers)"
        );
        anyhow::ensure!(
            self.storage.retention_days <= 3650,
            "storage.retention_days: must be at most 3650"
        );
        anyhow::ensure!(
            self.ingest.future_seconds_max <= 86_400,
            "ingest.future_seconds_max: must be at most 86400 (a day)"
        );
        if let Some(url) = &self.storage.database_url {
            url.parse::<sqlx::postgres::PgConnectOptions>()
                .map_err(|_| anyhow::anyhow!("storage.database_url: not a postgres:// URL"))?;
        }
        self.telemetry
            .log
            .parse::<tracing_subscriber::filter::EnvFilter>()
            .context("telemetry.log: not a filter like \"info,sqlx=warn\"")?;
        Ok(())
    }

    /// The configuration for people: the database's URL may hold a password.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        if let Some(url) = &mut self.storage.database_url {
            // Both may hold a password: what stands before the host, and what follows the question mark.
            if let Some(query) = url.find('?') {
                url.replace_range(query + 1.., "***");
            }
            if let (Some(scheme), Some(at)) = (url.find("://"), url.rfind('@')) {
                url.replace_range(scheme + 3..at, "***");
            }
        }
        self
    }

    /// How old a span may be.
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.storage.retention_days) * 86_400)
    }
}

fn describe(errors: figment::Error) -> anyhow::Error {
    let lines: Vec<String> = errors
        .into_iter()
        .map(|error| {
            let key = error.path.join(".");
            let from = error.metadata.as_ref().map(|m| format!(" (from {})", m.name)).unwrap_or_default();
            if key.is_empty() {
                format!("{}{from}", error.kind)
            } else {
                format!("{key}: {}{from}", error.kind)
            }
        })
        .collect();
    anyhow::anyhow!("{}", lines.join("\n"))
}
