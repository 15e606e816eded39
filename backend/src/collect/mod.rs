//! The way of a span, top to bottom:
//!
//! 1. [`receive`]: sockets, authentication, limits, each protocol's answers.
//! 2. `spanloom_formats`: formats into the one model; what cannot be kept is rejected, counted,
//!    explained.
//! 3. [`queue`]: bounded by bytes; who waits here waits for the commit.
//! 4. [`write`]: batches; duplicates are left out; one transaction of binary COPYs.
//!
//! [`sample`] holds the settings of sampling and what clients are told of them.
//!
//! A client is answered after the transaction that holds its spans has committed, never before.

pub mod queue;
pub mod receive;
pub mod sample;
pub mod write;

pub use queue::{Collector, SubmitError};
