//! What Prometheus scrapes: metrics of spans and of calls between services, under the names that Tempo's
//! metrics generator gives them, and those that people define, as counters since ever that are the same whichever server is asked.

mod custom;
pub mod http;
mod render;
mod store;
mod text;
