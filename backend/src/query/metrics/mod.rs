//! Metrics over time: rate, errors and durations of spans, grouped and filtered, and spans that explain them.

mod call_store;
mod cells;
mod distribution;
pub mod exemplar_http;
mod exemplar_store;
mod exemplars;
pub mod http;
pub(crate) mod params;
mod store;
