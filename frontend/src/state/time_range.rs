//! The time range of the page: what the URL says and what it means at a moment. Pure.

use std::fmt;

use chrono::{DateTime, TimeZone};

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The moment of asking.
    Now,
    /// So many seconds before the moment of asking.
    SecondsAgo(i64),
    /// Milliseconds since the Unix epoch.
    AtMs(i64),
}

impl Edge {
    /// Reads the form of the URL: `now`, `now-90m`, or milliseconds since the epoch.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "now" {
            return Some(Self::Now);
        }
        if let Some(ago) = text.strip_prefix("now-") {
            return parse_duration_s(ago).map(Self::SecondsAgo);
        }
        text.parse().ok().filter(|ms| (0..=MAX_MS).contains(ms)).map(Self::AtMs)
    }

    /// Milliseconds since the epoch, asked at `now_ms`.
    pub fn resolve_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Now => now_ms,
            Self::SecondsAgo(seconds) => now_ms - seconds * 1000,
            Self::AtMs(ms) => ms,
        }
    }
}

/// The year 2200: nothing sensible lies behind it, and nothing overflows before it.
const MAX_MS: i64 = 7_258_118_400_000;

/// The form of the URL.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::SecondsAgo(seconds) => write!(f, "now-{}", compact_duration(*seconds)),
            Self::AtMs(ms) => write!(f, "{ms}"),
        }
    }
}

/// A range as chosen: it moves with the clock where an end is relative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The earlier end, inclusive.
    pub from: Edge,
    /// The later end, exclusive.
    pub to: Edge,
}

impl Default for TimeRange {
    fn default() -> Self {
        Self::last(3600)
    }
}

/// A range at a moment, in milliseconds since the epoch; `from_ms < to_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Inclusive.
    pub from_ms: i64,
    /// Exclusive.
    pub to_ms: i64,
}

impl Window {
    /// How long it is.
    pub fn length_ms(self) -> i64 {
        self.to_ms - self.from_ms
    }

    /// The start in microseconds, as the API takes it.
    pub fn start_us(self) -> i64 {
        self.from_ms * 1000
    }

    /// The end in microseconds, as the API takes it.
    pub fn end_us(self) -> i64 {
        self.to_ms * 1000
    }
}

impl TimeRange {
    /// The last so many seconds.
    pub fn last(seconds: i64) -> Self {
        Self { from: Edge::SecondsAgo(seconds), to: Edge::Now }
    }

    /// A fixed range; the ends may come in any order.
    pub fn between_ms(a_ms: i64, b_ms: i64) -> Self {
        let (from_ms, to_ms) = (a_ms.min(b_ms), a_ms.max(b_ms));
        Self { from: Edge::AtMs(from_ms), to: Edge::AtMs(to_ms.max(from_ms + 1)) }
    }

    /// From the URL's `from` and `to`; what cannot be read gives the default.
    pub fn parse(from: Option<&str>, to: Option<&str>) -> Self {
        let Some(from) = from.and_then(Edge::parse) else {
            return Self::default();
        };
        Self { from, to: to.and_then(Edge::parse).unwrap_or(Edge::Now) }
    }

    /// What it means at `now_ms`; never empty, never reversed.
    pub fn resolve(self, now_ms: i64) -> Window {
        let (a, b) = (self.from.resolve_ms(now_ms), self.to.resolve_ms(now_ms));
        let (from_ms, to_ms) = (a.min(b), a.max(b));
        Window { from_ms, to_ms: to_ms.max(from_ms + 1) }
    }

    /// What the button says: `Last 1 h`, `23 Nov 14:00 – 15:00`.
    pub fn label<Z: TimeZone>(self, zone: &Z) -> String
    where
        Z::Offset: fmt::Display,
    {
        match (self.from, self.to) {
            (Edge::SecondsAgo(seconds), Edge::Now) => format!("Last {}", spoken_duration(seconds)),
            (Edge::SecondsAgo(a), Edge::SecondsAgo(b)) => {
                format!("{} to {} ago", spoken_duration(a), spoken_duration(b))
            }
            (Edge::AtMs(ms), Edge::Now) => format!("Since {}", moment(ms, zone)),
            (Edge::AtMs(a), Edge::AtMs(b)) => fixed_label(a, b, zone),
            (from, to) => format!("{from} to {to}"),
        }
    }
}

fn local<Z: TimeZone>(ms: i64, zone: &Z) -> DateTime<Z> {
    zone.timestamp_millis_opt(ms.clamp(0, MAX_MS)).earliest().unwrap_or_else(|| zone.timestamp_nanos(0))
}

/// `23 Nov 14:00`, with seconds only if there are any.
fn moment<Z: TimeZone>(ms: i64, zone: &Z) -> String
where
    Z::Offset: fmt::Display,
{
    let format = if ms % 60_000 == 0 { "%-d %b %H:%M" } else { "%-d %b %H:%M:%S" };
    local(ms, zone).format(format).to_string()
}

fn fixed_label<Z: TimeZone>(a_ms: i64, b_ms: i64, zone: &Z) -> String
where
    Z::Offset: fmt::Display,
{
    let (a, b) = (local(a_ms, zone), local(b_ms, zone));
    let clock = if a_ms % 60_000 == 0 && b_ms % 60_000 == 0 { "%H:%M" } else { "%H:%M:%S" };
    if a.date_naive() == b.date_naive() {
        return format!("{} {} – {}", a.format("%-d %b"), a.format(clock), b.format(clock));
    }
    let day = format!("%-d %b {clock}");
    format!("{} – {}", a.format(&day), b.format(&day))
}

/// Seconds of `90s`, `30m`, `1h30m`, `2 hours`, `7 d`; none if it is something else, is zero, or
/// is longer than ten years.
pub fn parse_duration_s(text: &str) -> Option<i64> {
    const LONGEST_S: i64 = 10 * 365 * 86_400;
    let mut rest = text.trim();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let seconds = number * unit_s(&rest[..letters])? as f64;
        if !seconds.is_finite() || seconds > LONGEST_S as f64 {
            return None;
        }
        total += seconds.round() as i64;
        rest = rest[letters..].trim_start();
    }
    (1..=LONGEST_S).contains(&total).then_some(total)
}

fn unit_s(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => return None,
    })
}

const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];

/// The shortest form that [`parse_duration_s`] reads back: `90m`, `1h`, `7d`.
pub fn compact_duration(seconds: i64) -> String {
    let (size, unit) = UNITS.into_iter().find(|(size, _)| seconds % size == 0).unwrap_or((1, "s"));
    format!("{}{unit}", seconds / size)
}

/// For people: `15 min`, `1 h`, `1 h 30 min`, `7 d`.
pub fn spoken_duration(seconds: i64) -> String {
    let mut parts = Vec::new();
    let mut rest = seconds;
    for (size, unit) in UNITS {
        if rest >= size {
            let unit = if unit == "m" { "min" } else { unit };
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, Utc};

    // Catches a link whose range means something else when it is opened again.
    #[test]
    fn edges_survive_the_url() {
        for edge in [Edge::Now, Edge::SecondsAgo(5400), Edge::SecondsAgo(1), Edge::AtMs(1_790_000_000_123)]
        {
            assert_eq!(Edge::parse(&edge.to_string()), Some(edge), "{edge}");
        }
        for bad in ["", "now-", "now-1x", "now+1h", "-5", "yesterday", "99999999999999999"] {
            assert_eq!(Edge::parse(bad), None, "{bad}");
        }
    }

    // Catches an empty or reversed range reaching the API, which answers 400.
    #[test]
    fn a_window_is_never_empty_or_reversed() {
        let now = 1_790_000_000_000;
        for range in [
            TimeRange { from: Edge::Now, to: Edge::SecondsAgo(60) },
            TimeRange { from: Edge::Now, to: Edge::Now },
            TimeRange::between_ms(5, 5),
            TimeRange::between_ms(9, 5),
        ] {
            let window = range.resolve(now);
            assert!(window.from_ms < window.to_ms, "{range:?}");
        }
        assert_eq!(TimeRange::last(60).resolve(now), Window { from_ms: now - 60_000, to_ms: now });
    }

    #[test]
    fn durations_read_and_print() {
        let check = |text: &str, seconds| assert_eq!(parse_duration_s(text), seconds, "{text}");
        check("2h", Some(7200));
        check("1h30m", Some(5400));
        check("1.5 hours", Some(5400));
        check("90 sec", Some(90));
        check("7d", Some(604_800));
        check("0m", None);
        check("h", None);
        check("5", None);
        check("5 parsecs", None);
        check("9999999999999d", None);
        check("", None);
        assert_eq!(compact_duration(5400), "90m");
        assert_eq!(compact_duration(86_400), "1d");
        assert_eq!(spoken_duration(5400), "1 h 30 min");
        assert_eq!(spoken_duration(900), "15 min");
    }

    #[test]
    fn labels_are_short_and_local() {
        let zone = FixedOffset::east_opt(2 * 3600).unwrap();
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let hour = TimeRange::between_ms(at("2026-11-23T12:00:00Z"), at("2026-11-23T13:00:00Z"));
        assert_eq!(hour.label(&zone), "23 Nov 14:00 – 15:00");
        let night = TimeRange::between_ms(at("2026-11-23T22:00:00Z"), at("2026-11-24T01:00:30Z"));
        assert_eq!(night.label(&Utc), "23 Nov 22:00:00 – 24 Nov 01:00:30");
        assert_eq!(TimeRange::default().label(&Utc), "Last 1 h");
    }
}
