//! Zooming and panning through the time of a trace. Pure.

use spanloom_analysis::Interval;

/// Closer than this nobody needs to look, in nanoseconds.
const MIN_RANGE_NS: i64 = 10;

/// Steps of the keys `+` and `-` and of a notch of the wheel.
pub const ZOOM_STEP: f64 = 1.5;

/// The whole nanoseconds nearest to `range` moved and cut so that it lies within `bounds`.
pub fn clamp(range: Interval, bounds: Interval) -> Interval {
    let most_ns = bounds.duration_ns();
    let duration_ns = range.duration_ns().max(MIN_RANGE_NS.min(most_ns)).min(most_ns);
    let start_ns = range.start_ns.clamp(bounds.start_ns, bounds.end_ns - duration_ns);
    Interval { start_ns, end_ns: start_ns + duration_ns }
}

/// Shows `factor` times more detail; the moment at `anchor` (0 left, 1 right) stays where it is.
pub fn zoom(range: Interval, bounds: Interval, factor: f64, anchor: f64) -> Interval {
    let duration_ns = range.duration_ns() as f64;
    let new_duration_ns = (duration_ns / factor).round().max(MIN_RANGE_NS as f64);
    let start_ns = range.start_ns + ((duration_ns - new_duration_ns) * anchor).round() as i64;
    clamp(Interval::new(start_ns, new_duration_ns as i64), bounds)
}

/// Moves by a share of the visible range: 1 is a whole page to the right.
pub fn pan(range: Interval, bounds: Interval, share: f64) -> Interval {
    let delta_ns = (range.duration_ns() as f64 * share).round() as i64;
    let start_ns = range.start_ns.saturating_add(delta_ns);
    clamp(Interval::new(start_ns, range.duration_ns()), bounds)
}

/// The range between two moments in any order.
pub fn between(a_ns: i64, b_ns: i64, bounds: Interval) -> Interval {
    clamp(Interval { start_ns: a_ns.min(b_ns), end_ns: a_ns.max(b_ns) }, bounds)
}

/// `range` if `time` can be seen in it, else moved (and widened, if need be) so that it can.
pub fn reveal(range: Interval, time: Interval, bounds: Interval) -> Interval {
    let seen = time.start_ns < range.end_ns && time.end_ns > range.start_ns;
    let instant_seen = time.start_ns >= range.start_ns && time.start_ns <= range.end_ns;
    if seen || instant_seen {
        return range;
    }
    let duration_ns = range.duration_ns().max(time.duration_ns().saturating_mul(2));
    let middle_ns = time.start_ns + time.duration_ns() / 2;
    clamp(Interval::new(middle_ns - duration_ns / 2, duration_ns), bounds)
}

/// Turns moments into pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// What is visible; not empty.
    pub range: Interval,
    /// Over how many pixels.
    pub width_px: f64,
}

impl Scale {
    /// Pixels from the left; outside 0 to `width_px` for what is not visible.
    pub fn x(self, at_ns: i64) -> f64 {
        // Subtracting first keeps nanoseconds exact in long traces.
        (at_ns - self.range.start_ns) as f64 / self.range.duration_ns() as f64 * self.width_px
    }

    /// The moment at a pixel.
    pub fn at_ns(self, x_px: f64) -> i64 {
        let share = if self.width_px > 0.0 { x_px / self.width_px } else { 0.0 };
        self.range.start_ns + (share * self.range.duration_ns() as f64).round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Interval = Interval { start_ns: 0, end_ns: 1_000 };

    fn range(start_ns: i64, end_ns: i64) -> Interval {
        Interval { start_ns, end_ns }
    }

    #[test]
    fn the_anchor_stays_while_zooming() {
        assert_eq!(zoom(BOUNDS, BOUNDS, 2.0, 0.5), range(250, 750));
        assert_eq!(zoom(BOUNDS, BOUNDS, 2.0, 0.0), range(0, 500));
        assert_eq!(zoom(range(250, 750), BOUNDS, 0.5, 0.5), BOUNDS);
    }

    #[test]
    fn neither_zooming_nor_panning_leaves_the_trace() {
        assert_eq!(zoom(range(900, 1_000), BOUNDS, 0.1, 0.0), BOUNDS);
        assert_eq!(zoom(range(10, 20), BOUNDS, 1e9, 0.5), range(10, 20), "as close as it gets");
        assert_eq!(pan(range(900, 1_000), BOUNDS, 0.5), range(900, 1_000));
        assert_eq!(pan(range(500, 600), BOUNDS, -10.0), range(0, 100));
        // A trace shorter than the closest zoom.
        assert_eq!(zoom(range(0, 3), range(0, 3), 2.0, 0.5), range(0, 3));
    }

    #[test]
    fn brushing_works_in_both_directions_and_never_leaves_nothing() {
        assert_eq!(between(700, 300, BOUNDS), range(300, 700));
        assert_eq!(between(1_000, 1_000, BOUNDS), range(990, 1_000));
    }

    #[test]
    fn a_selected_span_outside_the_zoom_is_brought_into_it() {
        assert_eq!(
            reveal(range(0, 100), range(50, 900), BOUNDS),
            range(0, 100),
            "partly visible is enough"
        );
        assert_eq!(reveal(range(0, 100), range(500, 520), BOUNDS), range(460, 560));
        assert_eq!(reveal(range(0, 100), range(500, 700), BOUNDS), range(400, 800));
        assert_eq!(reveal(range(0, 100), range(100, 100), BOUNDS), range(0, 100), "an instant on the edge");
    }

    #[test]
    fn pixels_and_moments_are_each_others_reverse() {
        let scale = Scale { range: range(200, 700), width_px: 250.0 };
        assert!((scale.x(450) - 125.0).abs() < 1e-9);
        assert_eq!(scale.at_ns(125.0), 450);
        assert_eq!(Scale { range: BOUNDS, width_px: 0.0 }.at_ns(5.0), 0);
    }
}
