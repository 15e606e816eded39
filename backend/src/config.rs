//! Configuration: a TOML file, `SPANLOOM__SECTION__KEY` variables and flags, in this order.
//!
//! Everything is validated once, at start; an error names the key at fault.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use spanloom_redact::{Redactor, Rules};

use crate::collect::receive::bucket::Rate;

pub use crate::collect::queue::config::{QueueConfig, QueueKind, RabbitConfig};
use crate::roles::Roles;
use crate::store::retention::{Limits, RetentionConfig, Signal};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What this server does; everything unless it is told.
    pub roles: Roles,
    /// Where data lives.
    pub storage: StorageConfig,
    /// What listens where.
    pub listen: ListenConfig,
    /// What is accepted.
    pub ingest: IngestConfig,
    /// Which secrets are removed from spans, and how; see `docs/security.md`.
    pub redaction: Rules,
    /// Where accepted spans wait for the database.
    pub queue: QueueConfig,
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
    /// How long what is kept.
    pub retention: RetentionConfig,
    /// Bytes of the whole database, beyond which the oldest goes before its time: traces first, each
    /// signal's last day at the end.
    pub bytes_max: Option<u64>,
    /// Hours that a new chunk (TimescaleDB) or partition of spans covers: 1 or 6 unless given.
    pub chunk_hours: Option<u32>,
}

impl StorageConfig {
    /// What bounds the database.
    pub fn limits(&self) -> Limits {
        Limits { retention: self.retention.clone(), bytes_max: self.bytes_max }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            database_url: None,
            data_dir: PathBuf::from(".spanloom"),
            connections_max: 16,
            retention: RetentionConfig::default(),
            bytes_max: None,
            chunk_hours: None,
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
    /// Browser, API, and everything that is received over HTTP too.
    pub http: SocketAddr,
    /// OTLP over gRPC.
    pub otlp_grpc: Listen,
    /// OTLP over HTTP.
    pub otlp_http: Listen,
    /// Zipkin v2, JSON and protobuf.
    pub zipkin: Listen,
    /// Jaeger's Thrift over HTTP.
    pub jaeger_http: Listen,
    /// Jaeger over gRPC.
    pub jaeger_grpc: Listen,
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
            zipkin: Listen::On(local(9411)),
            jaeger_http: Listen::On(local(14268)),
            jaeger_grpc: Listen::On(local(14250)),
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
    /// Bytes of requests that are being decoded or wait to be queued, estimated; beyond it clients are
    /// asked to retry.
    pub memory_bytes_max: usize,
    /// Spans that one transaction writes, about.
    pub batch_spans_max: usize,
    /// How long the writer waits for more spans when it has few. Larger batches cost less per span.
    pub linger_ms: u64,
    /// Memory for recognising spans that were sent twice. What does not fit is looked up.
    pub dedup_bytes_max: usize,
    /// How far in the future a span may start.
    pub future_seconds_max: u64,
    /// Whether clients on this machine may send without a key.
    pub loopback_without_key: bool,
    /// Whether every client may send without a key.
    pub open: bool,
    /// How much each key and each service may send.
    pub limits: RateLimitsConfig,
    /// What one span may bring; what is beyond it is cut off, and counted in the span.
    pub span_limits: spanloom_formats::limits::Limits,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            spans_per_request_max: 10_000,
            memory_bytes_max: 128 << 20,
            batch_spans_max: 30_000,
            linger_ms: 200,
            dedup_bytes_max: 64 << 20,
            future_seconds_max: 600,
            loopback_without_key: true,
            open: false,
            limits: RateLimitsConfig::default(),
            span_limits: spanloom_formats::limits::Limits::default(),
        }
    }
}

/// How much each key and each service may send; nothing is limited unless it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitsConfig {
    /// What was not used for so long may be used at once.
    pub burst_seconds: u32,
    /// For each key, and for all clients without one together.
    pub per_key: Rate,
    /// For each service, by its `service.name`.
    pub per_service: Rate,
    /// Instead of `per_key`, by the key's name; keys of one name have a limit each.
    pub keys: BTreeMap<String, Rate>,
    /// Instead of `per_service`, by the service's name.
    pub services: BTreeMap<String, Rate>,
}

impl Default for RateLimitsConfig {
    fn default() -> Self {
        Self {
            burst_seconds: 5,
            per_key: Rate::default(),
            per_service: Rate::default(),
            keys: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }
}

impl RateLimitsConfig {
    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        let each = [&self.per_key, &self.per_service].into_iter();
        each.chain(self.keys.values()).chain(self.services.values()).all(|rate| rate.is_unlimited())
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
            ("storage.bytes_max", self.storage.bytes_max.unwrap_or(1)),
            ("ingest.body_bytes_max", self.ingest.body_bytes_max as u64),
            ("ingest.spans_per_request_max", self.ingest.spans_per_request_max as u64),
            ("ingest.memory_bytes_max", self.ingest.memory_bytes_max as u64),
            ("ingest.dedup_bytes_max", self.ingest.dedup_bytes_max as u64),
            ("queue.bytes_max", self.queue.bytes_max),
            ("queue.rabbitmq.bytes_max", self.queue.rabbitmq.bytes_max),
            ("queue.segment_bytes", self.queue.segment_bytes),
            ("queue.memory_bytes_max", self.queue.memory_bytes_max as u64),
            ("ingest.batch_spans_max", self.ingest.batch_spans_max as u64),
            ("ingest.limits.burst_seconds", u64::from(self.ingest.limits.burst_seconds)),
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
        self.storage.retention.validate()?;
        anyhow::ensure!(
            self.storage.chunk_hours.is_none_or(|hours| (1..=24).contains(&hours)),
            "storage.chunk_hours: must be 1 to 24"
        );
        anyhow::ensure!(
            self.ingest.future_seconds_max <= 86_400,
            "ingest.future_seconds_max: must be at most 86400 (a day)"
        );
        anyhow::ensure!(!self.roles.is_empty(), "roles: name at least one of receive, write, query, jobs");
        anyhow::ensure!(
            self.queue.kind != QueueKind::Disk || self.roles.write || !self.roles.receive,
            "roles: a server with a queue on disk that receives has to write too; let it have both roles, or \
             set queue.kind = \"rabbitmq\""
        );
        self.queue.rabbitmq.validate()?;
        // The hash key does not matter for whether the rules are acceptable.
        Redactor::new(&self.redaction, &[0; 32]).map_err(|error| anyhow::anyhow!("redaction.{error}"))?;
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
        let urls = self.storage.database_url.iter_mut().chain([&mut self.queue.rabbitmq.url]);
        for url in urls {
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

    /// How many writers this server has.
    pub fn writers(&self) -> u32 {
        match self.queue.kind {
            _ if !self.roles.write => 0,
            QueueKind::Disk => 1,
            QueueKind::Rabbitmq => u32::from(self.queue.rabbitmq.partitions),
        }
    }

    /// The folder of the queue on disk.
    pub fn queue_dir(&self) -> PathBuf {
        self.queue.dir.clone().unwrap_or_else(|| self.storage.data_dir.join("queue"))
    }

    /// How old a span may be.
    pub fn retention(&self) -> Duration {
        self.days_of(Signal::Traces)
    }

    /// How old a log record may be to be accepted.
    pub fn log_retention(&self) -> Duration {
        self.days_of(Signal::Logs)
    }

    fn days_of(&self, signal: Signal) -> Duration {
        Duration::from_secs(u64::from(self.storage.retention.of(signal).days) * 86_400)
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
