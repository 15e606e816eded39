//! The messages as they stand in JSON.

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// `null` stands for the default everywhere.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for lists, whose elements may be `null` too.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items: Option<Vec<Option<T>>> = Option::deserialize(deserializer)?;
    Ok(items.into_iter().flatten().flatten().collect())
}

/// A number, or the same as a string.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, or a number as a string")]
pub enum NumberOrText<T> {
    Number(T),
    Text(String),
}

pub fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
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

/// Names of the kinds in the order of their numbers.
const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// Names of the status codes in the order of their numbers.
const STATUS_CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

/// An enum as a number, or as its protobuf name.
pub fn enumeration<'de, D: Deserializer<'de>>(deserializer: D, names: &[&str]) -> Result<i32, D::Error> {
    Ok(match Option::deserialize(deserializer)? {
        None => 0,
        Some(NumberOrText::Number(number)) => number,
        Some(NumberOrText::Text(text)) => match names.iter().position(|name| *name == text) {
            Some(number) => number as i32,
            None => text.parse().unwrap_or(0),
        },
    })
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    enumeration(deserializer, &KINDS)
}

fn status_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    enumeration(deserializer, &STATUS_CODES)
}

/// Hexadecimal bytes. What is no hexadecimal becomes a single byte, a length that no id has: the
/// span is then rejected alone and does not fail the request.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(hex::decode(text.unwrap_or_default()).unwrap_or_else(|_| vec![0xff]))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(default, deserialize_with = "list")]
    pub resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSpans {
    pub resource: Option<Resource>,
    #[serde(default, deserialize_with = "list")]
    pub scope_spans: Vec<ScopeSpans>,
    #[serde(default, deserialize_with = "nullable")]
    pub schema_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    #[serde(default, deserialize_with = "list")]
    pub attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_attributes_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeSpans {
    pub scope: Option<Scope>,
    #[serde(default, deserialize_with = "list")]
    pub spans: Vec<Span>,
    #[serde(default, deserialize_with = "nullable")]
    pub schema_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub version: String,
    #[serde(default, deserialize_with = "list")]
    pub attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_attributes_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the specification")]
pub struct Span {
    #[serde(default, deserialize_with = "id")]
    pub trace_id: Vec<u8>,
    #[serde(default, deserialize_with = "id")]
    pub span_id: Vec<u8>,
    #[serde(default, deserialize_with = "nullable")]
    pub trace_state: String,
    #[serde(default, deserialize_with = "id")]
    pub parent_span_id: Vec<u8>,
    #[serde(default, deserialize_with = "number")]
    pub flags: u32,
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    #[serde(default, deserialize_with = "kind")]
    pub kind: i32,
    #[serde(default, deserialize_with = "number")]
    pub start_time_unix_nano: u64,
    #[serde(default, deserialize_with = "number")]
    pub end_time_unix_nano: u64,
    #[serde(default, deserialize_with = "list")]
    pub attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_attributes_count: u32,
    #[serde(default, deserialize_with = "list")]
    pub events: Vec<Event>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_events_count: u32,
    #[serde(default, deserialize_with = "list")]
    pub links: Vec<Link>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_links_count: u32,
    pub status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    #[serde(default, deserialize_with = "number")]
    pub time_unix_nano: u64,
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    #[serde(default, deserialize_with = "list")]
    pub attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_attributes_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    #[serde(default, deserialize_with = "id")]
    pub trace_id: Vec<u8>,
    #[serde(default, deserialize_with = "id")]
    pub span_id: Vec<u8>,
    #[serde(default, deserialize_with = "nullable")]
    pub trace_state: String,
    #[serde(default, deserialize_with = "list")]
    pub attributes: Vec<KeyValue>,
    #[serde(default, deserialize_with = "number")]
    pub dropped_attributes_count: u32,
    #[serde(default, deserialize_with = "number")]
    pub flags: u32,
}

#[derive(Deserialize)]
pub struct Status {
    #[serde(default, deserialize_with = "nullable")]
    pub message: String,
    #[serde(default, deserialize_with = "status_code")]
    pub code: i32,
}

#[derive(Deserialize)]
pub struct KeyValue {
    #[serde(default, deserialize_with = "nullable")]
    pub key: String,
    pub value: Option<AnyValue>,
}

/// One of the fields, none for an absent value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the specification")]
pub struct AnyValue {
    pub string_value: Option<String>,
    pub bool_value: Option<bool>,
    pub int_value: Option<IntValue>,
    pub double_value: Option<NumberOrText<f64>>,
    pub bytes_value: Option<String>,
    pub array_value: Option<ArrayValue>,
    pub kvlist_value: Option<KvlistValue>,
}

/// JavaScript calls `1e21` an integer, which no 64 bits hold.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum IntValue {
    Int(i64),
    Double(f64),
    Text(String),
}

#[derive(Deserialize)]
pub struct ArrayValue {
    #[serde(default, deserialize_with = "nullable")]
    pub values: Vec<Option<AnyValue>>,
}

#[derive(Deserialize)]
pub struct KvlistValue {
    #[serde(default, deserialize_with = "list")]
    pub values: Vec<KeyValue>,
}
