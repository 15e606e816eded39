//! What is stored and where that leads: bytes by day, table and service, growth, what was dropped.

mod answer;
mod days;
mod forecast;
pub mod http;
mod store;
