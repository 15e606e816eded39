//! The bytes of an `ExportTraceServiceRequest` straight into spans, in one pass, without the
//! messages in between.

use std::sync::Arc;

use spanloom_model::{Event, Link, Resource, Scope, Span, SpanKind, SpanStatus};

use super::common::{Decoder, Item, Result, text};
use crate::protobuf::{DecodeError, Reader};
use crate::{Decoded, RawIds, Rejection, TimeBounds};

/// Reads a request. Fails if it is not protobuf; spans that cannot be kept are counted.
pub fn decode(body: &[u8], bounds: TimeBounds) -> std::result::Result<Decoded, DecodeError> {
    let Decoder { items, rejected, .. } = Decoder::<Span>::read(body, bounds)?;
    Ok(Decoded { spans: items, rejected })
}

impl Item for Span {
    /// A span with less on the wire has no ids and no times, and is rejected.
    const BYTES_MIN: usize = 48;
    type Limits = TimeBounds;

    fn read(
        decoder: &mut Decoder<Self>,
        mut reader: Reader,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
    ) -> Result<std::result::Result<Span, Rejection>> {
        let mut ids = RawIds::default();
        let (mut trace_state, mut name, mut status_message) = ("", "", "");
        let (mut kind, mut status, mut flags) = (0, 0, 0);
        let (mut start_ns, mut end_ns) = (0, 0);
        let (mut dropped_attributes, mut dropped_events, mut dropped_links) = (0, 0, 0);
        let (mut events, mut links) = (Vec::new(), Vec::new());
        let mut broken_links = 0;
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => ids.trace = reader.bytes(key)?,
                2 => ids.span = reader.bytes(key)?,
                3 => trace_state = reader.text(key)?,
                4 => ids.parent = reader.bytes(key)?,
                5 => name = reader.text(key)?,
                6 => kind = reader.varint(key)? as i32,
                7 => start_ns = reader.fixed64(key)?,
                8 => end_ns = reader.fixed64(key)?,
                9 => decoder.key_value(reader.message(key)?)?,
                10 => dropped_attributes = reader.varint(key)? as u32,
                11 => events.push(decoder.event(reader.message(key)?)?),
                12 => dropped_events = reader.varint(key)? as u32,
                13 => match decoder.link(reader.message(key)?)? {
                    Some(link) => links.push(link),
                    None => broken_links += 1,
                },
                14 => dropped_links = reader.varint(key)? as u32,
                15 => read_status(reader.message(key)?, &mut status, &mut status_message)?,
                16 => flags = reader.fixed32(key)?,
                _ => reader.skip(key)?,
            }
        }
        let attributes = decoder.take_attributes(0);
        let checked = ids.check().and_then(|ids| Ok((ids, decoder.limits.check(start_ns, end_ns)?)));
        let ((trace_id, span_id, parent_span_id), (start_ns, duration_ns)) = match checked {
            Ok(checked) => checked,
            Err(rejection) => return Ok(Err(rejection)),
        };
        Ok(Ok(Span {
            trace_id,
            span_id,
            parent_span_id,
            trace_state: text(trace_state),
            flags,
            name: text(name),
            kind: SpanKind::from_number(kind),
            start_ns,
            duration_ns,
            attributes,
            dropped_attributes_count: dropped_attributes,
            events,
            dropped_events_count: dropped_events,
            links,
            dropped_links_count: u32::saturating_add(dropped_links, broken_links),
            status: SpanStatus::from_number(status),
            status_message: text(status_message),
            resource: Arc::clone(resource),
            scope: Arc::clone(scope),
        }))
    }
}

impl Decoder<Span> {
    fn event(&mut self, mut reader: Reader) -> Result<Event> {
        let start = self.entries.len();
        let (mut time_ns, mut name, mut dropped) = (0, "", 0);
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => time_ns = reader.fixed64(key)?,
                2 => name = reader.text(key)?,
                3 => self.key_value(reader.message(key)?)?,
                4 => dropped = reader.varint(key)? as u32,
                _ => reader.skip(key)?,
            }
        }
        Ok(Event {
            time_ns: i64::try_from(time_ns).unwrap_or(i64::MAX),
            name: text(name),
            attributes: self.take_attributes(start),
            dropped_attributes_count: dropped,
        })
    }

    /// None if it leads to an id that cannot exist.
    fn link(&mut self, mut reader: Reader) -> Result<Option<Link>> {
        let start = self.entries.len();
        let mut ids = RawIds::default();
        let (mut trace_state, mut dropped, mut flags) = ("", 0, 0);
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => ids.trace = reader.bytes(key)?,
                2 => ids.span = reader.bytes(key)?,
                3 => trace_state = reader.text(key)?,
                4 => self.key_value(reader.message(key)?)?,
                5 => dropped = reader.varint(key)? as u32,
                6 => flags = reader.fixed32(key)?,
                _ => reader.skip(key)?,
            }
        }
        let attributes = self.take_attributes(start);
        Ok(ids.check().ok().map(|(trace_id, span_id, _)| Link {
            trace_id,
            span_id,
            trace_state: text(trace_state),
            attributes,
            dropped_attributes_count: dropped,
            flags,
        }))
    }
}

fn read_status<'a>(mut reader: Reader<'a>, code: &mut i32, message: &mut &'a str) -> Result<()> {
    while let Some(key) = reader.next_key()? {
        match key.field() {
            2 => *message = reader.text(key)?,
            3 => *code = reader.varint(key)? as i32,
            _ => reader.skip(key)?,
        }
    }
    Ok(())
}
