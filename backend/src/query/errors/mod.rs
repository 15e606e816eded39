//! Errors by group: the list, one of them, and what people say of them.

pub mod http;
pub mod http_change;
mod http_docs;
mod params;
mod store;
mod store_change;
