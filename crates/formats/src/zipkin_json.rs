//! Zipkin's JSON encoding, version 2: a list of spans.
//!
//! A fault anywhere refuses the request, as Zipkin does; its answer to a good one has no room for
//! explanations. What clients send in practice is read: numbers as text, text as numbers, `null` for
//! what is absent, ids shorter than they should be, unknown fields.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use spanloom_model::{SpanId, SpanKind, TraceId};

use super::zipkin::{self, Endpoint, ZipkinSpan};
use super::{Decoded, SPANS_PER_REQUEST_MAX, TimeBounds};

/// Turns a body into spans. The error says where the JSON does not fit.
pub fn decode(body: &[u8], bounds: TimeBounds) -> Result<Decoded, String> {
    // Clients flush nothing, too.
    if body.is_empty() {
        return Ok(Decoded::default());
    }
    let spans: Spans = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(zipkin::convert(spans.0, bounds))
}

/// A span on its way: what its neighbours say of it is not known yet.
pub struct PendingSpan(ZipkinSpan);

/// Reads one span of a list that is too long to be held. The error says where the JSON does not fit,
/// if its form is at fault.
pub fn parse_span(body: &[u8]) -> Result<PendingSpan, serde_json::Error> {
    let span: JsonSpan = serde_json::from_slice(body)?;
    span.check().map(PendingSpan).map_err(de::Error::custom)
}

/// Turns neighbours into spans.
pub fn convert(pending: Vec<PendingSpan>, bounds: TimeBounds) -> Decoded {
    zipkin::convert(pending.into_iter().map(|pending| pending.0).collect(), bounds)
}

struct Spans(Vec<ZipkinSpan>);

impl<'de> Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(SpansVisitor)
    }
}

struct SpansVisitor;

impl<'de> Visitor<'de> for SpansVisitor {
    type Value = Spans;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of Zipkin v2 spans")
    }

    /// Each span is checked before the next is read: a list of empty ones ends at the first.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Spans, A::Error> {
        let mut spans = Vec::new();
        while let Some(span) = list.next_element::<JsonSpan>()? {
            let index = spans.len();
            if index == SPANS_PER_REQUEST_MAX {
                return Err(de::Error::custom(format!(
                    "at most {SPANS_PER_REQUEST_MAX} spans in a request"
                )));
            }
            let checked = span.check();
            spans.push(checked.map_err(|fault| de::Error::custom(format!("[{index}].{fault}")))?);
        }
        Ok(Spans(spans))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonSpan<'a> {
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    parent_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    name: Option<String>,
    #[serde(default)]
    timestamp: Scalar,
    #[serde(default)]
    duration: Scalar,
    debug: Option<bool>,
    shared: Option<bool>,
    local_endpoint: Option<JsonEndpoint>,
    remote_endpoint: Option<JsonEndpoint>,
    annotations: Option<Vec<JsonAnnotation>>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonEndpoint {
    service_name: Option<String>,
    ipv4: Option<String>,
    ipv6: Option<String>,
    #[serde(default)]
    port: Scalar,
}

#[derive(Deserialize)]
struct JsonAnnotation {
    #[serde(default)]
    timestamp: Scalar,
    value: String,
}

impl JsonSpan<'_> {
    fn check(self) -> Result<ZipkinSpan, String> {
        Ok(ZipkinSpan {
            trace_id: trace_id(self.trace_id.as_deref().unwrap_or_default())?,
            span_id: span_id("id", self.id.as_deref().unwrap_or_default())?,
            parent_span_id: parent_id(self.parent_id.as_deref().unwrap_or_default())?,
            kind: kind(self.kind.as_deref().unwrap_or_default())?,
            shared: self.shared.unwrap_or_default(),
            debug: self.debug.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            timestamp_us: self.timestamp.number("timestamp")?,
            duration_us: self.duration.number("duration")?,
            local: endpoint(self.local_endpoint)?,
            remote: endpoint(self.remote_endpoint)?,
            annotations: self
                .annotations
                .unwrap_or_default()
                .into_iter()
                .map(|annotation| Ok((annotation.timestamp.number("annotations")?, annotation.value)))
                .collect::<Result<_, String>>()?,
            tags: self.tags.unwrap_or_default().0,
        })
    }
}

/// At most `digits_max` hexadecimal digits, zeros to the left left out.
fn hex_number(field: &str, text: &str, digits_max: usize) -> Result<u128, String> {
    let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number =
        (is_hex && text.len() <= digits_max).then(|| u128::from_str_radix(text, 16).ok()).flatten();
    number.ok_or_else(|| format!("{field} must be 1 to {digits_max} hexadecimal digits"))
}

fn trace_id(text: &str) -> Result<TraceId, String> {
    TraceId::new(hex_number("traceId", text, 32)?).map_err(|error| format!("traceId {error}"))
}

fn span_id(field: &str, text: &str) -> Result<SpanId, String> {
    // Sixteen digits fit.
    SpanId::new(hex_number(field, text, 16)? as u64).map_err(|error| format!("{field} {error}"))
}

/// Zero is what some clients send for "none".
fn parent_id(text: &str) -> Result<Option<SpanId>, String> {
    if text.bytes().all(|byte| byte == b'0') {
        return Ok(None);
    }
    span_id("parentId", text).map(Some)
}

fn kind(text: &str) -> Result<SpanKind, String> {
    match text.to_ascii_uppercase().as_str() {
        "" => Ok(SpanKind::Unspecified),
        "CLIENT" => Ok(SpanKind::Client),
        "SERVER" => Ok(SpanKind::Server),
        "PRODUCER" => Ok(SpanKind::Producer),
        "CONSUMER" => Ok(SpanKind::Consumer),
        _ => Err("kind must be CLIENT, SERVER, PRODUCER or CONSUMER".to_owned()),
    }
}

fn endpoint(sent: Option<JsonEndpoint>) -> Result<Endpoint, String> {
    let Some(sent) = sent else { return Ok(Endpoint::default()) };
    let port = sent.port.number("port")?;
    Ok(Endpoint {
        service_name: sent.service_name.unwrap_or_default(),
        ipv4: sent.ipv4.unwrap_or_default(),
        ipv6: sent.ipv6.unwrap_or_default(),
        port: u16::try_from(port).map_err(|_| "port must be at most 65535".to_owned())?,
    })
}

/// Tags in the order sent; those without a value are left out.
#[derive(Default)]
struct Tags(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagsVisitor;
        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tags")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Scalar>()? {
                    tags.extend(value.text().map(|text| (key, text)));
                }
                Ok(Tags(tags))
            }
        }
        deserializer.deserialize_map(TagsVisitor)
    }
}

/// A JSON value without parts.
#[derive(Default)]
enum Scalar {
    #[default]
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Double(f64),
    Text(String),
}

impl Scalar {
    /// A whole number that is not negative; zero if absent.
    fn number(&self, field: &str) -> Result<u64, String> {
        let number = match self {
            Self::Null => Some(0),
            Self::Bool(_) => None,
            Self::Unsigned(number) => Some(*number),
            // Zipkin takes a time before 1970 for none.
            Self::Signed(number) => Some(u64::try_from(*number).unwrap_or(0)),
            // Saturates; NaN is not JSON.
            Self::Double(number) => Some(*number as u64),
            Self::Text(text) => text.parse().ok(),
        };
        number.ok_or_else(|| format!("{field} must be a whole number"))
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Unsigned(number) => Some(number.to_string()),
            Self::Signed(number) => Some(number.to_string()),
            Self::Double(number) => Some(number.to_string()),
            Self::Text(text) => Some(text),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text))
    }
}
