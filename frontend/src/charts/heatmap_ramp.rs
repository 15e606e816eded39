//! Colours for counts: the more, the further from the page's background. Pure.
//!
//! A ramp of blues and greens that changes in lightness all the way, so that eyes that do not tell colours
//! apart read it as well. Counts are placed on a logarithmic scale: one slow span beside thousands of quick
//! ones has to be seen.

/// A colour in sRGB.
type Rgb = [f64; 3];

/// From few to many on a light page.
const LIGHT: [Rgb; 6] = [
    [127.0, 205.0, 187.0],
    [65.0, 182.0, 196.0],
    [29.0, 145.0, 192.0],
    [34.0, 94.0, 168.0],
    [37.0, 52.0, 148.0],
    [8.0, 29.0, 88.0],
];

/// From few to many on a dark page.
const DARK: [Rgb; 7] = [
    [42.0, 74.0, 148.0],
    [34.0, 102.0, 174.0],
    [29.0, 145.0, 192.0],
    [65.0, 182.0, 196.0],
    [127.0, 205.0, 187.0],
    [199.0, 233.0, 180.0],
    [255.0, 255.0, 217.0],
];

/// Labels of the legend are at least so far apart, as a share of its length.
const LABELS_APART: f64 = 0.17;

/// The colours of one page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    stops: &'static [Rgb],
    /// The count at its end.
    max: f64,
}

impl Ramp {
    /// For counts up to `max`.
    pub fn new(is_dark: bool, max: f64) -> Self {
        Self { stops: if is_dark { &DARK } else { &LIGHT }, max: max.max(1.0) }
    }

    /// Where a count lies between nothing (0) and the most (1).
    pub fn level(&self, count: f64) -> f64 {
        // A single count is where the scale begins; what sampling left out may make fractions.
        let log = |count: f64| count.max(1.0).ln();
        if self.max <= 1.0 { 1.0 } else { (log(count) / log(self.max)).min(1.0) }
    }

    /// The colour of a count, as CSS writes it.
    pub fn color(&self, count: f64) -> String {
        css(self.at(self.level(count)))
    }

    fn at(&self, level: f64) -> Rgb {
        let place = level.clamp(0.0, 1.0) * (self.stops.len() - 1) as f64;
        let from = (place as usize).min(self.stops.len() - 2);
        let share = place - from as f64;
        let (a, b) = (self.stops[from], self.stops[from + 1]);
        [0, 1, 2].map(|part| a[part] + (b[part] - a[part]) * share)
    }

    /// The ramp as CSS draws it, from few to many.
    pub fn gradient(&self) -> String {
        let stops: Vec<String> = self.stops.iter().map(|stop| css(*stop)).collect();
        format!("linear-gradient(to right, {})", stops.join(", "))
    }

    /// Counts for the legend, with their levels: one, powers of ten, the most.
    pub fn labels(&self) -> Vec<(f64, f64)> {
        if self.max <= 1.0 {
            return vec![(1.0, 1.0)];
        }
        let mut labels = vec![(1.0, 0.0)];
        let mut power = 10.0;
        while power < self.max {
            let level = self.level(power);
            if level - labels[labels.len() - 1].1 >= LABELS_APART && 1.0 - level >= LABELS_APART {
                labels.push((power, level));
            }
            power *= 10.0;
        }
        labels.push((self.max, 1.0));
        labels
    }
}

fn css([red, green, blue]: Rgb) -> String {
    format!("rgb({red:.0}, {green:.0}, {blue:.0})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, as WCAG defines it.
    fn luminance(color: Rgb) -> f64 {
        let [r, g, b] = color.map(|part| {
            let part = part / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: f64, b: f64) -> f64 {
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    // Catches colours that only their hue tells apart, and single spans that are not seen.
    #[test]
    fn more_is_always_further_from_the_background() {
        for (is_dark, background) in [(true, [15.0, 17.0, 21.0]), (false, [250.0, 251.0, 252.0])] {
            let ramp = Ramp::new(is_dark, 1_000.0);
            let background = luminance(background);
            let steps: Vec<f64> = (0..=20)
                .map(|step| contrast(luminance(ramp.at(f64::from(step) / 20.0)), background))
                .collect();
            assert!(steps[0] >= 1.6, "{steps:?}");
            assert!(steps.windows(2).all(|pair| pair[1] > pair[0] * 1.03), "{steps:?}");
        }
    }

    // Catches a scale on which one span beside thousands is invisible or looks like thousands.
    #[test]
    fn counts_are_spread_over_the_whole_ramp() {
        let ramp = Ramp::new(true, 10_000.0);
        let cases = [(0.2, 0.0), (1.0, 0.0), (100.0, 0.5), (10_000.0, 1.0), (99_999.0, 1.0)];
        for (count, level) in cases {
            assert!((ramp.level(count) - level).abs() < 1e-9, "{count}");
        }
        // The only count that there is, is the most.
        assert!(Ramp::new(true, 1.0).level(1.0) > 0.99);
        assert_eq!(ramp.color(10_000.0), "rgb(255, 255, 217)");
    }

    // Catches a legend whose labels lie over each other or leave out the most.
    #[test]
    fn the_legend_tells_one_and_the_most() {
        let counts =
            |max| Ramp::new(false, max).labels().into_iter().map(|(count, _)| count).collect::<Vec<_>>();
        assert_eq!(counts(1.0), [1.0]);
        assert_eq!(counts(3.0), [1.0, 3.0]);
        assert_eq!(counts(412.0), [1.0, 10.0, 100.0, 412.0]);
        assert_eq!(counts(120.0), [1.0, 10.0, 120.0]);
        for max in [7.0, 10.0, 1e4, 3e7, 1e12] {
            let labels = Ramp::new(false, max).labels();
            assert!(labels.windows(2).all(|pair| pair[1].1 - pair[0].1 >= LABELS_APART), "{labels:?}");
        }
    }
}
