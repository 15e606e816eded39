//! Metrics over time: rate, errors and durations of spans, grouped and filtered.

mod call_store;
mod cells;
mod distribution;
pub mod http;
pub(crate) mod params;
mod store;
