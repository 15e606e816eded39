//! Metrics over time, from the histograms of all spans received.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{SpanKind, SpanStatus};

/// What is computed from spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Spans per second.
    Rate,
    /// Spans.
    Count,
    /// Share of spans with status error, 0 to 1.
    ErrorRate,
    /// Median duration, nanoseconds.
    P50,
    /// 75th percentile of the duration, nanoseconds.
    P75,
    /// 90th percentile of the duration, nanoseconds.
    P90,
    /// 95th percentile of the duration, nanoseconds.
    P95,
    /// 99th percentile of the duration, nanoseconds.
    P99,
    /// 99.9th percentile of the duration, nanoseconds.
    P999,
    /// Mean duration, nanoseconds.
    Avg,
    /// Apdex, 0 to 1: spans within the threshold count 1, within four times the threshold 0.5, slower
    /// ones and those with status error 0.
    Apdex,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Rate,
        Self::Count,
        Self::ErrorRate,
        Self::P50,
        Self::P75,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::P999,
        Self::Avg,
        Self::Apdex,
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Count => "count",
            Self::ErrorRate => "error_rate",
            Self::P50 => "p50",
            Self::P75 => "p75",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Avg => "avg",
            Self::Apdex => "apdex",
        }
    }
}

/// What the spans of a series have in common: only what was grouped by.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricLabels {
    /// `service.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The span's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The span's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SpanKind>,
    /// The span's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SpanStatus>,
    /// `service.version`; empty where it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One metric of one group of spans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricSeries {
    /// What the values are.
    pub metric: Metric,
    /// What the spans have in common.
    pub labels: MetricLabels,
    /// The value over the whole range; null without spans, but for rates and counts.
    pub total: Option<f64>,
    /// One value per step; null without spans, but for rates and counts, which are 0 then.
    pub points: Vec<Option<f64>>,
}

/// How the durations of one group of spans are distributed over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DistributionSeries {
    /// What the spans have in common.
    pub labels: MetricLabels,
    /// For each step the spans in each bucket; an empty list for a step without spans.
    pub points: Vec<Vec<f64>>,
}

/// The metric `histogram`: durations by bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// Upper bounds of the buckets in nanoseconds, exclusive, ascending, each the same multiple of the one
    /// before; at most 40, the same for all series. Empty without spans.
    pub buckets: Vec<f64>,
    /// Lower bound of the first bucket in nanoseconds.
    pub lowest_ns: f64,
    /// By labels, as the other metrics.
    pub series: Vec<DistributionSeries>,
}

/// The same metrics over the same length of time, earlier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricComparison {
    /// Start of the first step.
    pub start_time: DateTime<Utc>,
    /// End of the last step, exclusive.
    pub end_time: DateTime<Utc>,
    /// The series; the n-th step is compared with the n-th.
    pub series: Vec<MetricSeries>,
    /// The metric `histogram`, if it was asked for; its buckets may be others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Distribution>,
}

/// Metrics over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricsResponse {
    /// Start of the first step: the start asked for, rounded down to the step.
    pub start_time: DateTime<Utc>,
    /// End of the last step, exclusive: the end asked for, rounded up to the step.
    pub end_time: DateTime<Utc>,
    /// Length of each step.
    pub step_seconds: i64,
    /// By labels, then in the order in which the metrics were asked for. Without `groupBy` there is
    /// one for each metric even without spans.
    pub series: Vec<MetricSeries>,
    /// The metric `histogram`, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Distribution>,
    /// The earlier range, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<MetricComparison>,
}
