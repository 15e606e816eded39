//! What the decoders of log records have in common.

use std::time::Duration;

use spanloom_model::{LogRecord, SpanId, TraceId};

use crate::{Rejected, Rejection, TimeBounds};

/// Records of one request at most: an empty one takes two bytes on the wire and hundreds in memory.
pub const RECORDS_PER_REQUEST_MAX: usize = 100_000;

/// What a request held.
#[derive(Debug, Default)]
pub struct DecodedLogs {
    /// Records worth keeping, in the order sent.
    pub logs: Vec<LogRecord>,
    /// What is left out of `logs`.
    pub rejected: Rejected,
}

/// When a record may be of, and when its request was received.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Records of other times are not kept.
    pub times: TimeBounds,
    /// The time of records that tell none, nanoseconds since the Unix epoch.
    pub received_ns: i64,
}

impl LogBounds {
    /// No bounds: for records whose times were checked, and filled in, before.
    pub const ANY: Self = Self { times: TimeBounds::ANY, received_ns: 0 };

    /// Around `now_ns`, when the request was received.
    pub fn around(now_ns: i64, retention: Duration, future: Duration) -> Self {
        Self { times: TimeBounds::around(now_ns, retention, future), received_ns: now_ns }
    }

    /// The time of a record and of its observation. What is not told is the other one, or when the
    /// request was received.
    pub(crate) fn check(&self, sent: RawTimes) -> Result<(i64, i64), Rejection> {
        let RawTimes { time_ns, observed_ns } = sent;
        let received_ns = u64::try_from(self.received_ns).unwrap_or_default();
        let told_ns = if time_ns > 0 { time_ns } else { observed_ns };
        let (time_ns, _) =
            self.times.check(if told_ns > 0 { told_ns } else { received_ns }, u64::MAX >> 1)?;
        // A wrong clock of the collector is no reason to refuse what it collected.
        let observed_ns = i64::try_from(observed_ns).ok().filter(|ns| *ns > 0).unwrap_or(self.received_ns);
        Ok((time_ns, observed_ns))
    }
}

/// Times as they are sent: 0 is not told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawTimes {
    pub time_ns: u64,
    pub observed_ns: u64,
}

/// Numbers that do not exist count as not told.
pub(crate) fn severity(number: i32) -> u8 {
    u8::try_from(number).ok().filter(|number| *number <= 24).unwrap_or_default()
}

/// The trace and the span of a record. With an id that is none the record is kept without a trace, as
/// the specification asks; a span is told only within a trace.
pub(crate) fn place(trace: &[u8], span: &[u8]) -> (Option<TraceId>, Option<SpanId>) {
    let trace_id = TraceId::from_bytes(trace).ok();
    let span_id = trace_id.and_then(|_| SpanId::from_bytes(span).ok());
    (trace_id, span_id)
}
