//! Trace and span identifiers as W3C Trace Context defines them: 16 and 8 bytes, not all zero.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a string or a byte slice is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// Not the required number of bytes or hexadecimal digits.
    Length {
        /// Hexadecimal digits that were expected.
        expected_digits: usize,
    },
    /// A character that is no hexadecimal digit.
    NotHex,
    /// All bytes are zero, which the W3C calls invalid.
    Zero,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected_digits } => {
                write!(f, "must be {expected_digits} hexadecimal digits")
            }
            Self::NotHex => f.write_str("must consist of hexadecimal digits"),
            Self::Zero => f.write_str("must not be all zeros"),
        }
    }
}

impl std::error::Error for IdError {}

/// A trace's identifier: 16 bytes, not all zero; 32 lower-case hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

/// A span's identifier: 8 bytes, not all zero; 16 lower-case hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(u64);

impl TraceId {
    /// Wraps a number; zero is refused.
    pub fn new(value: u128) -> Result<Self, IdError> {
        if value == 0 { Err(IdError::Zero) } else { Ok(Self(value)) }
    }

    /// Reads the big-endian bytes of the wire formats.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        let bytes = bytes.try_into().map_err(|_| IdError::Length { expected_digits: 32 })?;
        Self::new(u128::from_be_bytes(bytes))
    }

    /// The identifier as a number.
    pub fn get(self) -> u128 {
        self.0
    }

    /// The big-endian bytes of the wire formats.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl SpanId {
    /// Wraps a number; zero is refused.
    pub fn new(value: u64) -> Result<Self, IdError> {
        if value == 0 { Err(IdError::Zero) } else { Ok(Self(value)) }
    }

    /// Reads the big-endian bytes of the wire formats.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        let bytes = bytes.try_into().map_err(|_| IdError::Length { expected_digits: 16 })?;
        Self::new(u64::from_be_bytes(bytes))
    }

    /// The identifier as a number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The bits as PostgreSQL's `bigint` holds them (two's complement).
    pub fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The identifier of the server's half of a call whose client gave its own identifier to both, as
    /// Zipkin's clients do. The same for the same identifier; different ones have different halves.
    #[must_use]
    pub fn server_half(self) -> Self {
        // SplitMix64's finalizer: each step is a bijection that keeps zero zero.
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(bits ^ (bits >> 31))
    }

    /// The reverse of [`Self::to_i64`].
    pub fn from_i64(bits: i64) -> Result<Self, IdError> {
        Self::new(bits.cast_unsigned())
    }
}

fn parse_hex(text: &str, digits: usize) -> Result<u128, IdError> {
    if text.len() != digits {
        return Err(IdError::Length { expected_digits: digits });
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = char::from(byte).to_digit(16).ok_or(IdError::NotHex)?;
        Ok(value << 4 | u128::from(digit))
    })
}

impl FromStr for TraceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(parse_hex(text, 32)?)
    }
}

impl FromStr for SpanId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // Sixteen digits fit into 64 bits.
        Self::new(parse_hex(text, 16)? as u64)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! text_form {
    ($id:ident) => {
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

text_form!(TraceId);
text_form!(SpanId);

#[cfg(feature = "openapi")]
mod openapi {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

    macro_rules! hex_schema {
        ($id:ident, $pattern:literal, $description:literal, $example:literal) => {
            impl utoipa::PartialSchema for super::$id {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .pattern(Some($pattern))
                        .description(Some($description))
                        .examples([$example])
                        .into()
                }
            }

            impl utoipa::ToSchema for super::$id {}
        };
    }

    hex_schema!(
        TraceId,
        "^[0-9a-f]{32}$",
        "A trace's identifier: 32 hexadecimal digits, not all zero.",
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    hex_schema!(
        SpanId,
        "^[0-9a-f]{16}$",
        "A span's identifier: 16 hexadecimal digits, not all zero.",
        "00f067aa0ba902b7"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_survive_text_and_bytes() {
        let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
        assert_eq!(TraceId::from_bytes(&trace.to_bytes()), Ok(trace));
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let span: SpanId = "ff00000000000001".parse().unwrap();
        assert_eq!(SpanId::from_i64(span.to_i64()), Ok(span), "the sign bit is part of the id");
    }

    // Catches a derivation that changes: halves stored before would lose their clients.
    #[test]
    fn the_server_half_of_an_identifier_stays_the_same() {
        let half = |bits| SpanId::new(bits).unwrap().server_half().get();
        assert_eq!(half(1), 0x5692_161d_100b_05e5);
        assert_eq!(half(u64::MAX), 0xb4d0_55fc_f2cb_bd7b);
    }

    #[test]
    fn malformed_identifiers_are_told_apart() {
        assert_eq!("0".repeat(32).parse::<TraceId>(), Err(IdError::Zero));
        assert_eq!("12".parse::<SpanId>(), Err(IdError::Length { expected_digits: 16 }));
        assert_eq!("zz00000000000001".parse::<SpanId>(), Err(IdError::NotHex));
        // A multi-byte character must not be mistaken for two digits.
        assert_eq!("é0000000000001".parse::<SpanId>(), Err(IdError::Length { expected_digits: 16 }));
        assert_eq!(TraceId::from_bytes(&[1; 8]), Err(IdError::Length { expected_digits: 32 }));
    }
}
