//! Spans at their place in a chart: where they are drawn, which one is meant. Pure.

use super::frame::Frame;
use super::lines::LinePlot;

/// Half the size of a mark, pixels.
const REACH: f64 = 4.0;

/// The same of one that is like most others: it must not hide the line that it lies on.
const REACH_QUIET: f64 = 3.0;

/// A pointer no further away than this means the mark.
const NEAR: f64 = 9.0;

/// A span that explains a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// When it started, milliseconds since the epoch.
    pub at_ms: f64,
    /// Its value in the unit of the chart.
    pub value: f64,
    /// Whether it failed: it looks different then.
    pub is_error: bool,
    /// Whether it is like most others, and drawn so that it does not stand out.
    pub is_quiet: bool,
    /// Its operation.
    pub name: String,
    /// What else there is to tell: names and values.
    pub facts: Vec<(&'static str, String)>,
    /// The trace that it opens.
    pub trace_id: String,
    /// The span in it.
    pub span_id: String,
}

impl Exemplar {
    /// Everything in words.
    pub fn said(&self) -> String {
        let facts = self.facts.iter().map(|(name, value)| format!("{name} {value}"));
        std::iter::once(self.name.clone()).chain(facts).collect::<Vec<_>>().join(", ")
    }
}

/// Where one is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// Its index among the exemplars.
    pub index: usize,
    /// Pixels.
    pub x: f64,
    /// Pixels.
    pub y: f64,
    /// Whether its value lies above the axis: it is held at the top and has an arrow.
    pub is_above: bool,
}

/// The places of those within the time of the chart, from left to right.
pub fn spots(plot: &LinePlot, frame: Frame, exemplars: &[Exemplar]) -> Vec<Spot> {
    let spot = |(index, exemplar): (usize, &Exemplar)| {
        let (x, y) = (plot.time.place(exemplar.at_ms), plot.value.place(exemplar.value));
        let is_above = y < frame.top;
        let y = if is_above { frame.top + REACH } else { y.min(frame.bottom) };
        (x >= frame.left && x <= frame.right).then_some(Spot { index, x, y, is_above })
    };
    let mut spots: Vec<Spot> = exemplars.iter().enumerate().filter_map(spot).collect();
    spots.sort_by(|a, b| a.x.total_cmp(&b.x));
    spots
}

/// The exemplar that a pointer means, if it is near one.
pub fn nearest(spots: &[Spot], x: f64, y: f64) -> Option<usize> {
    let away = |spot: &Spot| (spot.x - x).hypot(spot.y - y);
    let near = spots.iter().filter(|spot| away(spot) <= NEAR);
    near.min_by(|a, b| away(a).total_cmp(&away(b))).map(|spot| spot.index)
}

/// The exemplar after or before one, in the order of time; the first or the last if there is none.
pub fn next(spots: &[Spot], current: Option<usize>, forward: bool) -> Option<usize> {
    let last = spots.len().checked_sub(1)?;
    let place = current.and_then(|current| spots.iter().position(|spot| spot.index == current));
    let place = match (place, forward) {
        (None, true) => 0,
        (None, false) => last,
        (Some(place), true) => (place + 1).min(last),
        (Some(place), false) => place.saturating_sub(1),
    };
    Some(spots[place].index)
}

/// The mark as the data of an SVG path: a diamond; a cross where it failed.
pub fn shape(spot: Spot, exemplar: &Exemplar) -> String {
    let (x, y) = (spot.x, spot.y);
    if exemplar.is_error {
        let (arm, long) = (REACH - 0.5, 2.0 * REACH - 1.0);
        format!("M{:.1} {:.1}l{long} {long}m0 -{long}l-{long} {long}", x - arm, y - arm)
    } else {
        let reach = if exemplar.is_quiet { REACH_QUIET } else { REACH };
        format!("M{x:.1} {:.1}l{reach} {reach}l-{reach} {reach}l-{reach} -{reach}z", y - reach)
    }
}

/// The arrow above a mark whose value lies higher.
pub fn arrow(spot: Spot) -> String {
    format!("M{:.1} {:.1}l{REACH} -{REACH}l{REACH} {REACH}", spot.x - REACH, spot.y - REACH - 1.5)
}

#[cfg(test)]
mod tests {
    use super::super::lines::{Line, Steps, Stroke, Unit};
    use super::*;

    const FRAME: Frame = Frame { left: 50.0, right: 450.0, top: 10.0, bottom: 110.0 };
    const STEPS: Steps = Steps { start_ms: 60_000, step_ms: 60_000, count: 4 };

    fn plot() -> LinePlot {
        let line = Line { name: "p95".to_owned(), stroke: Stroke::Palette(0), values: vec![Some(100.0)] };
        LinePlot::new(&[line], STEPS, Unit::Number, FRAME)
    }

    fn exemplar(at_ms: f64, value: f64) -> Exemplar {
        Exemplar {
            at_ms,
            value,
            is_error: false,
            is_quiet: false,
            name: "GET /".to_owned(),
            facts: vec![("duration", "1 s".to_owned()), ("status", "error".to_owned())],
            trace_id: String::new(),
            span_id: String::new(),
        }
    }

    // Catches marks at the step instead of the time, outside of the plot, and values above the axis that look
    // like values at its top.
    #[test]
    fn marks_stand_at_their_own_time_and_value() {
        let exemplars = [
            exemplar(180_000.0, 50.0),
            exemplar(90_000.0, 250.0),
            exemplar(59_999.0, 50.0),
            exemplar(300_001.0, 50.0),
            exemplar(300_000.0, 0.0),
        ];
        let spots = spots(&plot(), FRAME, &exemplars);
        assert_eq!(
            spots,
            [
                Spot { index: 1, x: 100.0, y: 14.0, is_above: true },
                Spot { index: 0, x: 250.0, y: 60.0, is_above: false },
                Spot { index: 4, x: 450.0, y: 110.0, is_above: false },
            ]
        );
        assert!(super::spots(&plot(), FRAME, &[]).is_empty());
    }

    // Catches a click that opens the neighbour, or opens a trace from anywhere in the chart.
    #[test]
    fn a_pointer_means_the_nearest_mark_or_none() {
        let exemplars = [exemplar(90_000.0, 50.0), exemplar(93_000.0, 50.0)];
        let spots = spots(&plot(), FRAME, &exemplars);
        assert!((spots[1].x - 105.0).abs() < 1e-9);
        assert_eq!(nearest(&spots, 101.0, 61.0), Some(0));
        assert_eq!(nearest(&spots, 104.0, 61.0), Some(1));
        assert_eq!(nearest(&spots, 100.0, 75.0), None);
    }

    // Catches keys that leave the chart, or follow the order of the answer.
    #[test]
    fn keys_go_from_left_to_right_and_stop_at_the_ends() {
        let exemplars = [exemplar(200_000.0, 1.0), exemplar(90_000.0, 1.0), exemplar(0.0, 1.0)];
        let spots = spots(&plot(), FRAME, &exemplars);
        assert_eq!((next(&spots, None, true), next(&spots, None, false)), (Some(1), Some(0)));
        assert_eq!((next(&spots, Some(1), true), next(&spots, Some(0), true)), (Some(0), Some(0)));
        assert_eq!((next(&spots, Some(0), false), next(&spots, Some(1), false)), (Some(1), Some(1)));
        assert_eq!((next(&spots, Some(2), true), next(&[], None, true)), (Some(1), None));
    }

    // Catches errors that only colour tells.
    #[test]
    fn failures_have_another_shape() {
        let spot = Spot { index: 0, x: 100.0, y: 50.0, is_above: true };
        let fine = exemplar(0.0, 0.0);
        assert_eq!(shape(spot, &fine), "M100.0 46.0l4 4l-4 4l-4 -4z");
        let quiet = Exemplar { is_quiet: true, ..fine.clone() };
        assert_eq!(shape(spot, &quiet), "M100.0 47.0l3 3l-3 3l-3 -3z");
        let failed = Exemplar { is_error: true, is_quiet: true, ..fine };
        assert_eq!(shape(spot, &failed), "M96.5 46.5l7 7m0 -7l-7 7");
        assert_eq!(arrow(spot), "M96.0 44.5l4 -4l4 4");
        assert_eq!(exemplar(0.0, 0.0).said(), "GET /, duration 1 s, status error");
    }
}
