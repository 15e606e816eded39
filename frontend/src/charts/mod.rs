//! Charts of our own: scales are pure, drawing is SVG or canvas.

pub mod bars;
pub mod canvas;
pub mod exemplar_marks;
pub mod exemplars;
pub mod frame;
pub mod heatmap;
pub mod heatmap_chart;
pub mod heatmap_parts;
pub mod heatmap_ramp;
pub mod level_bars;
pub mod level_chart;
pub mod line_chart;
pub mod lines;
pub mod scale;
pub mod size;
pub mod spark_bars;
pub mod sparkline;
