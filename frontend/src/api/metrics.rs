//! Metrics over time.

use spanloom_model::api::MetricsResponse;

use super::ApiError;
use super::client::{Signal, get};
use super::traces::window_query;
use crate::state::time_range::Window;

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
