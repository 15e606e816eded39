//! What is searched for: as the URL of the page says it and as the API takes it. Pure.

use spanloom_model::TraceId;

use crate::state::find::trace_id_in;
use crate::state::query::Query;
use crate::state::time_range::Window;

/// The parameters of the page's URL that belong to the search.
pub const PARAMETERS: [&str; 15] = [
    "service",
    "operation",
    "tag",
    "caller",
    "callee",
    "min",
    "max",
    "spanMin",
    "spanMax",
    "kind",
    "timeOf",
    "status",
    "order",
    "limit",
    "sort",
];

/// The kinds of spans, as the API calls them.
const KINDS: [&str; 6] = ["server", "consumer", "client", "producer", "internal", "unspecified"];

/// How many results a page of the list may have.
pub const LIMITS: [u32; 5] = [20, 50, 100, 200, 500];

const LIMIT_DEFAULT: u32 = 100;

/// What is searched for. Empty texts ask for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// `service.name` of a span.
    pub service: String,
    /// Name of the same span.
    pub operation: String,
    /// `key=value` of the same span.
    pub tags: Vec<String>,
    /// The calling service of a call that the same span belongs to; only with a callee.
    pub caller: String,
    /// The service that is called, or the id of another node of the service map.
    pub callee: String,
    /// The trace lasts at least so long, as typed: `250ms`.
    pub min: String,
    /// The trace lasts at most so long, as typed.
    pub max: String,
    /// The same span lasts at least so long, as typed.
    pub span_min: String,
    /// The same span lasts at most so long, as typed.
    pub span_max: String,
    /// The same span's kind is one of these; any if empty.
    pub kinds: Vec<String>,
    /// The page's time range is that of the same span, not of the trace.
    pub of_span: bool,
    /// Status of the same span: `ok`, `error`, `unset`.
    pub status: String,
    /// The longest first instead of the newest.
    pub longest_first: bool,
    /// Results per page; one of [`LIMITS`], 0 for the default.
    pub limit: u32,
}

impl Filter {
    /// From the page's URL.
    pub fn parse(query: &Query) -> Self {
        let text = |key: &str| query.get(key).unwrap_or_default().to_owned();
        let status = text("status");
        let limit = query.get("limit").and_then(|limit| limit.parse().ok());
        Self {
            service: text("service"),
            operation: text("operation"),
            tags: query.all("tag").map(str::to_owned).collect(),
            caller: text("caller"),
            callee: text("callee"),
            min: text("min"),
            max: text("max"),
            span_min: text("spanMin"),
            span_max: text("spanMax"),
            kinds: query.all("kind").filter(|kind| KINDS.contains(kind)).map(str::to_owned).collect(),
            of_span: query.get("timeOf") == Some("span"),
            status: if ["ok", "error", "unset"].contains(&status.as_str()) {
                status
            } else {
                String::new()
            },
            longest_first: query.get("order") == Some("duration"),
            limit: limit.filter(|limit| LIMITS.contains(limit)).unwrap_or(0),
        }
    }

    /// Into the page's URL; what else is there stays.
    pub fn write(&self, query: &mut Query) {
        for key in PARAMETERS.into_iter().filter(|key| *key != "sort") {
            query.remove(key);
        }
        query.set("service", self.service.trim());
        query.set("operation", self.operation.trim());
        for tag in &self.tags {
            query.push("tag", tag.as_str());
        }
        query.set("caller", self.caller.as_str());
        query.set("callee", self.callee.as_str());
        query.set("min", self.min.trim());
        query.set("max", self.max.trim());
        query.set("spanMin", self.span_min.trim());
        query.set("spanMax", self.span_max.trim());
        for kind in &self.kinds {
            query.push("kind", kind.as_str());
        }
        query.set("timeOf", if self.of_span { "span" } else { "" });
        query.set("status", self.status.as_str());
        query.set("order", if self.longest_first { "duration" } else { "" });
        query.set("limit", if self.limit == 0 { String::new() } else { self.limit.to_string() });
    }

    /// Results per page.
    pub fn limit(&self) -> u32 {
        if self.limit == 0 { LIMIT_DEFAULT } else { self.limit }
    }

    /// Whether nothing narrows the search.
    pub fn is_empty(&self) -> bool {
        *self == Self { longest_first: self.longest_first, limit: self.limit, ..Self::default() }
    }

    /// The API's parameters. A duration that cannot be read is passed on, so that the server's
    /// answer names it.
    pub fn api_query(&self, window: Window) -> Query {
        let mut query = Query::default()
            .with("startTime", window.start_us().to_string())
            .with("endTime", window.end_us().to_string())
            .with("serviceName", self.service.as_str())
            .with("operation", self.operation.as_str())
            .with("caller", self.caller.as_str())
            .with("callee", self.callee.as_str())
            .with("duration", api_duration(&self.min))
            .with("maxDuration", api_duration(&self.max))
            .with("minSpanDuration", api_duration(&self.span_min))
            .with("maxSpanDuration", api_duration(&self.span_max))
            .with("timeOf", if self.of_span { "span" } else { "" })
            .with("status", self.status.as_str())
            .with("order", if self.longest_first { "duration" } else { "" })
            .with("limit", self.limit().to_string());
        for kind in &self.kinds {
            query.push("kind", kind.as_str());
        }
        for tag in &self.tags {
            query.push("tag", tag.as_str());
        }
        query
    }
}

fn api_duration(text: &str) -> String {
    match parse_duration_ns(text) {
        Some(ns) if ns % 1_000 == 0 => (ns / 1_000).to_string(),
        Some(ns) => format!("{ns}ns"),
        None => text.trim().to_owned(),
    }
}

/// A duration as [`parse_duration_ns`] reads it back, without rounding: `12.345678ms`.
pub fn exact_duration(ns: i64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    let Some((size, unit)) = units.into_iter().find(|(size, _)| ns >= *size) else {
        return format!("{ns}ns");
    };
    let digits = size.ilog10() as usize;
    let number = format!("{}.{:0digits$}", ns / size, ns % size);
    format!("{}{unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// Nanoseconds of `250ms`, `1.5 s`, `2 min`; none without a unit, because a bare number could
/// mean anything.
fn parse_duration_ns(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let number: f64 = text[..digits].parse().ok()?;
    let unit_ns = match text[digits..].trim() {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" | "sec" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    let ns = number * unit_ns;
    (ns < 1e18).then_some(ns.round() as i64)
}

/// What is wrong with the durations, for the form.
pub fn duration_error(min: &str, max: &str) -> Option<&'static str> {
    let read =
        |text: &str| if text.trim().is_empty() { Some(None) } else { parse_duration_ns(text).map(Some) };
    match (read(min), read(max)) {
        (None, _) | (_, None) => Some("Durations need a unit: 250ms, 1.5s, 2min"),
        (Some(Some(min)), Some(Some(max))) if min > max => Some("The minimum is above the maximum"),
        _ => None,
    }
}

/// A tag as typed, if it is complete: `key=value`, with a key. The value may contain `=`.
pub fn complete_tag(text: &str) -> Option<String> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    (!key.is_empty() && !value.is_empty()).then(|| format!("{key}={value}"))
}

/// The trace id in a text pasted into the tag field: not in tags, whose values may look like one.
pub fn pasted_trace(text: &str) -> Option<TraceId> {
    match text.split_once('=') {
        Some((key, _)) => {
            let key = key.trim().to_ascii_lowercase().replace(['_', '-', '.'], "");
            let is_link = key.contains("/traces/");
            if is_link || key.ends_with("traceid") { trace_id_in(text) } else { None }
        }
        None => trace_id_in(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Filter {
        Filter {
            service: "checkout".into(),
            operation: "POST /checkout".into(),
            tags: vec!["http.route=/a=b&c".into(), "error.type=timeout".into()],
            caller: "web".into(),
            callee: "database:x/y".into(),
            min: "250ms".into(),
            max: "1.5s".into(),
            span_min: "12.345678ms".into(),
            span_max: "80ms".into(),
            kinds: vec!["server".into(), "consumer".into()],
            of_span: true,
            status: "error".into(),
            longest_first: true,
            limit: 200,
        }
    }

    // Catches a copied link that shows a colleague something else.
    #[test]
    fn a_filter_survives_the_url_and_leaves_the_range_alone() {
        let mut query = Query::parse("from=now-2h&to=now&service=old&tag=x%3D1&sort=spans");
        full().write(&mut query);
        let reopened = Query::parse(&query.encode());
        assert_eq!(Filter::parse(&reopened), full());
        assert_eq!(reopened.get("from"), Some("now-2h"));
        assert_eq!(reopened.get("sort"), Some("spans"));
        Filter::default().write(&mut query);
        assert_eq!(query.encode(), "from=now-2h&to=now&sort=spans");
    }

    // Catches names that only the page knows reaching the API, which refuses unknown ones.
    #[test]
    fn the_api_gets_its_own_names_and_units() {
        let query = full().api_query(Window { from_ms: 1, to_ms: 2 });
        assert_eq!(
            query.encode(),
            "startTime=1000&endTime=2000&serviceName=checkout&operation=POST%20%2Fcheckout&caller=web\
             &callee=database:x%2Fy&duration=250000&maxDuration=1500000&minSpanDuration=12345678ns\
             &maxSpanDuration=80000&timeOf=span&status=error&order=duration&limit=200&kind=server&kind=consumer&tag=http.route%3D%2Fa%3Db%26c\
             &tag=error.type%3Dtimeout"
        );
        let plain = Filter::default().api_query(Window { from_ms: 1, to_ms: 2 });
        assert_eq!(plain.encode(), "startTime=1000&endTime=2000&limit=100");
    }

    #[test]
    fn nonsense_in_the_url_is_ignored() {
        let filter = Filter::parse(&Query::parse("status=weird&limit=7&order=up&kind=odd&timeOf=x"));
        assert_eq!(filter, Filter::default());
        assert!(filter.is_empty());
        assert!(!full().is_empty());
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration_ns("250ms"), Some(250_000_000));
        assert_eq!(parse_duration_ns(" 1.5 s "), Some(1_500_000_000));
        assert_eq!(parse_duration_ns("7µs"), Some(7_000));
        for bad in ["", "250", "ms", "1.2.3s", "-5ms", "5 parsecs", "1e9s"] {
            assert_eq!(parse_duration_ns(bad), None, "{bad}");
        }
        assert_eq!(duration_error("", ""), None);
        assert!(duration_error("250", "").is_some());
        assert!(duration_error("2s", "1s").is_some());
    }

    // Catches bounds that are rounded on their way through the URL, and find other spans.
    #[test]
    fn exact_durations_come_back() {
        let cases = [(0, "0ns"), (999, "999ns"), (1_500, "1.5µs"), (12_345_678, "12.345678ms")];
        for (ns, text) in cases {
            assert_eq!((exact_duration(ns).as_str(), parse_duration_ns(text)), (text, Some(ns)));
        }
        for ns in [1_000_000_001, 60_000_000_000, 7_777_777_777, 86_400_123_456_789] {
            assert_eq!(parse_duration_ns(&exact_duration(ns)), Some(ns));
        }
    }

    #[test]
    fn tags_are_complete_with_key_and_value() {
        assert_eq!(complete_tag("a = b=c ").as_deref(), Some("a=b=c"));
        for bad in ["a", "a=", "=b", ""] {
            assert_eq!(complete_tag(bad), None, "{bad}");
        }
    }

    // Catches a tag whose value is an id of 32 digits leading away from the search.
    #[test]
    fn a_pasted_id_opens_a_trace_but_a_tag_does_not() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert!(pasted_trace(id).is_some());
        assert!(pasted_trace(&format!("trace_id={id}")).is_some());
        assert!(pasted_trace(&format!("https://x/traces/{id}?from=now-1h")).is_some());
        assert!(pasted_trace(&format!("messaging.message.id={id}")).is_none());
    }
}
