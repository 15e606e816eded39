//! The end of the log that is read: from memory while the writer keeps up, from the files when it
//! has fallen behind or starts again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use spanloom_segment::{HEADER_BYTES, Step, is_cut_off, step};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Shared;
use super::files::{self, Segment};
use crate::collect::queue::{Appetite, Batch, Record, payload};

/// How much of a file is read at once.
const READ_BYTES: usize = 4 << 20;

/// Reads the log from a position on.
pub struct DiskReader {
    shared: Arc<Shared>,
    position: u64,
    /// Where `position` stands in which segment, if that is known.
    cursor: Option<Cursor>,
    /// What is read from the files while the records before are written.
    ahead: Option<Ahead>,
}

/// Records, where they end, and where in the files that is.
type Found = (Vec<Record>, u64, Option<Cursor>);

/// Reading that has begun at `position`, of about `spans_max` spans.
struct Ahead {
    position: u64,
    spans_max: usize,
    found: JoinHandle<anyhow::Result<Found>>,
}

#[derive(Clone, Copy)]
struct Cursor {
    segment: u64,
    offset: u64,
}

impl DiskReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, position: 0, cursor: None, ahead: None }
    }

    /// Which queue this is.
    pub fn id(&self) -> uuid::Uuid {
        self.shared.id
    }

    /// Goes on reading at `position`. Positions before the oldest record mean that one. Beyond the
    /// newest, records were lost that the database had seen: their numbers are not used again.
    pub fn seek(&mut self, position: u64) {
        let mut state = self.shared.state();
        if position > state.next {
            tracing::error!(
                expected = position,
                found = state.next,
                "the queue lost records that were written to the database already"
            );
            state.next = position;
            state.sealed = true;
        }
        self.position = position;
        self.cursor = None;
        self.ahead = None;
    }

    /// Everything before `position` is not needed any more: whole segments of it are removed.
    pub fn done(&mut self, position: u64) {
        let removed = {
            let mut state = self.shared.state();
            let mut removed = Vec::new();
            // The last segment stays: it is written on and tells the queue's id.
            while state.segments.get(1).is_some_and(|second| second.first <= position) {
                removed.extend(state.segments.pop_front());
            }
            removed
        };
        self.shared.tell_size();
        for segment in removed {
            if let Err(error) = std::fs::remove_file(&segment.path) {
                tracing::warn!(file = %segment.path.display(), "a drained segment cannot be removed: {error}");
            }
        }
    }

    /// The next records; none if nothing came in time.
    pub async fn next(&mut self, appetite: Appetite) -> anyhow::Result<Batch> {
        let started = Instant::now();
        let mut batch = Batch::default();
        let mut spans = 0;
        let mut deadline = started + appetite.patience;
        loop {
            let had_none = batch.records.is_empty();
            let behind = self.take_from_memory(&mut batch, &mut spans, appetite.spans_max);
            if let Some(until) = behind
                && spans < appetite.spans_max
            {
                let read = self.read_files(until, appetite.spans_max - spans).await?;
                spans += read.iter().map(Record::items).sum::<usize>();
                batch.records.extend(read);
            }
            if spans >= appetite.spans_max {
                break;
            }
            if had_none && !batch.records.is_empty() {
                deadline = Instant::now() + appetite.linger;
            }
            if behind.is_none() && !self.wait(deadline.saturating_duration_since(Instant::now())).await {
                break;
            }
        }
        batch.now_ns = self.clock_ns(&batch);
        Ok(batch)
    }

    /// Whether more came in time.
    async fn wait(&self, time: Duration) -> bool {
        !time.is_zero() && tokio::time::timeout(time, self.shared.appended.notified()).await.is_ok()
    }

    /// Takes what follows in memory. If what follows is not there but in the files, tells up to
    /// which position.
    fn take_from_memory(&mut self, batch: &mut Batch, spans: &mut usize, spans_max: usize) -> Option<u64> {
        let mut state = self.shared.state();
        loop {
            match state.tail.front() {
                Some((record, _)) if record.position < self.position => {
                    state.take_front();
                }
                Some((record, _)) if record.position == self.position => {
                    if *spans >= spans_max {
                        return None;
                    }
                    let record = state.take_front()?;
                    *spans += record.items();
                    self.position += 1;
                    self.cursor = None;
                    batch.records.push(record);
                }
                Some((record, _)) => return Some(record.position),
                None => return (self.position < state.next).then_some(state.next),
            }
        }
    }

    /// Now, if everything has been handed over: later records cannot be of an earlier time. Else
    /// the time of the last record.
    fn clock_ns(&self, batch: &Batch) -> i64 {
        let mut state = self.shared.state();
        if self.position >= state.next {
            let now_ns = Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
            state.last_time_ns = state.last_time_ns.max(now_ns);
            return state.last_time_ns;
        }
        batch.records.last().map_or(0, |record| record.time_ns)
    }

    /// Reads at most about `spans_max` spans up to `until`, and begins to read what follows.
    async fn read_files(&mut self, until: u64, spans_max: usize) -> anyhow::Result<Vec<Record>> {
        let fits = |ahead: &Ahead| ahead.position == self.position && ahead.spans_max <= spans_max;
        let ahead = self.ahead.take().filter(fits);
        let found = match ahead {
            Some(ahead) => ahead.found,
            None => self.begin_to_read(until, spans_max),
        };
        let (records, position, cursor) = found.await.context("reading the queue panicked")??;
        self.position = position;
        self.cursor = cursor;
        if position < until {
            let found = self.begin_to_read(until, spans_max);
            self.ahead = Some(Ahead { position, spans_max, found });
        }
        Ok(records)
    }

    fn begin_to_read(&self, until: u64, spans_max: usize) -> JoinHandle<anyhow::Result<Found>> {
        let shared = Arc::clone(&self.shared);
        let (position, cursor) = (self.position, self.cursor);
        tokio::task::spawn_blocking(move || read_records(&shared, position, cursor, until, spans_max))
    }
}

/// Reads on from `position`; returns where it came to.
fn read_records(
    shared: &Shared,
    mut position: u64,
    mut cursor: Option<Cursor>,
    until: u64,
    spans_max: usize,
) -> anyhow::Result<Found> {
    let mut records = Vec::new();
    let mut spans = 0;
    while position < until && spans < spans_max {
        let (segment, next_first) = segment_of(shared, position).context("the log has no segment")?;
        if segment.first > position {
            lost(&segment, segment.first - position, 0);
            position = segment.first;
            continue;
        }
        let offset = cursor
            .filter(|cursor| cursor.segment == segment.first)
            .map_or(HEADER_BYTES as u64, |cursor| cursor.offset);
        let bytes = read_part(&segment, offset)?;
        let mut at = 0;
        loop {
            match step(&bytes, at) {
                Step::Record(record, end) => {
                    at = end;
                    if record.position < position {
                        continue;
                    }
                    if record.position >= until {
                        // The rest is in memory; do not read it twice.
                        return Ok((records, until, None));
                    }
                    if record.position >= next_first {
                        // Left by a write that failed; the next segment has that number for another.
                        break;
                    }
                    if record.position > position {
                        lost(&segment, record.position - position, 0);
                    }
                    position = record.position + 1;
                    match payload::decode(record.payload) {
                        Ok(decoded) => {
                            spans += decoded.len();
                            records.push(Record::new(record.position, record.time_ns, decoded));
                        }
                        // It was read before it was queued, so that this is a fault of ours.
                        Err(error) => tracing::error!(position, "a queued request cannot be read: {error}"),
                    }
                    if spans >= spans_max {
                        break;
                    }
                }
                Step::Damage(range) => {
                    lost(&segment, 0, range.len());
                    at = range.end;
                }
                Step::End => break,
            }
        }
        let end = offset + at as u64;
        cursor = Some(Cursor { segment: segment.first, offset: end });
        let whole_is_read = offset + bytes.len() as u64 >= segment.bytes;
        if spans < spans_max && whole_is_read && position < until {
            // Nothing good is left in this segment.
            let rest = segment.bytes - end;
            if rest > 0 || position < next_first {
                lost(&segment, next_first.saturating_sub(position), rest as usize);
            }
            position = position.max(next_first);
            cursor = None;
        }
    }
    Ok((records, position, cursor))
}

/// The segment that holds `position`, or the oldest one; and the position at which the next begins.
fn segment_of(shared: &Shared, position: u64) -> Option<(Segment, u64)> {
    let state = shared.state();
    let index = state.segments.partition_point(|segment| segment.first <= position).saturating_sub(1);
    let next_first = state.segments.get(index + 1).map_or(state.next, |next| next.first);
    Some((state.segments.get(index)?.clone(), next_first))
}

/// A part of the segment that holds at least one whole record, if there is one.
fn read_part(segment: &Segment, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut size = READ_BYTES;
    loop {
        let bytes = files::read_part(segment, offset, size)?;
        let is_all = offset + bytes.len() as u64 >= segment.bytes;
        if is_all || !is_cut_off(&bytes, 0) && !matches!(step(&bytes, 0), Step::End) {
            return Ok(bytes);
        }
        size *= 4;
    }
}

fn lost(segment: &Segment, records: u64, bytes: usize) {
    metrics::counter!("spanloom_queue_lost_records_total").increment(records);
    metrics::counter!("spanloom_queue_damaged_bytes_total").increment(bytes as u64);
    tracing::error!(
        file = %segment.path.display(),
        records,
        bytes,
        "the queue is damaged: what was in this part is lost"
    );
}
