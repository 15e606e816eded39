//! Log records, and links to external log systems.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ApiResource, ApiScope, Searched};
use crate::{Attributes, LogLevel, SpanId, TraceId};

/// A log record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Tells records of the same time apart.
    pub id: String,
    /// When it happened, or was observed where that is not known.
    pub time: DateTime<Utc>,
    /// When it was collected.
    pub observed_time: DateTime<Utc>,
    /// How severe it is.
    pub level: LogLevel,
    /// OTLP's number: 1 to 24, 0 if not told.
    pub severity_number: u8,
    /// The level as its source calls it; empty if not told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity_text: String,
    /// What was told: text, or JSON where it was no text.
    #[cfg_attr(feature = "openapi", schema(example = "card was declined"))]
    pub body: String,
    /// The trace during which it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The span of that trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// What kind of event it is; empty for most records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub event_name: String,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(default)]
    pub dropped_attributes_count: u32,
    /// Index into the answer's `resources`: the process.
    pub resource: u32,
    /// Index into the answer's `scopes`: the logger.
    pub scope: u32,
}

/// A page of log records, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogsResponse {
    /// The records.
    pub logs: Vec<LogEntry>,
    /// Processes, referred to by index.
    pub resources: Vec<ApiResource>,
    /// Loggers, referred to by index.
    pub scopes: Vec<ApiScope>,
    /// Pass it as `cursor`, with the other parameters unchanged, for the next page; none on the
    /// last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How far the search looked.
    pub searched: Searched,
}

/// The log records of a trace, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceLogsResponse {
    /// The records.
    pub logs: Vec<LogEntry>,
    /// Processes, referred to by index.
    pub resources: Vec<ApiResource>,
    /// Loggers, referred to by index.
    pub scopes: Vec<ApiScope>,
    /// Whether there are more than an answer may hold; the later ones are missing then.
    pub truncated: bool,
}

/// Log records by level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogCounts {
    /// Level not told.
    pub unset: u64,
    /// Level trace.
    pub trace: u64,
    /// Level debug.
    pub debug: u64,
    /// Level info.
    pub info: u64,
    /// Level warn.
    pub warn: u64,
    /// Level error.
    pub error: u64,
    /// Level fatal.
    pub fatal: u64,
}

impl LogCounts {
    /// The count of a level.
    pub fn of(&self, level: LogLevel) -> u64 {
        match level {
            LogLevel::Unset => self.unset,
            LogLevel::Trace => self.trace,
            LogLevel::Debug => self.debug,
            LogLevel::Info => self.info,
            LogLevel::Warn => self.warn,
            LogLevel::Error => self.error,
            LogLevel::Fatal => self.fatal,
        }
    }

    /// Counts more at a level.
    pub fn add(&mut self, level: LogLevel, count: u64) {
        let counter = match level {
            LogLevel::Unset => &mut self.unset,
            LogLevel::Trace => &mut self.trace,
            LogLevel::Debug => &mut self.debug,
            LogLevel::Info => &mut self.info,
            LogLevel::Warn => &mut self.warn,
            LogLevel::Error => &mut self.error,
            LogLevel::Fatal => &mut self.fatal,
        };
        *counter += count;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        LogLevel::ALL.into_iter().map(|level| self.of(level)).sum()
    }
}

/// Log records of a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogBucket {
    /// Where it begins.
    pub time: DateTime<Utc>,
    /// How many records.
    pub counts: LogCounts,
}

/// How many log records there are over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogHistogram {
    /// How long a bucket is; buckets begin at multiples of it since the Unix epoch.
    pub step_seconds: u32,
    /// Buckets with records, in order of time; the others are empty.
    pub buckets: Vec<LogBucket>,
    /// How far was counted: the newest part if the time limit ended it.
    pub searched: Searched,
}

/// A link to an external log system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogLink {
    /// Identifies it.
    pub id: Uuid,
    /// What the button says.
    #[cfg_attr(feature = "openapi", schema(example = "Kibana"))]
    pub name: String,
    /// Whose logs are there; none for every service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The address; see [`LogLinkRequest`].
    pub url_template: String,
    /// Who saved it last.
    pub author: String,
    /// When it was saved last.
    pub created_at: DateTime<Utc>,
}

/// A link to be saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogLinkRequest {
    /// What the button says: 1 to 60 characters, once for each service.
    #[cfg_attr(feature = "openapi", schema(example = "Kibana"))]
    pub name: String,
    /// Whose logs are there; none for every service.
    #[serde(default)]
    pub service: Option<String>,
    /// An http or https address. `{traceId}`, `{spanId}`, `{service}`, `{startTime}`, `{endTime}` (RFC
    /// 3339), `{startMs}` and `{endMs}` are filled in, percent-encoded; not in the host.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "https://logs.example/app/discover?q={traceId}&from={startMs}&to={endMs}")
    )]
    pub url_template: String,
}
