//! The folder of the log: which segments there are, and what is good in them after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use spanloom_segment::{HEADER_BYTES, Header, Step, step};
use uuid::Uuid;

/// A file of the log.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Position of its first record.
    pub first: u64,
    /// Bytes that are durable; what stands behind them is not to be read.
    pub bytes: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// What was found in the folder.
pub struct Found {
    /// The queue's id.
    pub id: Uuid,
    /// Oldest first, at least one; the last one is written on.
    pub segments: Vec<Segment>,
    /// Position of the next record.
    pub next: u64,
    /// Time of the last record, nanoseconds since the epoch; zero if there is none.
    pub last_time_ns: i64,
}

/// The file's name tells the position of its first record.
pub fn path_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// Makes a segment with nothing in it, durable together with its name.
pub fn create(dir: &Path, id: Uuid, first: u64) -> std::io::Result<(Segment, File)> {
    let path = path_of(dir, first);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    file.write_all(&Header { queue_id: *id.as_bytes(), first }.encode())?;
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok((Segment { first, bytes: HEADER_BYTES as u64, path }, file))
}

/// Looks through the folder after a start. Only the last segment can be torn: it is cut behind its
/// last good record. Damage in others is found, and told, when they are read.
pub fn recover(dir: &Path) -> anyhow::Result<Found> {
    let mut firsts: Vec<u64> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".log")?.parse().ok())
        .collect();
    firsts.sort_unstable();
    let mut segments = Vec::new();
    let mut id = None;
    for &first in &firsts {
        let path = path_of(dir, first);
        let mut head = [0; HEADER_BYTES];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut head));
        let header = read.ok().and_then(|()| Header::decode(&head));
        match header {
            Some(header) if header.first == first => id = Some(Uuid::from_bytes(header.queue_id)),
            // Torn while it was made: nothing was ever in it.
            _ if fs::metadata(&path)?.len() <= HEADER_BYTES as u64 => {
                fs::remove_file(&path)?;
                continue;
            }
            // Its records have checksums of their own.
            _ => tracing::error!(file = %path.display(), "the header of a queue's segment is damaged"),
        }
        let bytes = fs::metadata(&path)?.len();
        segments.push(Segment { first, bytes, path });
    }
    let id = id.unwrap_or_else(Uuid::new_v4);
    let Some(last) = segments.last_mut() else {
        let (segment, _) = create(dir, id, 0).context("making the queue's first segment")?;
        return Ok(Found { id, segments: vec![segment], next: 0, last_time_ns: 0 });
    };
    let (good_bytes, next, last_time_ns) = end_of(last).context("reading the queue's last segment")?;
    if good_bytes < last.bytes {
        tracing::warn!(
            file = %last.path.display(),
            bytes = last.bytes - good_bytes,
            "the queue's last segment ends in an incomplete record, which was never acknowledged; it is cut off"
        );
        let file = OpenOptions::new().write(true).open(&last.path)?;
        file.set_len(good_bytes)?;
        file.sync_all()?;
        last.bytes = good_bytes;
    }
    Ok(Found { id, segments, next, last_time_ns })
}

/// Where the good records of a segment end, the position behind them, and the time of the last one.
fn end_of(segment: &Segment) -> anyhow::Result<(u64, u64, i64)> {
    let bytes = fs::read(&segment.path)?;
    let (mut at, mut next, mut time_ns) = (HEADER_BYTES.min(bytes.len()), segment.first, 0);
    loop {
        match step(&bytes, at) {
            Step::Record(record, end) => {
                (at, next, time_ns) = (end, record.position + 1, record.time_ns);
            }
            Step::Damage(range) => at = range.end,
            Step::End => return Ok((at as u64, next, time_ns)),
        }
    }
}

/// At most `bytes_max` bytes of a segment from `offset` on, never beyond what is durable.
pub fn read_part(segment: &Segment, offset: u64, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let length = (segment.bytes.saturating_sub(offset)).min(bytes_max as u64);
    let mut file = File::open(&segment.path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
