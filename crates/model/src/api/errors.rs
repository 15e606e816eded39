//! Errors by group.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{SpanId, TraceId};

/// Groups that are changed with one request, at most.
pub const ERROR_GROUPS_CHANGED_MAX: usize = 200;

/// What people said of a group, or what happened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ErrorState {
    /// Nobody said anything.
    Open,
    /// It came back after it was resolved.
    Regressed,
    /// Somebody says it is gone.
    Resolved,
    /// Somebody says it does not matter.
    Ignored,
}

impl ErrorState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Regressed, Self::Resolved, Self::Ignored];

    /// The name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Regressed => "regressed",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
        }
    }
}

/// What a list of groups is sorted by, the largest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ErrorOrder {
    /// When it was met last.
    #[default]
    LastSeen,
    /// When it was met first.
    FirstSeen,
    /// How often in the window.
    Count,
    /// How much more often in the second half of the window than in the first.
    Trend,
}

/// Errors of a service that are the same by their fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorGroup {
    /// Names service, error and version of the rules.
    pub id: Uuid,
    /// `service.name`.
    #[cfg_attr(feature = "openapi", schema(example = "checkout"))]
    pub service: String,
    /// The exception's class or the error's type; empty if not told.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(example = "java.net.SocketTimeoutException"))]
    pub kind: String,
    /// The message with numbers, ids, addresses, times and quotations replaced by what they are.
    #[cfg_attr(feature = "openapi", schema(example = "order <num> timed out after <duration>"))]
    pub message: String,
    /// The message of an occurrence as it was sent, up to 2 kB.
    #[cfg_attr(feature = "openapi", schema(example = "order 17 timed out after 2s"))]
    pub example: String,
    /// Whether it is everything else of a service that has too many groups.
    pub is_overflow: bool,
    /// Its state.
    pub state: ErrorState,
    /// Start of the first span with it.
    pub first_seen: DateTime<Utc>,
    /// Start of the last span with it.
    pub last_seen: DateTime<Utc>,
    /// Spans with it, ever.
    pub total_count: f64,
    /// Spans with it in the window that satisfy the filter.
    pub count: f64,
    /// The same by step of the window.
    pub trend: Vec<f64>,
}

/// Groups that occurred in the window, in the order asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorsResponse {
    /// The first groups.
    pub groups: Vec<ErrorGroup>,
    /// How many satisfy the filter.
    pub group_count: u64,
    /// Spans with any of those.
    pub count: f64,
    /// Start of the window and of the first step of the trends.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive.
    pub end_time: DateTime<Utc>,
    /// Length of each step.
    pub step_seconds: i64,
}

/// How often a group occurred somewhere in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorShare {
    /// The operation's name or `service.version`; a version may be empty.
    pub name: String,
    /// Spans in the window.
    pub count: f64,
    /// The first minute in the window.
    pub first_seen: DateTime<Utc>,
    /// The last minute in the window.
    pub last_seen: DateTime<Utc>,
}

/// A span with the error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorSample {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// When the span started.
    pub start_time: DateTime<Utc>,
    /// The span's name.
    pub operation: String,
    /// `service.version`; empty if not told.
    pub version: String,
    /// The message as it was sent, up to 2 kB.
    pub message: String,
}

/// What became of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ErrorEventKind {
    /// It was met the first time.
    New,
    /// It came back after it was resolved.
    Regressed,
    /// Somebody said it is gone.
    Resolved,
    /// Somebody said it does not matter.
    Ignored,
    /// Somebody opened it again.
    Reopened,
}

/// A change of a group's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: ErrorEventKind,
    /// Who did it; absent where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The service's version, for what happened; absent if not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A group with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// The group.
    pub group: ErrorGroup,
    /// Whether a resolved group waits for a version that did not have it then.
    pub resolved_in_next_version: bool,
    /// A stack trace as the language prints it; empty if none was sent.
    pub stack_trace: String,
    /// Operations in the window, the commonest first; at most 50.
    pub operations: Vec<ErrorShare>,
    /// Versions in the window, the commonest first; at most 50.
    pub versions: Vec<ErrorShare>,
    /// Spans that are stored, the newest first: up to 20, and the oldest.
    pub samples: Vec<ErrorSample>,
    /// The newest first; at most 100.
    pub events: Vec<ErrorEvent>,
    /// Start of the window and of the first step of the trend.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive.
    pub end_time: DateTime<Utc>,
    /// Length of each step.
    pub step_seconds: i64,
}

/// A new state for a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorChange {
    /// `open`, `resolved` or `ignored`.
    pub state: ErrorState,
    /// With `resolved`: only a version that did not have it counts as coming back.
    #[serde(default)]
    pub in_next_version: bool,
}

/// A new state for several groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorsChange {
    /// The groups, 1 to 200.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 200))]
    pub ids: Vec<Uuid>,
    /// `open`, `resolved` or `ignored`.
    pub state: ErrorState,
    /// With `resolved`: only a version that did not have it counts as coming back.
    #[serde(default)]
    pub in_next_version: bool,
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorsChanged {
    /// Groups that were in another state before.
    pub changed: u64,
}
