//! An `ExportLogsServiceRequest` into log records and back; see `opentelemetry/proto/logs/v1/logs.proto`.

use std::sync::Arc;

use spanloom_model::{AttrValue, LogRecord, Resource, Scope};

use super::common::{Decoder, Item, Result, text};
use super::encode::{self, LONG, MEDIUM, SHORT, VALUE_DEPTH_MAX, any_value, attributes, number, time};
use super::group::group;
use crate::Rejection;
use crate::logs::{DecodedLogs, LogBounds, RECORDS_PER_REQUEST_MAX, RawTimes, place, severity};
use crate::protobuf::{DecodeError, Reader, Writer};

/// Bytes of a record, more often than not enough.
const RECORD_BYTES: usize = 256;

/// Reads a request. Fails if it is not protobuf; records that cannot be kept are counted.
pub fn decode_logs(body: &[u8], bounds: LogBounds) -> std::result::Result<DecodedLogs, DecodeError> {
    let Decoder { items, rejected, .. } = Decoder::<LogRecord>::read(body, bounds)?;
    Ok(DecodedLogs { logs: items, rejected })
}

impl Item for LogRecord {
    /// A record with a time and a short body.
    const BYTES_MIN: usize = 16;
    type Limits = LogBounds;

    fn read(
        decoder: &mut Decoder<Self>,
        mut reader: Reader,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
    ) -> Result<std::result::Result<Self, Rejection>> {
        let mut times = RawTimes::default();
        let (mut severity_number, mut severity_text, mut event_name) = (0, "", "");
        let (mut dropped_attributes, mut flags) = (0, 0);
        let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
        // The body comes before the attributes as a rule, but need not.
        let mut body = AttrValue::Null;
        let attributes_start = decoder.entries.len();
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => times.time_ns = reader.fixed64(key)?,
                2 => severity_number = reader.varint(key)? as i32,
                3 => severity_text = reader.text(key)?,
                5 => {
                    let start = decoder.entries.len();
                    // A map that is sent in parts is merged only where its parts are in one message.
                    decoder.any_value(reader.message(key)?, &mut body, start)?;
                    body = decoder.finish(body, start);
                }
                6 => decoder.key_value(reader.message(key)?)?,
                7 => dropped_attributes = reader.varint(key)? as u32,
                8 => flags = reader.fixed32(key)?,
                9 => trace = reader.bytes(key)?,
                10 => span = reader.bytes(key)?,
                11 => times.observed_ns = reader.fixed64(key)?,
                12 => event_name = reader.text(key)?,
                _ => reader.skip(key)?,
            }
        }
        let attributes = decoder.take_attributes(attributes_start);
        if decoder.items.len() >= RECORDS_PER_REQUEST_MAX {
            return Ok(Err(Rejection::TooMany));
        }
        let (time_ns, observed_ns) = match decoder.limits.check(times) {
            Ok(times) => times,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let (trace_id, span_id) = place(trace, span);
        Ok(Ok(Self {
            time_ns,
            observed_ns,
            severity_number: severity(severity_number),
            severity_text: text(severity_text),
            event_name: text(event_name),
            body,
            attributes,
            dropped_attributes_count: dropped_attributes,
            trace_id,
            span_id,
            flags,
            resource: Arc::clone(resource),
            scope: Arc::clone(scope),
        }))
    }
}

/// Writes records grouped by resource and scope. [`decode_logs`] gives the same records, those of a
/// group in their order. Times before 1970 become 1970.
pub fn encode_logs<'a>(logs: impl IntoIterator<Item = &'a LogRecord>) -> Vec<u8> {
    let groups = group(logs);
    let count: usize = groups.iter().flat_map(|group| &group.scopes).map(|scope| scope.items.len()).sum();
    let mut writer = Writer::with_capacity(count * RECORD_BYTES);
    for resource in &groups {
        writer.message(1, LONG, |writer| {
            writer.bytes(1, &resource.message);
            for scope in &resource.scopes {
                writer.message(2, LONG, |writer| {
                    writer.bytes(1, &scope.message);
                    for log in &scope.items {
                        writer.message(2, MEDIUM, |writer| write_record(writer, log));
                    }
                    encode::text(writer, 3, &scope.scope.schema_url);
                });
            }
            encode::text(writer, 3, &resource.resource.schema_url);
        });
    }
    writer.into_bytes()
}

fn write_record(writer: &mut Writer, log: &LogRecord) {
    writer.fixed64(1, time(log.time_ns));
    number(writer, 2, log.severity_number.into());
    encode::text(writer, 3, &log.severity_text);
    if log.body != AttrValue::Null {
        writer.message(5, SHORT, |writer| any_value(writer, &log.body, VALUE_DEPTH_MAX));
    }
    attributes(writer, 6, &log.attributes, VALUE_DEPTH_MAX);
    number(writer, 7, log.dropped_attributes_count);
    if log.flags != 0 {
        writer.fixed32(8, log.flags);
    }
    if let Some(trace_id) = log.trace_id {
        writer.bytes(9, &trace_id.to_bytes());
    }
    if let Some(span_id) = log.span_id {
        writer.bytes(10, &span_id.get().to_be_bytes());
    }
    writer.fixed64(11, time(log.observed_ns));
    encode::text(writer, 12, &log.event_name);
}
