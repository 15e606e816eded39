//! Metrics over time: rate, errors and durations of spans, grouped and filtered.

mod cells;
pub mod http;
pub(crate) mod params;
mod store;
