//! Who calls whom.

use spanloom_model::api::{DependenciesResponse, DependencyImpactResponse, MetricsResponse};

use super::ApiError;
use super::client::{Signal, get};
use super::traces::window_query;
use crate::state::time_range::Window;

/// No path is longer: the API's bound.
const DEPTH_MAX: u32 = 16;

/// The graph, or what is around `focus`, a node's id, within `depth` calls.
pub async fn dependencies(
    focus: &str,
    depth: Option<u32>,
    window: Window,
    signal: Signal,
) -> Result<DependenciesResponse, ApiError> {
    let mut query = window_query(window);
    if !focus.is_empty() {
        query.set("service", focus);
        query.set("depth", depth.unwrap_or(DEPTH_MAX).min(DEPTH_MAX).to_string());
    }
    get(&query.href("dependencies"), signal).await
}

/// Who is affected if a node fails.
pub async fn impact(
    node: &str,
    window: Window,
    signal: Signal,
) -> Result<DependencyImpactResponse, ApiError> {
    get(&window_query(window).with("service", node).href("dependencies/impact"), signal).await
}

/// The metrics of the calls of `callee`, a node's id; only those of `caller` if it is not empty.
pub async fn call_metrics(
    caller: &str,
    callee: &str,
    metrics: &[&str],
    window: Window,
    signal: Signal,
) -> Result<MetricsResponse, ApiError> {
    let mut query = window_query(window).with("caller", caller).with("callee", callee);
    for metric in metrics {
        query.push("metric", *metric);
    }
    get(&query.href("metrics"), signal).await
}
