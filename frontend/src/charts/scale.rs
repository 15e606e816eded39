//! Scales and ticks: from values to places on the screen and back, with labels people read. Pure.

use std::fmt::Display;

use chrono::{DateTime, Duration, NaiveDateTime, NaiveTime, TimeZone, Timelike};

/// A straight line from values to pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear {
    /// Values at the ends.
    pub domain: (f64, f64),
    /// Pixels at the ends; may run backwards.
    pub range: (f64, f64),
}

impl Linear {
    /// The pixel of a value; outside the domain it goes on beyond the ends.
    pub fn place(&self, value: f64) -> f64 {
        let (a, b) = self.domain;
        let share = if b > a { (value - a) / (b - a) } else { 0.5 };
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// The value at a pixel.
    pub fn value(&self, pixel: f64) -> f64 {
        let (a, b) = self.range;
        let share = if (b - a).abs() > f64::EPSILON { (pixel - a) / (b - a) } else { 0.0 };
        self.domain.0 + share * (self.domain.1 - self.domain.0)
    }
}

/// A logarithmic scale of durations in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogNs(Linear);

impl LogNs {
    /// Spans the durations with some air, and at least a decade, so that one result or equal
    /// results sit in the middle instead of on an edge.
    pub fn around(durations_ns: impl Iterator<Item = i64>, range: (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for duration in durations_ns {
            let log = log_ns(duration);
            low = low.min(log);
            high = high.max(log);
        }
        if low > high {
            // Nothing: a millisecond to a second.
            (low, high) = (6.0, 9.0);
        }
        let missing = (1.0 - (high - low)).max(0.0) / 2.0;
        let air = (high - low) * 0.06 + 0.05;
        let low = (low - missing - air).max(0.0);
        Self(Linear { domain: (low, high + missing + air), range })
    }

    /// From one duration to another, in nanoseconds, for its ticks alone.
    pub fn between(low_ns: f64, high_ns: f64) -> Self {
        let log = |duration_ns: f64| duration_ns.max(1.0).log10();
        Self(Linear { domain: (log(low_ns), log(high_ns)), range: (0.0, 1.0) })
    }

    /// The pixel of a duration.
    pub fn place(&self, duration_ns: i64) -> f64 {
        self.0.place(log_ns(duration_ns))
    }

    /// Durations to mark, at most `max` of them: powers of ten, with 2 and 5 (or 3) between if
    /// there is room.
    pub fn ticks(&self, max: usize) -> Vec<i64> {
        let (low, high) = self.0.domain;
        let within = |steps: &[f64], each_decades: i32| {
            let mut ticks = Vec::new();
            let mut decade = (low.floor() as i32).div_euclid(each_decades) * each_decades;
            while f64::from(decade) <= high {
                for step in steps {
                    let log = f64::from(decade) + step.log10();
                    if (low..=high).contains(&log) {
                        ticks.push((step * 10_f64.powi(decade)).round() as i64);
                    }
                }
                decade += each_decades;
            }
            ticks.retain(|tick| *tick > 0);
            ticks
        };
        let choices: [(&[f64], i32); 5] =
            [(&[1.0, 2.0, 5.0], 1), (&[1.0, 3.0], 1), (&[1.0], 1), (&[1.0], 2), (&[1.0], 3)];
        let mut ticks = Vec::new();
        for (steps, each) in choices {
            ticks = within(steps, each);
            if ticks.len() <= max {
                break;
            }
        }
        ticks.truncate(max);
        ticks
    }
}

fn log_ns(duration_ns: i64) -> f64 {
    (duration_ns.max(1) as f64).log10()
}

/// A mark on the time axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeTick {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// `14:05`, `14:05:30`, `23 Nov`.
    pub label: String,
}

const STEPS_MS: [i64; 26] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000,
];

const DAY_MS: i64 = 86_400_000;

/// Round local times in a window, at most `max` of them.
pub fn time_ticks<Z: TimeZone>(from_ms: i64, to_ms: i64, max: usize, zone: &Z) -> Vec<TimeTick>
where
    Z::Offset: Display,
{
    let length = to_ms.saturating_sub(from_ms).max(1);
    let fits = |step: i64| length / step < max.max(2) as i64;
    let days = [1, 2, 7, 14, 30, 90, 365].map(|days| days * DAY_MS);
    let Some(step_ms) = STEPS_MS.into_iter().chain(days).find(|step| fits(*step)) else {
        return Vec::new();
    };
    let Some(first) = zone.timestamp_millis_opt(from_ms).earliest() else {
        return Vec::new();
    };
    // Steps count from the local midnight before the window: 14:00, not 14:07.
    let midnight = first.date_naive().and_time(NaiveTime::MIN);
    let behind_ms = (first.naive_local() - midnight).num_milliseconds();
    let mut local = midnight + Duration::milliseconds(behind_ms.div_euclid(step_ms) * step_ms);
    let mut ticks = Vec::new();
    // One more than fits, because the first may lie before the window.
    for _ in 0..=max + 1 {
        if let Some(time) = zone.from_local_datetime(&local).earliest() {
            let at_ms = time.timestamp_millis();
            if at_ms > to_ms {
                break;
            }
            if at_ms >= from_ms {
                ticks.push(TimeTick { at_ms, label: tick_label(&time, local, step_ms) });
            }
        }
        local += Duration::milliseconds(step_ms);
    }
    ticks.truncate(max);
    ticks
}

fn tick_label<Z: TimeZone>(time: &DateTime<Z>, local: NaiveDateTime, step_ms: i64) -> String
where
    Z::Offset: Display,
{
    let midnight = local.num_seconds_from_midnight() == 0 && local.nanosecond() == 0;
    let format = if midnight && step_ms >= 60_000 {
        "%-d %b"
    } else if step_ms % 60_000 == 0 {
        "%H:%M"
    } else if step_ms % 1000 == 0 {
        "%H:%M:%S"
    } else {
        "%H:%M:%S%.3f"
    };
    time.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn a_place_leads_back_to_its_value() {
        let scale = Linear { domain: (10.0, 20.0), range: (300.0, 0.0) };
        assert!((scale.place(15.0) - 150.0).abs() < 1e-9);
        assert!((scale.value(scale.place(12.5)) - 12.5).abs() < 1e-9);
    }

    // Catches points on the frame, and a division by nothing when all results are equal.
    #[test]
    fn equal_and_missing_durations_get_a_scale_with_air() {
        for durations in [vec![], vec![5_000_000], vec![0, 0], vec![1, i64::MAX]] {
            let scale = LogNs::around(durations.iter().copied(), (100.0, 0.0));
            for duration in durations {
                let place = scale.place(duration);
                assert!((0.0..=100.0).contains(&place), "{duration} at {place}");
            }
            assert!(!scale.ticks(6).is_empty());
        }
    }

    #[test]
    fn duration_ticks_are_round_and_few() {
        let wide = LogNs::around([1_000, 100_000_000_000].into_iter(), (300.0, 0.0));
        assert_eq!(wide.ticks(5), [10_000, 1_000_000, 100_000_000, 10_000_000_000]);
        let narrow = LogNs::around([20_000_000, 60_000_000].into_iter(), (300.0, 0.0));
        assert_eq!(narrow.ticks(6), [10_000_000, 20_000_000, 50_000_000, 100_000_000]);
    }

    fn labels(from: &str, to: &str, max: usize) -> Vec<String> {
        let zone = FixedOffset::east_opt(3600).unwrap();
        let ms = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        time_ticks(ms(from), ms(to), max, &zone).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn time_ticks_are_round_in_the_persons_zone() {
        let hour = labels("2026-11-23T09:07:00+01:00", "2026-11-23T10:07:00+01:00", 7);
        assert_eq!(hour, ["09:10", "09:20", "09:30", "09:40", "09:50", "10:00"]);
        let day = labels("2026-11-22T10:00:00+01:00", "2026-11-23T10:00:00+01:00", 5);
        assert_eq!(day, ["12:00", "18:00", "23 Nov", "06:00"]);
        let seconds = labels("2026-11-23T09:00:00+01:00", "2026-11-23T09:00:20+01:00", 5);
        assert_eq!(seconds, ["09:00:00", "09:00:05", "09:00:10", "09:00:15", "09:00:20"]);
    }

    // Catches an endless loop or a flood of labels on odd windows.
    #[test]
    fn ticks_are_bounded_for_any_window() {
        let zone = FixedOffset::east_opt(0).unwrap();
        for (from, to) in [(0, 0), (0, 1), (0, 7_258_118_400_000), (5, 3), (i64::MAX - 5, i64::MAX)] {
            assert!(time_ticks(from, to, 8, &zone).len() <= 8, "{from} {to}");
        }
    }
}
