//! The answer from what was measured and sampled. Pure.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use spanloom_model::api::{
    NamedBytes, StorageDay, StoragePartition, StorageService, StorageSignal, StorageTable,
};

use super::days::Days;
use super::store::{Measured, Shares};
use crate::store::retention::{Limits, Partition, Signal};

/// Samples that one answer takes at most.
const SAMPLES_MAX: usize = 200;

/// Samples of one signal's day at most.
const DAY_SAMPLES_MAX: usize = 4;

const TABLES_MAX: usize = 100;
const SERVICES_MAX: usize = 100;
/// Services that a day tells apart.
const DAY_SERVICES_MAX: usize = 20;
const PARTITIONS_MAX: usize = 500;

/// Which partitions to sample, the newest days first: of each signal's day the largest ones whose
/// rows name their service.
pub fn samples(measured: &Measured, days: Days, now: DateTime<Utc>) -> Vec<&Partition> {
    let signals = Signal::all().count();
    let each = (SAMPLES_MAX / (days.count * signals)).clamp(1, DAY_SAMPLES_MAX);
    let mut by_day: BTreeMap<(usize, Signal), Vec<(&Partition, f64)>> = BTreeMap::new();
    for partition in measured.partitions.iter().filter(|it| measured.with_service.contains(&it.table)) {
        for (index, bytes) in days.spread(partition, now) {
            by_day.entry((index, partition.signal)).or_default().push((partition, bytes));
        }
    }
    let mut chosen: Vec<&Partition> = Vec::new();
    for candidates in by_day.values_mut().rev() {
        candidates.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        for (partition, _) in candidates.iter().take(each) {
            // One that covers several days serves them all.
            if !chosen.iter().any(|it| it.name == partition.name) && chosen.len() < SAMPLES_MAX {
                chosen.push(partition);
            }
        }
    }
    chosen
}

/// Every day of the range and the services over the range.
pub fn days_and_services(
    measured: &Measured,
    shares: &Shares,
    days: Days,
    now: DateTime<Utc>,
) -> (Vec<StorageDay>, Vec<StorageService>) {
    let mut by_table: Vec<BTreeMap<&str, f64>> = vec![BTreeMap::new(); days.count];
    // Of a signal's day: what is sampled, and each service's part of that.
    let mut sampled: HashMap<(usize, Signal), (f64, HashMap<i32, f64>)> = HashMap::new();
    for partition in &measured.partitions {
        for (index, bytes) in days.spread(partition, now) {
            *by_table[index].entry(&partition.table).or_default() += bytes;
            let Some(parts) = shares.by_partition.get(&partition.name) else { continue };
            if parts.is_empty() {
                continue;
            }
            let (sum, services) = sampled.entry((index, partition.signal)).or_default();
            *sum += bytes;
            for (service, share) in parts {
                *services.entry(*service).or_default() += bytes * share;
            }
        }
    }
    let signal_of: HashMap<&str, Signal> =
        measured.partitions.iter().map(|it| (it.table.as_str(), it.signal)).collect();
    let mut by_service: Vec<HashMap<i32, f64>> = vec![HashMap::new(); days.count];
    let mut totals: HashMap<i32, BTreeMap<&str, f64>> = HashMap::new();
    for (index, tables) in by_table.iter().enumerate() {
        for (table, bytes) in tables {
            let signal = signal_of.get(table).copied();
            let Some((sum, services)) = signal.and_then(|signal| sampled.get(&(index, signal))) else {
                continue;
            };
            for (service, part) in services {
                let part = bytes * part / sum;
                *by_service[index].entry(*service).or_default() += part;
                *totals.entry(*service).or_default().entry(table).or_default() += part;
            }
        }
    }
    let mut services: Vec<(i32, StorageService)> = totals
        .iter()
        .filter_map(|(id, tables)| {
            let bytes = whole(tables.values().sum());
            let name = shares.names.get(id)?.clone();
            Some((*id, StorageService { name, bytes, tables: named(tables.iter()) }))
        })
        .collect();
    services.sort_by(|(_, a), (_, b)| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    services.truncate(SERVICES_MAX);
    let days = (0..days.count)
        .map(|index| StorageDay {
            day: days.day(index),
            bytes: whole(by_table[index].values().sum()),
            tables: named(by_table[index].iter()),
            services: services
                .iter()
                .take(DAY_SERVICES_MAX)
                .filter_map(|(id, service)| {
                    let bytes = whole(*by_service[index].get(id)?);
                    Some(NamedBytes { name: service.name.clone(), bytes })
                })
                .collect(),
        })
        .collect();
    (days, services.into_iter().map(|(_, service)| service).collect())
}

/// The largest first.
fn named<'a>(bytes: impl Iterator<Item = (&'a &'a str, &'a f64)>) -> Vec<NamedBytes> {
    let mut named: Vec<NamedBytes> =
        bytes.map(|(name, bytes)| NamedBytes { name: (*name).to_owned(), bytes: whole(*bytes) }).collect();
    named.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    named
}

fn whole(bytes: f64) -> u64 {
    bytes.round() as u64
}

/// Tables with all their partitions, and undivided ones; the largest first.
pub fn tables(measured: &Measured) -> Vec<StorageTable> {
    let mut tables: BTreeMap<&str, StorageTable> = BTreeMap::new();
    for partition in &measured.partitions {
        let table = tables
            .entry(&partition.table)
            .or_insert_with(|| empty_table(&partition.table, Some(partition.signal.name())));
        table.partitions += 1;
        table.rows_estimate += partition.rows_estimate;
        table.bytes += partition.bytes();
        table.heap_bytes += partition.heap_bytes;
        table.index_bytes += partition.index_bytes;
        table.toast_bytes += partition.toast_bytes;
        if let Some(uncompressed_bytes) = partition.uncompressed_bytes {
            table.compressed_bytes += partition.bytes();
            table.uncompressed_bytes += uncompressed_bytes;
        }
    }
    for plain in &measured.plain_tables {
        // The root of a hypertable holds a few empty pages of its own.
        let table =
            tables.entry(&plain.name).or_insert_with(|| empty_table(&plain.name, plain.signal.as_deref()));
        table.rows_estimate += plain.rows_estimate;
        table.bytes += plain.heap_bytes + plain.index_bytes + plain.toast_bytes;
        table.heap_bytes += plain.heap_bytes;
        table.index_bytes += plain.index_bytes;
        table.toast_bytes += plain.toast_bytes;
    }
    let mut tables: Vec<StorageTable> = tables.into_values().collect();
    for table in &mut tables {
        table.compression_ratio = (table.compressed_bytes > 0)
            .then(|| table.uncompressed_bytes as f64 / table.compressed_bytes as f64);
    }
    tables.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    tables.truncate(TABLES_MAX);
    tables
}

fn empty_table(name: &str, signal: Option<&str>) -> StorageTable {
    StorageTable {
        name: name.to_owned(),
        signal: signal.map(str::to_owned),
        partitions: 0,
        rows_estimate: 0,
        bytes: 0,
        heap_bytes: 0,
        index_bytes: 0,
        toast_bytes: 0,
        compressed_bytes: 0,
        uncompressed_bytes: 0,
        compression_ratio: None,
    }
}

/// Every signal with its bounds.
pub fn signals(measured: &Measured, limits: &Limits) -> Vec<StorageSignal> {
    let signal = |signal: Signal| {
        let own = || measured.partitions.iter().filter(|it| it.signal == signal);
        let limit = limits.retention.of(signal);
        StorageSignal {
            name: signal.name().to_owned(),
            bytes: own().map(Partition::bytes).sum(),
            days_max: limit.days,
            bytes_max: limit.bytes_max,
            oldest: own().filter(|it| it.heap_bytes > 0).map(|it| it.from_time).min(),
            last_reason: measured.last_reasons.get(signal.name()).copied(),
        }
    };
    Signal::all().map(signal).collect()
}

/// The newest first.
pub fn partitions(measured: &Measured) -> Vec<StoragePartition> {
    let mut newest: Vec<&Partition> = measured.partitions.iter().collect();
    newest.sort_by(|a, b| b.from_time.cmp(&a.from_time).then_with(|| a.table.cmp(&b.table)));
    let shown = newest.into_iter().take(PARTITIONS_MAX);
    shown
        .map(|it| StoragePartition {
            table: it.table.clone(),
            name: it.name.clone(),
            start_time: it.from_time,
            end_time: it.to_time,
            rows_estimate: it.rows_estimate,
            bytes: it.bytes(),
            uncompressed_bytes: it.uncompressed_bytes,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::days::testing::{at, partition};
    use super::*;

    fn measured() -> Measured {
        let mut spans = partition(Signal::Traces, at(24, 0), at(25, 0), 300);
        spans.table = "spans".to_owned();
        let mut today = partition(Signal::Traces, at(25, 0), at(26, 0), 100);
        today.table = "spans".to_owned();
        // Names no service: what its signal's other tables say goes for it too.
        let pieces = partition(Signal::Traces, at(24, 0), at(25, 0), 60);
        let month = partition(Signal::Rollups, at(3, 0), at(30, 0), 45);
        Measured {
            database_bytes: 1000,
            since: at(1, 0),
            partitions: vec![spans, today, pieces, month],
            plain_tables: Vec::new(),
            with_service: HashSet::from(["spans".to_owned(), "rollups".to_owned()]),
            events: Vec::new(),
            last_reasons: HashMap::new(),
        }
    }

    // Catches a partition that is read once for every day it covers, and rows without a service.
    #[test]
    fn samples_are_few_and_the_newest_first() {
        let measured = measured();
        let chosen = samples(&measured, Days::until(at(25, 12), 5, at(1, 0)), at(25, 12));
        let names: Vec<&str> = chosen.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names[0].starts_with("rollups") && names[1].contains("2026-11-25"), "{names:?}");
    }

    // Catches bytes of a day that are given to services of another, or vanish.
    #[test]
    fn a_days_bytes_are_shared_as_its_samples_say() {
        let measured = measured();
        let by_partition = HashMap::from([
            (measured.partitions[0].name.clone(), vec![(1, 0.75), (2, 0.25)]),
            (measured.partitions[1].name.clone(), vec![(2, 1.0)]),
        ]);
        let names = HashMap::from([(1, "shop".to_owned()), (2, "cart".to_owned())]);
        let shares = Shares { by_partition, names, complete: true };
        let (days, services) =
            days_and_services(&measured, &shares, Days::until(at(25, 12), 2, at(1, 0)), at(25, 12));
        // The month's 45 bytes lie over 22.5 days until now.
        assert_eq!(days.iter().map(|it| it.bytes).collect::<Vec<_>>(), [362, 101]);
        let bytes = |of: &[NamedBytes]| of.iter().map(|it| (it.name.clone(), it.bytes)).collect::<Vec<_>>();
        assert_eq!(bytes(&days[0].services), [("shop".to_owned(), 270), ("cart".to_owned(), 90)]);
        assert_eq!(bytes(&days[1].services), [("cart".to_owned(), 100)]);
        assert_eq!(bytes(&services[0].tables), [("spans".to_owned(), 225), ("traces".to_owned(), 45)]);
        assert_eq!((services[0].bytes, services[1].bytes), (270, 190));
    }
}
