//! Sampling settings and their trial.

use gloo_net::http::Method;
use spanloom_model::api::{
    SamplingChange, SamplingDryRun, SamplingSettings, SamplingTrial, SamplingVersion,
};

use super::ApiError;
use super::client::{Signal, get, send};

/// The settings in force.
pub async fn sampling(signal: Signal) -> Result<SamplingVersion, ApiError> {
    get("sampling", signal).await
}

/// The latest versions, the newest first.
pub async fn sampling_history(signal: Signal) -> Result<Vec<SamplingVersion>, ApiError> {
    get("sampling/history", signal).await
}

/// Saves what was made of `version`.
pub async fn save_sampling(version: i32, settings: SamplingSettings) -> Result<SamplingVersion, ApiError> {
    send(Method::PUT, "sampling", &SamplingChange { version, settings }).await
}

/// What the settings would have kept of the last hour.
pub async fn try_sampling(settings: SamplingSettings) -> Result<SamplingDryRun, ApiError> {
    send(Method::POST, "sampling/dry-run", &SamplingTrial { settings }).await
}
