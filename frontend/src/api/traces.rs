//! Traces, services and completion.

use spanloom_model::TraceId;
use spanloom_model::api::{
    OperationsResponse, ServicesResponse, TagKeysResponse, TagValuesResponse, Trace, TracesResponse,
};

use super::ApiError;
use super::client::{Signal, get};
use crate::state::query::{Query, encode};
use crate::state::time_range::Window;

/// A query with the window's times.
pub fn window_query(window: Window) -> Query {
    Query::default()
        .with("startTime", window.start_us().to_string())
        .with("endTime", window.end_us().to_string())
}

/// A page of search results; `query` holds the API's own parameters.
pub async fn search(query: &Query, signal: Signal) -> Result<TracesResponse, ApiError> {
    get(&query.href("traces"), signal).await
}

/// A whole trace.
pub async fn trace(trace_id: TraceId, signal: Signal) -> Result<Trace, ApiError> {
    get(&format!("traces/{trace_id}"), signal).await
}

/// The services that were active in the window.
pub async fn services(window: Window, signal: Signal) -> Result<ServicesResponse, ApiError> {
    get(&window_query(window).href("services"), signal).await
}

/// The operations of a service that were active in the window.
pub async fn operations(
    service: &str,
    window: Window,
    signal: Signal,
) -> Result<OperationsResponse, ApiError> {
    let path = format!("services/{}/operations", encode(service));
    get(&window_query(window).href(&path), signal).await
}

/// Attribute keys of the window's newest spans, of all services if `service` is empty.
pub async fn tag_keys(service: &str, window: Window, signal: Signal) -> Result<TagKeysResponse, ApiError> {
    get(&window_query(window).with("serviceName", service).href("tags"), signal).await
}

/// Values of an attribute key in the window's newest spans.
pub async fn tag_values(
    key: &str,
    service: &str,
    window: Window,
    signal: Signal,
) -> Result<TagValuesResponse, ApiError> {
    let path = format!("tags/{}/values", encode(key));
    get(&window_query(window).with("serviceName", service).href(&path), signal).await
}
