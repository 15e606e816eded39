//! Pure trace analysis: no I/O, no clock, builds for wasm.
//!
//! The server and the browser run the same code. Every function works on plain slices in which a
//! span is its index, so that neither has to convert its own span type into another one. Nothing
//! recurses: a trace may be 100,000 spans deep.

mod child_time;
mod critical_path;
mod graph;
mod interval;
mod rows;
mod skew;
mod statistics;
mod ticks;
mod tree;

pub use child_time::ChildTime;
pub use critical_path::{Segment, critical_path};
pub use graph::{GraphLayout, Place, graph_layout};
pub use interval::Interval;
pub use rows::{Hidden, Rows, Step, step};
pub use skew::{SkewSpan, adjust};
pub use statistics::{GroupSpan, GroupStatistics, statistics};
pub use ticks::{nice_step_ns, tick_label, ticks};
pub use tree::{Tree, TreeSpan, TreeWarning};
