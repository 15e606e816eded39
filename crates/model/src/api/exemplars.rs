//! Stored spans that explain the metrics of a service.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{SpanId, SpanKind, SpanStatus, TraceId};

/// What a span is an example of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ExemplarReason {
    /// At or above the 95th percentile of its step.
    Slow,
    /// Near the median of its step.
    Typical,
    /// Failed.
    Error,
}

/// A stored span that explains the numbers of its step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Exemplar {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// When it started.
    pub start_time: DateTime<Utc>,
    /// How long it took, nanoseconds.
    pub duration_ns: i64,
    /// How it ended.
    pub status: SpanStatus,
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(example = "POST /checkout"))]
    pub operation: String,
    /// Its part in a call.
    pub kind: SpanKind,
    /// `service.version`; empty where it is not told.
    #[cfg_attr(feature = "openapi", schema(example = "2.1.0"))]
    pub version: String,
    /// What it is an example of. A slow one may have failed, too.
    pub reason: ExemplarReason,
}

/// Examples by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExemplarsResponse {
    /// Start of the first step: the start asked for, rounded down to the step.
    pub start_time: DateTime<Utc>,
    /// End of the last step, exclusive: the end asked for, rounded up to the step.
    pub end_time: DateTime<Utc>,
    /// Length of each step: the one asked for, or a multiple of it.
    pub step_seconds: i64,
    /// In the order of their start; at most four per step and 200 in all. A step whose spans were all
    /// sampled away has none.
    pub exemplars: Vec<Exemplar>,
}
