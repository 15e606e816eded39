//! Log records: searching them, counting them over time, those of a trace; links to external systems.
//!
//! A [`walk`] goes backwards in time, slice by slice, until the page is full, the range is searched, or
//! the time limit is reached; the answer says which.

mod cursor;
mod entry;
mod histogram;
pub mod http;
mod http_docs;
pub mod links_http;
mod links_store;
mod params;
mod search_store;
mod walk;
