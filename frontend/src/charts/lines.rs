//! Values over time as lines: their steps, their axis, their path. Pure.

use std::fmt::Write as _;

use super::bars::round_ticks;
use super::frame::Frame;
use super::scale::Linear;
use crate::format;

/// What values measure: decides on the axis and how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Events per second.
    PerSecond,
    /// A share of 0 to 1.
    Share,
    /// Nanoseconds.
    Duration,
    /// Anything else, negative numbers included.
    Number,
    /// How many in each step.
    Count,
}

impl Unit {
    /// A value as people read it.
    pub fn label(self, value: f64) -> String {
        match self {
            Self::PerSecond => format::rate(value),
            Self::Share => format::percent(value),
            Self::Duration => format::duration_f64(value),
            Self::Number => format::number(value),
            Self::Count => format::count(value),
        }
    }

    /// Values to mark, from 0 to the top of the axis, about four of them.
    pub fn ticks(self, max: f64) -> Vec<f64> {
        match self {
            // Nothing failed: an axis of whole percents, so that the line lies at its foot.
            Self::Share if max <= 0.0 => vec![0.0, 0.01],
            Self::Share => {
                let mut ticks = round_ticks(max, 4);
                ticks.retain(|tick| *tick <= 1.0 + 1e-9);
                ticks
            }
            Self::PerSecond | Self::Number => round_ticks(max, 4),
            // Nothing happens half a time.
            Self::Count => round_ticks(max.max(4.0), 4),
            Self::Duration => {
                // Above a minute round minutes, above an hour round hours: not 50 s, 100 s, 150 s.
                let step_unit = [3.6e12, 6e10].into_iter().find(|unit| max >= 2.0 * unit).unwrap_or(1.0);
                round_ticks(max / step_unit, 4).into_iter().map(|tick| tick * step_unit).collect()
            }
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// One of the palette's colours, by index.
    Palette(usize),
    /// The colour of errors.
    Error,
}

impl Stroke {
    /// The class that colours it.
    pub fn class(self) -> String {
        match self {
            // After the colours the same ones dashed.
            Self::Palette(index) if index % 8 > 3 => format!("stroke-{} dashed", index % 4),
            Self::Palette(index) => format!("stroke-{}", index % 4),
            Self::Error => "stroke-error".to_owned(),
        }
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// How it looks.
    pub stroke: Stroke,
    /// One value per step; none where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// The steps that the values of all lines belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Start of the first step, milliseconds since the epoch.
    pub start_ms: i64,
    /// Length of each, milliseconds.
    pub step_ms: i64,
    /// How many.
    pub count: usize,
}

impl Steps {
    /// When a step starts.
    pub fn start_of(self, index: usize) -> i64 {
        self.start_ms + index as i64 * self.step_ms
    }

    /// The end of the last step.
    pub fn end_ms(self) -> i64 {
        self.start_of(self.count)
    }

    /// The step that a moment lies in; none outside.
    pub fn at(self, time_ms: f64) -> Option<usize> {
        let index = (time_ms - self.start_ms as f64) / (self.step_ms.max(1) as f64);
        (index >= 0.0 && index < self.count as f64).then_some(index as usize)
    }
}

/// Lines with their scales.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot {
    /// Milliseconds to pixels.
    pub time: Linear,
    /// Values to pixels.
    pub value: Linear,
    /// Values to mark.
    pub ticks: Vec<f64>,
    steps: Steps,
}

impl LinePlot {
    /// Scales for these lines; the axis of values starts at zero, or below the least negative one, and ends
    /// at a round number.
    pub fn new(lines: &[Line], steps: Steps, unit: Unit, frame: Frame) -> Self {
        let values = lines.iter().flat_map(|line| &line.values).flatten();
        let mut ticks = unit.ticks(values.clone().copied().fold(0.0, f64::max));
        let least = values.copied().fold(0.0, f64::min);
        if least < 0.0 {
            ticks.splice(0..0, unit.ticks(-least).into_iter().skip(1).rev().map(|tick| -tick));
        }
        let bottom = ticks.first().copied().unwrap_or(0.0);
        let top = ticks.last().copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
        Self {
            time: Linear {
                domain: (steps.start_ms as f64, steps.end_ms() as f64),
                range: (frame.left, frame.right),
            },
            value: Linear { domain: (bottom, top), range: (frame.bottom, frame.top) },
            ticks,
            steps,
        }
    }

    /// The pixel of a step: its middle.
    pub fn x(&self, index: usize) -> f64 {
        self.time.place(self.steps.start_of(index) as f64 + self.steps.step_ms as f64 / 2.0)
    }

    /// The line as the data of an SVG path. A missing value is a gap, not a zero; a value between two
    /// gaps is a dash of three pixels, for a dot of a line's width is not seen.
    pub fn path(&self, values: &[Option<f64>]) -> String {
        let mut path = String::new();
        let mut is_drawing = false;
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value else {
                is_drawing = false;
                continue;
            };
            let (x, y) = (self.x(index), self.value.place(*value));
            let next_is_missing = values.get(index + 1).is_none_or(Option::is_none);
            // Writing to a string cannot fail.
            let _ = match (is_drawing, next_is_missing) {
                (true, _) => write!(path, "L{x:.1} {y:.1}"),
                (false, false) => write!(path, "M{x:.1} {y:.1}"),
                (false, true) => write!(path, "M{:.1} {y:.1}h3", x - 1.5),
            };
            is_drawing = true;
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 50.0, right: 450.0, top: 10.0, bottom: 110.0 };
    const STEPS: Steps = Steps { start_ms: 60_000, step_ms: 60_000, count: 4 };

    fn plot(values: &[Option<f64>], unit: Unit) -> LinePlot {
        let line = Line { name: "a".to_owned(), stroke: Stroke::Palette(0), values: values.to_vec() };
        LinePlot::new(&[line], STEPS, unit, FRAME)
    }

    // Catches a gap that is drawn as zero or bridged, which would hide an outage.
    #[test]
    fn missing_values_are_gaps_and_lonely_ones_are_dashes() {
        let values = [Some(100.0), Some(0.0), None, Some(50.0)];
        let plot = plot(&values, Unit::PerSecond);
        assert_eq!(plot.path(&values), "M100.0 10.0L200.0 110.0M398.5 60.0h3");
        assert_eq!(plot.path(&[None, None]), "");
    }

    // Catches a pointer that tells the neighbour's value.
    #[test]
    fn a_step_is_found_where_it_is_drawn_and_nothing_outside() {
        let plot = plot(&[Some(1.0); 4], Unit::PerSecond);
        for index in 0..4 {
            assert_eq!(STEPS.at(plot.time.value(plot.x(index))), Some(index));
        }
        assert_eq!((STEPS.at(59_999.0), STEPS.at(300_000.0)), (None, None));
        assert_eq!(STEPS.end_ms(), 300_000);
    }

    // Catches lines above the axis, an axis to 150%, and steps nobody reads.
    #[test]
    fn axes_are_round_in_their_unit_and_hold_every_value() {
        assert_eq!(Unit::Share.ticks(0.0), [0.0, 0.01]);
        assert_eq!(Unit::Share.ticks(0.9).last(), Some(&1.0));
        let minutes: Vec<String> =
            Unit::Duration.ticks(200e9).into_iter().map(|tick| Unit::Duration.label(tick)).collect();
        assert_eq!(minutes, ["0 ns", "1 min", "2 min", "3 min", "4 min"]);
        for unit in [Unit::PerSecond, Unit::Share, Unit::Duration] {
            for max in [0.003, 0.07, 0.5, 1.0] {
                let top = unit.ticks(max).last().copied().unwrap();
                assert!(top >= max * 0.999, "{unit:?} {max} {top}");
            }
        }
    }

    // Catches negative numbers that are drawn below the chart.
    #[test]
    fn negative_values_have_room() {
        let plot = plot(&[Some(-3.0), Some(4.0), None, None], Unit::Number);
        assert!(plot.ticks.contains(&0.0) && plot.ticks[0] <= -3.0, "{:?}", plot.ticks);
        assert!(plot.value.place(-3.0) <= FRAME.bottom && plot.value.place(4.0) >= FRAME.top);
    }

    #[test]
    fn without_values_there_is_an_axis_all_the_same() {
        let plot = plot(&[None, None, None, None], Unit::Duration);
        assert!(plot.ticks.len() >= 2 && plot.value.place(0.0) > plot.value.place(1.0));
    }
}
