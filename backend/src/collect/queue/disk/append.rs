//! The end of the log that is written: one thread, one `fdatasync` for all who wait.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use chrono::Utc;
use spanloom_segment::{RECORD_BYTES, Record as SegmentRecord, encode_record};
use tokio::sync::mpsc;

use super::Shared;
use super::files::{self, Segment};
use crate::collect::queue::{Entry, Record, SubmitError, memory_bytes};

/// What one write holds at most.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Writes what is handed in until every [`crate::collect::Collector`] is gone.
pub fn run(shared: &Arc<Shared>, mut entries: mpsc::UnboundedReceiver<Entry>) {
    let mut appender = Appender { shared: Arc::clone(shared), file: None, buffer: Vec::new() };
    while let Some(first) = entries.blocking_recv() {
        let mut bytes = first.payload.len();
        let mut group = vec![first];
        while bytes < GROUP_BYTES_MAX {
            let Ok(next) = entries.try_recv() else { break };
            bytes += next.payload.len();
            group.push(next);
        }
        appender.append(group);
    }
}

struct Appender {
    shared: Arc<Shared>,
    /// The last segment; none until it is needed, and after an error.
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Appender {
    /// Makes a group durable and tells everybody who waits.
    fn append(&mut self, group: Vec<Entry>) {
        let (mut position, mut time_ns, room_bytes) = {
            let state = self.shared.state();
            let room = self.shared.bytes_max.saturating_sub(state.bytes());
            (state.next, state.last_time_ns, room)
        };
        // A clock that was set back must not bring disorder into the log.
        time_ns = time_ns.max(Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX));
        self.buffer.clear();
        let mut accepted = Vec::with_capacity(group.len());
        for entry in group {
            let fits = self.buffer.len() + RECORD_BYTES + entry.payload.len() <= room_bytes as usize;
            if !fits || entry.payload.len() > spanloom_segment::PAYLOAD_BYTES_MAX {
                answer(entry, Err(SubmitError::Full));
                continue;
            }
            encode_record(&mut self.buffer, &SegmentRecord { position, time_ns, payload: &entry.payload });
            position += 1;
            accepted.push(entry);
        }
        if accepted.is_empty() {
            return;
        }
        if let Err(error) = self.write() {
            metrics::counter!("spanloom_queue_write_errors_total").increment(1);
            tracing::error!("the queue cannot be written, clients will retry: {error:#}");
            // What was written may be there in part. The segment ends where it was good; go on in a
            // new one, because after a failed sync nobody knows what the file holds.
            self.file = None;
            self.shared.state().sealed = true;
            for entry in accepted {
                answer(entry, Err(SubmitError::Unavailable));
            }
            return;
        }
        self.commit(accepted, time_ns);
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let mut file = self.file_with_room()?;
        let outcome = file.write_all(&self.buffer).and_then(|()| file.sync_data());
        self.file = Some(file);
        Ok(outcome?)
    }

    /// The last segment's file, or a new segment's when the last one is full.
    fn file_with_room(&mut self) -> anyhow::Result<File> {
        let (last, is_full, next) = {
            let state = self.shared.state();
            let Some(last) = state.segments.back().cloned() else {
                anyhow::bail!("the log has no segment");
            };
            let is_full = last.bytes >= self.shared.segment_bytes;
            (last, is_full || state.sealed, state.next)
        };
        if is_full && next > last.first {
            let (segment, file) = files::create(&self.shared.dir, self.shared.id, next)?;
            let mut state = self.shared.state();
            state.segments.push_back(segment);
            state.sealed = false;
            return Ok(file);
        }
        self.shared.state().sealed = false;
        match self.file.take() {
            Some(file) => Ok(file),
            None => Ok(reopen(&last)?),
        }
    }

    fn commit(&mut self, accepted: Vec<Entry>, time_ns: i64) {
        let mut answers = Vec::with_capacity(accepted.len());
        {
            let mut state = self.shared.state();
            if let Some(last) = state.segments.back_mut() {
                last.bytes += self.buffer.len() as u64;
            }
            state.last_time_ns = time_ns;
            for Entry { payload, contents, done, room } in accepted {
                let position = state.next;
                state.next += 1;
                let bytes = memory_bytes(payload.len(), contents.len());
                let record = Record::new(position, time_ns, contents);
                state.keep_in_memory(record, bytes, self.shared.memory_bytes_max);
                answers.push((done, room));
            }
        }
        self.shared.tell_size();
        self.shared.appended.notify_one();
        for (done, room) in answers {
            // A client that went away does not want to know; what it sent is kept all the same.
            let _ = done.send(Ok(()));
            drop(room);
        }
    }
}

/// Cuts off what stands behind the durable part, and goes on there.
fn reopen(segment: &Segment) -> std::io::Result<File> {
    let mut file = OpenOptions::new().write(true).open(&segment.path)?;
    file.set_len(segment.bytes)?;
    file.seek(SeekFrom::Start(segment.bytes))?;
    Ok(file)
}

fn answer(entry: Entry, outcome: Result<(), SubmitError>) {
    let _ = entry.done.send(outcome);
}
