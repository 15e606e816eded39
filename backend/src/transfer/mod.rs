//! `spanloom import` and `spanloom export`: traces from files and into files.
//!
//! Both are clients of a server like any other, so that keys, roles, limits and redaction apply.
//! An import runs top to bottom: [`input`] opens and decompresses, [`read`] finds out the format and
//! cuts the data into elements that fit into memory ([`scan`] does it for JSON), [`wire`] makes spans
//! of them, [`batch`] makes requests of those and [`send`] delivers. An export searches, fetches
//! each trace as OTLP JSON and writes it to an [`output`], one per line.

mod batch;
mod client;
pub mod export;
pub mod import;
mod input;
mod output;
mod read;
#[cfg(test)]
mod read_test;
mod scan;
mod send;
mod wire;
