//! Completion of attribute keys and values from a sample: the newest spans of the window.

mod count;
pub mod http;
mod store;
