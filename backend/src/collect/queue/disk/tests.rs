use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use spanloom_model::Span;
use tempfile::TempDir;

use super::*;
use crate::collect::queue::{Appetite, Collector, Contents, SubmitError, payload};
use crate::collect::testing::span;

const BOUNDS: DiskBounds =
    DiskBounds { bytes_max: 1 << 30, segment_bytes: 4_096, memory_bytes_max: 1 << 20 };

const ALL: Appetite =
    Appetite { spans_max: 1_000_000, patience: Duration::from_millis(1), linger: Duration::ZERO };

struct Log {
    collector: Collector,
    reader: DiskReader,
    status: DiskStatus,
}

fn open_in(dir: &TempDir, bounds: DiskBounds) -> Log {
    let (collector, entries) = Collector::new(1 << 30);
    let (reader, status) = open(dir.path(), bounds, entries).unwrap();
    Log { collector, reader, status }
}

async fn submit(log: &Log, spans: Vec<Span>) -> Result<(), SubmitError> {
    let bytes = payload::encode(&spans);
    log.collector.submit(Contents { spans, logs: Vec::new() }, Bytes::from(bytes), 1).await
}

/// Ids of the spans that can be read, with their positions.
async fn read(reader: &mut DiskReader) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    loop {
        let batch = reader.next(ALL).await.unwrap();
        if batch.records.is_empty() {
            return found;
        }
        for record in batch.records {
            found.extend(record.spans.iter().map(|span| (record.position, span.span_id.get())));
        }
    }
}

fn numbered(range: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    range.map(|number| (number, number + 1)).collect()
}

async fn fill(log: &Log, range: std::ops::Range<u64>) {
    for number in range {
        submit(log, vec![span(1, number + 1)]).await.unwrap();
    }
}

/// Waits until the thread of a dropped log has let go of its folder.
fn reopen(log: Log, dir: &TempDir, bounds: DiskBounds) -> Log {
    drop(log);
    open_in(dir, bounds)
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_in_order() {
    let dir = TempDir::new().unwrap();
    let log = open_in(&dir, BOUNDS);
    fill(&log, 0..200).await;
    let id = log.reader.id();
    let mut log = reopen(log, &dir, BOUNDS);
    assert_eq!(log.reader.id(), id);
    assert!(log.status.0.state().segments.len() > 3, "several segments");
    log.reader.seek(0);
    assert_eq!(read(&mut log.reader).await, numbered(0..200));
    // It goes on where it was, in memory and in the files alike.
    fill(&log, 200..210).await;
    assert_eq!(read(&mut log.reader).await, numbered(200..210));
    log.reader.seek(150);
    assert_eq!(read(&mut log.reader).await, numbered(150..210));
}

/// Catches records that are lost or read twice where memory ends and files begin.
#[tokio::test]
async fn memory_and_files_join_without_a_seam() {
    let dir = TempDir::new().unwrap();
    let mut log = open_in(&dir, DiskBounds { memory_bytes_max: 2_500, ..BOUNDS });
    fill(&log, 0..50).await;
    let small = Appetite { spans_max: 3, ..ALL };
    let mut found = Vec::new();
    for round in 0..60 {
        let batch = log.reader.next(small).await.unwrap();
        assert!(batch.records.len() <= 3);
        found.extend(batch.records.iter().map(|record| record.position));
        // Meanwhile more comes, some of which finds room in memory.
        if round < 20 {
            fill(&log, 50 + round..51 + round).await;
        }
    }
    assert_eq!(found, (0..70).collect::<Vec<_>>());
}

#[tokio::test]
async fn drained_segments_are_removed_and_the_bound_holds() {
    let dir = TempDir::new().unwrap();
    let mut log = open_in(&dir, DiskBounds { bytes_max: 40_000, ..BOUNDS });
    let mut accepted = 0;
    let refusal = loop {
        match submit(&log, vec![span(1, accepted + 1)]).await {
            Ok(()) => accepted += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, SubmitError::Full);
    assert!(log.status.bytes() <= 40_000);
    assert_eq!(read(&mut log.reader).await, numbered(0..accepted), "nothing that was accepted is dropped");
    log.reader.done(accepted);
    assert!(log.status.bytes() < 8_192, "{}", log.status.bytes());
    fill(&log, accepted..accepted + 5).await;
    // Positions are not used again, whatever was removed.
    let mut log = reopen(log, &dir, BOUNDS);
    log.reader.seek(accepted);
    assert_eq!(read(&mut log.reader).await, numbered(accepted..accepted + 5));
}

#[tokio::test]
async fn a_torn_end_is_cut_off() {
    let dir = TempDir::new().unwrap();
    let log = open_in(&dir, BOUNDS);
    fill(&log, 0..3).await;
    let path = log.status.0.state().segments.back().unwrap().path.clone();
    drop(log);
    let whole = std::fs::read(&path).unwrap();
    for lost in [1, 30, 60] {
        std::fs::write(&path, &whole[..whole.len() - lost]).unwrap();
        let mut log = open_in(&dir, BOUNDS);
        assert_eq!(read(&mut log.reader).await, numbered(0..2), "{lost}");
        // What comes next stands where the torn one stood, and is found.
        submit(&log, vec![span(1, 9)]).await.unwrap();
        let mut log = reopen(log, &dir, BOUNDS);
        assert_eq!(read(&mut log.reader).await, [(0, 1), (1, 2), (2, 9)]);
        drop(log);
    }
}

#[tokio::test]
async fn damage_costs_only_what_it_hit() {
    let dir = TempDir::new().unwrap();
    let log = open_in(&dir, BOUNDS);
    fill(&log, 0..150).await;
    let first = log.status.0.state().segments[0].clone();
    let second = log.status.0.state().segments[1].clone();
    let third = log.status.0.state().segments[2].clone();
    drop(log);
    // One record in the middle of the first segment, the header of the second, the rest of the third.
    let flip = |path: &Path, at: usize| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 0x55;
        std::fs::write(path, bytes).unwrap();
    };
    flip(&first.path, 1_000);
    flip(&second.path, 3);
    let mut bytes = std::fs::read(&third.path).unwrap();
    bytes.truncate(200);
    std::fs::write(&third.path, bytes).unwrap();
    let mut log = open_in(&dir, BOUNDS);
    let found = read(&mut log.reader).await;
    let fourth = log.status.0.state().segments[3].first;
    let lost = 150 - found.len() as u64;
    let third_lost = (third.first..fourth).filter(|at| !found.contains(&(*at, at + 1))).count() as u64;
    assert_eq!(lost - third_lost, 1, "one record of the first segment, none of the second");
    assert!(third_lost < fourth - third.first, "what stands before the damage is read");
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

/// Catches an acknowledged record that is taken for one that a failed write left behind, unanswered.
#[tokio::test]
async fn what_a_failed_write_left_hides_nothing() {
    let dir = TempDir::new().unwrap();
    let log = open_in(&dir, BOUNDS);
    fill(&log, 0..2).await;
    let left = log.status.0.state().segments[0].clone();
    log.status.0.state().sealed = true;
    fill(&log, 2..4).await;
    assert_eq!(log.status.0.state().segments.len(), 2);
    drop(log);
    let mut bytes = std::fs::read(&left.path).unwrap();
    let payload = payload::encode(&[span(1, 99)]);
    let record = spanloom_segment::Record { position: 2, time_ns: 0, payload: &payload };
    spanloom_segment::encode_record(&mut bytes, &record);
    std::fs::write(&left.path, bytes).unwrap();
    let mut log = open_in(&dir, BOUNDS);
    assert_eq!(read(&mut log.reader).await, numbered(0..4));
}

#[tokio::test]
async fn a_database_that_is_ahead_is_not_overtaken_by_old_numbers() {
    let dir = TempDir::new().unwrap();
    let mut log = open_in(&dir, BOUNDS);
    fill(&log, 0..3).await;
    log.reader.seek(10);
    fill(&log, 10..12).await;
    assert_eq!(read(&mut log.reader).await, numbered(10..12));
    let mut log = reopen(log, &dir, BOUNDS);
    log.reader.seek(10);
    assert_eq!(read(&mut log.reader).await, numbered(10..12));
}

#[tokio::test]
async fn a_second_server_is_refused() {
    let dir = TempDir::new().unwrap();
    let _log = open_in(&dir, BOUNDS);
    let (_collector, entries) = Collector::new(1);
    let error = open(dir.path(), BOUNDS, entries).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is appended, read, drained and restarted in whatever order: the reader sees every
    /// record once, in order.
    #[test]
    fn every_record_is_read_once(steps in prop::collection::vec((0_u8..6, 1_u64..30), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::new().unwrap();
            let bounds = DiskBounds { memory_bytes_max: 3_000, segment_bytes: 1_500, ..BOUNDS };
            let mut log = open_in(&dir, bounds);
            let (mut appended, mut seen) = (0, 0);
            for (step, amount) in steps {
                match step {
                    0..=2 => {
                        fill(&log, appended..appended + amount).await;
                        appended += amount;
                    }
                    3 | 4 => {
                        let appetite = Appetite { spans_max: amount as usize, ..ALL };
                        for record in log.reader.next(appetite).await.unwrap().records {
                            assert_eq!(record.position, seen);
                            seen += 1;
                        }
                    }
                    _ => {
                        log.reader.done(seen);
                        log = reopen(log, &dir, bounds);
                        log.reader.seek(seen);
                    }
                }
            }
            assert_eq!(read(&mut log.reader).await.len() as u64, appended - seen);
        });
    }
}

/// Would catch what is read ahead being handed out twice, left out, or handed out after going back.
#[tokio::test]
async fn small_batches_from_the_files_are_whole_and_going_back_forgets_what_was_read_ahead() {
    let dir = TempDir::new().unwrap();
    let log = open_in(&dir, BOUNDS);
    fill(&log, 0..300).await;
    // After a restart nothing is in memory.
    let mut log = reopen(log, &dir, BOUNDS);
    log.reader.seek(0);
    let small = Appetite { spans_max: 7, ..ALL };
    let mut position = 0;
    let mut went_back = false;
    while position < 300 {
        let batch = log.reader.next(small).await.unwrap();
        let found: Vec<u64> = batch.records.iter().map(|record| record.position).collect();
        let expected: Vec<u64> = (position..position + found.len() as u64).collect();
        assert!(!found.is_empty());
        assert_eq!(found, expected);
        position += found.len() as u64;
        if position > 150 && !went_back {
            went_back = true;
            position = 40;
            log.reader.seek(40);
        }
    }
    assert!(went_back);
}
