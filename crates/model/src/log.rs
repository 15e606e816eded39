//! A log record, and how severe it is.
//!
//! Field meanings follow `opentelemetry/proto/logs/v1/logs.proto`.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AttrValue, Attributes, Resource, Scope, SpanId, TraceId};

/// Severities as people filter by them: four of OTLP's numbers each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Not told.
    #[default]
    Unset,
    /// Numbers 1 to 4.
    Trace,
    /// Numbers 5 to 8.
    Debug,
    /// Numbers 9 to 12.
    Info,
    /// Numbers 13 to 16.
    Warn,
    /// Numbers 17 to 20.
    Error,
    /// Numbers 21 to 24.
    Fatal,
}

impl LogLevel {
    /// All of them, the least severe first.
    pub const ALL: [Self; 7] =
        [Self::Unset, Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The level of an OTLP severity number.
    pub fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number).div_ceil(4)).copied().unwrap_or_default()
    }

    /// The lowest of OTLP's numbers at this level.
    pub fn number_min(self) -> u8 {
        // Below what is told is what is not: 0; then 1, 5, 9 and so on.
        (self as u8 * 4).saturating_sub(3)
    }

    /// The name in the API and in addresses of pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The level of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// Something that a process told at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// When it happened, nanoseconds since the Unix epoch; when it was observed if that is not known.
    pub time_ns: i64,
    /// When it was collected, nanoseconds since the Unix epoch.
    pub observed_ns: i64,
    /// OTLP's number: 1 to 24, 0 if not told. See [`LogLevel`].
    pub severity_number: u8,
    /// The level as the source calls it; empty if not told.
    pub severity_text: String,
    /// What kind of event it is; empty for most records.
    pub event_name: String,
    /// What was told: text as a rule.
    pub body: AttrValue,
    /// What else is known.
    pub attributes: Attributes,
    /// Attributes that the client dropped.
    pub dropped_attributes_count: u32,
    /// The trace during which it was told.
    pub trace_id: Option<TraceId>,
    /// The span of that trace; none without a trace.
    pub span_id: Option<SpanId>,
    /// W3C trace flags (low 8 bits).
    pub flags: u32,
    /// The process; shared by the records of a request.
    pub resource: Arc<Resource>,
    /// The logger; shared by the records of a request.
    pub scope: Arc<Scope>,
}

impl LogRecord {
    /// The body as it is stored: text as it is, everything else as JSON; empty if there is none.
    pub fn body_text(&self) -> Cow<'_, str> {
        match &self.body {
            AttrValue::Null => Cow::Borrowed(""),
            AttrValue::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_fours_of_numbers() {
        let cases = [
            (0, LogLevel::Unset),
            (1, LogLevel::Trace),
            (4, LogLevel::Trace),
            (5, LogLevel::Debug),
            (9, LogLevel::Info),
            (12, LogLevel::Info),
            (13, LogLevel::Warn),
            (17, LogLevel::Error),
            (24, LogLevel::Fatal),
            (25, LogLevel::Unset),
        ];
        for (number, level) in cases {
            assert_eq!(LogLevel::of_number(number), level, "{number}");
        }
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::of_number(level.number_min()), level);
            assert_eq!(LogLevel::named(level.name()), Some(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
        }
    }
}
