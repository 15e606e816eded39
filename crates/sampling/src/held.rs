//! A trace that waits for its decision, and what it occupies.

use std::collections::HashSet;

use spanloom_model::{AttrValue, Attributes, Span, SpanId, SpanKind};

/// Up to this many spans are looked through; more get an index.
const LOOKED_THROUGH_MAX: usize = 32;

/// What a map entry or list element costs beside its content.
const ENTRY_BYTES: usize = 48;

type Key = (SpanId, i64, SpanKind);

fn key(span: &Span) -> Key {
    (span.span_id, span.start_ns, span.kind)
}

/// A trace that waits.
pub struct HeldTrace {
    /// Tells it from an earlier trace of the same id.
    pub serial: u64,
    /// The record that began it.
    pub position: u64,
    /// In the order of the records.
    pub spans: Vec<Span>,
    /// Estimated.
    pub bytes: usize,
    keys: HashSet<Key>,
}

impl HeldTrace {
    /// A trace without spans yet.
    pub fn new(serial: u64, position: u64) -> Self {
        Self { serial, position, spans: Vec::new(), bytes: 0, keys: HashSet::new() }
    }

    /// Adds a span; returns the bytes that it occupies.
    pub fn push(&mut self, span: Span) -> usize {
        let bytes = span_bytes(&span);
        self.bytes += bytes;
        self.spans.push(span);
        if self.spans.len() == LOOKED_THROUGH_MAX + 1 {
            self.keys = self.spans.iter().map(key).collect();
        } else if self.spans.len() > LOOKED_THROUGH_MAX {
            self.keys.extend(self.spans.last().map(key));
        }
        bytes
    }

    /// Whether it holds this very span.
    pub fn holds(&self, span_id: SpanId, start_ns: i64, kind: SpanKind) -> bool {
        let wanted = (span_id, start_ns, kind);
        if self.spans.len() > LOOKED_THROUGH_MAX {
            return self.keys.contains(&wanted);
        }
        self.spans.iter().any(|span| key(span) == wanted)
    }
}

/// What a span occupies in memory, about. Its resource and scope are shared by the spans of a request
/// and not counted.
fn span_bytes(span: &Span) -> usize {
    let texts = span.name.capacity() + span.trace_state.capacity() + span.status_message.capacity();
    let events = span
        .events
        .iter()
        .map(|event| size_of_val(event) + event.name.capacity() + attributes_bytes(&event.attributes));
    let links = span
        .links
        .iter()
        .map(|link| size_of_val(link) + link.trace_state.capacity() + attributes_bytes(&link.attributes));
    let lists: usize = events.sum::<usize>() + links.sum::<usize>();
    size_of::<Span>() + ENTRY_BYTES + texts + attributes_bytes(&span.attributes) + lists
}

fn attributes_bytes(attributes: &Attributes) -> usize {
    let entry = |(key, value): (&str, &AttrValue)| ENTRY_BYTES + key.len() + value_bytes(value);
    attributes.iter().map(entry).sum()
}

/// The depth of values is bounded where they are decoded.
fn value_bytes(value: &AttrValue) -> usize {
    match value {
        AttrValue::String(text) => text.capacity(),
        AttrValue::Bytes(bytes) => bytes.capacity(),
        AttrValue::Array(values) => {
            values.iter().map(|value| size_of::<AttrValue>() + value_bytes(value)).sum()
        }
        AttrValue::Map(map) => attributes_bytes(map),
        AttrValue::Null | AttrValue::Bool(_) | AttrValue::Int(_) | AttrValue::Double(_) => 0,
    }
}
