//! Log records, and links to external log systems.

use gloo_net::http::Method;
use spanloom_model::TraceId;
use spanloom_model::api::{LogHistogram, LogLink, LogLinkRequest, LogsResponse, TraceLogsResponse};

use super::ApiError;
use super::client::{Signal, get, send, send_for_nothing};
use crate::state::query::Query;

/// A page of log records; `query` holds the API's own parameters.
pub async fn logs(query: &Query, signal: Signal) -> Result<LogsResponse, ApiError> {
    get(&query.href("logs"), signal).await
}

/// How many records satisfy the same conditions over time.
pub async fn log_histogram(query: &Query, signal: Signal) -> Result<LogHistogram, ApiError> {
    get(&query.href("logs/histogram"), signal).await
}

/// The records of a trace.
pub async fn trace_logs(trace_id: TraceId, signal: Signal) -> Result<TraceLogsResponse, ApiError> {
    get(&format!("traces/{trace_id}/logs"), signal).await
}

/// All links.
pub async fn log_links(signal: Signal) -> Result<Vec<LogLink>, ApiError> {
    get("log-links", signal).await
}

/// Adds a link, or replaces the one with this id.
pub async fn save_log_link(id: Option<String>, request: LogLinkRequest) -> Result<LogLink, ApiError> {
    match id {
        None => send(Method::POST, "log-links", &request).await,
        Some(id) => send(Method::PUT, &format!("log-links/{id}"), &request).await,
    }
}

/// Removes a link.
pub async fn delete_log_link(id: String) -> Result<(), ApiError> {
    send_for_nothing(Method::DELETE, &format!("log-links/{id}"), None::<&()>).await
}
