//! OTLP/protobuf into the model and back; see `opentelemetry/proto/trace/v1/trace.proto`.

mod decode;
mod encode;
pub(crate) mod group;

pub use decode::decode;
pub(crate) use encode::VALUE_DEPTH_MAX;
pub use encode::encode;
