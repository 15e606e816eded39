//! OTLP's JSON encoding into the protobuf messages.
//!
//! The specification ("JSON Protobuf Encoding") departs from proto3's JSON mapping: ids are
//! hexadecimal, enums are numbers. Field names are lowerCamelCase, unknown fields are ignored,
//! 64-bit integers may be strings, `null` is the default. Enum names are accepted too, because
//! proto3 writers produce them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// Reads a request. The error says where the JSON does not fit.
pub fn parse(body: &[u8]) -> Result<ExportTraceServiceRequest, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        // serde would read the struct from a list, and `[]` would pass as an empty request.
        return Err(serde_json::Error::custom("expected an object"));
    }
    let request: Request = serde_json::from_slice(body)?;
    let resource_spans = request.resource_spans.into_iter().map(ResourceSpans::into_proto).collect();
    Ok(ExportTraceServiceRequest { resource_spans })
}

/// `null` stands for the default everywhere.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for lists, whose elements may be `null` too.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items: Option<Vec<Option<T>>> = Option::deserialize(deserializer)?;
    Ok(items.into_iter().flatten().flatten().collect())
}

/// A number, or the same as a string.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, or a number as a string")]
enum NumberOrText<T> {
    Number(T),
    Text(String),
}

fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + std::str::FromStr,
{
    match Option::deserialize(deserializer)? {
        None => Ok(T::default()),
        Some(NumberOrText::Number(number)) => Ok(number),
        Some(NumberOrText::Text(text)) => {
            text.parse().map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &"a number"))
        }
    }
}

/// An enum as a number, or as its protobuf name.
fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Ok(match Option::deserialize(deserializer)? {
        None => 0,
        Some(NumberOrText::Number(number)) => number,
        Some(NumberOrText::Text(name)) => trace::span::SpanKind::from_str_name(&name)
            .map_or_else(|| name.parse().unwrap_or(0), |k| k as i32),
    })
}

fn status_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Ok(match Option::deserialize(deserializer)? {
        None => 0,
        Some(NumberOrText::Number(number)) => number,
        Some(NumberOrText::Text(name)) => trace::status::StatusCode::from_str_name(&name)
            .map_or_else(|| name.parse().unwrap_or(0), |c| c as i32),
    })
}

/// Hexadecimal bytes. What is no hexadecimal becomes a single byte, a length that no id has: the
/// span is then rejected alone and does not fail the request.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(hex::decode(text.unwrap_or_default()).unwrap_or_else(|_| vec![0xff]))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default, deserialize_with = "list")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Option<Resource>,
    #[serde(default, deserialize_with = "list")]
    scope_spans: Vec<ScopeSpans>,
    #[serde(default, deserialize_with = "nullable")]
    schema_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default, deserialize_with = "list")]
    attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    dropped_attributes_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans {
    scope: Option<Scope>,
    #[serde(default, deserialize_with = "list")]
    spans: Vec<Span>,
    #[serde(default, deserialize_with = "nullable")]
    schema_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    version: String,
    #[serde(default, deserialize_with = "list")]
    attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    dropped_attributes_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the specification")]
struct Span {
    #[serde(default, deserialize_with = "id")]
    trace_id: Vec<u8>,
    #[serde(default, deserialize_with = "id")]
    span_id: Vec<u8>,
    #[serde(default, deserialize_with = "nullable")]
    trace_state: String,
    #[serde(default, deserialize_with = "id")]
    parent_span_id: Vec<u8>,
    #[serde(default, deserialize_with = "number")]
    flags: u32,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "kind")]
    kind: i32,
    #[serde(default, deserialize_with = "number")]
    start_time_unix_nano: u64,
    #[serde(default, deserialize_with = "number")]
    end_time_unix_nano: u64,
    #[serde(default, deserialize_with = "list")]
    attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    dropped_attributes_count: u32,
    #[serde(default, deserialize_with = "list")]
    events: Vec<Event>,
    #[serde(default, deserialize_with = "number")]
    dropped_events_count: u32,
    #[serde(default, deserialize_with = "list")]
    links: Vec<Link>,
    #[serde(default, deserialize_with = "number")]
    dropped_links_count: u32,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default, deserialize_with = "number")]
    time_unix_nano: u64,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "list")]
    attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    dropped_attributes_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    #[serde(default, deserialize_with = "id")]
    trace_id: Vec<u8>,
    #[serde(default, deserialize_with = "id")]
    span_id: Vec<u8>,
    #[serde(default, deserialize_with = "nullable")]
    trace_state: String,
    #[serde(default, deserialize_with = "list")]
    attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    dropped_attributes_count: u32,
    #[serde(default, deserialize_with = "number")]
    flags: u32,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "nullable")]
    message: String,
    #[serde(default, deserialize_with = "status_code")]
    code: i32,
}

#[derive(Deserialize)]
struct KeyValue {
    #[serde(default, deserialize_with = "nullable")]
    key: String,
    value: Option<AnyValue>,
}

/// One of the fields, none for an absent value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the specification")]
struct AnyValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<IntValue>,
    double_value: Option<NumberOrText<f64>>,
    bytes_value: Option<String>,
    array_value: Option<ArrayValue>,
    kvlist_value: Option<KvlistValue>,
}

/// JavaScript calls `1e21` an integer, which no 64 bits hold.
#[derive(Deserialize)]
#[serde(untagged)]
enum IntValue {
    Int(i64),
    Double(f64),
    Text(String),
}

#[derive(Deserialize)]
struct ArrayValue {
    #[serde(default, deserialize_with = "nullable")]
    values: Vec<Option<AnyValue>>,
}

#[derive(Deserialize)]
struct KvlistValue {
    #[serde(default, deserialize_with = "list")]
    values: Vec<KeyValue>,
}

impl ResourceSpans {
    fn into_proto(self) -> trace::ResourceSpans {
        trace::ResourceSpans {
            resource: self.resource.map(|r| resource::Resource {
                attributes: key_values(r.attributes),
                dropped_attributes_count: r.dropped_attributes_count,
                ..resource::Resource::default()
            }),
            scope_spans: self.scope_spans.into_iter().map(ScopeSpans::into_proto).collect(),
            schema_url: self.schema_url,
        }
    }
}

impl ScopeSpans {
    fn into_proto(self) -> trace::ScopeSpans {
        trace::ScopeSpans {
            scope: self.scope.map(|s| common::InstrumentationScope {
                name: s.name,
                version: s.version,
                attributes: key_values(s.attributes),
                dropped_attributes_count: s.dropped_attributes_count,
            }),
            spans: self.spans.into_iter().map(Span::into_proto).collect(),
            schema_url: self.schema_url,
        }
    }
}

impl Span {
    fn into_proto(self) -> trace::Span {
        let event = |e: Event| trace::span::Event {
            time_unix_nano: e.time_unix_nano,
            name: e.name,
            attributes: key_values(e.attributes),
            dropped_attributes_count: e.dropped_attributes_count,
        };
        let link = |l: Link| trace::span::Link {
            trace_id: l.trace_id,
            span_id: l.span_id,
            trace_state: l.trace_state,
            attributes: key_values(l.attributes),
            dropped_attributes_count: l.dropped_attributes_count,
            flags: l.flags,
        };
        trace::Span {
            trace_id: self.trace_id,
            span_id: self.span_id,
            trace_state: self.trace_state,
            parent_span_id: self.parent_span_id,
            flags: self.flags,
            name: self.name,
            kind: self.kind,
            start_time_unix_nano: self.start_time_unix_nano,
            end_time_unix_nano: self.end_time_unix_nano,
            attributes: key_values(self.attributes),
            dropped_attributes_count: self.dropped_attributes_count,
            events: self.events.into_iter().map(event).collect(),
            dropped_events_count: self.dropped_events_count,
            links: self.links.into_iter().map(link).collect(),
            dropped_links_count: self.dropped_links_count,
            status: self.status.map(|s| trace::Status { message: s.message, code: s.code }),
        }
    }
}

fn key_values(entries: Vec<KeyValue>) -> Vec<common::KeyValue> {
    entries
        .into_iter()
        .map(|entry| common::KeyValue {
            key: entry.key,
            value: entry.value.map(AnyValue::into_proto),
            ..common::KeyValue::default()
        })
        .collect()
}

impl AnyValue {
    /// The JSON parser bounds the recursion at 128 levels.
    fn into_proto(self) -> common::AnyValue {
        use common::any_value::Value;
        let value = if let Some(text) = self.string_value {
            Some(Value::StringValue(text))
        } else if let Some(truth) = self.bool_value {
            Some(Value::BoolValue(truth))
        } else if let Some(number) = self.int_value {
            Some(int(number))
        } else if let Some(number) = self.double_value {
            Some(double(number))
        } else if let Some(text) = self.bytes_value {
            Some(bytes(text))
        } else if let Some(array) = self.array_value {
            // A null in the list keeps its place.
            let absent = || common::AnyValue { value: None };
            let values =
                array.values.into_iter().map(|v| v.map_or_else(absent, Self::into_proto)).collect();
            Some(Value::ArrayValue(common::ArrayValue { values }))
        } else {
            self.kvlist_value
                .map(|list| Value::KvlistValue(common::KeyValueList { values: key_values(list.values) }))
        };
        common::AnyValue { value }
    }
}

/// A value that does not parse is kept as the text that was sent: one odd attribute should not
/// cost the span.
fn int(number: IntValue) -> common::any_value::Value {
    use common::any_value::Value;
    match number {
        IntValue::Int(number) => Value::IntValue(number),
        IntValue::Double(number) => Value::DoubleValue(number),
        IntValue::Text(text) => text.parse().map_or(Value::StringValue(text), Value::IntValue),
    }
}

fn double(number: NumberOrText<f64>) -> common::any_value::Value {
    use common::any_value::Value;
    match number {
        NumberOrText::Number(number) => Value::DoubleValue(number),
        // Rust reads "NaN", "Infinity" and "-Infinity" as proto3 writes them.
        NumberOrText::Text(text) => text.parse().map_or(Value::StringValue(text), Value::DoubleValue),
    }
}

fn bytes(text: String) -> common::any_value::Value {
    use common::any_value::Value;
    STANDARD
        .decode(&text)
        .or_else(|_| URL_SAFE.decode(&text))
        .map_or(Value::StringValue(text), Value::BytesValue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::any_value::Value;

    #[test]
    fn an_empty_request_is_valid() {
        assert!(parse(b"{}").unwrap().resource_spans.is_empty());
        assert!(parse(br#"{"resourceSpans": null}"#).unwrap().resource_spans.is_empty());
        assert!(parse(b"[]").is_err());
        assert!(parse(b"").is_err());
    }

    #[test]
    fn the_specifications_peculiarities_are_read() {
        let request = parse(
            br#"{"resourceSpans":[{"scopeSpans":[{"scope":null,"spans":[{
                "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174",
                "parentSpanId":"","kind":2,"startTimeUnixNano":"1544712660000000000",
                "endTimeUnixNano":1544712661000000000,"unknownField":{"x":1},
                "status":{"code":"STATUS_CODE_ERROR"},
                "attributes":[
                    {"key":"i","value":{"intValue":"-9007199254740993"}},
                    {"key":"n","value":{"doubleValue":"NaN"}},
                    {"key":"js","value":{"intValue":1e21}},
                    {"key":"b","value":{"bytesValue":"AP8="}},
                    {"key":"a","value":{"arrayValue":{"values":[{"boolValue":true},null]}}},
                    null,
                    {"key":"none"}
                ]}]}]}]}"#,
        )
        .unwrap();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.trace_id[0], 0x5b);
        assert_eq!(span.start_time_unix_nano, 1_544_712_660_000_000_000);
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_000_000_000);
        assert_eq!((span.kind, span.status.as_ref().unwrap().code), (2, 2));
        let value = |index: usize| span.attributes[index].value.clone().and_then(|v| v.value);
        assert_eq!(value(0), Some(Value::IntValue(-9_007_199_254_740_993)));
        assert!(matches!(value(1), Some(Value::DoubleValue(d)) if d.is_nan()));
        assert_eq!(value(2), Some(Value::DoubleValue(1e21)));
        assert_eq!(value(3), Some(Value::BytesValue(vec![0, 255])));
        assert!(matches!(value(4), Some(Value::ArrayValue(array)) if array.values.len() == 2));
        assert_eq!(value(5), None);
    }

    #[test]
    fn an_id_that_is_no_hexadecimal_costs_only_its_span() {
        let request = parse(
            br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz","spanId":"eee19b7ec3c1b174"}]}]}]}"#,
        )
        .unwrap();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.trace_id.len(), 1, "a length that the decoder rejects");
    }
}
