//! Metrics that people define from spans.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{SpanKind, SpanStatus};

/// Which spans count: those that meet all conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CustomMetricFilter {
    /// `service.name`; any without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The span's name; any without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Any of these; all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<SpanKind>,
    /// The span's status; any without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SpanStatus>,
    /// Attributes that the span or its process must have; at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<CustomMetricCondition>,
    /// Nanoseconds, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_min_ns: Option<i64>,
    /// Nanoseconds, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_max_ns: Option<i64>,
}

/// A condition on one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomMetricCondition {
    /// The attribute's key.
    pub key: String,
    /// Its value as text, whatever its type; without it the attribute must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What is taken from each span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CustomMetricValue {
    /// The span itself: only for `count`.
    Span,
    /// Its duration in nanoseconds.
    Duration,
    /// An attribute of the span or its process. Spans without it do not count; all but `distinct` take
    /// numbers only.
    Attribute {
        /// The attribute's key.
        key: String,
    },
}

/// What is made of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CustomMetricAggregation {
    /// How many there are.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// A quantile, within 2.5%.
    Quantile {
        /// Above 0, below 1: 0.95 is the 95th percentile.
        q: f64,
    },
    /// How many different ones there are, within about 3%; exact for few.
    Distinct,
}

/// What a series is made for each of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CustomMetricGroup {
    /// `service.name`.
    Service,
    /// The span's name.
    Operation,
    /// The span's kind.
    Kind,
    /// The span's status.
    Status,
    /// `service.version`.
    Version,
    /// An attribute of the span or its process.
    Attribute {
        /// The attribute's key.
        key: String,
    },
}

impl CustomMetricGroup {
    /// The label's name: an attribute's is its key.
    pub fn label(&self) -> &str {
        match self {
            Self::Service => "service",
            Self::Operation => "operation",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::Version => "version",
            Self::Attribute { key } => key,
        }
    }
}

/// The label of what came when there were as many groups as there may be.
pub const CUSTOM_METRIC_OTHER: &str = "__other__";

/// What a custom metric is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomMetricDefinition {
    /// Unique; letters, digits and `_`, as Prometheus has it; at most 100.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-zA-Z_][a-zA-Z0-9_]{0,99}$"))]
    pub name: String,
    /// What it tells; at most 500 characters.
    #[serde(default)]
    pub description: String,
    /// Unit of attributes, `EUR` or `By`; at most 20 characters. Durations are nanoseconds.
    #[serde(default)]
    pub unit: String,
    /// Which spans count.
    #[serde(default)]
    pub filter: CustomMetricFilter,
    /// What is taken from each.
    pub value: CustomMetricValue,
    /// What is made of the values.
    pub aggregation: CustomMetricAggregation,
    /// A series for each; at most 3.
    #[serde(default)]
    pub group_by: Vec<CustomMetricGroup>,
    /// So many groups at most, the first that come; all others together are one, `__other__`. 1 to
    /// 1,000; 1 to 100 for `distinct`.
    #[serde(default = "groups_max")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000))]
    pub groups_max: u32,
}

fn groups_max() -> u32 {
    100
}

impl CustomMetricDefinition {
    /// Whether both count the same, whatever they are called.
    pub fn counts_as(&self, other: &Self) -> bool {
        let names = |definition: &Self| Self {
            name: String::new(),
            description: String::new(),
            unit: String::new(),
            ..definition.clone()
        };
        names(self) == names(other)
    }
}

/// How far spans that were stored before the metric was defined are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BackfillState {
    /// Going on, or about to begin.
    Running,
    /// All that is kept is counted.
    Done,
    /// Somebody stopped it: spans before `doneFrom` are not counted.
    Stopped,
}

/// The counting of spans that were stored before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetricBackfill {
    /// Whether it goes on.
    pub state: BackfillState,
    /// Of the time that is to be counted, 0 to 100.
    pub percent: f64,
    /// Everything that began at or after this moment is counted; none before the first step.
    pub done_from: Option<DateTime<Utc>>,
    /// Stored spans that were looked at.
    pub spans_read: i64,
}

/// A custom metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetric {
    /// Its identifier.
    pub id: Uuid,
    /// Grows with each change.
    pub version: i32,
    /// What its series are made of now.
    pub definition: CustomMetricDefinition,
    /// How far back these reach.
    pub backfill: CustomMetricBackfill,
    /// A changed definition that takes over when its back-fill is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<CustomMetricNext>,
    /// Who changed it last.
    pub author: String,
    /// When that was.
    pub updated_at: DateTime<Utc>,
}

/// A definition that is not in force yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetricNext {
    /// The definition.
    pub definition: CustomMetricDefinition,
    /// How far it is.
    pub backfill: CustomMetricBackfill,
}

/// All custom metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetricsResponse {
    /// By name.
    pub metrics: Vec<CustomMetric>,
    /// How many there may be.
    pub metrics_max: u32,
}

/// A change of a custom metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomMetricChange {
    /// The version that was changed.
    pub version: i32,
    /// What it shall be.
    pub definition: CustomMetricDefinition,
}

/// One group over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetricSeries {
    /// Value by label; empty where a span does not tell it; `__other__` beyond the bound of groups.
    pub labels: BTreeMap<String, String>,
    /// The value over the whole range; null without spans, but 0 for counts and sums.
    pub total: Option<f64>,
    /// One value per step; null without spans, but 0 for counts and sums; null before the back-fill.
    pub points: Vec<Option<f64>>,
}

/// A custom metric over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetricSeriesResponse {
    /// Start of the first step: the start asked for, rounded down to the step.
    pub start_time: DateTime<Utc>,
    /// End of the last step, exclusive: the end asked for, rounded up to the step.
    pub end_time: DateTime<Utc>,
    /// Length of each step.
    pub step_seconds: i64,
    /// The groups with most, the greatest first.
    pub series: Vec<CustomMetricSeries>,
    /// Groups in the range, told or not.
    pub groups: u64,
    /// Whether there were more groups than are kept apart: the rest is `__other__`.
    pub overflowed: bool,
}

/// A definition to try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomMetricTrial {
    /// What to try; its name may be taken.
    pub definition: CustomMetricDefinition,
    /// End of the hour that is looked at; now without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<DateTime<Utc>>,
}

/// What a definition makes of stored spans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomMetricPreview {
    /// Stored spans that were looked at.
    pub spans_read: u64,
    /// Those that count.
    pub spans_matched: u64,
    /// Whether the whole hour was looked at; else the newest part, from `result.startTime` on.
    pub complete: bool,
    /// What it would look like.
    pub result: CustomMetricSeriesResponse,
}
