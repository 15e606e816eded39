//! The scatter plot's geometry: where a trace is drawn, how large, and which one is under the
//! pointer. Pure.

use spanloom_model::api::TraceSummary;

use crate::charts::frame::Frame;
use crate::charts::scale::{Linear, LogNs};
use crate::components::service_color::hue;
use crate::state::time_range::Window;

/// A trace as drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Centre.
    pub x: f64,
    /// Centre.
    pub y: f64,
    /// Half of its size.
    pub radius: f64,
    /// The root service's hue.
    pub hue: u32,
    /// Drawn as a red diamond.
    pub has_error: bool,
}

/// The plot: its axes and its points, in the order of the results.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Milliseconds since the epoch to pixels.
    pub time: Linear,
    /// Duration to pixels.
    pub duration: LogNs,
    /// One per trace.
    pub points: Vec<Point>,
}

/// What is not drawn because it has not been loaded: the list goes on where the plot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// All is loaded.
    Nothing,
    /// Older traces than the oldest loaded one, in milliseconds since the epoch.
    Before(i64),
    /// Shorter traces than the shortest loaded one, in nanoseconds.
    Below(i64),
}

/// The window from the first loaded trace on: a trace whose span lies in the window may have begun before.
pub fn reaching_back(window: Window, traces: &[TraceSummary]) -> Window {
    let oldest_ms = traces.iter().map(|trace| trace.start_time.timestamp_millis()).min();
    Window {
        from_ms: oldest_ms.map_or(window.from_ms, |oldest_ms| oldest_ms.min(window.from_ms)),
        ..window
    }
}

/// The time to draw. The newest hundred of a busy hour may be its last ten seconds: drawn over the
/// whole hour they would be one line, and the empty rest would look like silence. So the time axis
/// begins shortly before the oldest loaded trace, at `Blank::Before`.
pub fn shown_window(window: Window, blank: Blank) -> Window {
    let Blank::Before(oldest_ms) = blank else { return window };
    let air_ms = ((window.to_ms - oldest_ms) / 8).max(1);
    Window { from_ms: (oldest_ms - air_ms).clamp(window.from_ms, window.to_ms - 1), ..window }
}

/// What is missing from the plot of a list that goes on.
pub fn blank(traces: &[TraceSummary], has_more: bool, longest_first: bool) -> Blank {
    let oldest = traces.iter().map(|trace| trace.start_time.timestamp_millis()).min();
    let shortest = traces.iter().map(|trace| trace.duration_ns).min();
    match (has_more, longest_first, oldest, shortest) {
        (true, false, Some(oldest_ms), _) => Blank::Before(oldest_ms),
        (true, true, _, Some(shortest_ns)) => Blank::Below(shortest_ns),
        _ => Blank::Nothing,
    }
}

/// How far from a point the pointer still means it.
const REACH: f64 = 14.0;

impl Plot {
    /// Lays out the traces of a window.
    pub fn new(traces: &[TraceSummary], window: Window, frame: Frame) -> Self {
        let time = Linear {
            domain: (window.from_ms as f64, window.to_ms as f64),
            range: (frame.left, frame.right),
        };
        let durations = traces.iter().map(|trace| trace.duration_ns);
        let duration = LogNs::around(durations, (frame.bottom, frame.top));
        let points = traces
            .iter()
            .map(|trace| Point {
                x: time.place(trace.start_time.timestamp_micros() as f64 / 1000.0),
                y: duration.place(trace.duration_ns),
                radius: radius(trace.span_count),
                hue: hue(&trace.root.service),
                has_error: trace.error_count > 0,
            })
            .collect();
        Self { time, duration, points }
    }

    /// The point nearest to the pointer, if one is near enough; of equally near ones the later
    /// drawn, which is on top.
    pub fn nearest(&self, x: f64, y: f64) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (index, point) in self.points.iter().enumerate() {
            // The edge counts, not the centre: a large point is easy to hit.
            let distance = ((point.x - x).hypot(point.y - y) - point.radius).max(0.0);
            if distance <= REACH && best.is_none_or(|(nearest, _)| distance <= nearest) {
                best = Some((distance, index));
            }
        }
        best.map(|(_, index)| index)
    }
}

/// 3 pixels for one span, growing slowly: ten times the spans look about a third larger.
fn radius(spans: u64) -> f64 {
    (2.6 + 1.3 * (spans.max(1) as f64).log10()).clamp(2.6, 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use spanloom_model::TraceId;
    use spanloom_model::api::SpanRef;

    const FRAME: Frame = Frame { left: 50.0, right: 450.0, top: 10.0, bottom: 110.0 };

    fn trace(number: u128, start_ms: i64, duration_ns: i64, errors: u64) -> TraceSummary {
        TraceSummary {
            trace_id: TraceId::new(number).unwrap(),
            root: SpanRef { service: "frontend".into(), operation: "GET /".into() },
            has_root: true,
            start_time: DateTime::from_timestamp_millis(start_ms).unwrap(),
            duration_ns,
            span_count: number as u64,
            error_count: errors,
            services: Vec::new(),
        }
    }

    #[test]
    fn later_is_right_and_longer_is_up() {
        let traces = [trace(1, 1000, 1_000_000, 0), trace(2, 2000, 100_000_000, 1)];
        let plot = Plot::new(&traces, Window { from_ms: 1000, to_ms: 2000 }, FRAME);
        let [a, b] = plot.points[..] else { panic!("two points") };
        assert!((a.x - 50.0).abs() < 1e-9 && (b.x - 450.0).abs() < 1e-9);
        assert!(b.y < a.y && a.y < 110.0 && b.y > 10.0, "{a:?} {b:?}");
        assert!(!a.has_error && b.has_error);
    }

    // Catches an empty part of the plot that looks like silence but is only not loaded.
    #[test]
    fn the_time_axis_begins_where_the_loaded_traces_do() {
        let traces = [trace(1, 9_000, 5, 0), trace(2, 9_200, 7, 0)];
        let window = Window { from_ms: 0, to_ms: 10_000 };
        let cut = blank(&traces, true, false);
        assert_eq!(cut, Blank::Before(9_000));
        assert_eq!(shown_window(window, cut), Window { from_ms: 8_875, to_ms: 10_000 });
        assert_eq!(shown_window(window, Blank::Before(10)), window);
        assert_eq!(blank(&traces, true, true), Blank::Below(5));
        assert_eq!(shown_window(window, blank(&traces, false, false)), window);
        assert_eq!(blank(&[], true, false), Blank::Nothing);
        // Of traces that began before the window, none lies left of the axis.
        let late = Window { from_ms: 9_100, ..window };
        assert_eq!(reaching_back(late, &traces), Window { from_ms: 9_000, ..window });
        assert_eq!((reaching_back(window, &traces), reaching_back(late, &[])), (window, late));
    }

    #[test]
    fn the_pointer_means_the_nearest_point_within_reach() {
        let traces =
            [trace(1, 1000, 1_000_000, 0), trace(1, 1010, 1_000_000, 0), trace(1, 1900, 1_000_000, 0)];
        let plot = Plot::new(&traces, Window { from_ms: 1000, to_ms: 2000 }, FRAME);
        let last = plot.points[2];
        assert_eq!(plot.nearest(last.x + 3.0, last.y - 3.0), Some(2));
        assert_eq!(plot.nearest(last.x, last.y + 60.0), None);
        let (a, b) = (plot.points[0], plot.points[1]);
        assert_eq!(plot.nearest(a.x - 1.0, a.y), Some(0));
        assert_eq!(plot.nearest(b.x + 5.0, b.y), Some(1));
    }
}
