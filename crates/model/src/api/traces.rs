//! Search results and whole traces.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Attributes, SpanId, SpanKind, SpanStatus, TraceId};

/// Header of a trace as OTLP JSON: how many spans are left out because a response holds no more.
pub const SPANS_OMITTED_HEADER: &str = "spanloom-spans-omitted";

/// In what order a search returns traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SearchOrder {
    /// The newest first.
    #[default]
    Start,
    /// The longest first.
    Duration,
}

/// The service and operation of a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpanRef {
    /// `service.name`.
    #[cfg_attr(feature = "openapi", schema(example = "frontend"))]
    pub service: String,
    /// The span's name.
    #[cfg_attr(feature = "openapi", schema(example = "POST /checkout"))]
    pub operation: String,
}

/// A service's part in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceService {
    /// `service.name`.
    #[cfg_attr(feature = "openapi", schema(example = "checkout"))]
    pub name: String,
    /// Its spans.
    pub span_count: u64,
    /// Its spans with status error.
    pub error_count: u64,
}

/// A trace in a list of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: TraceId,
    /// The span without a parent; while none has arrived, the earliest span.
    pub root: SpanRef,
    /// Whether `root` is really without a parent.
    pub has_root: bool,
    /// When the earliest span started.
    pub start_time: DateTime<Utc>,
    /// From the earliest start to the latest end, in nanoseconds; not skew-adjusted.
    pub duration_ns: i64,
    /// All spans stored.
    pub span_count: u64,
    /// Spans with status error.
    pub error_count: u64,
    /// By span count, most first.
    pub services: Vec<TraceService>,
}

/// How far a search looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Searched {
    /// Start of the range that was asked for.
    pub start_time: DateTime<Utc>,
    /// End of the range that was asked for, exclusive.
    pub end_time: DateTime<Utc>,
    /// Whether the results are certainly the first ones in the order asked for. False only if the
    /// server's time limit ended the search; then all traces that start at or after
    /// `complete_from` have been considered.
    pub complete: bool,
    /// See `complete`; equals `start_time` when the whole range was searched.
    pub complete_from: DateTime<Utc>,
}

/// A page of search results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TracesResponse {
    /// Traces in the order asked for.
    pub traces: Vec<TraceSummary>,
    /// Pass it as `cursor`, with the other parameters unchanged, for the next page; none on the
    /// last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How far the search looked.
    pub searched: Searched,
}

/// A process that took part in a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiResource {
    /// `service.name`.
    pub service: String,
    /// Everything known about the process, `service.name` included.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(default)]
    pub dropped_attributes_count: u32,
    /// Schema of the attributes; empty if not told.
    #[serde(default)]
    pub schema_url: String,
}

/// An instrumentation library that took part in a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiScope {
    /// The library's name; empty if not told.
    pub name: String,
    /// The library's version; empty if not told.
    pub version: String,
    /// Anything else.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(default)]
    pub dropped_attributes_count: u32,
    /// Schema of the attributes; empty if not told.
    #[serde(default)]
    pub schema_url: String,
}

/// Something that happened at one moment of a span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiEvent {
    /// What happened, `exception` for example.
    #[cfg_attr(feature = "openapi", schema(example = "exception"))]
    pub name: String,
    /// Nanoseconds after the start of the trace, skew-adjusted like its span.
    pub offset_ns: i64,
    /// Details.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(default)]
    pub dropped_attributes_count: u32,
}

/// A relation to a span that is not the parent, often in another trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiLink {
    /// The other trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// W3C trace state of the other span; empty if none.
    #[serde(default)]
    pub trace_state: String,
    /// Why they are related.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(default)]
    pub dropped_attributes_count: u32,
    /// W3C trace flags and OTLP's "is remote" bits.
    #[serde(default)]
    pub flags: u32,
}

/// A span of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiSpan {
    /// The span.
    pub span_id: SpanId,
    /// The span that caused it; none for a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<SpanId>,
    /// The operation.
    #[cfg_attr(feature = "openapi", schema(example = "GET /cart"))]
    pub name: String,
    /// The part it plays in a call.
    pub kind: SpanKind,
    /// Index into the trace's `resources`.
    pub resource: u32,
    /// Index into the trace's `scopes`.
    pub scope: u32,
    /// Nanoseconds after the start of the trace, skew-adjusted.
    pub start_offset_ns: i64,
    /// Nanoseconds, as measured.
    pub duration_ns: i64,
    /// What the skew adjustment added to the start, in nanoseconds; 0 if the clock was trusted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skew_ns: i64,
    /// How it ended.
    pub status: SpanStatus,
    /// Why it failed; empty if not told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status_message: String,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// What happened during it, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ApiEvent>,
    /// Related spans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<ApiLink>,
    /// W3C trace state; empty if none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_state: String,
    /// W3C trace flags (low 8 bits) and OTLP's "parent is remote" bits.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub flags: u32,
    /// Attributes that the client dropped.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub dropped_attributes_count: u32,
    /// Events that the client dropped.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub dropped_events_count: u32,
    /// Links that the client dropped.
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub dropped_links_count: u32,
}

// Eight bytes are more than a pointer where that has four: there is nothing to expect on wasm32.
#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero_u32(number: &u32) -> bool {
    *number == 0
}

/// What is odd about a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TraceWarningKind {
    /// The span's parent is not there; it is shown as a root.
    MissingParent,
    /// Another span of the trace has the same id; both are shown, children go to the first.
    DuplicateSpanId,
    /// The span is its own ancestor; it is shown as a root.
    ParentCycle,
    /// The span's clock disagreed with its parent's; its start was moved.
    ClockSkew,
    /// The trace has more spans than a response may hold; the later ones are missing.
    Truncated,
}

/// Something odd about a trace or one of its spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceWarning {
    /// What is odd.
    pub kind: TraceWarningKind,
    /// The span's index in `spans`; none if it concerns the trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<u32>,
    /// The same in words.
    pub message: String,
}

/// A whole trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The trace.
    pub trace_id: TraceId,
    /// When the earliest span started, after skew adjustment.
    pub start_time: DateTime<Utc>,
    /// From the earliest start to the latest end, skew-adjusted, in nanoseconds.
    pub duration_ns: i64,
    /// Spans in order of their adjusted start, a parent before its children where both start at
    /// the same time.
    pub spans: Vec<ApiSpan>,
    /// Processes, referred to by index.
    pub resources: Vec<ApiResource>,
    /// Instrumentation libraries, referred to by index.
    pub scopes: Vec<ApiScope>,
    /// What is odd.
    pub warnings: Vec<TraceWarning>,
}
