//! The rim towards HTTP: errors as problem+json, the OpenAPI document, health, the browser
//! application. Domains bring their own handlers in `*/http.rs`.

pub mod problem;

pub use problem::{ApiError, ApiResult};
