//! Services, their operations, and completion of tags.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Rate, errors and duration of some spans over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RedSummary {
    /// Spans in the window.
    pub count: f64,
    /// Spans per second of the window.
    pub rate_per_second: f64,
    /// Share of spans with status error, 0 to 1.
    pub error_rate: f64,
    /// Mean duration in nanoseconds, exact. Times `count` it is the time of all spans together.
    pub mean_ns: f64,
    /// Median duration in nanoseconds, within 2.5%.
    pub p50_ns: f64,
    /// 95th percentile of the duration in nanoseconds, within 2.5%.
    pub p95_ns: f64,
    /// 99th percentile of the duration in nanoseconds, within 2.5%.
    pub p99_ns: f64,
}

/// One service over the window. Only its entry points count, spans of kind server and consumer;
/// a service without such spans counts all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceSummary {
    /// `service.name`.
    #[cfg_attr(feature = "openapi", schema(example = "checkout"))]
    pub name: String,
    /// Rate, errors, duration.
    #[serde(flatten)]
    pub red: RedSummary,
}

/// The services that were active in the window, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServicesResponse {
    /// Services.
    pub services: Vec<ServiceSummary>,
    /// Start of the window, rounded down to the minute.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive, rounded up to the minute.
    pub end_time: DateTime<Utc>,
}

/// One operation of a service over the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OperationSummary {
    /// The span's name.
    #[cfg_attr(feature = "openapi", schema(example = "POST /checkout"))]
    pub name: String,
    /// The span's kind.
    pub kind: crate::SpanKind,
    /// Rate, errors, duration.
    #[serde(flatten)]
    pub red: RedSummary,
}

/// The operations of a service that were active in the window, by name and kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OperationsResponse {
    /// Operations.
    pub operations: Vec<OperationSummary>,
    /// Start of the window, rounded down to the minute.
    pub start_time: DateTime<Utc>,
    /// End of the window, exclusive, rounded up to the minute.
    pub end_time: DateTime<Utc>,
}

/// An attribute key for completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TagKey {
    /// The attribute's key.
    #[cfg_attr(feature = "openapi", schema(example = "http.request.method"))]
    pub key: String,
    /// In how many spans it occurs: each of the sampled spans counts as many as it stands for where others
    /// were dropped by sampling.
    pub spans: u64,
}

/// Attribute keys of the newest spans in the window, the commonest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TagKeysResponse {
    /// Keys.
    pub keys: Vec<TagKey>,
    /// How many spans were looked at; completion samples, it does not promise to be complete.
    pub sampled_spans: u64,
}

/// The type of an attribute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TagValueType {
    /// Text.
    String,
    /// 64-bit integer.
    Int,
    /// Double.
    Double,
    /// Boolean.
    Bool,
    /// Bytes, array, map or null.
    Other,
}

/// An attribute value for completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TagValue {
    /// The value as it is typed into a search: text without quotes, everything else as JSON.
    #[cfg_attr(feature = "openapi", schema(example = "GET"))]
    pub value: String,
    /// The value's type.
    #[serde(rename = "type")]
    pub value_type: TagValueType,
    /// In how many spans it occurs: each of the sampled spans counts as many as it stands for where others
    /// were dropped by sampling.
    pub spans: u64,
}

/// Values of one key in the newest spans of the window, the commonest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TagValuesResponse {
    /// Values.
    pub values: Vec<TagValue>,
    /// How many spans were looked at; completion samples, it does not promise to be complete.
    pub sampled_spans: u64,
}
