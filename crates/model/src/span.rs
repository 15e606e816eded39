//! The one span model that every format is decoded into.
//!
//! Field meanings follow `opentelemetry/proto/trace/v1/trace.proto`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Attributes, SpanId, TraceId};

/// The part a span plays in a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Not told.
    #[default]
    Unspecified,
    /// Work inside a service.
    Internal,
    /// Handles a request.
    Server,
    /// Sends a request and waits for its response.
    Client,
    /// Sends a message that is handled later.
    Producer,
    /// Handles a message.
    Consumer,
}

impl SpanKind {
    const ALL: [Self; 6] =
        [Self::Unspecified, Self::Internal, Self::Server, Self::Client, Self::Producer, Self::Consumer];

    /// From OTLP's number; unknown numbers count as unspecified, as the specification asks.
    pub fn from_number(number: i32) -> Self {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n).copied()).unwrap_or_default()
    }

    /// OTLP's number, also the stored one.
    pub fn number(self) -> i16 {
        self as i16
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpanStatus {
    /// Not told: no error as far as anybody said.
    #[default]
    Unset,
    /// Somebody said explicitly that it went well.
    Ok,
    /// It failed.
    Error,
}

impl SpanStatus {
    /// From OTLP's number; unknown numbers count as unset.
    pub fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// OTLP's number, also the stored one.
    pub fn number(self) -> i16 {
        self as i16
    }
}

/// Something that happened at one moment of a span, an exception for example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub time_ns: i64,
    /// What happened.
    #[serde(rename = "n")]
    pub name: String,
    /// Details.
    #[serde(rename = "a", default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
    pub dropped_attributes_count: u32,
}

/// A relation to a span that is not the parent, often in another trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The other trace.
    #[serde(rename = "t")]
    pub trace_id: TraceId,
    /// The other span.
    #[serde(rename = "s")]
    pub span_id: SpanId,
    /// W3C trace state of the other span; empty if none.
    #[serde(rename = "ts", default, skip_serializing_if = "String::is_empty")]
    pub trace_state: String,
    /// Why they are related.
    #[serde(rename = "a", default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
    pub dropped_attributes_count: u32,
    /// W3C trace flags (low 8 bits) and OTLP's "is remote" bits.
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    pub flags: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What produced the span: a process of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// `service.name` and everything else the SDK said about the process.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// Schema of the attributes; empty if not told.
    pub schema_url: String,
}

impl Resource {
    /// The name of a process that did not say its service.
    pub const UNKNOWN_SERVICE: &str = "unknown_service";

    /// `service.name`, or [`Self::UNKNOWN_SERVICE`], as the semantic conventions ask. At most the
    /// first 255 bytes; the attribute holds the whole.
    pub fn service_name(&self) -> &str {
        match self.attributes.get_str("service.name") {
            Some(name) if !name.is_empty() => &name[..name.floor_char_boundary(255)],
            _ => Self::UNKNOWN_SERVICE,
        }
    }

    /// `service.version`; empty if not told. At most the first 256 bytes: it is part of keys.
    pub fn service_version(&self) -> &str {
        let version = self.attributes.get_str("service.version").unwrap_or_default();
        &version[..version.floor_char_boundary(256)]
    }
}

/// The instrumentation library that made the span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// The library's name; empty if not told.
    pub name: String,
    /// The library's version; empty if not told.
    pub version: String,
    /// Anything else.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// Schema of the attributes; empty if not told.
    pub schema_url: String,
}

/// One operation of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own identifier, unique within the trace.
    pub span_id: SpanId,
    /// The span that caused it; none for a root.
    pub parent_span_id: Option<SpanId>,
    /// W3C trace state; empty if none.
    pub trace_state: String,
    /// W3C trace flags (low 8 bits) and OTLP's "parent is remote" bits.
    pub flags: u32,
    /// The operation.
    pub name: String,
    /// The part it plays in a call.
    pub kind: SpanKind,
    /// Nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// Not negative.
    pub duration_ns: i64,
    /// What else is known.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// What happened during it.
    pub events: Vec<Event>,
    /// Events that the client dropped.
    pub dropped_events_count: u32,
    /// Related spans.
    pub links: Vec<Link>,
    /// Links that the client dropped.
    pub dropped_links_count: u32,
    /// How it ended.
    pub status: SpanStatus,
    /// Why it failed; empty if not told.
    pub status_message: String,
    /// The process; shared by the spans of a request.
    pub resource: Arc<Resource>,
    /// The instrumentation library; shared by the spans of a request.
    pub scope: Arc<Scope>,
}

impl Span {
    /// The attribute of a server's half ([`SpanId::server_half`]) that holds the parent of both halves
    /// as text: its parent where the client's half never came.
    pub const SHARED_PARENT: &str = "zipkin.parent_id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_otlp() {
        assert_eq!(SpanKind::from_number(2), SpanKind::Server);
        assert_eq!(SpanKind::Consumer.number(), 5);
        assert_eq!(SpanKind::from_number(99), SpanKind::Unspecified);
        assert_eq!(SpanStatus::from_number(2), SpanStatus::Error);
        assert_eq!(SpanStatus::from_number(-1), SpanStatus::Unset);
    }

    #[test]
    fn a_process_without_a_name_is_an_unknown_service() {
        assert_eq!(Resource::default().service_name(), "unknown_service");
    }
}
