//! Searching traces and reading one.
//!
//! A trace is stored as spans and as pieces: one row of `traces` per batch that brought spans of
//! it. [`search`] walks spans or pieces backwards in time, merges pieces to traces and stops as soon
//! as the page is certain. [`assemble`] makes one trace out of its rows, [`otlp`] the spans that were
//! sent.

pub mod assemble;
mod call_store;
mod cursor;
pub mod http;
mod merge;
mod otlp;
pub mod params;
mod search;
mod search_store;
mod shared;
pub mod store;
