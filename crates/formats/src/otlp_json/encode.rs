//! Spans into a request's JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use spanloom_model::{AttrValue, Attributes, Event, Link, Span, SpanId, TraceId};

use crate::otlp::VALUE_DEPTH_MAX;
use crate::otlp::group::{ResourceGroup, ScopeGroup, group};

/// Writes spans grouped by resource and scope. [`super::decode`] gives the same spans, those of a
/// group in their order. Times before 1970 become 1970.
pub fn encode<'a>(spans: impl IntoIterator<Item = &'a Span>) -> String {
    let groups = group(spans);
    let request = Request { resource_spans: groups.iter().map(ResourceSpans::from).collect() };
    serde_json::to_string(&request).expect("writing to memory does not fail, and all keys are text")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: Vec<ScopeSpans<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    schema_url: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans<'a> {
    scope: Scope<'a>,
    #[serde(serialize_with = "spans")]
    spans: &'a [&'a Span],
    #[serde(skip_serializing_if = "str::is_empty")]
    schema_url: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scope<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanMessage<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    #[serde(skip_serializing_if = "is_zero")]
    flags: u32,
    name: &'a str,
    kind: i16,
    start_time_unix_nano: Time,
    end_time_unix_nano: Time,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventMessage<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_events_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkMessage<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_links_count: u32,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventMessage<'a> {
    time_unix_nano: Time,
    name: &'a str,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkMessage<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_state: &'a str,
    #[serde(skip_serializing_if = "KeyValues::is_empty")]
    attributes: KeyValues<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "is_zero")]
    flags: u32,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "is_unset")]
    code: i16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_unset(code: &i16) -> bool {
    *code == 0
}

/// Nanoseconds since the epoch; a string, because a double would round them.
struct Time(i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.max(0))
    }
}

/// One after the other, so that the messages of all spans are not in memory at once.
fn spans<S: Serializer>(spans: &[&Span], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(spans.iter().map(|span| SpanMessage::from(*span)))
}

impl<'a> From<&'a ResourceGroup<'a, Span>> for ResourceSpans<'a> {
    fn from(group: &'a ResourceGroup<'a, Span>) -> Self {
        let resource = group.resource;
        Self {
            resource: Resource {
                attributes: KeyValues::new(&resource.attributes),
                dropped_attributes_count: resource.dropped_attributes_count,
            },
            scope_spans: group.scopes.iter().map(ScopeSpans::from).collect(),
            schema_url: &resource.schema_url,
        }
    }
}

impl<'a> From<&'a ScopeGroup<'a, Span>> for ScopeSpans<'a> {
    fn from(group: &'a ScopeGroup<'a, Span>) -> Self {
        let scope = group.scope;
        Self {
            scope: Scope {
                name: &scope.name,
                version: &scope.version,
                attributes: KeyValues::new(&scope.attributes),
                dropped_attributes_count: scope.dropped_attributes_count,
            },
            spans: &group.items,
            schema_url: &scope.schema_url,
        }
    }
}

impl<'a> From<&'a Span> for SpanMessage<'a> {
    fn from(span: &'a Span) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            trace_state: &span.trace_state,
            parent_span_id: span.parent_span_id,
            flags: span.flags,
            name: &span.name,
            kind: span.kind.number(),
            start_time_unix_nano: Time(span.start_ns),
            end_time_unix_nano: Time(span.start_ns.saturating_add(span.duration_ns)),
            attributes: KeyValues::new(&span.attributes),
            dropped_attributes_count: span.dropped_attributes_count,
            events: span.events.iter().map(EventMessage::from).collect(),
            dropped_events_count: span.dropped_events_count,
            links: span.links.iter().map(LinkMessage::from).collect(),
            dropped_links_count: span.dropped_links_count,
            status: Status { message: &span.status_message, code: span.status.number() },
        }
    }
}

impl<'a> From<&'a Event> for EventMessage<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            time_unix_nano: Time(event.time_ns),
            name: &event.name,
            attributes: KeyValues::new(&event.attributes),
            dropped_attributes_count: event.dropped_attributes_count,
        }
    }
}

impl<'a> From<&'a Link> for LinkMessage<'a> {
    fn from(link: &'a Link) -> Self {
        Self {
            trace_id: link.trace_id,
            span_id: link.span_id,
            trace_state: &link.trace_state,
            attributes: KeyValues::new(&link.attributes),
            dropped_attributes_count: link.dropped_attributes_count,
            flags: link.flags,
        }
    }
}

/// A list of `KeyValue`.
struct KeyValues<'a> {
    attributes: &'a Attributes,
    depth_left: usize,
}

impl<'a> KeyValues<'a> {
    fn new(attributes: &'a Attributes) -> Self {
        Self { attributes, depth_left: VALUE_DEPTH_MAX }
    }

    fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }
}

impl Serialize for KeyValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let depth_left = self.depth_left;
        let entries = self.attributes.iter();
        serializer.collect_seq(
            entries.map(|(key, value)| KeyValue { key, value: AnyValue { value, depth_left } }),
        )
    }
}

#[derive(Serialize)]
struct KeyValue<'a> {
    key: &'a str,
    value: AnyValue<'a>,
}

/// An object with the one field that tells the type; with none for an absent value.
struct AnyValue<'a> {
    value: &'a AttrValue,
    depth_left: usize,
}

impl Serialize for AnyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.value {
            AttrValue::Null => {}
            AttrValue::String(text) => map.serialize_entry("stringValue", text)?,
            AttrValue::Bool(truth) => map.serialize_entry("boolValue", truth)?,
            AttrValue::Int(number) => map.serialize_entry("intValue", &number.to_string())?,
            AttrValue::Double(number) if number.is_finite() => {
                map.serialize_entry("doubleValue", number)?;
            }
            // "NaN", "Infinity", "-Infinity"
            AttrValue::Double(_) => map.serialize_entry("doubleValue", &self.value.to_string())?,
            AttrValue::Bytes(bytes) => map.serialize_entry("bytesValue", &STANDARD.encode(bytes))?,
            AttrValue::Array(_) | AttrValue::Map(_) if self.depth_left == 0 => {
                map.serialize_entry("stringValue", &self.value.to_string())?;
            }
            AttrValue::Array(values) => {
                let list = ArrayValue { values, depth_left: self.depth_left - 1 };
                map.serialize_entry("arrayValue", &list)?;
            }
            AttrValue::Map(attributes) => {
                let values = KeyValues { attributes, depth_left: self.depth_left - 1 };
                map.serialize_entry("kvlistValue", &KvlistValue { values })?;
            }
        }
        map.end()
    }
}

struct ArrayValue<'a> {
    values: &'a [AttrValue],
    depth_left: usize,
}

impl Serialize for ArrayValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("values", &Values(self))?;
        map.end()
    }
}

struct Values<'a>(&'a ArrayValue<'a>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.values.len()))?;
        for value in self.0.values {
            list.serialize_element(&AnyValue { value, depth_left: self.0.depth_left })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct KvlistValue<'a> {
    values: KeyValues<'a>,
}
