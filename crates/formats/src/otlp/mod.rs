//! OTLP/protobuf into the model and back; see `opentelemetry/proto/trace/v1/trace.proto` and
//! `opentelemetry/proto/logs/v1/logs.proto`.

mod common;
mod decode;
mod encode;
pub(crate) mod group;
mod logs;

pub use decode::decode;
pub(crate) use encode::VALUE_DEPTH_MAX;
pub use encode::encode;
pub use logs::{decode_logs, encode_logs};
