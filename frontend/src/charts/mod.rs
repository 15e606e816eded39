//! Charts of our own: scales are pure, drawing is SVG or canvas.

pub mod bars;
pub mod scale;
pub mod size;
