//! Who calls whom, directly and through others.

mod graph;
pub mod http;
mod http_docs;
mod node;
mod store;
