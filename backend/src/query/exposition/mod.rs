//! What Prometheus scrapes: metrics of spans and of calls between services, under the names that Tempo's
//! metrics generator gives them, as counters since ever that are the same whichever server is asked.

pub mod http;
mod render;
mod store;
mod text;
