//! Reads a time range as people type it: `2h`, `yesterday 14:00 to 15:00`, `now-3h to now-1h`,
//! `2026-11-23 14:00 to 16:30`, `today`, `since monday 9:00`. Pure.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Weekday};

use super::time_range::{Edge, TimeRange, parse_duration_s};

/// What the field says when the text cannot be read.
pub const EXAMPLES: &str = "Try 2h, 30m, yesterday 14:00 to 15:00, or 2026-11-23 9:00 to 17:00";

/// A moment as typed: perhaps without a date, perhaps without a time.
#[derive(Clone, Copy)]
enum Point {
    Edge(Edge),
    Date(NaiveDate),
    Time(NaiveTime),
    DateTime(NaiveDateTime),
}

/// Reads `text`, typed at `now_ms` in `zone`. An error says what would be understood.
pub fn parse_range<Z: TimeZone>(text: &str, now_ms: i64, zone: &Z) -> Result<TimeRange, String> {
    let text = text.trim().to_lowercase();
    let now = zone
        .timestamp_millis_opt(now_ms)
        .single()
        .map(|now| now.naive_local())
        .ok_or_else(|| EXAMPLES.to_owned())?;
    let range = read(&text, now, zone).ok_or_else(|| EXAMPLES.to_owned())?;
    let window = (range.from.resolve_ms(now_ms), range.to.resolve_ms(now_ms));
    if window.0 >= window.1 {
        return Err("The end must be after the start".to_owned());
    }
    Ok(range)
}

fn read<Z: TimeZone>(text: &str, now: NaiveDateTime, zone: &Z) -> Option<TimeRange> {
    let last = text.strip_prefix("last ").or_else(|| text.strip_prefix("past ")).unwrap_or(text);
    if let Some(seconds) = parse_duration_s(last).or_else(|| unit_alone_s(last)) {
        return Some(TimeRange::last(seconds));
    }
    for separator in [" to ", " until ", " – ", " - ", "–", ".."] {
        if let Some((from, to)) = text.split_once(separator) {
            return between(point(from, now)?, point(to, now)?, now, zone);
        }
    }
    let since = text.strip_prefix("since ").unwrap_or(text);
    let start = point(since, now)?;
    if since == text
        && let Point::Date(date) = start
    {
        return whole_day(date, now, zone);
    }
    Some(TimeRange { from: edge(start, now.date(), zone)?, to: Edge::Now })
}

/// `last hour`, `past day`.
fn unit_alone_s(text: &str) -> Option<i64> {
    parse_duration_s(&format!("1{text}"))
        .filter(|_| text.len() > 1 && text.starts_with(char::is_alphabetic))
}

fn whole_day<Z: TimeZone>(date: NaiveDate, now: NaiveDateTime, zone: &Z) -> Option<TimeRange> {
    let from = edge(Point::Date(date), date, zone)?;
    let next = date.checked_add_days(Days::new(1))?;
    let to = if date == now.date() { Edge::Now } else { edge(Point::Date(next), next, zone)? };
    Some(TimeRange { from, to })
}

fn between<Z: TimeZone>(from: Point, to: Point, now: NaiveDateTime, zone: &Z) -> Option<TimeRange> {
    // An end without a date lies on the day of the start.
    let day = match from {
        Point::Date(date) => date,
        Point::DateTime(moment) => moment.date(),
        Point::Time(_) | Point::Edge(_) => now.date(),
    };
    // A day as an end is meant whole.
    let to = match to {
        Point::Date(date) => Point::Date(date.checked_add_days(Days::new(1))?),
        other => other,
    };
    Some(TimeRange { from: edge(from, now.date(), zone)?, to: edge(to, day, zone)? })
}

fn edge<Z: TimeZone>(point: Point, day: NaiveDate, zone: &Z) -> Option<Edge> {
    let moment = match point {
        Point::Edge(edge) => return Some(edge),
        Point::Date(date) => date.and_time(NaiveTime::MIN),
        Point::Time(time) => day.and_time(time),
        Point::DateTime(moment) => moment,
    };
    // In the hour that a clock change skips there is no local time: take the first one after it.
    let local = zone
        .from_local_datetime(&moment)
        .earliest()
        .or_else(|| zone.from_local_datetime(&(moment + chrono::Duration::hours(1))).earliest())?;
    Some(Edge::AtMs(local.timestamp_millis()))
}

fn point(text: &str, now: NaiveDateTime) -> Option<Point> {
    let text = text.trim();
    if let Some(seconds) = text.strip_suffix(" ago").and_then(parse_duration_s) {
        return Some(Point::Edge(Edge::SecondsAgo(seconds)));
    }
    if let Some(edge) = number_or_now(text) {
        return Some(Point::Edge(edge));
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text.to_uppercase()) {
        return Some(Point::Edge(Edge::AtMs(moment.timestamp_millis())));
    }
    if let Some(date) = date(text, now.date()) {
        return Some(Point::Date(date));
    }
    if let Some(time) = time(text) {
        return Some(Point::Time(time));
    }
    let (day, clock) = text.rsplit_once([' ', 't'])?;
    let day = day.strip_suffix(" at").unwrap_or(day).trim_end_matches(',');
    Some(Point::DateTime(date(day, now.date())?.and_time(time(clock)?)))
}

/// `now`, `now-2h`, and Unix times in seconds or milliseconds as they are copied from logs.
fn number_or_now(text: &str) -> Option<Edge> {
    match text.parse::<i64>() {
        Ok(seconds) if text.len() == 10 => Some(Edge::AtMs(seconds * 1000)),
        Ok(ms) if text.len() == 13 => Some(Edge::AtMs(ms)),
        Ok(_) => None,
        Err(_) => Edge::parse(text),
    }
}

fn date(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    match text {
        "today" => return Some(today),
        "yesterday" => return today.pred_opt(),
        _ => {}
    }
    if let Ok(weekday) = text.parse::<Weekday>() {
        // The last such day, today included.
        let back = (today.weekday().num_days_from_monday() + 7 - weekday.num_days_from_monday()) % 7;
        return today.checked_sub_days(Days::new(u64::from(back)));
    }
    for format in ["%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%b %d %Y"] {
        if let Ok(date) = NaiveDate::parse_from_str(text, format) {
            return Some(date);
        }
    }
    // Without a year, the last such day.
    for format in ["%d %b %Y", "%b %d %Y"] {
        if let Ok(date) = NaiveDate::parse_from_str(&format!("{text} {}", today.year()), format) {
            return if date <= today { Some(date) } else { date.with_year(today.year() - 1) };
        }
    }
    None
}

fn time(text: &str) -> Option<NaiveTime> {
    ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f"]
        .into_iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    /// Monday, 23 November 2026, 10:30 in a zone one hour east of UTC.
    const NOW: &str = "2026-11-23T10:30:00+01:00";

    fn at(text: &str) -> Edge {
        Edge::AtMs(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn check(text: &str, from: Edge, to: Edge) {
        let zone = FixedOffset::east_opt(3600).unwrap();
        let now_ms = DateTime::parse_from_rfc3339(NOW).unwrap().timestamp_millis();
        assert_eq!(parse_range(text, now_ms, &zone), Ok(TimeRange { from, to }), "{text}");
    }

    #[test]
    fn relative_ranges_move_with_the_clock() {
        check("2h", Edge::SecondsAgo(7200), Edge::Now);
        check("30m", Edge::SecondsAgo(1800), Edge::Now);
        check("Last 2 hours", Edge::SecondsAgo(7200), Edge::Now);
        check("last hour", Edge::SecondsAgo(3600), Edge::Now);
        check("now-3h to now-1h", Edge::SecondsAgo(10_800), Edge::SecondsAgo(3600));
        check("3h ago to 1h ago", Edge::SecondsAgo(10_800), Edge::SecondsAgo(3600));
    }

    #[test]
    fn days_are_local_days() {
        check("yesterday", at("2026-11-22T00:00:00+01:00"), at("2026-11-23T00:00:00+01:00"));
        check("today", at("2026-11-23T00:00:00+01:00"), Edge::Now);
        check("2026-11-20 to 2026-11-21", at("2026-11-20T00:00:00+01:00"), at("2026-11-22T00:00:00+01:00"));
        // Saturday was two days ago; a date without a year that is still to come was last year.
        check("sat", at("2026-11-21T00:00:00+01:00"), at("2026-11-22T00:00:00+01:00"));
        check("24 dec", at("2025-12-24T00:00:00+01:00"), at("2025-12-25T00:00:00+01:00"));
    }

    #[test]
    fn an_end_without_a_date_lies_on_the_day_of_the_start() {
        check("yesterday 14:00 to 15:00", at("2026-11-22T14:00:00+01:00"), at("2026-11-22T15:00:00+01:00"));
        check("9:00 to 9:30:15", at("2026-11-23T09:00:00+01:00"), at("2026-11-23T09:30:15+01:00"));
        check("2026-11-20 9:00 - 17:00", at("2026-11-20T09:00:00+01:00"), at("2026-11-20T17:00:00+01:00"));
        check("since yesterday 14:00", at("2026-11-22T14:00:00+01:00"), Edge::Now);
    }

    #[test]
    fn times_copied_from_logs_are_read() {
        check(
            "2026-11-22T08:00:00Z to 2026-11-22T08:05:00.500Z",
            at("2026-11-22T08:00:00Z"),
            at("2026-11-22T08:05:00.500Z"),
        );
        check("1790000000 to 1790000600", Edge::AtMs(1_790_000_000_000), Edge::AtMs(1_790_000_600_000));
    }

    #[test]
    fn nonsense_and_reversed_ranges_are_refused_with_a_hint() {
        let zone = FixedOffset::east_opt(3600).unwrap();
        let now_ms = DateTime::parse_from_rfc3339(NOW).unwrap().timestamp_millis();
        for text in ["", "soon", "25:00", "2h to", "2026-13-01", "to", "yesterday tomorrow"] {
            assert!(parse_range(text, now_ms, &zone).is_err(), "{text}");
        }
        let reversed = parse_range("15:00 to 14:00", now_ms, &zone);
        assert_eq!(reversed, Err("The end must be after the start".to_owned()));
    }
}
