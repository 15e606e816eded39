//! A reader of Apache Thrift's binary and compact protocols: structs of scalars, text, lists and
//! further structs. Fields that nobody asked for are skipped.
//!
//! Bounded by the bytes it is given: a container cannot announce more elements than bytes are left,
//! nothing is allocated on a length's word alone, and skipping goes [`DEPTH_MAX`] levels deep.

use std::fmt;

/// Containers and structs within each other, in what is skipped.
const DEPTH_MAX: u32 = 32;

/// Elements for which room is made in advance.
const CAPACITY_MAX: usize = 1_024;

/// The bytes are no Thrift, or not the struct that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    what: &'static str,
    offset: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

/// How a struct is laid out on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Fixed-width numbers; what Jaeger's clients send over HTTP.
    Binary,
    /// Variable-length numbers.
    Compact,
}

/// What a field or an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Double,
    /// Text or bytes: the wire does not tell them apart.
    Bytes,
    /// Sets look the same.
    List,
    Map,
    Struct,
}

/// Where a struct's reading stands.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    last_id: i16,
}

/// Reads from the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    protocol: Protocol,
    /// A compact field of a boolean holds the value in its header.
    truth: Option<bool>,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], protocol: Protocol) -> Self {
        Self { rest: bytes, length: bytes.len(), protocol, truth: None }
    }

    /// An error here.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, offset: self.length - self.rest.len() }
    }

    /// The next field's number and kind, none at the end of the struct. The field must then be read
    /// or skipped.
    pub fn next_field(&mut self, fields: &mut Fields) -> Result<Option<(i16, Kind)>, Malformed> {
        let header = self.byte()?;
        let (id, code) = match self.protocol {
            Protocol::Binary if header == 0 => return Ok(None),
            Protocol::Binary => (i16::from_be_bytes(self.array()?), header),
            Protocol::Compact => {
                let code = header & 0x0f;
                if code == 0 {
                    return Ok(None);
                }
                self.truth = (code <= 2).then_some(code == 1);
                let id = match header >> 4 {
                    0 => self.zigzag()? as i16,
                    // Wraps where a client is wrong: then it is a field that nobody asked for.
                    delta => fields.last_id.wrapping_add(delta.into()),
                };
                (id, code)
            }
        };
        fields.last_id = id;
        Ok(Some((id, self.kind(code)?)))
    }

    /// A boolean.
    pub fn truth(&mut self) -> Result<bool, Malformed> {
        match self.truth.take() {
            Some(truth) => Ok(truth),
            None => Ok(self.byte()? == 1),
        }
    }

    /// An integer of that kind.
    pub fn integer(&mut self, kind: Kind) -> Result<i64, Malformed> {
        match (self.protocol, kind) {
            (_, Kind::I8) => Ok(i8::from_be_bytes(self.array()?).into()),
            (Protocol::Compact, Kind::I16 | Kind::I32 | Kind::I64) => self.zigzag(),
            (Protocol::Binary, Kind::I16) => Ok(i16::from_be_bytes(self.array()?).into()),
            (Protocol::Binary, Kind::I32) => Ok(i32::from_be_bytes(self.array()?).into()),
            (Protocol::Binary, Kind::I64) => Ok(i64::from_be_bytes(self.array()?)),
            _ => Err(self.malformed("not an integer")),
        }
    }

    /// A double.
    pub fn double(&mut self) -> Result<f64, Malformed> {
        match self.protocol {
            Protocol::Binary => Ok(f64::from_be_bytes(self.array()?)),
            // Every implementation departs from the first description here.
            Protocol::Compact => Ok(f64::from_le_bytes(self.array()?)),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = match self.protocol {
            Protocol::Binary => usize::try_from(i32::from_be_bytes(self.array()?)).ok(),
            Protocol::Compact => usize::try_from(self.varint()?).ok(),
        };
        let split = length.and_then(|length| self.rest.split_at_checked(length));
        let (bytes, rest) = split.ok_or_else(|| self.malformed("a length beyond the end"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Text; what is no UTF-8 becomes replacement characters, so that one value does not cost the batch.
    pub fn text(&mut self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    /// A list of at most `count_max` elements of that kind, each read by `element`.
    pub fn list<T>(
        &mut self,
        kind: Kind,
        count_max: usize,
        element: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let (found, count) = self.list_header()?;
        if found != kind && count > 0 {
            return Err(self.malformed("a list of something else"));
        }
        if count > count_max {
            return Err(self.malformed("too many elements"));
        }
        let mut elements = Vec::with_capacity(count.min(CAPACITY_MAX));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Passes over a value.
    pub fn skip(&mut self, kind: Kind) -> Result<(), Malformed> {
        self.skip_nested(kind, DEPTH_MAX)
    }

    fn skip_nested(&mut self, kind: Kind, levels: u32) -> Result<(), Malformed> {
        let levels = levels.checked_sub(1).ok_or_else(|| self.malformed("too many levels"))?;
        match kind {
            Kind::Bool => self.truth().map(|_| ()),
            Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 => self.integer(kind).map(|_| ()),
            Kind::Double => self.double().map(|_| ()),
            Kind::Bytes => self.bytes().map(|_| ()),
            Kind::List => {
                let (element, count) = self.list_header()?;
                (0..count).try_for_each(|_| self.skip_nested(element, levels))
            }
            Kind::Map => {
                let Some((key, value, count)) = self.map_header()? else { return Ok(()) };
                (0..count).try_for_each(|_| {
                    self.skip_nested(key, levels)?;
                    self.skip_nested(value, levels)
                })
            }
            Kind::Struct => {
                let mut fields = Fields::default();
                while let Some((_, kind)) = self.next_field(&mut fields)? {
                    self.skip_nested(kind, levels)?;
                }
                Ok(())
            }
        }
    }

    fn list_header(&mut self) -> Result<(Kind, usize), Malformed> {
        let header = self.byte()?;
        let (code, count) = match self.protocol {
            Protocol::Binary => (header, i64::from(i32::from_be_bytes(self.array()?))),
            Protocol::Compact if header >> 4 == 15 => (header & 0x0f, self.varint()? as i64),
            Protocol::Compact => (header & 0x0f, (header >> 4).into()),
        };
        Ok((self.kind(code)?, self.count(count)?))
    }

    fn map_header(&mut self) -> Result<Option<(Kind, Kind, usize)>, Malformed> {
        let (key, value, count) = match self.protocol {
            Protocol::Binary => {
                let (key, value) = (self.byte()?, self.byte()?);
                (key, value, i64::from(i32::from_be_bytes(self.array()?)))
            }
            Protocol::Compact => match self.varint()? as i64 {
                0 => return Ok(None),
                count => {
                    let kinds = self.byte()?;
                    (kinds >> 4, kinds & 0x0f, count)
                }
            },
        };
        let count = self.count(count)?;
        if count == 0 {
            // Some writers leave the kinds of an empty map at zero.
            return Ok(None);
        }
        Ok(Some((self.kind(key)?, self.kind(value)?, count)))
    }

    /// Every element takes a byte at least.
    fn count(&self, count: i64) -> Result<usize, Malformed> {
        let count = usize::try_from(count).ok().filter(|count| *count <= self.rest.len());
        count.ok_or_else(|| self.malformed("a length beyond the end"))
    }

    fn kind(&self, code: u8) -> Result<Kind, Malformed> {
        let kind = match (self.protocol, code) {
            (Protocol::Binary, 2) | (Protocol::Compact, 1 | 2) => Kind::Bool,
            (_, 3) => Kind::I8,
            (Protocol::Binary, 6) | (Protocol::Compact, 4) => Kind::I16,
            (Protocol::Binary, 8) | (Protocol::Compact, 5) => Kind::I32,
            (Protocol::Binary, 10) | (Protocol::Compact, 6) => Kind::I64,
            (Protocol::Binary, 4) | (Protocol::Compact, 7) => Kind::Double,
            (Protocol::Binary, 11) | (Protocol::Compact, 8) => Kind::Bytes,
            (Protocol::Binary, 14 | 15) | (Protocol::Compact, 9 | 10) => Kind::List,
            (Protocol::Binary, 13) | (Protocol::Compact, 11) => Kind::Map,
            (_, 12) => Kind::Struct,
            _ => return Err(self.malformed("an unknown type")),
        };
        Ok(kind)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            // The tenth byte has room for one bit.
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.malformed("a number of more than 64 bits"))
    }

    fn zigzag(&mut self) -> Result<i64, Malformed> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}
