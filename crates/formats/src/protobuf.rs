//! Protobuf's wire format: a bounded reader over bytes at hand, and a writer.
//!
//! The reader takes and refuses what `prost` takes and refuses; see
//! <https://protobuf.dev/programming-guides/encoding/>.

use std::fmt;

/// How deep messages may nest, groups included.
const DEPTH_MAX: u32 = 100;

/// A 64-bit number has at most so many bytes.
const VARINT_BYTES_MAX: usize = 10;

/// The ways in which a field's value is written.
mod wire {
    pub const VARINT: u32 = 0;
    pub const FIXED64: u32 = 1;
    pub const LENGTH: u32 = 2;
    pub const GROUP: u32 = 3;
    pub const GROUP_END: u32 = 4;
    pub const FIXED32: u32 = 5;
}

/// Why bytes are no message of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// Where the part begins that cannot be read, in bytes from the beginning.
    pub offset: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// Which field follows, and how its value is written.
#[derive(Debug, Clone, Copy)]
pub struct Key(u32);

impl Key {
    /// The field's number, not zero.
    pub fn field(self) -> u32 {
        self.0 >> 3
    }

    fn wire(self) -> u32 {
        self.0 & 7
    }
}

/// Reads one message, field by field.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` ends in the outermost message.
    end: usize,
    /// How many levels deeper messages may nest.
    depth_left: u32,
}

impl<'a> Reader<'a> {
    /// Reads the outermost message.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body, end: body.len(), depth_left: DEPTH_MAX }
    }

    /// Bytes that are not read yet.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    fn error(&self, what: &'static str) -> DecodeError {
        DecodeError { offset: self.offset(), what }
    }

    /// The next field's key; none at the message's end. Read its value, or skip it.
    #[inline]
    pub fn next_key(&mut self) -> Result<Option<Key>, DecodeError> {
        if self.rest.is_empty() { Ok(None) } else { self.key().map(Some) }
    }

    #[inline]
    fn key(&mut self) -> Result<Key, DecodeError> {
        let offset = self.offset();
        let Ok(key) = u32::try_from(self.raw_varint()?).map(Key) else {
            return Err(DecodeError { offset, what: "field number too large" });
        };
        if key.field() == 0 {
            return Err(DecodeError { offset, what: "field number 0" });
        }
        if key.wire() > wire::FIXED32 {
            return Err(DecodeError { offset, what: "unknown wire type" });
        }
        Ok(key)
    }

    #[inline]
    fn expect(&self, key: Key, wire: u32) -> Result<(), DecodeError> {
        if key.wire() == wire { Ok(()) } else { Err(self.error("unexpected wire type")) }
    }

    /// An integer, an enum or a truth value.
    #[inline]
    pub fn varint(&mut self, key: Key) -> Result<u64, DecodeError> {
        self.expect(key, wire::VARINT)?;
        self.raw_varint()
    }

    #[inline]
    fn raw_varint(&mut self) -> Result<u64, DecodeError> {
        // Keys and lengths are nearly always this short.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate().take(VARINT_BYTES_MAX) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                // Of the tenth byte only one bit is left.
                if index == VARINT_BYTES_MAX - 1 && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(self.error(if self.rest.len() < VARINT_BYTES_MAX {
            "truncated number"
        } else {
            "number too long"
        }))
    }

    /// Four bytes, little-endian.
    #[inline]
    pub fn fixed32(&mut self, key: Key) -> Result<u32, DecodeError> {
        self.expect(key, wire::FIXED32)?;
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error("truncated number"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Eight bytes, little-endian.
    #[inline]
    pub fn fixed64(&mut self, key: Key) -> Result<u64, DecodeError> {
        self.expect(key, wire::FIXED64)?;
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error("truncated number"))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Opaque bytes.
    #[inline]
    pub fn bytes(&mut self, key: Key) -> Result<&'a [u8], DecodeError> {
        self.expect(key, wire::LENGTH)?;
        let offset = self.offset();
        let length = self.raw_varint()?;
        let parts = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (bytes, rest) = parts.ok_or(DecodeError { offset, what: "length beyond the end" })?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Text.
    #[inline]
    pub fn text(&mut self, key: Key) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(key)?;
        std::str::from_utf8(bytes).map_err(|error| DecodeError {
            offset: self.offset() - bytes.len() + error.valid_up_to(),
            what: "invalid UTF-8",
        })
    }

    /// A message within this one.
    #[inline]
    pub fn message(&mut self, key: Key) -> Result<Self, DecodeError> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            return Err(self.error("nested too deep"));
        };
        let bytes = self.bytes(key)?;
        Ok(Self { rest: bytes, end: self.offset(), depth_left })
    }

    /// Passes over a field that is of no interest.
    pub fn skip(&mut self, key: Key) -> Result<(), DecodeError> {
        if self.depth_left == 0 {
            return Err(self.error("nested too deep"));
        }
        match key.wire() {
            wire::VARINT => self.raw_varint().map(drop),
            wire::FIXED64 => self.fixed64(key).map(drop),
            wire::FIXED32 => self.fixed32(key).map(drop),
            wire::LENGTH => self.bytes(key).map(drop),
            wire::GROUP => self.skip_group(key),
            _ => Err(self.error("end of a group that did not begin")),
        }
    }

    /// Groups are protobuf's past; a sender may still know fields that we do not.
    fn skip_group(&mut self, group: Key) -> Result<(), DecodeError> {
        self.depth_left -= 1;
        loop {
            let key = self.key()?;
            if key.wire() == wire::GROUP_END && key.field() == group.field() {
                self.depth_left += 1;
                return Ok(());
            }
            self.skip(key)?;
        }
    }
}

/// Writes one message, field by field.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// With room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    /// The message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    #[inline]
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    #[inline]
    fn key(&mut self, field: u32, wire: u32) {
        self.raw_varint(u64::from(field << 3 | wire));
    }

    /// An integer, an enum or a truth value. A negative one is given as its 64-bit two's complement.
    #[inline]
    pub fn varint(&mut self, field: u32, value: u64) {
        self.key(field, wire::VARINT);
        self.raw_varint(value);
    }

    /// Four bytes, little-endian.
    #[inline]
    pub fn fixed32(&mut self, field: u32, value: u32) {
        self.key(field, wire::FIXED32);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    #[inline]
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, wire::FIXED64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes, text, or a message that is written already.
    #[inline]
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, wire::LENGTH);
        self.raw_varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A message within this one. Its length comes before it and is known after it: room is left
    /// for a length of `length_bytes`, and what follows is moved should it need more or less.
    #[inline]
    pub fn message(&mut self, field: u32, length_bytes: usize, write: impl FnOnce(&mut Self)) {
        self.key(field, wire::LENGTH);
        let at = self.out.len();
        let start = at + length_bytes;
        self.out.resize(start, 0);
        write(self);
        let end = self.out.len();
        let mut length = (end - start) as u64;
        let needed_bytes = varint_bytes(length);
        if needed_bytes != length_bytes {
            self.out.resize(end.max(end + needed_bytes - length_bytes), 0);
            self.out.copy_within(start..end, at + needed_bytes);
            self.out.truncate(end + needed_bytes - length_bytes);
        }
        for byte in &mut self.out[at..at + needed_bytes] {
            *byte = length as u8 | 0x80;
            length >>= 7;
        }
        self.out[at + needed_bytes - 1] &= 0x7f;
    }
}

fn varint_bytes(value: u64) -> usize {
    // Seven bits a byte; zero has one too.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::bytes::Buf;
    use prost::encoding::{decode_varint, encode_varint};

    fn varint(bytes: &[u8]) -> Result<(u64, usize), &'static str> {
        let mut reader = Reader::new(bytes);
        reader.raw_varint().map(|value| (value, reader.len())).map_err(|error| error.what)
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(varint(&[0xff; 11]), Err("number too long"));
        assert_eq!(
            varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            Err("number too long")
        );
        assert_eq!(varint(&[0xff; 9]), Err("truncated number"));
        assert_eq!(varint(&[]), Err("truncated number"));
        // Leading zeros are wasteful, not wrong.
        assert_eq!(varint(&[0x81, 0x80, 0x00, 7]), Ok((1, 1)));
    }

    #[test]
    fn errors_tell_where() {
        let error = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let key = reader.next_key()?.unwrap();
            let mut inner = reader.message(key)?;
            let key = inner.next_key()?.unwrap();
            inner.text(key).map(drop)
        };
        let cases: &[(&[u8], usize, &str)] = &[
            (&[0x0a, 0x05, 0x0a, 0x03, b'a', 0xff, b'b'], 5, "invalid UTF-8"),
            (&[0x0a, 0x03, 0x0a, 0x02, b'a', b'x'], 3, "length beyond the end"),
            (&[0x0a, 0x03, 0x0a], 1, "length beyond the end"),
            (&[0x0a, 0x01, 0x02], 2, "field number 0"),
            (&[0x0a, 0x01, 0x0f], 2, "unknown wire type"),
            (&[0x0a, 0x02, 0x08, 0x01], 3, "unexpected wire type"),
        ];
        for (bytes, offset, what) in cases {
            assert_eq!(error(bytes), Err(DecodeError { offset: *offset, what }), "{bytes:x?}");
        }
    }

    #[test]
    fn groups_are_passed_over_and_bounded() {
        let skipped = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let key = reader.next_key()?.unwrap();
            reader.skip(key).map(|()| reader.len())
        };
        // Field 1: group with a number and a group within, then one byte that is not of it.
        assert_eq!(skipped(&[0x0b, 0x10, 0x05, 0x1b, 0x1c, 0x0c, 0x08]), Ok(1));
        assert_eq!(skipped(&[0x0b, 0x14]).unwrap_err().what, "end of a group that did not begin");
        assert_eq!(skipped(&[0x0b]).unwrap_err().what, "truncated number");
        assert_eq!(skipped(&[0x0b; 1_000]).unwrap_err().what, "nested too deep");
    }

    proptest! {
        // Catches numbers of any width that prost would read or write otherwise.
        #[test]
        fn numbers_are_those_of_prost(value: u64, shift in 0..64_u32, junk: [u8; 11]) {
            let value = value >> shift;
            let mut theirs = Vec::new();
            encode_varint(value, &mut theirs);
            let mut ours = Writer::default();
            ours.raw_varint(value);
            prop_assert_eq!(varint_bytes(value), theirs.len());
            prop_assert_eq!(&ours.into_bytes(), &theirs);
            prop_assert_eq!(varint(&theirs), Ok((value, 0)));
            let mut rest = &junk[..];
            let theirs = decode_varint(&mut rest).ok().map(|value| (value, rest.remaining()));
            prop_assert_eq!(varint(&junk).ok(), theirs);
        }

        // Catches a length whose room was guessed too small or too large.
        #[test]
        fn a_message_is_written_whatever_its_length(length in 0..70_000_usize, guess in 0..5_usize) {
            let content = vec![7; length];
            let mut writer = Writer::default();
            writer.message(3, guess, |inner| inner.bytes(1, &content));
            writer.varint(4, 1);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            let key = reader.next_key().unwrap().unwrap();
            let mut inner = reader.message(key).unwrap();
            let inner_key = inner.next_key().unwrap().unwrap();
            prop_assert_eq!(inner.bytes(inner_key).unwrap(), &content);
            prop_assert!(inner.is_empty());
            let key = reader.next_key().unwrap().unwrap();
            prop_assert_eq!((key.field(), reader.varint(key).unwrap(), reader.is_empty()), (4, 1, true));
        }
    }
}
