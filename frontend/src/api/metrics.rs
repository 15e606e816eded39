//! Metrics over time.

use spanloom_model::api::{ExemplarsResponse, MetricsResponse};

use super::ApiError;
use super::client::{Signal, get};
use super::traces::window_query;
use crate::state::time_range::Window;

/// The metrics of all services' spans of these kinds, by steps, and of the period so much earlier, both in
/// seconds.
pub async fn service_histories(
    metrics: &[&str],
    kinds: &[&str],
    window: Window,
    (step_s, before_s): (i64, i64),
    signal: Signal,
) -> Result<MetricsResponse, ApiError> {
    let mut query = window_query(window)
        .with("groupBy", "service")
        .with("step", step_s.to_string())
        .with("compareTo", before_s.to_string());
    for metric in metrics {
        query.push("metric", *metric);
    }
    for kind in kinds {
        query.push("kind", *kind);
    }
    get(&query.href("metrics"), signal).await
}

/// The metrics of a service's spans by `service.version`: of the calls, or of all spans of a service that
/// is never called.
pub async fn service_versions(
    service: &str,
    metrics: &[&str],
    window: Window,
    signal: Signal,
) -> Result<MetricsResponse, ApiError> {
    let mut query = window_query(window).with("service", service).with("groupBy", "version");
    for metric in metrics {
        query.push("metric", *metric);
    }
    let all = query.href("metrics");
    for kind in ["server", "consumer"] {
        query.push("kind", kind);
    }
    let calls: MetricsResponse = get(&query.href("metrics"), signal.clone()).await?;
    if calls.series.is_empty() { get(&all, signal).await } else { Ok(calls) }
}

/// The metrics of a service's spans of these kinds, all if there are none, by the server's own step.
pub async fn service_metrics(
    service: &str,
    metrics: &[&str],
    kinds: &[&str],
    window: Window,
    signal: Signal,
) -> Result<MetricsResponse, ApiError> {
    let mut query = window_query(window).with("service", service);
    for metric in metrics {
        query.push("metric", *metric);
    }
    for kind in kinds {
        query.push("kind", *kind);
    }
    get(&query.href("metrics"), signal).await
}

/// Stored spans that explain a service's metrics in these steps.
pub async fn service_exemplars(
    service: &str,
    kinds: &[&str],
    window: Window,
    step_s: i64,
    signal: Signal,
) -> Result<ExemplarsResponse, ApiError> {
    let mut query = window_query(window).with("service", service).with("step", step_s.to_string());
    for kind in kinds {
        query.push("kind", *kind);
    }
    get(&query.href("metrics/exemplars"), signal).await
}
