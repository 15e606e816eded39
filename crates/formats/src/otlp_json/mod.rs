//! OTLP's JSON encoding into the model and back.
//!
//! The specification ("JSON Protobuf Encoding") departs from proto3's JSON mapping: ids are
//! hexadecimal, enums are numbers. Field names are lowerCamelCase, unknown fields are ignored,
//! 64-bit integers may be strings, `null` is the default. Enum names are accepted too, because
//! proto3 writers produce them.

mod decode;
mod encode;
mod logs;
mod message;

pub use decode::decode;
pub use encode::encode;
pub use logs::decode_logs;
