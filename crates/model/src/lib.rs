//! What the server and the browser agree on: identifiers, spans, log records, attribute values, the
//! latency histogram and the types of the HTTP API.
//!
//! The crate does no I/O and builds for wasm. Schemas for the OpenAPI document are derived behind
//! the feature `openapi`.

pub mod api;
pub mod histogram;
mod id;
mod log;
pub mod log_link;
mod produced;
mod span;
mod value;

pub use id::{IdError, SpanId, TraceId};
pub use log::{LogLevel, LogRecord};
pub use produced::Produced;
pub use span::{Event, Link, Resource, Scope, Span, SpanKind, SpanStatus};
pub use value::{AttrValue, Attributes, Key};
