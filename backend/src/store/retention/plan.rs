//! What has to go: pure.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::settings::{Limits, Signal};

/// Partitions that one turn drops at most: each takes some locks until the turn is committed.
const DROPS_MAX: usize = 200;

/// When the whole database is too large, every signal keeps this much as long as others have older
/// data to give.
const LAST_HOURS: i64 = 24;

/// A partition of plain PostgreSQL or a chunk of TimescaleDB.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// The table that it belongs to.
    pub table: String,
    /// The signal of that table.
    pub signal: Signal,
    /// Its own name, as it stands in a statement.
    pub name: String,
    /// Inclusive.
    pub from_time: DateTime<Utc>,
    /// Exclusive.
    pub to_time: DateTime<Utc>,
    /// The table's partitions younger than this stay.
    pub age_min: TimeDelta,
    /// The database's estimate.
    pub rows_estimate: u64,
    /// The rows themselves.
    pub heap_bytes: u64,
    /// Indexes.
    pub index_bytes: u64,
    /// Values stored out of line, and in TimescaleDB's columnstore.
    pub toast_bytes: u64,
    /// What it occupied before it was compressed.
    pub uncompressed_bytes: Option<u64>,
}

impl Partition {
    /// All that it occupies.
    pub fn bytes(&self) -> u64 {
        self.heap_bytes + self.index_bytes + self.toast_bytes
    }
}

/// Why a partition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Everything in it is older than the signal is kept.
    Age,
    /// It was the oldest when a bound on bytes was exceeded.
    Bytes,
}

impl Reason {
    /// The name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Bytes => "bytes",
        }
    }
}

/// What has to go.
#[derive(Debug, Default, PartialEq)]
pub struct Plan<'a> {
    /// Partitions in the order in which they are to be dropped.
    pub doomed: Vec<(&'a Partition, Reason)>,
    /// Bounds that remain exceeded although all that may go is gone: the key and by how many bytes.
    pub unmet: Vec<(String, u64)>,
}

/// Decides by age first, then by each signal's bytes, then by those of the whole database.
pub fn plan<'a>(
    partitions: &'a [Partition],
    now: DateTime<Utc>,
    limits: &Limits,
    database_bytes: u64,
) -> Plan<'a> {
    let mut candidates = Candidates::new(partitions, now);
    let mut plan = Plan::default();
    for signal in Signal::all() {
        let limit = limits.retention.of(signal);
        let cut = now - TimeDelta::days(i64::from(limit.days));
        let old = candidates.take(|it| it.signal == signal && it.to_time <= cut);
        plan.doomed.extend(old.into_iter().map(|it| (it, Reason::Age)));
        let Some(bytes_max) = limit.bytes_max else { continue };
        let all: u64 = partitions.iter().filter(|it| it.signal == signal).map(Partition::bytes).sum();
        let gone: u64 =
            plan.doomed.iter().filter(|(it, _)| it.signal == signal).map(|(it, _)| it.bytes()).sum();
        let mut excess = (all - gone).saturating_sub(bytes_max);
        candidates.shrink(signal, now, &mut excess, &mut plan);
        if excess > 0 {
            plan.unmet.push((format!("storage.retention.{}.bytes_max", signal.name()), excess));
        }
    }
    if let Some(bytes_max) = limits.bytes_max {
        let gone: u64 = plan.doomed.iter().map(|(it, _)| it.bytes()).sum();
        let mut excess = database_bytes.saturating_sub(gone).saturating_sub(bytes_max);
        for keep_hours in [LAST_HOURS, 0] {
            for signal in Signal::all() {
                candidates.shrink(signal, now - TimeDelta::hours(keep_hours), &mut excess, &mut plan);
            }
        }
        if excess > 0 {
            plan.unmet.push(("storage.bytes_max".to_owned(), excess));
        }
    }
    plan.doomed.truncate(DROPS_MAX);
    // Table by table, in the order in which the writer locks them: who waits for whom is then clear.
    plan.doomed
        .sort_by(|(a, _), (b, _)| (a.signal, &a.table, a.to_time).cmp(&(b.signal, &b.table, b.to_time)));
    plan
}

/// What may go and has not gone yet, the oldest first.
struct Candidates<'a> {
    partitions: Vec<&'a Partition>,
    /// The newest end in each table.
    newest: HashMap<&'a str, DateTime<Utc>>,
}

impl<'a> Candidates<'a> {
    fn new(all: &'a [Partition], now: DateTime<Utc>) -> Self {
        let mut newest = HashMap::<&str, DateTime<Utc>>::new();
        for partition in all {
            let time = newest.entry(&partition.table).or_insert(partition.to_time);
            *time = partition.to_time.max(*time);
        }
        let mut partitions: Vec<&Partition> =
            all.iter().filter(|it| it.to_time <= now - it.age_min).collect();
        partitions.sort_by(|a, b| (a.to_time, &a.table).cmp(&(b.to_time, &b.table)));
        Self { partitions, newest }
    }

    fn take(&mut self, mut which: impl FnMut(&Partition) -> bool) -> Vec<&'a Partition> {
        self.partitions.extract_if(.., |it| which(it)).collect()
    }

    /// Takes the oldest of a signal until there is no excess, or nothing that ends before `until`.
    /// What ends at the same time goes together: a trace's rows are in several tables. The newest of
    /// a table, which is being written, only goes by age.
    fn shrink(&mut self, signal: Signal, until: DateTime<Utc>, excess: &mut u64, plan: &mut Plan<'a>) {
        let newest = self.newest.clone();
        let may_go = |it: &Partition| {
            it.signal == signal && newest.get(it.table.as_str()).is_some_and(|end| it.to_time < *end)
        };
        while *excess > 0 {
            let oldest = self.partitions.iter().find(|it| may_go(it)).map(|it| it.to_time);
            let Some(oldest) = oldest.filter(|time| *time <= until) else { return };
            for partition in self.take(|it| may_go(it) && it.to_time == oldest) {
                *excess = excess.saturating_sub(partition.bytes());
                plan.doomed.push((partition, Reason::Bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::retention::settings::{RetentionConfig, SignalLimits};

    /// 2026-11-25T00:00:00Z
    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_564_800, 0).unwrap()
    }

    /// Covers 6 hours that end `ends_hours_ago`, 10 bytes.
    fn partition(table: &str, signal: Signal, ends_hours_ago: i64) -> Partition {
        let to_time = now() - TimeDelta::hours(ends_hours_ago);
        Partition {
            table: table.to_owned(),
            signal,
            name: format!("{table}@{ends_hours_ago}"),
            from_time: to_time - TimeDelta::hours(6),
            to_time,
            age_min: TimeDelta::zero(),
            rows_estimate: 1,
            heap_bytes: 5,
            index_bytes: 3,
            toast_bytes: 2,
            uncompressed_bytes: None,
        }
    }

    /// Spans and traces side by side: an open partition, and closed ones back to `hours` ago.
    fn traces(hours: i64) -> Vec<Partition> {
        (-6..=hours)
            .step_by(6)
            .flat_map(|ago| ["spans", "traces"].map(|table| partition(table, Signal::Traces, ago)))
            .collect()
    }

    fn limits(days: u32, bytes_max: Option<u64>, database: Option<u64>) -> Limits {
        let retention = RetentionConfig::default().with(Signal::Traces, SignalLimits { days, bytes_max });
        Limits { retention, bytes_max: database }
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.doomed.iter().map(|(it, reason)| format!("{} {}", it.name, reason.name())).collect()
    }

    // Catches a partition that goes while a part of it is younger than the bound.
    #[test]
    fn age_takes_what_lies_wholly_before_it() {
        let mut partitions = traces(36);
        partitions.push(partition("metrics_1m", Signal::Metrics, 36));
        let plan = plan(&partitions, now(), &limits(1, None, None), 0);
        assert_eq!(
            names(&plan),
            [
                "spans@36 age",
                "spans@30 age",
                "spans@24 age",
                "traces@36 age",
                "traces@30 age",
                "traces@24 age"
            ]
        );
    }

    // Catches dropping beyond the bound, out of order, or one table of a signal alone.
    #[test]
    fn bytes_take_the_oldest_of_all_tables_and_stop() {
        let partitions = traces(24);
        // Six times two partitions of 10 bytes: 120; 95 leaves room for four pairs.
        let found = plan(&partitions, now(), &limits(7, Some(95), None), 0);
        assert_eq!(
            names(&found),
            ["spans@24 bytes", "spans@18 bytes", "traces@24 bytes", "traces@18 bytes"]
        );
        assert_eq!(plan(&partitions, now(), &limits(7, Some(120), None), 0), Plan::default());
    }

    // Catches the loss of what is being written, and silence about a bound that cannot be kept.
    #[test]
    fn the_open_partition_stays_and_the_excess_is_told() {
        let found = plan(&traces(6), now(), &limits(1, Some(1), None), 0).unmet;
        assert_eq!(found, [("storage.retention.traces.bytes_max".to_owned(), 19)]);
        // Where nothing has arrived lately the newest partition has ended, and is the open one still.
        let quiet = [partition("spans", Signal::Traces, 12), partition("spans", Signal::Traces, 18)];
        assert_eq!(names(&plan(&quiet, now(), &limits(1, Some(1), None), 0)), ["spans@18 bytes"]);
    }

    // Catches data that stays beyond its age for ever where nothing newer arrives.
    #[test]
    fn age_takes_the_newest_partition_too() {
        let quiet = [partition("spans", Signal::Traces, 48), partition("spans", Signal::Traces, 54)];
        assert_eq!(
            names(&plan(&quiet, now(), &limits(1, None, None), 0)),
            ["spans@54 age", "spans@48 age"]
        );
    }

    // Catches aggregates that are emptied because their parts went too early.
    #[test]
    fn a_tables_own_least_age_comes_before_every_bound() {
        let mut partitions = traces(30);
        for it in &mut partitions {
            it.age_min = TimeDelta::hours(25);
        }
        let found = plan(&partitions, now(), &limits(1, Some(1), Some(1)), 1000);
        assert_eq!(names(&found), ["spans@30 age", "traces@30 age"]);
    }

    // Catches metrics that go before traces older than a day, and bytes that are counted twice.
    #[test]
    fn the_whole_database_takes_traces_first_but_leaves_their_last_day() {
        let mut partitions = traces(36);
        for ago in [-6, 24, 48] {
            partitions.push(partition("metrics_1m", Signal::Metrics, ago));
        }
        let by =
            |excess: u64| names(&plan(&partitions, now(), &limits(7, None, Some(1000)), 1000 + excess));
        assert_eq!(by(1), ["spans@36 bytes", "traces@36 bytes"]);
        let mut day = vec!["spans@36", "spans@30", "spans@24", "traces@36", "traces@30", "traces@24"];
        assert_eq!(by(60), day.iter().map(|it| format!("{it} bytes")).collect::<Vec<_>>());
        day.push("metrics_1m@48");
        assert_eq!(by(61), day.iter().map(|it| format!("{it} bytes")).collect::<Vec<_>>());
        // Then their last day, the oldest first.
        assert!(by(81).contains(&"spans@18 bytes".to_owned()), "{:?}", by(81));
        assert!(!by(81).contains(&"spans@12 bytes".to_owned()), "{:?}", by(81));
    }

    #[test]
    fn a_turn_is_bounded_and_takes_the_oldest() {
        let partitions = traces(6 * 1000);
        let found = plan(&partitions, now(), &limits(1, None, None), 0);
        assert_eq!(found.doomed.len(), DROPS_MAX);
        assert_eq!(found.doomed[0].0.name, "spans@6000");
    }
}
