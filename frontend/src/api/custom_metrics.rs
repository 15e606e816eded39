//! Metrics that people define.

use gloo_net::http::Method;
use spanloom_model::api::{
    CustomMetric, CustomMetricChange, CustomMetricDefinition, CustomMetricPreview,
    CustomMetricSeriesResponse, CustomMetricTrial, CustomMetricsResponse,
};

use super::ApiError;
use super::client::{Signal, get, send, send_for_nothing};
use super::traces::window_query;
use crate::state::query::encode;
use crate::state::time_range::Window;

fn path(id: &str) -> String {
    format!("custom-metrics/{}", encode(id))
}

/// All of them, by name.
pub async fn custom_metrics(signal: Signal) -> Result<CustomMetricsResponse, ApiError> {
    get("custom-metrics", signal).await
}

/// One of them.
pub async fn custom_metric(id: &str, signal: Signal) -> Result<CustomMetric, ApiError> {
    get(&path(id), signal).await
}

/// The `top` groups with most.
pub async fn metric_series(
    id: &str,
    window: Window,
    top: usize,
    signal: Signal,
) -> Result<CustomMetricSeriesResponse, ApiError> {
    let query = window_query(window).with("top", top.to_string());
    get(&query.href(&format!("{}/series", path(id))), signal).await
}

/// All groups together as one series.
pub async fn metric_total(
    id: &str,
    window: Window,
    signal: Signal,
) -> Result<CustomMetricSeriesResponse, ApiError> {
    let query = window_query(window).with("merge", "true");
    get(&query.href(&format!("{}/series", path(id))), signal).await
}

/// Defines one.
pub async fn create_metric(definition: &CustomMetricDefinition) -> Result<CustomMetric, ApiError> {
    send(Method::POST, "custom-metrics", definition).await
}

/// Saves what was made of `version`.
pub async fn save_metric(
    id: &str,
    version: i32,
    definition: CustomMetricDefinition,
) -> Result<CustomMetric, ApiError> {
    send(Method::PUT, &path(id), &CustomMetricChange { version, definition }).await
}

/// Deletes one.
pub async fn delete_metric(id: &str) -> Result<(), ApiError> {
    send_for_nothing(Method::DELETE, &path(id), None::<&()>).await
}

/// Stops counting what was stored before.
pub async fn stop_backfill(id: &str) -> Result<(), ApiError> {
    send_for_nothing(Method::DELETE, &format!("{}/backfill", path(id)), None::<&()>).await
}

/// What a definition makes of the last hour.
pub async fn preview_metric(definition: CustomMetricDefinition) -> Result<CustomMetricPreview, ApiError> {
    let trial = CustomMetricTrial { definition, end_time: None };
    send(Method::POST, "custom-metrics/preview", &trial).await
}
