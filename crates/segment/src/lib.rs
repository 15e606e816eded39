//! Files of the durable queue ("segments"): how records stand in them, and what is still good in a
//! damaged one. Pure: bytes in, bytes out.
//!
//! A segment is a header and then records:
//!
//! | header | bytes | | record | bytes |
//! |---|---|---|---|---|
//! | `SPANLOG1` | 8 | | marker `\xf5SPR` | 4 |
//! | the queue's id | 16 | | length of the payload | 4 |
//! | position of its first record | 8 | | position | 8 |
//! | CRC-32 of all before | 4 | | time, nanoseconds since the epoch | 8 |
//! | | | | CRC-32 of length, position, time, payload | 4 |
//! | | | | payload | |
//!
//! Numbers are little-endian. The marker lets a reader find the next record behind damage; the
//! position tells how many were lost in between.

use std::ops::Range;

const MAGIC: &[u8; 8] = b"SPANLOG1";

/// 0xf5 occurs nowhere in UTF-8, so that text rarely looks like a record.
const MARKER: &[u8; 4] = b"\xf5SPR";

/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 36;

/// Bytes of a record besides its payload.
pub const RECORD_BYTES: usize = 28;

/// A payload's limit. A length beyond it is damage, not a reason to read on for gigabytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which queue it belongs to.
    pub queue_id: [u8; 16],
    /// Position of its first record.
    pub first: u64,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(&self.queue_id);
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`; none if it is incomplete or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if &bytes[..8] != MAGIC || crc32fast::hash(&bytes[..32]) != u32_at(bytes, 32)? {
            return None;
        }
        Some(Self { queue_id: bytes[8..24].try_into().ok()?, first: u64_at(bytes, 24)? })
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in the queue: one more than that of the record before.
    pub position: u64,
    /// When it was appended, nanoseconds since the epoch.
    pub time_ns: i64,
    /// What it holds.
    pub payload: &'a [u8],
}

/// Appends a record to `out`. The payload must not be longer than [`PAYLOAD_BYTES_MAX`].
pub fn encode_record(out: &mut Vec<u8>, record: &Record<'_>) {
    let length = (record.payload.len() as u32).to_le_bytes();
    let (position, time) = (record.position.to_le_bytes(), record.time_ns.to_le_bytes());
    let crc = checksum(length, position, time, record.payload);
    out.reserve(RECORD_BYTES + record.payload.len());
    out.extend_from_slice(MARKER);
    out.extend_from_slice(&length);
    out.extend_from_slice(&position);
    out.extend_from_slice(&time);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(record.payload);
}

fn checksum(length: [u8; 4], position: [u8; 8], time: [u8; 8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(&position);
    hasher.update(&time);
    hasher.update(payload);
    hasher.finalize()
}

/// What stands at one place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A good record, and where the next one begins.
    Record(Record<'a>, usize),
    /// Nothing good from here up to the end of this range, where a good record begins.
    Damage(Range<usize>),
    /// Nothing good from here to the end: the end itself, or a record that was cut off while it was
    /// written, or damage up to the end.
    End,
}

/// Reads the record at `at`; `at` counts from the beginning of `bytes`, which may be a whole segment
/// or a part that begins at a record.
pub fn step(bytes: &[u8], at: usize) -> Step<'_> {
    if let Some((record, next)) = record_at(bytes, at) {
        return Step::Record(record, next);
    }
    let Some(rest) = bytes.get(at + 1..) else { return Step::End };
    let good = memchr::memmem::find_iter(rest, MARKER)
        .map(|found| at + 1 + found)
        .find(|&start| record_at(bytes, start).is_some());
    good.map_or(Step::End, |start| Step::Damage(at..start))
}

/// Whether the bytes from `at` on may become a record when more of them are read: neither complete
/// nor already wrong.
pub fn is_cut_off(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() < RECORD_BYTES {
        return MARKER.starts_with(&rest[..rest.len().min(4)]);
    }
    rest.starts_with(MARKER)
        && u32_at(rest, 4).is_some_and(|length| {
            length as usize <= PAYLOAD_BYTES_MAX && rest.len() < RECORD_BYTES + length as usize
        })
}

fn record_at(bytes: &[u8], at: usize) -> Option<(Record<'_>, usize)> {
    let head = bytes.get(at..at.checked_add(RECORD_BYTES)?)?;
    if !head.starts_with(MARKER) {
        return None;
    }
    let length = u32_at(head, 4)? as usize;
    if length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let start = at + RECORD_BYTES;
    let payload = bytes.get(start..start + length)?;
    let (position, time_ns) = (u64_at(head, 8)?, u64_at(head, 16)?.cast_signed());
    let crc =
        checksum((length as u32).to_le_bytes(), position.to_le_bytes(), time_ns.to_le_bytes(), payload);
    (crc == u32_at(head, 24)?).then_some((Record { position, time_ns, payload }, start + length))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Header { queue_id: [7; 16], first: 40 }.encode().to_vec();
        for (index, payload) in payloads.iter().enumerate() {
            encode_record(&mut bytes, &Record { position: 40 + index as u64, time_ns: -5, payload });
        }
        bytes
    }

    /// Positions of the good records, and how many ranges were damaged.
    fn walk(bytes: &[u8]) -> (Vec<u64>, usize) {
        let (mut at, mut good, mut damaged) = (HEADER_BYTES, Vec::new(), 0);
        loop {
            match step(bytes, at) {
                Step::Record(record, next) => {
                    good.push(record.position);
                    at = next;
                }
                Step::Damage(range) => {
                    assert!(range.start == at && range.end > at, "it must move on");
                    damaged += 1;
                    at = range.end;
                }
                Step::End => return (good, damaged),
            }
        }
    }

    #[test]
    fn a_header_survives_and_a_damaged_one_does_not() {
        let header = Header { queue_id: [9; 16], first: u64::MAX };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        assert_eq!(Header::decode(&bytes[..35]), None);
        bytes[30] ^= 1;
        assert_eq!(Header::decode(&bytes), None);
    }

    /// Catches damage that costs more than the record it hit.
    #[test]
    fn only_the_damaged_record_is_lost() {
        let payloads = vec![vec![1; 100], vec![2; 100], vec![], vec![4; 100]];
        let good = segment(&payloads);
        assert_eq!(walk(&good), (vec![40, 41, 42, 43], 0));
        let second = HEADER_BYTES + RECORD_BYTES + 100;
        // Its marker, its length (which then points beyond everything), its payload.
        for at in [second, second + 7, second + 60] {
            let mut bytes = good.clone();
            bytes[at] ^= 0xff;
            assert_eq!(walk(&bytes), (vec![40, 42, 43], 1), "{at}");
        }
    }

    #[test]
    fn a_record_inside_a_payload_is_not_taken_for_one_of_the_segment() {
        let inner = segment(&[vec![9; 10]]);
        let bytes = segment(&[inner, vec![1]]);
        assert_eq!(walk(&bytes), (vec![40, 41], 0));
    }

    proptest! {
        /// A crash while writing leaves a prefix: whatever was complete stays readable.
        #[test]
        fn a_torn_segment_keeps_what_was_complete(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = segment(&payloads);
            let cut = cut.index(bytes.len() - HEADER_BYTES) + HEADER_BYTES;
            let mut end = HEADER_BYTES;
            let complete = payloads.iter().take_while(|payload| {
                end += RECORD_BYTES + payload.len();
                end <= cut
            }).count();
            let (good, damaged) = walk(&bytes[..cut]);
            prop_assert_eq!((good.len(), damaged), (complete, 0));
            let last: usize = payloads[..complete].iter().map(|p| RECORD_BYTES + p.len()).sum();
            prop_assert!(cut == HEADER_BYTES + last || is_cut_off(&bytes[..cut], HEADER_BYTES + last));
        }

        /// No bytes make it panic, loop, or accept a record whose checksum is wrong.
        #[test]
        fn any_flip_is_noticed(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..6),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
        ) {
            let good = segment(&payloads);
            let mut bytes = good.clone();
            for (at, bits) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            let (positions, _) = walk(&bytes);
            for position in positions {
                let index = (position - 40) as usize;
                prop_assert!(index < payloads.len());
            }
        }
    }
}
