//! Errors by group.

use gloo_net::http::Method;
use spanloom_model::api::{ErrorDetail, ErrorState, ErrorsChange, ErrorsChanged, ErrorsResponse};

use super::ApiError;
use super::client::{Signal, get, send};
use super::traces::window_query;
use crate::state::query::{Query, encode};
use crate::state::time_range::Window;

/// Groups; `query` holds the API's own parameters.
pub async fn errors(query: &Query, signal: Signal) -> Result<ErrorsResponse, ApiError> {
    get(&query.href("errors"), signal).await
}

/// A group with everything that is known of it.
pub async fn error(id: &str, window: Window, signal: Signal) -> Result<ErrorDetail, ApiError> {
    get(&window_query(window).href(&format!("errors/{}", encode(id))), signal).await
}

/// Sets the state of groups; returns how many were in another one.
pub async fn change_errors(
    ids: Vec<uuid::Uuid>,
    state: ErrorState,
    in_next_version: bool,
) -> Result<u64, ApiError> {
    let change = ErrorsChange { ids, state, in_next_version };
    let ErrorsChanged { changed } = send(Method::PATCH, "errors", &change).await?;
    Ok(changed)
}
