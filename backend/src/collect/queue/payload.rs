//! What a record holds: an OTLP `ExportTraceServiceRequest`, so that what other programs queue can
//! be read too.

use spanloom_formats::{TimeBounds, otlp, protobuf::DecodeError};
use spanloom_model::Span;

/// The form in which spans are kept.
pub fn encode(spans: &[Span]) -> Vec<u8> {
    otlp::encode(spans)
}

/// The spans of a record. What had to be rejected was rejected before it was queued.
pub fn decode(bytes: &[u8]) -> Result<Vec<Span>, DecodeError> {
    Ok(otlp::decode(bytes, TimeBounds::ANY)?.spans)
}
