//! The parameters of searching and counting log records.

use sha2::{Digest, Sha256};
use spanloom_model::api::FieldError;
use spanloom_model::{LogLevel, SpanId, TraceId};

use super::cursor::Cursor;
use crate::query::params::{Params, SECOND_NS, TimeRange, check_text};
use crate::query::traces::params::{SERVICE_CHARS_MAX, Tag, parse_limit, tags};

/// Characters of the searched text at most.
pub const TEXT_CHARS_MAX: usize = 500;
/// Words of the searched text at most.
const WORDS_MAX: usize = 10;
/// Services at most.
pub const SERVICES_MAX: usize = 20;
const LIMIT_DEFAULT: u32 = 100;
/// Buckets of a histogram at most.
pub const BUCKETS_MAX: u32 = 300;
const BUCKETS_DEFAULT: u32 = 60;

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one of these services; of any if there are none.
    pub services: Vec<String>,
    /// At least this severe.
    pub level_min: Option<LogLevel>,
    /// All of these occur in the body, in upper or lower case.
    pub words: Vec<String>,
    /// The record or its process has all of these.
    pub tags: Vec<Tag>,
    /// Of this trace.
    pub trace_id: Option<TraceId>,
    /// Of this span.
    pub span_id: Option<SpanId>,
}

/// A search for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchParams {
    /// Which records.
    pub filter: Filter,
    /// When they were told.
    pub range: TimeRange,
    /// Records on the page.
    pub limit: usize,
    /// Where the page begins; none for the first.
    pub cursor: Option<Cursor>,
    /// Identifies the search across its pages.
    pub fingerprint: u64,
}

impl SearchParams {
    /// Reads and checks everything; the error lists all that is wrong.
    pub fn parse(mut params: Params, limit_max: u32, now_ns: i64) -> Result<Self, Vec<FieldError>> {
        let filter = filter(&mut params);
        let (start_ns, end_ns) = params.times();
        let limit = params.parsed("limit", |text| parse_limit(text, limit_max));
        let fingerprint = fingerprint(&filter, start_ns, end_ns);
        let cursor = params.parsed("cursor", |text| {
            Cursor::decode(text, fingerprint)
                .ok_or_else(|| "is not a cursor of this search: leave it out for the first page".to_owned())
        });
        let range = match &cursor {
            Some(cursor) => cursor.range(),
            None => range(&mut params, &filter, (start_ns, end_ns), now_ns),
        };
        params.finish()?;
        let limit = limit.unwrap_or(LIMIT_DEFAULT.min(limit_max)) as usize;
        Ok(Self { filter, range, limit, cursor, fingerprint })
    }
}

/// A histogram that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramParams {
    /// Which records.
    pub filter: Filter,
    /// When they were told.
    pub range: TimeRange,
    /// How long a bucket is.
    pub step_seconds: u32,
}

/// Lengths of buckets that people count in, in seconds.
const STEPS: [u32; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800,
];

impl HistogramParams {
    /// Reads and checks everything; the error lists all that is wrong.
    pub fn parse(mut params: Params, now_ns: i64) -> Result<Self, Vec<FieldError>> {
        let filter = filter(&mut params);
        let times = params.times();
        let buckets = params.parsed("buckets", |text| match text.parse::<u32>() {
            Ok(buckets) if (1..=BUCKETS_MAX).contains(&buckets) => Ok(buckets),
            _ => Err(format!("must be an integer from 1 to {BUCKETS_MAX}")),
        });
        let range = range(&mut params, &filter, times, now_ns);
        params.finish()?;
        let step_seconds = step_seconds(range, buckets.unwrap_or(BUCKETS_DEFAULT));
        Ok(Self { filter, range, step_seconds })
    }
}

/// The shortest step with which the range has at most so many buckets, and one more where it begins in
/// the middle of one.
fn step_seconds(range: TimeRange, buckets: u32) -> u32 {
    let length_s = (range.end_ns - range.start_ns).max(0) as f64 / SECOND_NS as f64;
    let exact = length_s / f64::from(buckets);
    let weeks = || (exact / 604_800.0).ceil() as u32 * 604_800;
    STEPS.into_iter().find(|step| f64::from(*step) >= exact).unwrap_or_else(weeks)
}

/// Whoever names a trace need not know when it was; clocks may run ahead of ours.
fn range(
    params: &mut Params,
    filter: &Filter,
    (start_ns, end_ns): (Option<i64>, Option<i64>),
    now_ns: i64,
) -> TimeRange {
    if filter.trace_id.is_none() {
        return params.range_of(start_ns, end_ns, now_ns);
    }
    let end_ns = end_ns.unwrap_or(now_ns.saturating_add(86_400 * SECOND_NS));
    params.range_of(start_ns.or(Some(0)), Some(end_ns), now_ns)
}

fn filter(params: &mut Params) -> Filter {
    let trace_id = params.parsed("traceId", |text| text.parse::<TraceId>().map_err(|e| e.to_string()));
    let span_id = params.parsed("spanId", |text| text.parse::<SpanId>().map_err(|e| e.to_string()));
    if span_id.is_some() && trace_id.is_none() {
        params.reject("spanId", "needs traceId");
    }
    let level_min = params.parsed("severity", |text| {
        LogLevel::named(text).ok_or_else(|| "must be trace, debug, info, warn, error or fatal".to_owned())
    });
    let services = params.many("serviceName");
    if services.len() > SERVICES_MAX {
        params.reject("serviceName", format!("must be given at most {SERVICES_MAX} times"));
    }
    for service in &services {
        if let Err(message) = check_text(service, SERVICE_CHARS_MAX) {
            params.reject("serviceName", message);
        }
    }
    let text = params.text("text", TEXT_CHARS_MAX).unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if words.len() > WORDS_MAX {
        params.reject("text", format!("must have at most {WORDS_MAX} words"));
    }
    Filter { services, level_min, words, tags: tags(params), trace_id, span_id }
}

/// The first bytes of a hash over everything but limit and cursor: a guard against mistakes.
fn fingerprint(filter: &Filter, start_ns: Option<i64>, end_ns: Option<i64>) -> u64 {
    let hash = Sha256::digest(format!("{filter:?} {start_ns:?} {end_ns:?}"));
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: i64 = 1_000_000 * SECOND_NS;

    fn params(query: &[(&str, &str)]) -> Params {
        Params::new(query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn all_parameters_are_read() {
        let search = SearchParams::parse(
            params(&[
                ("serviceName", "cart"),
                ("serviceName", "checkout"),
                ("severity", "warn"),
                ("text", " Declined  card "),
                ("tag", "http.url=/a?b=c"),
                ("traceId", "4bf92f3577b34da6a3ce929d0e0e4736"),
                ("spanId", "00f067aa0ba902b7"),
                ("limit", "5"),
            ]),
            1_000,
            NOW_NS,
        )
        .unwrap();
        let filter = search.filter;
        assert_eq!(filter.services, ["cart", "checkout"]);
        assert_eq!(filter.level_min, Some(LogLevel::Warn));
        assert_eq!(filter.words, ["Declined", "card"]);
        assert_eq!(filter.tags[0].value, "/a?b=c");
        assert!(filter.trace_id.is_some() && filter.span_id.is_some());
        assert_eq!((search.limit, search.range.start_ns), (5, 0));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let many = "a ".repeat(WORDS_MAX + 1);
        let wrong = params(&[
            ("severity", "loud"),
            ("text", &many),
            ("spanId", "00f067aa0ba902b7"),
            ("cursor", "x"),
            ("service", "typo"),
        ]);
        let errors = SearchParams::parse(wrong, 1_000, NOW_NS).unwrap_err();
        let mut fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["cursor", "service", "severity", "spanId", "text"]);
        let errors = HistogramParams::parse(params(&[("buckets", "301")]), NOW_NS).unwrap_err();
        assert_eq!(errors[0].field, "buckets");
    }

    /// Catches a chart with a bar for every second of a week.
    #[test]
    fn steps_are_round_and_few() {
        let step = |seconds: i64, buckets| {
            step_seconds(TimeRange { start_ns: 0, end_ns: seconds * SECOND_NS }, buckets)
        };
        assert_eq!(step(3_600, 60), 60);
        assert_eq!(step(3_601, 60), 120);
        assert_eq!(step(7 * 86_400, 60), 10_800);
        assert_eq!(step(0, 60), 1);
        assert_eq!(step(50 * 365 * 86_400, 60), 604_800 * 44);
    }
}
