//! Jaeger's Thrift encoding: a `Batch` of `jaeger.thrift`, as clients post it.

use std::sync::Arc;

use spanloom_model::AttrValue;

use super::jaeger::{self, JaegerSpan, Log, Reference, Shared};
use super::otel_tags::Tags;
use super::thrift::{Fields, Kind, Malformed, Reader};
use super::{Decoded, SPANS_PER_REQUEST_MAX, TimeBounds};

pub use super::thrift::Protocol;

/// Elements of the lists within a span.
const ELEMENTS_MAX: usize = 1 << 20;

/// Turns a body into spans. The error says what is wrong, and at which byte.
pub fn decode(body: &[u8], protocol: Protocol, bounds: TimeBounds) -> Result<Decoded, String> {
    let (process, spans) =
        batch(&mut Reader::new(body, protocol)).map_err(|malformed| malformed.to_string())?;
    let resource = Arc::new(jaeger::resource(process.service, process.tags));
    let mut shared = Shared::default();
    let mut decoded = Decoded::default();
    for span in spans {
        match jaeger::convert(span, &resource, &mut shared, bounds) {
            Ok(span) => decoded.spans.push(span),
            Err(rejection) => decoded.rejected.add(rejection),
        }
    }
    Ok(decoded)
}

struct Process {
    service: String,
    tags: Tags,
}

// In each struct what is required must be there: an empty struct takes one byte on the wire and
// hundreds in memory.

fn batch(reader: &mut Reader) -> Result<(Process, Vec<JaegerSpan>), Malformed> {
    let (mut sender, mut spans) = (None, None);
    let mut fields = Fields::default();
    while let Some(field) = reader.next_field(&mut fields)? {
        match field {
            (1, Kind::Struct) => sender = Some(process(reader)?),
            (2, Kind::List) => spans = Some(reader.list(Kind::Struct, SPANS_PER_REQUEST_MAX, span)?),
            (_, kind) => reader.skip(kind)?,
        }
    }
    sender.zip(spans).ok_or_else(|| reader.malformed("a batch without process or spans"))
}

fn process(reader: &mut Reader) -> Result<Process, Malformed> {
    let (mut service, mut process_tags) = (None, Tags::new());
    let mut fields = Fields::default();
    while let Some(field) = reader.next_field(&mut fields)? {
        match field {
            (1, Kind::Bytes) => service = Some(reader.text()?),
            (2, Kind::List) => process_tags = tags(reader)?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    let service = service.ok_or_else(|| reader.malformed("a process without a name"))?;
    Ok(Process { service, tags: process_tags })
}

fn span(reader: &mut Reader) -> Result<JaegerSpan, Malformed> {
    let mut span = JaegerSpan::default();
    let (mut trace_id_low, mut trace_id_high) = (None, 0);
    let (mut start_us, mut duration_us) = (None, 0);
    let mut fields = Fields::default();
    while let Some(field) = reader.next_field(&mut fields)? {
        match field {
            (1, kind @ Kind::I64) => trace_id_low = Some(reader.integer(kind)?),
            (2, kind @ Kind::I64) => trace_id_high = reader.integer(kind)?,
            (3, kind @ Kind::I64) => span.span_id = reader.integer(kind)?.cast_unsigned(),
            (4, kind @ Kind::I64) => span.parent_span_id = reader.integer(kind)?.cast_unsigned(),
            (5, Kind::Bytes) => span.name = reader.text()?,
            (6, Kind::List) => span.references = reader.list(Kind::Struct, ELEMENTS_MAX, reference)?,
            (7, kind @ Kind::I32) => span.flags = (reader.integer(kind)? as i32).cast_unsigned(),
            (8, kind @ Kind::I64) => start_us = Some(reader.integer(kind)?),
            (9, kind @ Kind::I64) => duration_us = reader.integer(kind)?,
            (10, Kind::List) => span.tags = tags(reader)?,
            (11, Kind::List) => span.logs = reader.list(Kind::Struct, ELEMENTS_MAX, log)?,
            (12, Kind::Bool) => span.is_incomplete = reader.truth()?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    let (Some(low), Some(start_us)) = (trace_id_low, start_us) else {
        return Err(reader.malformed("a span without trace id or start"));
    };
    span.trace_id = trace_id(trace_id_high, low);
    span.start_ns = i128::from(start_us) * 1_000;
    span.duration_ns = i128::from(duration_us) * 1_000;
    Ok(span)
}

fn trace_id(high: i64, low: i64) -> u128 {
    u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())
}

fn reference(reader: &mut Reader) -> Result<Reference, Malformed> {
    let (mut kind_of, mut low, mut high, mut span_id) = (0, 0, 0, None);
    let mut fields = Fields::default();
    while let Some(field) = reader.next_field(&mut fields)? {
        match field {
            (1, kind @ Kind::I32) => kind_of = reader.integer(kind)?,
            (2, kind @ Kind::I64) => low = reader.integer(kind)?,
            (3, kind @ Kind::I64) => high = reader.integer(kind)?,
            (4, kind @ Kind::I64) => span_id = Some(reader.integer(kind)?.cast_unsigned()),
            (_, kind) => reader.skip(kind)?,
        }
    }
    let span_id = span_id.ok_or_else(|| reader.malformed("a reference without a span id"))?;
    Ok(Reference { is_child_of: kind_of == 0, trace_id: trace_id(high, low), span_id })
}

fn log(reader: &mut Reader) -> Result<Log, Malformed> {
    let (mut time_us, mut log_fields) = (None, Tags::new());
    let mut fields = Fields::default();
    while let Some(field) = reader.next_field(&mut fields)? {
        match field {
            (1, kind @ Kind::I64) => time_us = Some(reader.integer(kind)?),
            (2, Kind::List) => log_fields = tags(reader)?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    let time_us = time_us.ok_or_else(|| reader.malformed("a log without a time"))?;
    Ok(Log { time_ns: i128::from(time_us) * 1_000, fields: log_fields })
}

fn tags(reader: &mut Reader) -> Result<Tags, Malformed> {
    reader.list(Kind::Struct, ELEMENTS_MAX, tag)
}

/// The kind of a tag says which of its values holds; one that is absent is empty or zero.
fn tag(reader: &mut Reader) -> Result<(String, AttrValue), Malformed> {
    let (mut key, mut kind_of) = (None, 0);
    let (mut text, mut double, mut truth, mut long, mut bytes) = (String::new(), 0.0, false, 0, &[][..]);
    let mut fields = Fields::default();
    while let Some(field) = reader.next_field(&mut fields)? {
        match field {
            (1, Kind::Bytes) => key = Some(reader.text()?),
            (2, kind @ Kind::I32) => kind_of = reader.integer(kind)?,
            (3, Kind::Bytes) => text = reader.text()?,
            (4, Kind::Double) => double = reader.double()?,
            (5, Kind::Bool) => truth = reader.truth()?,
            (6, kind @ Kind::I64) => long = reader.integer(kind)?,
            (7, Kind::Bytes) => bytes = reader.bytes()?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    let key = key.ok_or_else(|| reader.malformed("a tag without a key"))?;
    let value = match kind_of {
        0 => AttrValue::String(text),
        1 => AttrValue::Double(double),
        2 => AttrValue::Bool(truth),
        3 => AttrValue::Int(long),
        4 => AttrValue::Bytes(bytes.to_vec()),
        _ => AttrValue::Null,
    };
    Ok((key, value))
}
