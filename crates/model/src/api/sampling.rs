//! Sampling: which traces are kept, how many each stands for, and what that would save.
//!
//! Names of fields follow the tail sampling processor of the OpenTelemetry Collector.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::SpanStatus;

/// The sampling settings: one document, replaced as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SamplingSettings {
    /// How long a trace's spans are collected, from its first span on, before it is decided.
    /// Milliseconds, 100 to 600,000.
    #[cfg_attr(feature = "openapi", schema(minimum = 100, maximum = 600_000))]
    pub decision_wait_ms: u32,
    /// What decides; none in force means that everything is kept.
    pub policies: Vec<SamplingPolicy>,
    /// What clients with a Jaeger remote sampler are told.
    pub head: HeadSampling,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self { decision_wait_ms: 10_000, policies: Vec::new(), head: HeadSampling::default() }
    }
}

/// A rule with a name. A trace is kept if any policy in force keeps it and none drops it; if all
/// policies in force drop, what they do not drop is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SamplingPolicy {
    /// 1 to 100 characters, unique.
    #[cfg_attr(feature = "openapi", schema(example = "errors"))]
    pub name: String,
    /// Whether it is in force.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What it does.
    pub rule: SamplingRule,
}

fn yes() -> bool {
    true
}

/// What a policy does with a trace.
//
// Names one by one: the OpenAPI derive does not know `rename_all_fields`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SamplingRule {
    /// Keeps every trace.
    AlwaysSample,
    /// Keeps traces by their duration, from the earliest start to the latest end.
    Latency {
        /// Milliseconds; at least this long.
        #[serde(rename = "thresholdMs")]
        threshold_ms: u64,
        /// Milliseconds; at most this long.
        #[serde(rename = "upperThresholdMs", default, skip_serializing_if = "Option::is_none")]
        upper_threshold_ms: Option<u64>,
    },
    /// Keeps traces in which a span or its resource has a text under the key.
    StringAttribute {
        /// The attribute's key.
        key: String,
        /// Any of these: the whole text, or a regular expression that matches somewhere in it.
        values: Vec<String>,
        /// Whether the values are regular expressions.
        #[serde(rename = "enabledRegexMatching", default)]
        enabled_regex_matching: bool,
        /// Keeps traces in which no span has such a value instead.
        #[serde(rename = "invertMatch", default)]
        invert_match: bool,
    },
    /// Keeps traces in which a span or its resource has a number under the key.
    NumericAttribute {
        /// The attribute's key.
        key: String,
        /// At least this.
        #[serde(rename = "minValue", default, skip_serializing_if = "Option::is_none")]
        min_value: Option<f64>,
        /// At most this.
        #[serde(rename = "maxValue", default, skip_serializing_if = "Option::is_none")]
        max_value: Option<f64>,
        /// Keeps traces in which no span has such a value instead.
        #[serde(rename = "invertMatch", default)]
        invert_match: bool,
    },
    /// Keeps traces in which a span or its resource has a boolean under the key.
    BooleanAttribute {
        /// The attribute's key.
        key: String,
        /// The value.
        value: bool,
        /// Keeps traces in which no span has such a value instead.
        #[serde(rename = "invertMatch", default)]
        invert_match: bool,
    },
    /// Keeps a share of the traces that were started, the same ones wherever the share is the same:
    /// by the randomness of the trace id, which clients' own probability samplers use too.
    Probabilistic {
        /// Percent, 0 to 100.
        #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 100))]
        #[serde(rename = "samplingPercentage")]
        sampling_percentage: f64,
    },
    /// Keeps traces with a span of one of these statuses.
    StatusCode {
        /// At least one.
        #[serde(rename = "statusCodes")]
        status_codes: Vec<SpanStatus>,
    },
    /// Keeps a random selection of the traces of each second that has at most so many spans; a
    /// single trace larger than that may be kept alone.
    RateLimiting {
        /// Spans per second, at least 1.
        #[serde(rename = "spansPerSecond")]
        spans_per_second: u64,
    },
    /// Keeps traces by their number of spans.
    SpanCount {
        /// At least so many.
        #[serde(rename = "minSpans", default)]
        min_spans: u64,
        /// At most so many.
        #[serde(rename = "maxSpans", default, skip_serializing_if = "Option::is_none")]
        max_spans: Option<u64>,
    },
    /// Keeps what all of the rules keep.
    And {
        /// At least one; one of them may limit the rate.
        #[cfg_attr(feature = "openapi", schema(no_recursion))]
        rules: Vec<SamplingRule>,
    },
    /// Keeps what the rule does not keep.
    Not {
        /// The rule.
        #[cfg_attr(feature = "openapi", schema(no_recursion))]
        rule: Box<SamplingRule>,
    },
    /// Drops what all of the rules keep, whatever other policies say.
    Drop {
        /// At least one.
        #[cfg_attr(feature = "openapi", schema(no_recursion))]
        rules: Vec<SamplingRule>,
    },
    /// Shares a rate out: each trace belongs to the first part whose rule keeps it, and each part
    /// has a rate of its own.
    Composite {
        /// Spans per second of all parts together, at least 1.
        #[serde(rename = "maxTotalSpansPerSecond")]
        max_total_spans_per_second: u64,
        /// At least one, in order.
        #[cfg_attr(feature = "openapi", schema(no_recursion))]
        parts: Vec<CompositePart>,
    },
}

/// A part of a composite policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompositePart {
    /// Its part of the rate, above 0 and at most 100; parts without one share what is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Which traces belong to it.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub rule: SamplingRule,
}

/// What clients with a Jaeger remote sampler are told to keep when a trace starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeadSampling {
    /// For services that are not named: 0 to 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1))]
    pub default_probability: f64,
    /// By `service.name`.
    pub services: BTreeMap<String, HeadService>,
}

impl Default for HeadSampling {
    fn default() -> Self {
        Self { default_probability: 1.0, services: BTreeMap::new() }
    }
}

/// What one service is told. Either a probability or a rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeadService {
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Traces per second of each process of the service. Not together with operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces_per_second: Option<u32>,
    /// Probabilities by the name of the span that starts the trace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, f64>,
}

/// A version of the settings. Version 0 is what holds before anybody saved: everything is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SamplingVersion {
    /// Counts up with each save.
    pub version: i32,
    /// The settings.
    pub settings: SamplingSettings,
    /// Who saved it; none for version 0.
    pub author: Option<String>,
    /// When it was saved; none for version 0.
    pub created_at: Option<DateTime<Utc>>,
}

/// Settings to be saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SamplingChange {
    /// The version that was changed: if it is no longer the newest, somebody else was faster.
    pub version: i32,
    /// The settings, whole.
    pub settings: SamplingSettings,
}

/// Settings to be tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SamplingTrial {
    /// The settings, whole.
    pub settings: SamplingSettings,
}

/// What settings would have kept of the traces that are stored of the last hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SamplingDryRun {
    /// Start of the range.
    pub start_time: DateTime<Utc>,
    /// End of the range, exclusive.
    pub end_time: DateTime<Utc>,
    /// What is stored of the range; traces are estimated if not all of them were looked at.
    pub stored: KeptCount,
    /// Traces of each so manieth second were looked at; 1 means all of them.
    pub every_nth_second: u32,
    /// False if not everything that was picked could be looked at in time or within the limits.
    pub complete: bool,
    /// Of what was looked at.
    pub examined: KeptCount,
    /// What would have been kept of it.
    pub kept: KeptCount,
    /// By service, the one with the most spans first; at most 500.
    pub services: Vec<ServiceDryRun>,
    /// By policy in the order of the settings.
    pub policies: Vec<PolicyDryRun>,
    /// Bytes that a stored span takes on average, indexes included.
    pub bytes_per_span: f64,
    /// Bytes that would not have been stored, of the whole range.
    pub saved_bytes: f64,
}

/// Traces and spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeptCount {
    /// Traces.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
}

/// What would have been kept of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceDryRun {
    /// `service.name`.
    pub name: String,
    /// Its spans that were looked at, and the traces in which it took part.
    pub examined: KeptCount,
    /// What would have been kept of it.
    pub kept: KeptCount,
}

/// What a policy would have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyDryRun {
    /// The policy's name.
    pub name: String,
    /// What it kept; each trace counts for one policy, the one that kept it most surely.
    pub kept: KeptCount,
    /// What it dropped although others would have kept it.
    pub dropped: KeptCount,
}
