//! Wire formats of spans and log records into the one model. Pure: bytes in, spans out.

mod jaeger;
pub mod jaeger_json;
pub mod jaeger_proto;
pub mod jaeger_thrift;
pub mod limits;
pub mod logs;
pub mod native;
mod otel_tags;
pub mod otlp;
pub mod otlp_client;
pub mod otlp_json;
pub mod protobuf;
pub mod tempo_json;
mod thrift;
mod zipkin;
mod zipkin_annotation;
pub mod zipkin_json;
pub mod zipkin_proto;

use std::time::Duration;

use spanloom_model::{AttrValue, Attributes, Key, Span, SpanId, TraceId};

/// Why a span or a log record was not kept. The names are the `reason` label of the metrics
/// `spanloom_spans_rejected_total` and `spanloom_log_records_rejected_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The trace id is not 16 bytes, or all zero.
    TraceId,
    /// The span id is not 8 bytes, or all zero.
    SpanId,
    /// The parent's id is neither empty nor 8 bytes.
    ParentSpanId,
    /// The span ends before it starts.
    NegativeDuration,
    /// The span started before the retention period.
    TooOld,
    /// The span starts further in the future than clocks may differ.
    InFuture,
    /// The span's service sends more than it may.
    ServiceRateLimit,
    /// The format lets the start be left out, and nothing else tells it.
    NoStart,
    /// The request holds more log records than one may.
    TooMany,
}

impl Rejection {
    /// The metric's label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TraceId => "invalid_trace_id",
            Self::SpanId => "invalid_span_id",
            Self::ParentSpanId => "invalid_parent_span_id",
            Self::NegativeDuration => "negative_duration",
            Self::TooOld => "too_old",
            Self::InFuture => "in_future",
            Self::ServiceRateLimit => "service_rate_limit",
            Self::NoStart => "no_start_time",
            Self::TooMany => "too_many",
        }
    }

    /// The same for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::TraceId => "the trace id must be 16 bytes, not all zero",
            Self::SpanId => "the span id must be 8 bytes, not all zero",
            Self::ParentSpanId => "the parent span id must be empty or 8 bytes",
            Self::NegativeDuration => "the span ends before it starts",
            Self::TooOld => "the span started before the retention period",
            Self::InFuture => "the span starts in the future: check the clock of its host",
            Self::ServiceRateLimit => "the service sends more than its rate limit",
            Self::NoStart => "neither the span nor its annotations nor its trace tell when it started",
            Self::TooMany => "the request holds more than 100,000",
        }
    }

    /// The same where it is about a log record.
    fn log_message(self) -> &'static str {
        match self {
            Self::TooOld => "the record is older than the retention period",
            Self::InFuture => "the record is of the future: check the clock of its host",
            other => other.message(),
        }
    }

    const ALL: [Self; 9] = [
        Self::TraceId,
        Self::SpanId,
        Self::ParentSpanId,
        Self::NegativeDuration,
        Self::TooOld,
        Self::InFuture,
        Self::ServiceRateLimit,
        Self::NoStart,
        Self::TooMany,
    ];
}

/// How many spans of a request were not kept, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    counts: [u64; Rejection::ALL.len()],
}

impl Rejected {
    /// Counts one more.
    pub fn add(&mut self, rejection: Rejection) {
        self.add_many(rejection, 1);
    }

    /// Counts some more.
    pub fn add_many(&mut self, rejection: Rejection, count: u64) {
        self.counts[rejection as usize] += count;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// One line for the client; empty if nothing was rejected.
    pub fn message(&self) -> String {
        let reasons: Vec<String> = self
            .iter()
            .map(|(rejection, count)| format!("{count} spans: {}", rejection.message()))
            .collect();
        reasons.join("; ")
    }

    /// The same where log records were rejected.
    pub fn log_message(&self) -> String {
        let reasons: Vec<String> = self
            .iter()
            .map(|(rejection, count)| format!("{count} log records: {}", rejection.log_message()))
            .collect();
        reasons.join("; ")
    }
}

/// Spans of one Zipkin or Jaeger request at most: an empty span takes a byte or two on the wire and
/// hundreds in memory.
pub const SPANS_PER_REQUEST_MAX: usize = 100_000;

/// What a request held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Spans worth keeping, in the order sent.
    pub spans: Vec<Span>,
    /// What is left out of `spans`.
    pub rejected: Rejected,
}

/// When a span may start, nanoseconds since the epoch, both inclusive.
#[derive(Debug, Clone, Copy)]
pub struct TimeBounds {
    /// Earlier spans are past retention.
    pub oldest_ns: i64,
    /// Later spans have a wrong clock.
    pub newest_ns: i64,
}

impl TimeBounds {
    /// No bounds: for spans whose start was checked before.
    pub const ANY: Self = Self { oldest_ns: i64::MIN, newest_ns: i64::MAX };

    /// Around `now_ns`.
    pub fn around(now_ns: i64, retention: Duration, future: Duration) -> Self {
        Self { oldest_ns: now_ns - nanos(retention), newest_ns: now_ns + nanos(future) }
    }

    /// Checks start and end of a span, both in nanoseconds since the epoch; gives its duration.
    pub fn check(&self, start_ns: u64, end_ns: u64) -> Result<(i64, i64), Rejection> {
        // Beyond i64 lies the year 2262.
        let start_ns = i64::try_from(start_ns).map_err(|_| Rejection::InFuture)?;
        if start_ns < self.oldest_ns {
            return Err(Rejection::TooOld);
        }
        if start_ns > self.newest_ns {
            return Err(Rejection::InFuture);
        }
        let end_ns = i64::try_from(end_ns).map_err(|_| Rejection::InFuture)?;
        if end_ns < start_ns {
            return Err(Rejection::NegativeDuration);
        }
        Ok((start_ns, end_ns - start_ns))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A span's ids as OTLP sends them: bytes of any length.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawIds<'a> {
    pub trace: &'a [u8],
    pub span: &'a [u8],
    pub parent: &'a [u8],
}

impl RawIds<'_> {
    /// The ids, or what is wrong with them.
    pub fn check(self) -> Result<(TraceId, SpanId, Option<SpanId>), Rejection> {
        let trace_id = TraceId::from_bytes(self.trace).map_err(|_| Rejection::TraceId)?;
        let span_id = SpanId::from_bytes(self.span).map_err(|_| Rejection::SpanId)?;
        // Empty means root; so do eight zero bytes, which some SDKs send.
        if self.parent.is_empty() || self.parent == [0; 8] {
            return Ok((trace_id, span_id, None));
        }
        let parent = SpanId::from_bytes(self.parent).map_err(|_| Rejection::ParentSpanId)?;
        Ok((trace_id, span_id, Some(parent)))
    }
}

/// PostgreSQL's text cannot hold NUL: it becomes the replacement character.
pub(crate) fn clean(text: String) -> String {
    if has_nul(&text) { text.replace('\0', "\u{fffd}") } else { text }
}

pub(crate) fn clean_key(key: &str) -> Key {
    if has_nul(key) { key.replace('\0', "\u{fffd}").into() } else { key.into() }
}

/// Eight bytes at a time: texts are short, and calling for something faster takes longer.
fn has_nul(text: &str) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    let (chunks, rest) = text.as_bytes().as_chunks();
    // Subtracting one borrows from the top bit of a byte that is zero, or of one that has it anyway.
    let zeros = chunks
        .iter()
        .map(|chunk| u64::from_le_bytes(*chunk))
        .fold(0, |zeros, word| zeros | (word.wrapping_sub(ONES) & !word & (ONES << 7)));
    zeros != 0 || rest.contains(&0)
}

/// The same for all text inside a value.
pub(crate) fn clean_value(value: AttrValue) -> AttrValue {
    match value {
        AttrValue::String(text) => AttrValue::String(clean(text)),
        AttrValue::Array(values) => AttrValue::Array(values.into_iter().map(clean_value).collect()),
        AttrValue::Map(map) => AttrValue::Map(clean_attributes(map)),
        other => other,
    }
}

pub(crate) fn clean_attributes(attributes: Attributes) -> Attributes {
    let entries = attributes.into_keyed().into_iter();
    Attributes::from_keyed(entries.map(|(key, value)| (clean_key(&key), clean_value(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_bounds_tell_each_fault_apart() {
        let bounds = TimeBounds { oldest_ns: 1_000, newest_ns: 2_000 };
        assert_eq!(bounds.check(1_000, 1_000), Ok((1_000, 0)), "the bounds are inclusive");
        assert_eq!(bounds.check(2_000, 9_000), Ok((2_000, 7_000)), "only the start is bounded");
        assert_eq!(bounds.check(999, 1_500), Err(Rejection::TooOld));
        assert_eq!(bounds.check(2_001, 2_002), Err(Rejection::InFuture));
        assert_eq!(bounds.check(u64::MAX, 0), Err(Rejection::InFuture));
        assert_eq!(bounds.check(1_500, 1_499), Err(Rejection::NegativeDuration));
    }

    #[test]
    fn the_message_counts_by_reason() {
        let mut rejected = Rejected::default();
        assert_eq!(rejected.message(), "");
        rejected.add(Rejection::SpanId);
        rejected.add(Rejection::SpanId);
        rejected.add(Rejection::TooOld);
        assert_eq!(rejected.total(), 3);
        assert_eq!(
            rejected.message(),
            "2 spans: the span id must be 8 bytes, not all zero; \
             1 spans: the span started before the retention period"
        );
    }
}
