//! The way of a span, top to bottom:
//!
//! 1. [`receive`]: sockets, authentication, limits, each protocol's answers.
//! 2. `spanloom_formats`: formats into the one model; what cannot be kept is rejected, counted,
//!    explained.
//! 3. [`redact`]: secrets are removed before anything is kept.
//! 4. [`queue`]: durable, bounded; a client is answered when its spans are safe here.
//! 5. [`dedup`]: which spans are new.
//! 6. [`sample`]: which traces are kept, after everything was counted.
//! 7. [`write`]: large batches; one transaction of binary COPYs with the queue's position.
//!
//! Log records go the same way but for 5 and 6: they have no identity and are not sampled.

pub mod dedup;
pub mod queue;
pub mod receive;
pub mod redact;
pub mod sample;
pub mod slot;
pub mod stages;
#[cfg(test)]
mod testing;
pub mod write;

pub use queue::{Collector, SubmitError};
