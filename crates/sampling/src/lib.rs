//! Sampling: which traces are kept, and how many each kept span stands for.
//!
//! Everything turns on one number of a trace, its [`Randomness`]: 56 bits that clients put into the
//! trace id. A sampler with a [`Threshold`] keeps the traces whose randomness is not below it, so that
//! samplers agree with each other wherever they sit, and the probability of what was kept is known
//! ("Probability Sampling" in OpenTelemetry's specification of the trace state). Each policy comes to
//! a threshold for a trace that does not depend on that trace's randomness; a union of policies is the
//! lowest threshold, their conjunction the highest, what the client's own sampler left is the highest
//! of both. So the weight of a kept span, the inverse of the probability, is unbiased: over many
//! traces the weights of the kept add up to the number of all.
//!
//! - [`head_weight`]: what a client's sampler says of one span.
//! - [`Policies`]: settings, validated and compiled.
//! - [`TailSampler`]: holds traces until they are decided.
//! - [`strategy_of`]: what a client with a remote sampler is told.
//!
//! Pure: time and order come from the records of the queue, so that a replay decides the same.

mod compile;
mod head;
mod held;
mod judge;
mod limiter;
mod memory;
mod policies;
mod probability;
mod rule;
mod sampler;
mod trace_state;

pub use head::{HeadStrategy, strategy_of};
pub use policies::Policies;
pub use probability::{Randomness, Threshold};
pub use sampler::{Bounds, Decided, Held, Outcome, TailSampler, span_weight};
pub use trace_state::head_weight;
