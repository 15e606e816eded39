//! Requests and responses of `/api/v1`, one module per domain.
//!
//! Conventions: JSON in camelCase; times RFC 3339 with nanoseconds, or integers whose unit ends
//! the field's name; absent means `null` or missing.

mod custom_metrics;
mod dependencies;
mod errors;
mod exemplars;
mod identity;
mod logs;
mod metrics;
mod problem;
mod sampling;
mod services;
mod storage;
mod traces;

pub use custom_metrics::{
    BackfillState, CUSTOM_METRIC_OTHER, CustomMetric, CustomMetricAggregation, CustomMetricBackfill,
    CustomMetricChange, CustomMetricCondition, CustomMetricDefinition, CustomMetricFilter,
    CustomMetricGroup, CustomMetricNext, CustomMetricPreview, CustomMetricSeries,
    CustomMetricSeriesResponse, CustomMetricTrial, CustomMetricValue, CustomMetricsResponse,
};
pub use dependencies::{
    DependenciesResponse, DependencyEdge, DependencyGraph, DependencyImpact, DependencyImpactResponse,
    DependencyKind, DependencyNode, DependencyNodeType, DependencyPathsResponse,
};
pub use errors::{
    ERROR_GROUPS_CHANGED_MAX, ErrorChange, ErrorDetail, ErrorEvent, ErrorEventKind, ErrorGroup, ErrorOrder,
    ErrorSample, ErrorShare, ErrorState, ErrorsChange, ErrorsChanged, ErrorsResponse,
};
pub use exemplars::{Exemplar, ExemplarReason, ExemplarsResponse};
pub use identity::{
    ApiKey, ApiKeyCreated, ApiKeyRequest, KeyScope, LoginRequest, PasswordChange, Role, Session, User,
    UserChange, UserRequest,
};
pub use logs::{
    LogBucket, LogCounts, LogEntry, LogHistogram, LogLink, LogLinkRequest, LogsResponse, TraceLogsResponse,
};
pub use metrics::{
    Distribution, DistributionSeries, Metric, MetricComparison, MetricLabels, MetricSeries, MetricsResponse,
};
pub use problem::{FieldError, Problem};
pub use sampling::{
    CompositePart, HeadSampling, HeadService, KeptCount, PolicyDryRun, SamplingChange, SamplingDryRun,
    SamplingPolicy, SamplingRule, SamplingSettings, SamplingTrial, SamplingVersion, ServiceDryRun,
};
pub use services::{
    OperationSummary, OperationsResponse, RedSummary, ServiceSummary, ServicesResponse, TagKey,
    TagKeysResponse, TagValue, TagValueType, TagValuesResponse,
};
pub use storage::{
    NamedBytes, RetentionEvent, RetentionReason, StorageDay, StorageFlavour, StorageGrowth,
    StoragePartition, StorageResponse, StorageService, StorageSignal, StorageTable,
};
pub use traces::{
    ApiEvent, ApiLink, ApiResource, ApiScope, ApiSpan, SPANS_OMITTED_HEADER, SearchOrder, Searched,
    SpanRef, Trace, TraceService, TraceSummary, TraceWarning, TraceWarningKind, TracesResponse,
};
