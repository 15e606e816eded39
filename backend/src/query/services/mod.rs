//! Services and operations with rate, errors and duration.

pub mod http;
mod red;
mod store;
