//! Stacked bars: bands along one axis, round values along the other, segments on top of each other.
//! Pure.

/// Equal bands for `count` bars between two pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bands {
    /// How many.
    pub count: usize,
    /// Pixels at the ends.
    pub range: (f64, f64),
}

impl Bands {
    fn step(self) -> f64 {
        (self.range.1 - self.range.0) / self.count.max(1) as f64
    }

    /// Where the bar of this index begins, and how wide it is: three quarters of its band, whole
    /// pixels, at most 48, at least one.
    pub fn bar(self, index: usize) -> (f64, f64) {
        let width = (self.step() * 0.75).clamp(1.0, 48.0).floor();
        ((self.middle(index) - width / 2.0).round(), width)
    }

    /// The middle of the band.
    pub fn middle(self, index: usize) -> f64 {
        self.range.0 + self.step() * (index as f64 + 0.5)
    }

    /// The band under a pixel; none outside.
    pub fn at(self, pixel: f64) -> Option<usize> {
        if pixel < self.range.0 || self.count == 0 {
            return None;
        }
        let index = ((pixel - self.range.0) / self.step()) as usize;
        (index < self.count).then_some(index)
    }

    /// The bands to label, so that labels of `label_width` pixels do not touch: every n-th, counted
    /// from the last.
    pub fn labelled(self, label_width: f64) -> Vec<usize> {
        let each = (label_width / self.step()).ceil().max(1.0) as usize;
        (0..self.count).rev().step_by(each).collect()
    }
}

/// Round values from 0 to at least `max`, about `count` of them: steps of 1, 2 or 5 times a power of
/// ten. The last one is the top of the axis.
pub fn round_ticks(max: f64, count: usize) -> Vec<f64> {
    if !max.is_finite() || max <= 0.0 {
        return vec![0.0, 1.0];
    }
    let rough = max / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor =
        [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999_999).unwrap_or(10.0);
    let step = factor * power;
    let steps = (max / step * 0.999_999).ceil() as usize;
    (0..=steps).map(|index| index as f64 * step).collect()
}

/// Where each value of a column begins and ends when they stand on top of each other.
pub fn stacked(values: &[f64]) -> Vec<(f64, f64)> {
    let mut top = 0.0;
    let segment = |value: &f64| {
        let bottom = top;
        top += value.max(0.0);
        (bottom, top)
    };
    values.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches bars that overlap or leave the chart, and a pointer that finds the neighbour.
    #[test]
    fn a_bar_lies_in_its_band_and_is_found_there() {
        for (count, width) in [(1, 800.0), (14, 800.0), (90, 600.0)] {
            let bands = Bands { count, range: (60.0, 60.0 + width) };
            let mut end_before = 60.0;
            for index in 0..count {
                let (start, width) = bands.bar(index);
                assert!(width >= 1.0 && start >= end_before, "{count}: {index}");
                end_before = start + width;
                assert_eq!(bands.at(bands.middle(index)), Some(index));
            }
            assert!(end_before <= 60.0 + width);
            assert_eq!((bands.at(59.0), bands.at(60.0 + width + 1.0)), (None, None));
        }
        assert_eq!(Bands { count: 0, range: (0.0, 10.0) }.at(5.0), None);
    }

    #[test]
    fn labels_have_room_and_name_today() {
        let bands = Bands { count: 14, range: (0.0, 280.0) };
        assert_eq!(bands.labelled(50.0), [13, 10, 7, 4, 1]);
        assert_eq!(Bands { count: 3, range: (0.0, 600.0) }.labelled(50.0), [2, 1, 0]);
    }

    // Catches a bar above the axis' top, and steps nobody can read.
    #[test]
    fn ticks_are_round_and_cover_the_largest() {
        assert_eq!(round_ticks(1_240.0, 4), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(round_ticks(400.0, 4), [0.0, 100.0, 200.0, 300.0, 400.0]);
        assert_eq!(round_ticks(0.0, 4), [0.0, 1.0]);
        for max in [1.0, 7.0, 9.99e11, 3e-3] {
            let ticks = round_ticks(max, 4);
            assert!(
                ticks.last().is_some_and(|top| *top >= max * 0.999) && ticks.len() <= 6,
                "{max}: {ticks:?}"
            );
        }
    }

    #[test]
    fn segments_stand_on_each_other() {
        assert_eq!(stacked(&[3.0, 0.0, 2.0]), [(0.0, 3.0), (3.0, 3.0), (3.0, 5.0)]);
    }
}
