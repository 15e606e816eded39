//! Where the size goes if every day is like the last ones. Pure.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use spanloom_model::api::StorageGrowth;

use super::days::Days;
use crate::store::retention::{Limits, Partition, Signal};

/// Whole days that the growth is measured over.
const GROWTH_DAYS: usize = 7;

/// One signal: what each of its days occupies, the oldest first, and what a new day adds.
struct Course {
    days: VecDeque<f64>,
    bytes: f64,
    per_day: f64,
    days_max: usize,
    bytes_max: Option<f64>,
}

impl Course {
    fn new(
        signal: Signal,
        partitions: &[Partition],
        since: DateTime<Utc>,
        now: DateTime<Utc>,
        limits: &Limits,
        measured: usize,
    ) -> Self {
        let limit = limits.retention.of(signal);
        let days_max = limit.days as usize;
        // Today is the last one; what is older than the signal is kept goes any moment.
        let range = Days::until(now, days_max + 1, since);
        let mut days = vec![0.0; range.count];
        for partition in partitions.iter().filter(|it| it.signal == signal) {
            for (index, bytes) in range.spread(partition, now) {
                days[index] += bytes;
            }
        }
        let whole = &days[..days_max];
        let last = &whole[days_max - measured.min(days_max)..];
        let per_day = last.iter().sum::<f64>() / last.len() as f64;
        let bytes_max = limit.bytes_max.map(|bytes| bytes as f64);
        Self { bytes: days.iter().sum(), days: days.into(), per_day, days_max, bytes_max }
    }

    fn next_day(&mut self) {
        self.days.push_back(self.per_day);
        self.bytes += self.per_day;
        // Today, and the days that it is kept; the last of them is partly gone.
        while self.days.len() > self.days_max + 1
            || (self.days.len() > 1 && self.bytes_max.is_some_and(|max| self.bytes > max))
        {
            self.bytes -= self.days.pop_front().unwrap_or_default();
        }
    }
}

/// Measures the growth since data began and follows it day by day until as much goes as comes.
pub fn forecast(
    partitions: &[Partition],
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    limits: &Limits,
    database_bytes: u64,
) -> StorageGrowth {
    let measured = whole_days(partitions, now);
    if measured == 0 {
        return StorageGrowth {
            bytes_per_day: None,
            days_measured: 0,
            full_in_days: None,
            steady_bytes: None,
        };
    }
    let mut courses: Vec<Course> =
        Signal::all().map(|signal| Course::new(signal, partitions, since, now, limits, measured)).collect();
    let total = |courses: &[Course]| courses.iter().map(|course| course.bytes).sum::<f64>();
    // Names of services, indexes of nothing, the system catalogue: what no day is responsible for.
    let fixed = (database_bytes as f64 - total(&courses)).max(0.0);
    let bytes_max = limits.bytes_max.map(|bytes| bytes as f64);
    let horizon = courses.iter().map(|course| course.days_max).max().unwrap_or_default() + 1;
    let mut full_in_days = None;
    for day in 0..=horizon {
        if full_in_days.is_none() && bytes_max.is_some_and(|max| fixed + total(&courses) > max) {
            full_in_days = u32::try_from(day).ok();
        }
        if day < horizon {
            courses.iter_mut().for_each(Course::next_day);
        }
    }
    StorageGrowth {
        bytes_per_day: Some(courses.iter().map(|course| course.per_day).sum::<f64>().round() as u64),
        days_measured: u32::try_from(measured).unwrap_or_default(),
        full_in_days,
        steady_bytes: Some((fixed + total(&courses)).round() as u64),
    }
}

/// How many of the last days are there from their beginning to their end. The first one with data
/// began before its data did, unless there is no other.
fn whole_days(partitions: &[Partition], now: DateTime<Utc>) -> usize {
    let today = now.date_naive();
    let started = |it: &&Partition| it.from_time < now && it.signal == Signal::Traces;
    let first = partitions.iter().filter(started).map(|it| it.from_time.date_naive()).min();
    let Some(first) = first.filter(|first| *first < today) else { return 0 };
    let days = usize::try_from((today - first).num_days()).unwrap_or(1);
    days.saturating_sub(1).clamp(1, GROWTH_DAYS)
}

#[cfg(test)]
mod tests {
    use super::super::days::testing::{at, partition};
    use super::*;
    use crate::store::retention::{RetentionConfig, SignalLimits};

    /// Days of 100 bytes from `first` to the 24th, and half a day today.
    fn days(first: u32) -> Vec<Partition> {
        let mut days: Vec<Partition> =
            (first..25).map(|day| partition(Signal::Traces, at(day, 0), at(day + 1, 0), 100)).collect();
        days.push(partition(Signal::Traces, at(25, 0), at(26, 0), 50));
        days
    }

    fn limits(days: u32, bytes_max: Option<u64>, database: Option<u64>) -> Limits {
        let retention = RetentionConfig::default().with(Signal::Traces, SignalLimits { days, bytes_max });
        Limits { retention, bytes_max: database }
    }

    // Catches a forecast of fullness for a database that has long levelled off, and the reverse.
    #[test]
    fn growth_ends_where_age_takes_as_much() {
        let now = at(25, 12);
        let few = days(22);
        // 350 bytes in partitions, 150 in what has no days.
        let growth = forecast(&few, at(1, 0), now, &limits(7, None, Some(850)), 500);
        assert_eq!((growth.bytes_per_day, growth.days_measured), (Some(100), 2));
        assert_eq!(growth.steady_bytes, Some(150 + 800), "today and seven days");
        assert_eq!(growth.full_in_days, Some(4), "500 + 3 * 100 fit");
        assert_eq!(forecast(&few, at(1, 0), now, &limits(7, None, Some(1000)), 500).full_in_days, None);
        assert_eq!(forecast(&few, at(1, 0), now, &limits(7, None, Some(499)), 500).full_in_days, Some(0));
        let capped = forecast(&few, at(1, 0), now, &limits(7, Some(400), Some(900)), 500);
        assert_eq!((capped.steady_bytes, capped.full_in_days), (Some(150 + 400), None));
    }

    // Catches growth measured over a day that has hardly begun, or over the day of installation.
    #[test]
    fn only_whole_days_count() {
        let now = at(25, 12);
        let none = forecast(&days(25), at(1, 0), now, &limits(7, None, Some(1)), 500);
        assert_eq!((none.bytes_per_day, none.full_in_days, none.steady_bytes), (None, None, None));
        assert_eq!(forecast(&days(24), at(1, 0), now, &limits(7, None, None), 500).days_measured, 1);
        let many = forecast(&days(1), at(1, 0), now, &limits(30, None, None), 5000);
        assert_eq!((many.bytes_per_day, many.days_measured), (Some(100), 7));
    }
}
