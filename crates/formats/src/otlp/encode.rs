//! Spans into the bytes of an `ExportTraceServiceRequest`.

use spanloom_model::{AttrValue, Attributes, Event, Link, Resource, Scope, Span};

use super::group::group;
use crate::protobuf::Writer;

/// Arrays and maps nested deeper than this are written as their JSON text: with what lies around
/// them, readers of protobuf (100 levels) and of JSON (128) would refuse the whole message.
pub(crate) const VALUE_DEPTH_MAX: usize = 24;

/// Bytes of a span, more often than not enough.
const SPAN_BYTES: usize = 512;

/// What the length of a message is likely to need, in bytes.
pub(super) const SHORT: usize = 1;
pub(super) const MEDIUM: usize = 2;
pub(super) const LONG: usize = 3;

/// Writes spans grouped by resource and scope. [`super::decode`] gives the same spans, those of a
/// group in their order. Times before 1970 become 1970.
pub fn encode<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Vec<u8> {
    let groups = group(spans);
    let count: usize = groups.iter().flat_map(|group| &group.scopes).map(|scope| scope.items.len()).sum();
    let mut writer = Writer::with_capacity(count * SPAN_BYTES);
    for resource in &groups {
        writer.message(1, LONG, |writer| {
            writer.bytes(1, &resource.message);
            for scope in &resource.scopes {
                writer.message(2, LONG, |writer| {
                    writer.bytes(1, &scope.message);
                    for span in &scope.items {
                        writer.message(2, MEDIUM, |writer| write_span(writer, span));
                    }
                    text(writer, 3, &scope.scope.schema_url);
                });
            }
            text(writer, 3, &resource.resource.schema_url);
        });
    }
    writer.into_bytes()
}

/// The `Resource`, without its schema's URL, which is a field of its group.
pub(super) fn resource_message(resource: &Resource) -> Vec<u8> {
    let mut writer = Writer::default();
    attributes(&mut writer, 1, &resource.attributes, VALUE_DEPTH_MAX);
    number(&mut writer, 2, resource.dropped_attributes_count);
    writer.into_bytes()
}

/// The `InstrumentationScope`, without its schema's URL.
pub(super) fn scope_message(scope: &Scope) -> Vec<u8> {
    let mut writer = Writer::default();
    text(&mut writer, 1, &scope.name);
    text(&mut writer, 2, &scope.version);
    attributes(&mut writer, 3, &scope.attributes, VALUE_DEPTH_MAX);
    number(&mut writer, 4, scope.dropped_attributes_count);
    writer.into_bytes()
}

fn write_span(writer: &mut Writer, span: &Span) {
    writer.bytes(1, &span.trace_id.to_bytes());
    writer.bytes(2, &span.span_id.get().to_be_bytes());
    text(writer, 3, &span.trace_state);
    if let Some(parent) = span.parent_span_id {
        writer.bytes(4, &parent.get().to_be_bytes());
    }
    text(writer, 5, &span.name);
    number(writer, 6, span.kind.number().unsigned_abs().into());
    writer.fixed64(7, time(span.start_ns));
    writer.fixed64(8, time(span.start_ns.saturating_add(span.duration_ns)));
    attributes(writer, 9, &span.attributes, VALUE_DEPTH_MAX);
    number(writer, 10, span.dropped_attributes_count);
    for event in &span.events {
        writer.message(11, MEDIUM, |writer| write_event(writer, event));
    }
    number(writer, 12, span.dropped_events_count);
    for link in &span.links {
        writer.message(13, SHORT, |writer| write_link(writer, link));
    }
    number(writer, 14, span.dropped_links_count);
    let code = span.status.number().unsigned_abs().into();
    if code != 0 || !span.status_message.is_empty() {
        writer.message(15, SHORT, |writer| {
            text(writer, 2, &span.status_message);
            number(writer, 3, code);
        });
    }
    if span.flags != 0 {
        writer.fixed32(16, span.flags);
    }
}

fn write_event(writer: &mut Writer, event: &Event) {
    writer.fixed64(1, time(event.time_ns));
    text(writer, 2, &event.name);
    attributes(writer, 3, &event.attributes, VALUE_DEPTH_MAX);
    number(writer, 4, event.dropped_attributes_count);
}

fn write_link(writer: &mut Writer, link: &Link) {
    writer.bytes(1, &link.trace_id.to_bytes());
    writer.bytes(2, &link.span_id.get().to_be_bytes());
    text(writer, 3, &link.trace_state);
    attributes(writer, 4, &link.attributes, VALUE_DEPTH_MAX);
    number(writer, 5, link.dropped_attributes_count);
    if link.flags != 0 {
        writer.fixed32(6, link.flags);
    }
}

pub(super) fn attributes(writer: &mut Writer, field: u32, attributes: &Attributes, depth_left: usize) {
    for (key, value) in attributes.iter() {
        writer.message(field, SHORT, |writer| {
            text(writer, 1, key);
            if *value != AttrValue::Null {
                writer.message(2, SHORT, |writer| any_value(writer, value, depth_left));
            }
        });
    }
}

/// The fields of an `AnyValue`. They are written even if they hold the default: which one is there
/// tells the type.
pub(super) fn any_value(writer: &mut Writer, value: &AttrValue, depth_left: usize) {
    match value {
        AttrValue::Null => {}
        AttrValue::String(text) => writer.bytes(1, text.as_bytes()),
        AttrValue::Bool(truth) => writer.varint(2, u64::from(*truth)),
        AttrValue::Int(number) => writer.varint(3, number.cast_unsigned()),
        AttrValue::Double(number) => writer.fixed64(4, number.to_bits()),
        AttrValue::Bytes(bytes) => writer.bytes(7, bytes),
        AttrValue::Array(_) | AttrValue::Map(_) if depth_left == 0 => {
            writer.bytes(1, value.to_string().as_bytes());
        }
        AttrValue::Array(values) => writer.message(5, SHORT, |writer| {
            for value in values {
                writer.message(1, SHORT, |writer| any_value(writer, value, depth_left - 1));
            }
        }),
        AttrValue::Map(map) => {
            writer.message(6, SHORT, |writer| attributes(writer, 1, map, depth_left - 1));
        }
    }
}

pub(super) fn text(writer: &mut Writer, field: u32, text: &str) {
    if !text.is_empty() {
        writer.bytes(field, text.as_bytes());
    }
}

pub(super) fn number(writer: &mut Writer, field: u32, number: u32) {
    if number != 0 {
        writer.varint(field, number.into());
    }
}

pub(super) fn time(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}
