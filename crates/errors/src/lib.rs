//! What failed in a span, and which failures are the same.
//!
//! Pure: the server groups with it when spans arrive, the browser finds the group of an exception in a
//! trace. Everything is bounded in input and linear in it, because clients decide what it reads.

mod failure;
mod fingerprint;
mod message;
pub mod stack;
mod word;

pub use failure::{Failure, failures};
pub use fingerprint::{VERSION, group_id};
pub use message::normalize;

/// The first `bytes_max` bytes of a text, less the rest of a character that does not fit.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
