//! Who calls whom, directly and through others.

pub mod call;
mod graph;
pub mod http;
mod http_docs;
pub mod node;
mod store;
