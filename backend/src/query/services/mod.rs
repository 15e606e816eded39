//! Services and operations with rate, errors and duration.

pub mod http;
pub(in crate::query) mod red;
mod store;
