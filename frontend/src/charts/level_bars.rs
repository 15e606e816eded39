//! Stacked bars of log records by level over time. Pure.

use spanloom_model::LogLevel;
use spanloom_model::api::LogCounts;

use super::bars::round_ticks;
use super::frame::Frame;
use super::scale::Linear;

/// From the axis upwards: what matters most stands on the axis, where heights can be compared.
pub const ORDER: [LogLevel; 7] = [
    LogLevel::Fatal,
    LogLevel::Error,
    LogLevel::Warn,
    LogLevel::Info,
    LogLevel::Debug,
    LogLevel::Trace,
    LogLevel::Unset,
];

/// A single error among thousands of records is drawn this high, in pixels.
const SEGMENT_MIN: f64 = 2.0;

/// The part of a bar that is of one level, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Which level.
    pub level: LogLevel,
    /// Its upper edge.
    pub top: f64,
    /// Its height.
    pub height: f64,
}

/// The records of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Where the step begins, milliseconds since the epoch.
    pub start_ms: i64,
    /// Left edge in pixels.
    pub left: f64,
    /// Width in pixels.
    pub width: f64,
    /// From the axis upwards.
    pub segments: Vec<Segment>,
    /// How many.
    pub counts: LogCounts,
}

/// Everything that is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelPlot {
    /// Milliseconds to pixels.
    pub time: Linear,
    /// Records to pixels.
    pub count: Linear,
    /// Round counts for the axis.
    pub ticks: Vec<f64>,
    /// In order of time; steps without records have none.
    pub bars: Vec<Bar>,
    /// How long a step is.
    pub step_ms: i64,
}

impl LevelPlot {
    /// Bars for the steps that begin at these milliseconds, within `window_ms`.
    pub fn new(steps: &[(i64, LogCounts)], step_ms: i64, window_ms: (i64, i64), frame: Frame) -> Self {
        let step_ms = step_ms.max(1);
        // Whole steps: the first and the last may reach beyond the window.
        let from_ms = window_ms.0.div_euclid(step_ms) * step_ms;
        let to_ms = (window_ms.1.max(from_ms + 1) + step_ms - 1).div_euclid(step_ms) * step_ms;
        let time = Linear { domain: (from_ms as f64, to_ms as f64), range: (frame.left, frame.right) };
        let most = steps.iter().map(|(_, counts)| counts.total()).max().unwrap_or(0);
        let ticks = round_ticks(most as f64, 3);
        let top = ticks.last().copied().unwrap_or(1.0);
        let count = Linear { domain: (0.0, top), range: (frame.bottom, frame.top) };
        let bar = |&(start_ms, counts): &(i64, LogCounts)| {
            let (left, right) = (time.place(start_ms as f64), time.place((start_ms + step_ms) as f64));
            // A hairline between neighbours, if there is room for one.
            let gap = if right - left > 3.0 { 1.0 } else { 0.0 };
            let mut bottom = frame.bottom;
            let segments = ORDER
                .into_iter()
                .filter(|level| counts.of(*level) > 0)
                .map(|level| {
                    let exact = frame.bottom - count.place(counts.of(level) as f64);
                    let height = exact.max(SEGMENT_MIN).min(bottom - frame.top);
                    bottom -= height;
                    Segment { level, top: bottom, height }
                })
                .collect();
            Bar { start_ms, left, width: (right - left - gap).max(1.0), segments, counts }
        };
        let bars = steps.iter().filter(|(start, _)| (from_ms..to_ms).contains(start)).map(bar).collect();
        Self { time, count, ticks, bars, step_ms }
    }

    /// The bar under a pixel.
    pub fn at(&self, x: f64) -> Option<&Bar> {
        let ms = self.time.value(x) as i64;
        self.bars.iter().find(|bar| (bar.start_ms..bar.start_ms + self.step_ms).contains(&ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 50.0, right: 650.0, top: 10.0, bottom: 110.0 };

    fn counts(info: u64, error: u64) -> LogCounts {
        LogCounts { info, error, ..LogCounts::default() }
    }

    // Catches errors that cannot be seen beside thousands of other records, and bars that leave the chart.
    #[test]
    fn every_level_is_visible_and_inside() {
        let plot =
            LevelPlot::new(&[(0, counts(99_999, 1)), (60_000, counts(5, 0))], 60_000, (0, 600_000), FRAME);
        let first = &plot.bars[0];
        assert_eq!(first.segments[0].level, LogLevel::Error, "on the axis");
        assert!(first.segments[0].height >= SEGMENT_MIN);
        for bar in &plot.bars {
            for segment in &bar.segments {
                assert!(segment.top >= FRAME.top && segment.top + segment.height <= FRAME.bottom + 0.01);
            }
            assert!(bar.left >= FRAME.left && bar.left + bar.width <= FRAME.right);
        }
        let all: f64 = first.segments.iter().map(|segment| segment.height).sum();
        assert!((all - 100.0).abs() < 2.5, "{all}");
    }

    #[test]
    fn a_bar_is_found_where_it_is() {
        let plot = LevelPlot::new(&[(60_000, counts(1, 0))], 60_000, (10_000, 610_000), FRAME);
        let bar = &plot.bars[0];
        assert_eq!(plot.at(bar.left + bar.width / 2.0).map(|bar| bar.start_ms), Some(60_000));
        assert_eq!(plot.at(bar.left - 3.0), None);
        assert_eq!(plot.time.domain, (0.0, 660_000.0), "whole steps");
    }

    #[test]
    fn nothing_and_an_empty_window_are_no_trouble() {
        let plot = LevelPlot::new(&[], 0, (5, 5), FRAME);
        assert!(plot.bars.is_empty() && plot.time.domain.1 > plot.time.domain.0);
    }
}
