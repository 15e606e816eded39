//! Query parameters: each is read once, and everything that is wrong is told at once.

use chrono::{DateTime, Utc};
use spanloom_model::SpanKind;
use spanloom_model::api::FieldError;

/// Nanoseconds per second.
pub const SECOND_NS: i64 = 1_000_000_000;

const KINDS: [(&str, SpanKind); 6] = [
    ("unspecified", SpanKind::Unspecified),
    ("internal", SpanKind::Internal),
    ("server", SpanKind::Server),
    ("client", SpanKind::Client),
    ("producer", SpanKind::Producer),
    ("consumer", SpanKind::Consumer),
];

const DEFAULT_RANGE_NS: i64 = 3600 * SECOND_NS;

/// From `start_ns` to before `end_ns`, nanoseconds since the Unix epoch; start <= end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// Inclusive.
    pub start_ns: i64,
    /// Exclusive.
    pub end_ns: i64,
}

impl TimeRange {
    /// The start as stored: rounded down to the microsecond.
    pub fn start_us(self) -> i64 {
        self.start_ns.div_euclid(1000)
    }

    /// The end as stored: rounded up to the microsecond.
    pub fn end_us(self) -> i64 {
        self.end_ns.div_euclid(1000) + i64::from(self.end_ns.rem_euclid(1000) > 0)
    }
}

/// A window of whole minutes.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Inclusive.
    pub start: DateTime<Utc>,
    /// Exclusive.
    pub end: DateTime<Utc>,
}

impl Window {
    /// How long it is.
    pub fn seconds(self) -> f64 {
        (self.end - self.start).num_seconds() as f64
    }
}

/// The parameters of a request that have not been read yet, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Params {
    /// Takes names and values in the order of the query string. Empty values count as absent, as
    /// forms send them.
    pub fn new(mut pairs: Vec<(String, String)>) -> Self {
        pairs.retain(|(_, value)| !value.is_empty());
        Self { pairs, errors: Vec::new() }
    }

    /// Notes that `field` is wrong.
    pub fn reject(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// All values of a parameter that may be repeated.
    pub fn many(&mut self, name: &str) -> Vec<String> {
        self.pairs.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect()
    }

    /// The value of a parameter.
    pub fn one(&mut self, name: &str) -> Option<String> {
        let mut values = self.many(name);
        if values.len() > 1 {
            self.reject(name, "must be given once");
        }
        values.pop()
    }

    /// Text of at most `chars_max` characters.
    pub fn text(&mut self, name: &str, chars_max: usize) -> Option<String> {
        let text = self.one(name)?;
        match check_text(&text, chars_max) {
            Ok(()) => Some(text),
            Err(message) => {
                self.reject(name, message);
                None
            }
        }
    }

    /// What `parse` makes of the parameter; its error is the message.
    pub fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match parse(&self.one(name)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.reject(name, message);
                None
            }
        }
    }

    /// `kind`, which may be repeated: the kinds of spans, sorted, each once.
    pub fn kinds(&mut self) -> Vec<SpanKind> {
        let mut kinds = Vec::new();
        for text in self.many("kind") {
            match named(&KINDS, &text) {
                Ok(kind) => kinds.push(kind),
                Err(message) => self.reject("kind", message),
            }
        }
        kinds.sort_unstable_by_key(|kind| kind.number());
        kinds.dedup();
        kinds
    }

    /// `startTime` and `endTime` where they are given, in nanoseconds.
    pub fn times(&mut self) -> (Option<i64>, Option<i64>) {
        let start_ns = self.parsed("startTime", parse_time);
        let end_ns = self.parsed("endTime", parse_time);
        if let (Some(start_ns), Some(end_ns)) = (start_ns, end_ns)
            && start_ns > end_ns
        {
            self.reject("startTime", "must not be after endTime");
        }
        (start_ns, end_ns)
    }

    /// `startTime` and `endTime`; the default is the hour before the end, the end is now.
    pub fn range(&mut self, now_ns: i64) -> TimeRange {
        let (start_ns, end_ns) = self.times();
        self.range_of(start_ns, end_ns, now_ns)
    }

    /// The range of two times that may be absent.
    pub fn range_of(&mut self, start_ns: Option<i64>, end_ns: Option<i64>, now_ns: i64) -> TimeRange {
        if end_ns.is_none() && start_ns.is_some_and(|start_ns| start_ns > now_ns) {
            self.reject("startTime", "must not be after now, the default of endTime");
        }
        let end_ns = end_ns.unwrap_or(now_ns);
        let start_ns = start_ns.unwrap_or(end_ns.saturating_sub(DEFAULT_RANGE_NS));
        TimeRange { start_ns: start_ns.min(end_ns), end_ns }
    }

    /// Everything that is wrong, parameters that nobody read included.
    pub fn finish(mut self) -> Result<(), Vec<FieldError>> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            if !self.errors.iter().any(|error| error.field == name) {
                self.reject(&name, "is not a parameter of this operation");
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

/// The value of that name; the error tells all names.
pub fn named<T: Copy>(known: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// Whether the database can hold the text and it is not too long.
pub fn check_text(text: &str, chars_max: usize) -> Result<(), String> {
    if text.contains('\0') {
        return Err("must not contain a null character".to_owned());
    }
    if text.chars().count() > chars_max {
        return Err(format!("must have at most {chars_max} characters"));
    }
    Ok(())
}

/// Now, in nanoseconds since the Unix epoch.
pub fn now_ns() -> i64 {
    Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX)
}

/// RFC 3339, or integer microseconds since the Unix epoch; returns nanoseconds.
pub fn parse_time(text: &str) -> Result<i64, String> {
    const RANGE: &str = "must lie between 1970 and 2262";
    let time_ns = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse::<i64>().ok().and_then(|time_us| time_us.checked_mul(1000)).ok_or(RANGE)?
    } else {
        let time = DateTime::parse_from_rfc3339(text).map_err(
            |_| "must be RFC 3339 like 2026-11-23T12:00:00Z, or integer microseconds since the epoch",
        )?;
        time.timestamp_nanos_opt().ok_or(RANGE)?
    };
    if time_ns < 0 { Err(RANGE.to_owned()) } else { Ok(time_ns) }
}

/// A number with a unit like `250ms` or `1.5s`, or integer microseconds; returns nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
    let wrong = || "must be like 250ms, 1.5s or 2m, or integer microseconds".to_owned();
    let long = || "must be at most 292 years".to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().ok().and_then(|us| us.checked_mul(1000)).ok_or_else(long);
    }
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let duration_ns = (number.parse::<f64>().map_err(|_| wrong())? * unit_ns).round();
    if duration_ns >= i64::MAX as f64 { Err(long()) } else { Ok(duration_ns as i64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn times_come_in_two_forms() {
        assert_eq!(parse_time("1700000000123456"), Ok(1_700_000_000_123_456_000));
        assert_eq!(parse_time("1970-01-01T00:00:01.000000001Z"), Ok(1_000_000_001));
        assert_eq!(parse_time("1970-01-01T01:00:00+01:00"), Ok(0));
        for wrong in
            ["yesterday", "1.5", "-1", "99999999999999999999", "1969-12-31T00:00:00Z", "2026-11-23"]
        {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units_or_are_microseconds() {
        assert_eq!(parse_duration("250ms"), Ok(250_000_000));
        assert_eq!(parse_duration("1.5s"), Ok(1_500_000_000));
        assert_eq!(parse_duration("1µs"), Ok(1_000));
        assert_eq!(parse_duration("10"), Ok(10_000));
        for wrong in ["ms", "1.2.3s", "5 s", "-1s", "1e3s", "1w", "NaNs", "9999999h", "9223372036854775807"]
        {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut params = params(&[
            ("startTime", "nonsense"),
            ("endTime", "1"),
            ("endTime", "2"),
            ("serviceName", "a\0b"),
            ("servicename", "typo"),
        ]);
        params.times();
        params.text("serviceName", 10);
        let fields: Vec<String> = params.finish().unwrap_err().into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["startTime", "endTime", "serviceName", "servicename"]);
    }

    #[test]
    fn a_reversed_range_is_wrong_and_an_empty_one_is_not() {
        let mut reversed = params(&[("startTime", "2"), ("endTime", "1")]);
        reversed.range(0);
        assert_eq!(reversed.finish().unwrap_err()[0].field, "startTime");
        let mut in_the_future = params(&[("startTime", "2")]);
        in_the_future.range(1);
        assert!(in_the_future.finish().is_err());
        let mut empty = params(&[("startTime", "2"), ("endTime", "2")]);
        assert_eq!(empty.range(0), TimeRange { start_ns: 2_000, end_ns: 2_000 });
        assert!(empty.finish().is_ok());
    }

    #[test]
    fn the_default_is_the_last_hour() {
        let now_ns = 7_200 * SECOND_NS;
        let range = params(&[]).range(now_ns);
        assert_eq!(range, TimeRange { start_ns: 3_600 * SECOND_NS, end_ns: now_ns });
    }

    #[test]
    fn stored_microseconds_cover_the_nanoseconds() {
        let range = TimeRange { start_ns: 1_999, end_ns: 2_001 };
        assert_eq!((range.start_us(), range.end_us()), (1, 3));
        let whole = TimeRange { start_ns: 1_000, end_ns: 2_000 };
        assert_eq!((whole.start_us(), whole.end_us()), (1, 2));
    }
}
