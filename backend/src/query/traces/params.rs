//! The parameters of a search.

use sha2::{Digest, Sha256};
use spanloom_model::api::{FieldError, SearchOrder};
use spanloom_model::{SpanKind, SpanStatus, TraceId};

use super::cursor::Cursor;
use crate::query::dependencies::call::Call;
use crate::query::params::{Params, SECOND_NS, TimeRange, check_text, named, parse_duration};

/// Characters of a service's name at most.
pub const SERVICE_CHARS_MAX: usize = 255;
/// Characters of an operation's name at most.
pub const OPERATION_CHARS_MAX: usize = 1_000;
/// Characters of an attribute's key at most.
pub const TAG_KEY_CHARS_MAX: usize = 255;
/// Characters of an attribute's value at most.
pub const TAG_VALUE_CHARS_MAX: usize = 1_000;

const TIMES_OF: [(&str, TimeOf); 2] = [("trace", TimeOf::Trace), ("span", TimeOf::Span)];

const TAGS_MAX: usize = 10;
const LIMIT_DEFAULT: u32 = 20;

/// An attribute that a span or its process must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The attribute's key.
    pub key: String,
    /// Its value as text, whatever its type.
    pub value: String,
}

/// What lies in the range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeOf {
    /// The start of the trace.
    #[default]
    Trace,
    /// The start of the span that satisfies the conditions, whenever its trace started.
    Span,
}

/// Which traces are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this trace.
    pub trace_id: Option<TraceId>,
    /// A span's service.
    pub service: Option<String>,
    /// The same span's name.
    pub operation: Option<String>,
    /// The same span's status.
    pub status: Option<SpanStatus>,
    /// The same span's kind is one of these; any if empty.
    pub kinds: Vec<SpanKind>,
    /// The same span's duration in nanoseconds, inclusive.
    pub span_duration_min_ns: Option<i64>,
    /// The same span's duration in nanoseconds, inclusive.
    pub span_duration_max_ns: Option<i64>,
    /// What lies in the range.
    pub time_of: TimeOf,
    /// The same span's attributes.
    pub tags: Vec<Tag>,
    /// The same span is this call's: the callee's, or the caller's if the callee sends no spans.
    pub call: Option<Call>,
    /// The trace's duration in nanoseconds, inclusive.
    pub duration_min_ns: Option<i64>,
    /// The trace's duration in nanoseconds, inclusive.
    pub duration_max_ns: Option<i64>,
}

impl Filter {
    /// Whether a trace may last that long.
    pub fn fits(&self, duration_ns: i64) -> bool {
        self.duration_min_ns.is_none_or(|min| duration_ns >= min)
            && self.duration_max_ns.is_none_or(|max| duration_ns <= max)
    }
}

/// A search for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchParams {
    /// Which traces.
    pub filter: Filter,
    /// In which a trace or its span must start, as `filter.time_of` tells.
    pub range: TimeRange,
    /// The order of the results.
    pub order: SearchOrder,
    /// Traces on the page.
    pub limit: usize,
    /// Where the page begins; none for the first.
    pub cursor: Option<Cursor>,
    /// Identifies the search across its pages.
    pub fingerprint: u64,
}

impl SearchParams {
    /// In which a trace must start.
    pub fn trace_range(&self) -> TimeRange {
        match self.filter.time_of {
            TimeOf::Trace => self.range,
            TimeOf::Span => TimeRange { start_ns: i64::MIN, end_ns: self.range.end_ns },
        }
    }

    /// Reads and checks everything; the error lists all that is wrong.
    pub fn parse(mut params: Params, limit_max: u32, now_ns: i64) -> Result<Self, Vec<FieldError>> {
        let filter = filter(&mut params);
        let (start_ns, end_ns) = params.times();
        let order = params.parsed("order", parse_order).unwrap_or_default();
        let limit = params.parsed("limit", |text| parse_limit(text, limit_max));
        let fingerprint = fingerprint(&filter, start_ns, end_ns, order);
        let cursor = params.parsed("cursor", |text| {
            Cursor::decode(text, fingerprint)
                .ok_or_else(|| "is not a cursor of this search: leave it out for the first page".to_owned())
        });
        let range = match (&cursor, filter.trace_id) {
            (Some(cursor), _) => cursor.range(),
            // Whoever names a trace need not know when it was. Clocks may run ahead of ours.
            (None, Some(_)) => {
                let end_ns = end_ns.unwrap_or(now_ns.saturating_add(86_400 * SECOND_NS));
                params.range_of(start_ns.or(Some(0)), Some(end_ns), now_ns)
            }
            (None, None) => params.range_of(start_ns, end_ns, now_ns),
        };
        params.finish()?;
        Ok(Self {
            filter,
            range,
            order,
            limit: limit.unwrap_or(LIMIT_DEFAULT.min(limit_max)) as usize,
            cursor,
            fingerprint,
        })
    }
}

fn filter(params: &mut Params) -> Filter {
    let trace_id = params.parsed("traceId", |text| text.parse::<TraceId>().map_err(|e| e.to_string()));
    let service = params.text("serviceName", SERVICE_CHARS_MAX);
    let operation = params.text("operation", OPERATION_CHARS_MAX);
    let status = params.parsed("status", parse_status);
    let kinds = params.kinds();
    let tags = tags(params);
    let (span_duration_min_ns, span_duration_max_ns) =
        durations(params, "minSpanDuration", "maxSpanDuration");
    let (duration_min_ns, duration_max_ns) = durations(params, "duration", "maxDuration");
    let time_of = params.parsed("timeOf", |text| named(&TIMES_OF, text)).unwrap_or_default();
    let call = Call::parse(params);
    Filter {
        trace_id,
        service,
        operation,
        status,
        kinds,
        span_duration_min_ns,
        span_duration_max_ns,
        time_of,
        tags,
        call,
        duration_min_ns,
        duration_max_ns,
    }
}

/// Both bounds of a duration, in nanoseconds.
fn durations(params: &mut Params, min_name: &str, max_name: &str) -> (Option<i64>, Option<i64>) {
    let min_ns = params.parsed(min_name, parse_duration);
    let max_ns = params.parsed(max_name, parse_duration);
    if let (Some(min), Some(max)) = (min_ns, max_ns)
        && min > max
    {
        params.reject(max_name, format!("must not be less than {min_name}"));
    }
    (min_ns, max_ns)
}

/// `tag`, which may be repeated.
pub fn tags(params: &mut Params) -> Vec<Tag> {
    let mut tags = Vec::new();
    let tag_texts = params.many("tag");
    if tag_texts.len() > TAGS_MAX {
        params.reject("tag", format!("must be given at most {TAGS_MAX} times"));
    }
    for text in tag_texts.iter().take(TAGS_MAX) {
        match parse_tag(text) {
            Ok(tag) => tags.push(tag),
            Err(message) => params.reject("tag", message),
        }
    }
    tags
}

fn parse_status(text: &str) -> Result<SpanStatus, String> {
    match text {
        "ok" => Ok(SpanStatus::Ok),
        "error" => Ok(SpanStatus::Error),
        "unset" => Ok(SpanStatus::Unset),
        _ => Err("must be ok, error or unset".to_owned()),
    }
}

fn parse_order(text: &str) -> Result<SearchOrder, String> {
    match text {
        "start" => Ok(SearchOrder::Start),
        "duration" => Ok(SearchOrder::Duration),
        _ => Err("must be start or duration".to_owned()),
    }
}

/// How much may be on a page: 1 to `limit_max`.
pub fn parse_limit(text: &str, limit_max: u32) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(limit) if (1..=limit_max).contains(&limit) => Ok(limit),
        _ => Err(format!("must be an integer from 1 to {limit_max}")),
    }
}

fn parse_tag(text: &str) -> Result<Tag, String> {
    let (key, value) = text.split_once('=').ok_or("must be key=value")?;
    if key.is_empty() || value.is_empty() {
        return Err("must be key=value, neither of them empty".to_owned());
    }
    check_text(key, TAG_KEY_CHARS_MAX).map_err(|message| format!("the key {message}"))?;
    check_text(value, TAG_VALUE_CHARS_MAX).map_err(|message| format!("the value {message}"))?;
    Ok(Tag { key: key.to_owned(), value: value.to_owned() })
}

/// The first bytes of a hash over everything but limit and cursor. It guards against mistakes, not
/// against malice: a forged cursor shows nothing that its reader may not see anyway.
fn fingerprint(filter: &Filter, start_ns: Option<i64>, end_ns: Option<i64>, order: SearchOrder) -> u64 {
    let hash = Sha256::digest(format!("{filter:?} {start_ns:?} {end_ns:?} {order:?}"));
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: i64 = 1_000_000 * SECOND_NS;

    fn parse(query: &[(&str, &str)]) -> Result<SearchParams, Vec<FieldError>> {
        let pairs = query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        SearchParams::parse(Params::new(pairs), 1_000, NOW_NS)
    }

    #[test]
    fn all_parameters_are_read() {
        let search = parse(&[
            ("serviceName", "checkout"),
            ("operation", "POST /checkout"),
            ("tag", "http.url=/a?b=c"),
            ("tag", "error=true"),
            ("duration", "250ms"),
            ("maxDuration", "2s"),
            ("status", "error"),
            ("kind", "server"),
            ("kind", "consumer"),
            ("minSpanDuration", "12345678ns"),
            ("maxSpanDuration", "80ms"),
            ("timeOf", "span"),
            ("order", "duration"),
            ("limit", "5"),
            ("startTime", "1000000"),
            ("endTime", "2000000"),
        ])
        .unwrap();
        assert_eq!(search.filter.tags[0], Tag { key: "http.url".into(), value: "/a?b=c".into() });
        assert_eq!(search.filter.tags.len(), 2);
        assert_eq!(search.filter.status, Some(SpanStatus::Error));
        assert_eq!((search.filter.duration_min_ns, search.filter.duration_max_ns), {
            (Some(250_000_000), Some(2_000_000_000))
        });
        assert_eq!(search.filter.kinds, [SpanKind::Server, SpanKind::Consumer]);
        assert_eq!((search.filter.span_duration_min_ns, search.filter.span_duration_max_ns), {
            (Some(12_345_678), Some(80_000_000))
        });
        assert_eq!(search.filter.time_of, TimeOf::Span);
        assert_eq!(search.trace_range().end_ns, 2 * SECOND_NS);
        assert_eq!((search.order, search.limit), (SearchOrder::Duration, 5));
        assert_eq!(search.range, TimeRange { start_ns: SECOND_NS, end_ns: 2 * SECOND_NS });
    }

    #[test]
    fn every_mistake_is_named() {
        let mut query = vec![
            ("traceId", "xyz"),
            ("status", "bad"),
            ("duration", "2s"),
            ("maxDuration", "1s"),
            ("minSpanDuration", "2"),
            ("maxSpanDuration", "1"),
            ("kind", "serving"),
            ("timeOf", "both"),
            ("order", "size"),
            ("limit", "1001"),
            ("cursor", "foreign"),
            ("startTime", "2"),
            ("endTime", "1"),
            ("tag", "novalue"),
        ];
        query.extend([("tag", "a=b"); 10]);
        let mut fields: Vec<String> = parse(&query).unwrap_err().into_iter().map(|e| e.field).collect();
        fields.sort();
        assert_eq!(
            fields,
            [
                "cursor",
                "kind",
                "limit",
                "maxDuration",
                "maxSpanDuration",
                "order",
                "startTime",
                "status",
                "tag",
                "tag",
                "timeOf",
                "traceId"
            ]
        );
        for duration in ["fast", "-1ms", "NaNs", "9223372036854775807", "9999999h"] {
            for name in ["minSpanDuration", "maxSpanDuration"] {
                assert_eq!(parse(&[(name, duration)]).unwrap_err()[0].field, name);
            }
        }
        for limit in ["0", "-1", "1.5", "99999999999"] {
            assert_eq!(parse(&[("limit", limit)]).unwrap_err()[0].field, "limit");
        }
    }

    #[test]
    fn a_cursor_keeps_the_range_of_the_first_page_and_belongs_to_one_search() {
        let first = parse(&[("serviceName", "a")]).unwrap();
        let cursor = Cursor {
            search: first.fingerprint,
            start_ns: 1,
            end_ns: 2,
            key_ns: 1,
            trace_id: TraceId::new(1).unwrap(),
        }
        .encode();
        let next = parse(&[("serviceName", "a"), ("limit", "7"), ("cursor", &cursor)]).unwrap();
        assert_eq!(next.range, TimeRange { start_ns: 1, end_ns: 2 });
        assert_eq!(parse(&[("serviceName", "b"), ("cursor", &cursor)]).unwrap_err()[0].field, "cursor");
        assert!(parse(&[("cursor", &cursor)]).is_err());
    }

    #[test]
    fn a_trace_named_by_id_may_be_of_any_time() {
        let search = parse(&[("traceId", "4bf92f3577b34da6a3ce929d0e0e4736")]).unwrap();
        assert_eq!(search.range.start_ns, 0);
        assert!(search.range.end_ns > NOW_NS);
        let search = parse(&[("traceId", "4bf92f3577b34da6a3ce929d0e0e4736"), ("startTime", "5")]).unwrap();
        assert_eq!(search.range.start_ns, 5_000);
    }
}
