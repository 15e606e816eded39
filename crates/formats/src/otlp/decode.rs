//! The bytes of an `ExportTraceServiceRequest` straight into spans, in one pass, without the
//! messages in between.
//!
//! As protobuf asks, of a repeated singular field the last value stays and messages are merged.
//! `EntityRef`s of a resource have no place in the model and are passed over unread.

use std::sync::Arc;

use spanloom_model::{
    AttrValue, Attributes, Event, Key, Link, Resource, Scope, Span, SpanKind, SpanStatus,
};

use crate::protobuf::{DecodeError, Reader};
use crate::{Decoded, RawIds, Rejection, TimeBounds, clean, clean_key};

/// A span with less on the wire has no ids and no times, and is rejected.
const SPAN_BYTES_MIN: usize = 48;

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads a request. Fails if it is not protobuf; spans that cannot be kept are counted.
pub fn decode(body: &[u8], bounds: TimeBounds) -> Result<Decoded> {
    let mut decoder = Decoder { bounds, entries: Vec::new(), out: Decoded::default() };
    let mut reader = Reader::new(body);
    while let Some(key) = reader.next_key()? {
        match key.field() {
            1 => decoder.resource_spans(reader.message(key)?)?,
            _ => reader.skip(key)?,
        }
    }
    Ok(decoder.out)
}

struct Decoder {
    bounds: TimeBounds,
    /// Attributes that are being read, those of a nested message after those of the outer one:
    /// each list is then allocated once, in its final size.
    entries: Vec<(Key, AttrValue)>,
    out: Decoded,
}

impl Decoder {
    /// Reads the fields twice: the resource may come after the spans that need it. Passing over a
    /// message costs next to nothing.
    fn resource_spans(&mut self, mut reader: Reader) -> Result<()> {
        let mut again = reader.clone();
        let mut resource = Resource::default();
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.resource(reader.message(key)?, &mut resource)?,
                3 => resource.schema_url = text(reader.text(key)?),
                _ => reader.skip(key)?,
            }
        }
        resource.attributes = self.take_attributes(0);
        let resource = Arc::new(resource);
        while let Some(key) = again.next_key()? {
            match key.field() {
                2 => self.scope_spans(again.message(key)?, &resource)?,
                _ => again.skip(key)?,
            }
        }
        Ok(())
    }

    fn resource(&mut self, mut reader: Reader, resource: &mut Resource) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.key_value(reader.message(key)?)?,
                2 => resource.dropped_attributes_count = reader.varint(key)? as u32,
                3 => _ = reader.message(key)?,
                _ => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, mut reader: Reader, resource: &Arc<Resource>) -> Result<()> {
        let mut again = reader.clone();
        let mut scope = Scope::default();
        let mut spans = 0;
        let spans_max = reader.len() / SPAN_BYTES_MIN;
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.scope(reader.message(key)?, &mut scope)?,
                2 => {
                    spans += 1;
                    reader.skip(key)?;
                }
                3 => scope.schema_url = text(reader.text(key)?),
                _ => reader.skip(key)?,
            }
        }
        scope.attributes = self.take_attributes(0);
        let scope = Arc::new(scope);
        self.out.spans.reserve(spans.min(spans_max));
        while let Some(key) = again.next_key()? {
            match key.field() {
                2 => match self.span(again.message(key)?, resource, &scope)? {
                    Ok(span) => self.out.spans.push(span),
                    Err(rejection) => self.out.rejected.add(rejection),
                },
                _ => again.skip(key)?,
            }
        }
        Ok(())
    }

    fn scope(&mut self, mut reader: Reader, scope: &mut Scope) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => scope.name = text(reader.text(key)?),
                2 => scope.version = text(reader.text(key)?),
                3 => self.key_value(reader.message(key)?)?,
                4 => scope.dropped_attributes_count = reader.varint(key)? as u32,
                _ => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn span(
        &mut self,
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
                9 => self.key_value(reader.message(key)?)?,
                10 => dropped_attributes = reader.varint(key)? as u32,
                11 => events.push(self.event(reader.message(key)?)?),
                12 => dropped_events = reader.varint(key)? as u32,
                13 => match self.link(reader.message(key)?)? {
                    Some(link) => links.push(link),
                    None => broken_links += 1,
                },
                14 => dropped_links = reader.varint(key)? as u32,
                15 => read_status(reader.message(key)?, &mut status, &mut status_message)?,
                16 => flags = reader.fixed32(key)?,
                _ => reader.skip(key)?,
            }
        }
        let attributes = self.take_attributes(0);
        let checked = ids.check().and_then(|ids| Ok((ids, self.bounds.check(start_ns, end_ns)?)));
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

    /// Puts it after the attributes that are being read.
    fn key_value(&mut self, mut reader: Reader) -> Result<()> {
        let start = self.entries.len();
        let (mut name, mut value) = ("", AttrValue::Null);
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => name = reader.text(key)?,
                2 => self.any_value(reader.message(key)?, &mut value, start)?,
                // The index into a string table belongs to the profiling signal.
                3 => _ = reader.varint(key)?,
                _ => reader.skip(key)?,
            }
        }
        let value = self.finish(value, start);
        self.entries.push((clean_key(name), value));
        Ok(())
    }

    /// Takes the attributes read since there were `start`.
    fn take_attributes(&mut self, start: usize) -> Attributes {
        Attributes::from_tail(&mut self.entries, start)
    }

    /// Merges what is sent into `value`. The reader bounds the recursion.
    ///
    /// A map may be sent in many parts. Its entries stay after the first `start` ones until
    /// [`Self::finish`], and `value` is an empty map so long.
    fn any_value(&mut self, mut reader: Reader, value: &mut AttrValue, start: usize) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            let sent = match key.field() {
                1 => AttrValue::String(text(reader.text(key)?)),
                2 => AttrValue::Bool(reader.varint(key)? != 0),
                3 => AttrValue::Int(reader.varint(key)?.cast_signed()),
                4 => AttrValue::Double(f64::from_bits(reader.fixed64(key)?)),
                5 => {
                    let earlier = match value {
                        AttrValue::Array(earlier) => std::mem::take(earlier),
                        _ => Vec::new(),
                    };
                    AttrValue::Array(self.array(reader.message(key)?, earlier)?)
                }
                6 => {
                    self.key_value_list(reader.message(key)?)?;
                    *value = AttrValue::Map(Attributes::default());
                    continue;
                }
                7 => AttrValue::Bytes(reader.bytes(key)?.to_vec()),
                // An index into the profiling signal's string table: absent here.
                8 => {
                    reader.varint(key)?;
                    AttrValue::Null
                }
                _ => {
                    reader.skip(key)?;
                    continue;
                }
            };
            // One value replaces another, be it a map.
            self.entries.truncate(start);
            *value = sent;
        }
        Ok(())
    }

    /// The value once all of it is read.
    fn finish(&mut self, value: AttrValue, start: usize) -> AttrValue {
        match value {
            AttrValue::Map(_) => AttrValue::Map(self.take_attributes(start)),
            value => value,
        }
    }

    fn array(&mut self, mut reader: Reader, mut values: Vec<AttrValue>) -> Result<Vec<AttrValue>> {
        let start = self.entries.len();
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => {
                    let mut value = AttrValue::Null;
                    self.any_value(reader.message(key)?, &mut value, start)?;
                    values.push(self.finish(value, start));
                }
                _ => reader.skip(key)?,
            }
        }
        Ok(values)
    }

    fn key_value_list(&mut self, mut reader: Reader) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.key_value(reader.message(key)?)?,
                _ => reader.skip(key)?,
            }
        }
        Ok(())
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

fn text(text: &str) -> String {
    clean(text.to_owned())
}
