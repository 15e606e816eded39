//! The sampler from outside, as the writer uses it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod fixture;
mod policies;
mod sampler;
mod stream;
mod unbiased;
mod validation;
