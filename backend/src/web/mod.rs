//! The rim towards HTTP: errors as problem+json, the OpenAPI document, health and metrics, the
//! browser application. Domains bring their own handlers in `*/http.rs`.

pub mod openapi;
pub mod operate;
pub mod problem;
pub mod problem_docs;
pub mod routes;
pub mod spa;
pub mod trace_requests;

pub use problem::{ApiError, ApiResult};
