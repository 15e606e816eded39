//! Bytes by day: what a partition occupies, spread evenly over the time that it covers. Pure.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::store::retention::Partition;

/// Some days (UTC) in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: NaiveDate,
    /// How many.
    pub count: usize,
    /// When data began: what a long partition covers before has none.
    pub since: DateTime<Utc>,
}

impl Days {
    /// The `count` days that end with today, of data that began at `since`.
    pub fn until(now: DateTime<Utc>, count: usize, since: DateTime<Utc>) -> Self {
        let back = TimeDelta::days(i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1));
        Self { first: now.date_naive() - back, count, since }
    }

    /// The day with this index.
    pub fn day(self, index: usize) -> NaiveDate {
        self.first + TimeDelta::days(i64::try_from(index).unwrap_or_default())
    }

    /// The days in which the partition has data by now, and how many of its bytes each has.
    pub fn spread(self, partition: &Partition, now: DateTime<Utc>) -> Vec<(usize, f64)> {
        // What lies ahead has no data yet.
        let end = partition.to_time.min(now);
        // Nothing is left out: what ends before the beginning has its bytes all the same.
        let start = Some(partition.from_time.max(self.since)).filter(|start| *start < end);
        let start = start.unwrap_or(partition.from_time);
        let length_s = seconds(end - start);
        if length_s <= 0.0 {
            return Vec::new();
        }
        let bytes = partition.bytes() as f64;
        let start_of = |index| self.day(index).and_time(NaiveTime::MIN).and_utc();
        let first = (start.date_naive() - self.first).num_days().max(0);
        (usize::try_from(first).unwrap_or(self.count)..self.count)
            .map_while(|index| {
                let (from, to) = (start_of(index), start_of(index + 1));
                let part_s = seconds(end.min(to) - start.max(from));
                (part_s > 0.0).then_some((index, bytes * part_s / length_s))
            })
            .collect()
    }
}

fn seconds(length: TimeDelta) -> f64 {
    length.num_milliseconds() as f64 / 1000.0
}

#[cfg(test)]
pub mod testing {
    use super::*;
    use crate::store::retention::Signal;

    /// A time of November 2026.
    pub fn at(day: u32, hour: u32) -> DateTime<Utc> {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap().and_hms_opt(hour, 0, 0).unwrap().and_utc()
    }

    /// A partition of that many bytes.
    pub fn partition(signal: Signal, from: DateTime<Utc>, to: DateTime<Utc>, bytes: u64) -> Partition {
        Partition {
            table: signal.name().to_owned(),
            signal,
            name: format!("{} {from}", signal.name()),
            from_time: from,
            to_time: to,
            age_min: TimeDelta::zero(),
            rows_estimate: 0,
            heap_bytes: bytes,
            index_bytes: 0,
            toast_bytes: 0,
            uncompressed_bytes: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{at, partition};
    use super::*;
    use crate::store::retention::Signal;

    fn spread(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(usize, u64)> {
        let days = Days::until(at(25, 12), 3, at(2, 0));
        let parts = days.spread(&partition(Signal::Traces, from, to, 600), at(25, 12));
        parts.into_iter().map(|(index, bytes)| (index, bytes.round() as u64)).collect()
    }

    // Catches bytes that are lost or counted twice at the edges of days, of the range, and of now.
    #[test]
    fn bytes_go_to_the_days_that_a_partition_covers_until_now() {
        assert_eq!(Days::until(at(25, 12), 3, at(2, 0)).day(0), at(23, 0).date_naive());
        assert_eq!(spread(at(24, 6), at(24, 12)), [(1, 600)]);
        assert_eq!(spread(at(23, 12), at(25, 0)), [(0, 200), (1, 400)]);
        assert_eq!(spread(at(22, 0), at(24, 0)), [(0, 300)], "the rest lies before the range");
        assert_eq!(spread(at(25, 0), at(26, 0)), [(2, 600)], "an open day has all its bytes already");
        assert_eq!(spread(at(25, 0), at(25, 6)), [(2, 600)]);
        assert_eq!(spread(at(24, 12), at(28, 0)), [(1, 300), (2, 300)]);
        assert_eq!(spread(at(26, 0), at(27, 0)), [], "tomorrow's is empty");
        assert_eq!(spread(at(1, 0), at(2, 0)), []);
        let began = Days::until(at(25, 12), 3, at(25, 0));
        let month = partition(Signal::Rollups, at(3, 0), at(30, 0), 600);
        assert_eq!(began.spread(&month, at(25, 12)), [(2, 600.0)], "there was nothing before");
    }
}
