//! What is stored.

use spanloom_model::api::StorageResponse;

use super::ApiError;
use super::client::{Signal, get};
use crate::state::query::Query;

/// Sizes, growth and retention; `days` of them by day.
pub async fn storage(days: &str, signal: Signal) -> Result<StorageResponse, ApiError> {
    get(&Query::default().with("days", days).href("storage"), signal).await
}
