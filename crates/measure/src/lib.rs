//! Custom metrics: which spans count, what they count, and numbers made of what was counted.
//!
//! - [`check`] and [`Meter`]: a definition, validated and ready to look at spans.
//! - [`Tally`]: what a meter has seen, by minute, group and bucket; this is what is stored.
//! - [`Summary`]: cells of any minutes together, and the number that they come to.
//!
//! Cells merge by adding counts and sums and taking the least and the greatest, whatever the
//! aggregation: the buckets of a quantile are the logarithms of the values, those of `distinct` the
//! registers of a `HyperLogLog`, whose ranks are the greatest values. So one statement of SQL adds up
//! all kinds of metrics.
//!
//! Pure: the writer, the back-fill and the preview look at spans with the same code.

mod buckets;
mod cell;
mod check;
mod distinct;
mod meter;
mod tally;

pub use cell::{Cell, Summary};
pub use check::{GROUP_CHARS_MAX, check};
pub use meter::{Meter, Observed};
pub use tally::Tally;
