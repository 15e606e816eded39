//! What a record holds: an OTLP `ExportTraceServiceRequest`, so that what other programs queue can be
//! read too. Log records are in a field that others pass over: an `ExportLogsServiceRequest`.

use spanloom_formats::logs::LogBounds;
use spanloom_formats::protobuf::{DecodeError, Reader, Writer};
use spanloom_formats::{TimeBounds, otlp};
use spanloom_model::{LogRecord, Span};

use super::Contents;

/// The number of the field with log records: far from those that OTLP may use one day.
const LOGS_FIELD: u32 = 10_001;

/// The form in which spans are kept.
pub fn encode(spans: &[Span]) -> Vec<u8> {
    otlp::encode(spans)
}

/// The form in which log records are kept.
pub fn encode_logs(logs: &[LogRecord]) -> Vec<u8> {
    let request = otlp::encode_logs(logs);
    let mut writer = Writer::with_capacity(request.len() + 8);
    writer.bytes(LOGS_FIELD, &request);
    writer.into_bytes()
}

/// What a record holds. What had to be rejected was rejected before it was queued.
pub fn decode(bytes: &[u8]) -> Result<Contents, DecodeError> {
    let mut contents = Contents { spans: otlp::decode(bytes, TimeBounds::ANY)?.spans, logs: Vec::new() };
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.next_key()? {
        if key.field() == LOGS_FIELD {
            contents.logs.extend(otlp::decode_logs(reader.bytes(key)?, LogBounds::ANY)?.logs);
        } else {
            reader.skip(key)?;
        }
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{log, span};

    /// Catches log records that are taken for spans, or lost beside them.
    #[test]
    fn spans_and_log_records_are_kept_apart() {
        let (spans, logs) = (vec![span(1, 2)], vec![log("a", None), log("b", Some(7))]);
        let contents = decode(&encode_logs(&logs)).unwrap();
        assert_eq!((contents.spans.len(), &contents.logs), (0, &logs));
        let both = [encode(&spans), encode_logs(&logs)].concat();
        let contents = decode(&both).unwrap();
        assert_eq!((contents.spans, contents.logs), (spans, logs));
    }
}
