//! How numbers and times look to people. Pure.

use std::fmt::Display;

use chrono::{DateTime, TimeZone, Utc};

/// Three significant digits without trailing zeros: `1.24`, `87.3`, `412`, `5`.
fn three_digits(value: f64) -> String {
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A duration with three significant digits and a fitting unit: `1.24 s`, `87.3 ms`, `412 µs`;
/// from a minute on two units: `2 min 5 s`, `3 h 12 min`.
pub fn duration(duration_ns: i64) -> String {
    let ns = duration_ns.unsigned_abs();
    let sign = if duration_ns < 0 { "−" } else { "" };
    let value = ns as f64;
    // The bounds are where rounding would reach the next unit's 1.
    let text = if ns < 1000 {
        format!("{ns} ns")
    } else if value < 999.5e3 {
        format!("{} µs", three_digits(value / 1e3))
    } else if value < 999.5e6 {
        format!("{} ms", three_digits(value / 1e6))
    } else if value < 59.95e9 {
        format!("{} s", three_digits(value / 1e9))
    } else {
        let seconds = (value / 1e9).round() as u64;
        let parts = [
            (seconds / 86_400, "d"),
            (seconds / 3600 % 24, "h"),
            (seconds / 60 % 60, "min"),
            (seconds % 60, "s"),
        ];
        let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
        let shown = parts[first..].iter().take(2).filter(|(n, _)| *n > 0);
        shown.map(|(n, unit)| format!("{n} {unit}")).collect::<Vec<_>>().join(" ")
    };
    format!("{sign}{text}")
}

/// [`duration`] for the API's fractional nanoseconds.
pub fn duration_f64(duration_ns: f64) -> String {
    duration(duration_ns.round() as i64)
}

/// A count: whole up to 9,999, then `12.4k`, `3.1M`, `2B`.
pub fn count(count: f64) -> String {
    if count < 9999.5 {
        return grouped(count.round() as u64);
    }
    for (size, unit) in [(1e3, "k"), (1e6, "M"), (1e9, "B")] {
        if count / size < 999.5 {
            return format!("{}{unit}", three_digits(count / size));
        }
    }
    format!("{}T", three_digits(count / 1e12))
}

/// Any number with three significant digits: `-12.5`, `0.00412`, `1,234`, `12.4k`.
pub fn number(number: f64) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    let size = number.abs();
    if size >= 999.5 {
        return format!("{sign}{}", count(size));
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    if size < 1e-6 {
        return format!("{number:.2e}");
    }
    let decimals = (2 - size.log10().floor() as i32).clamp(0, 9) as usize;
    let digits = format!("{size:.decimals$}");
    let digits = if decimals > 0 { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{sign}{digits}")
}

/// Bytes with three significant digits, units of thousands: `512 B`, `1.24 GB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let value = bytes as f64;
    for (size, unit) in [(1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")] {
        if value / size < 999.5 {
            return format!("{} {unit}", three_digits(value / size));
        }
    }
    format!("{} PB", three_digits(value / 1e15))
}

/// All digits in groups: `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Events per second: `0.02/s`, `12.4/s`, `3.2k/s`.
pub fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 0.01 {
        return "<0.01/s".to_owned();
    }
    if per_second < 999.5 {
        return format!("{}/s", three_digits(per_second));
    }
    if per_second < 9999.5 {
        return format!("{}k/s", three_digits(per_second / 1e3));
    }
    format!("{}/s", count(per_second))
}

/// A share of 0 to 1 as percent: `0%`, `<0.01%`, `1.2%`, `34%`. Never rounds some to none or to all.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value <= 0.0 {
        return "0%".to_owned();
    }
    if value < 0.01 {
        return "<0.01%".to_owned();
    }
    if (99.95..100.0).contains(&value) {
        return ">99.9%".to_owned();
    }
    format!("{}%", three_digits(value))
}

/// `1 span`, `2 spans`, `12,345 spans`.
pub fn plural(count: u64, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {word}{ending}", grouped(count))
}

/// How long ago `then_ms` was: `just now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`; `in 5 s`
/// for clocks that run ahead.
pub fn ago(then_ms: i64, now_ms: i64) -> String {
    let seconds = (now_ms - then_ms) / 1000;
    let text = match seconds.unsigned_abs() {
        0..=1 => return "just now".to_owned(),
        s @ 2..=89 => format!("{s} s"),
        s @ 90..=5399 => format!("{} min", (s + 30) / 60),
        s @ 5400..=129_599 => format!("{} h", (s + 1800) / 3600),
        s => format!("{} d", (s + 43_200) / 86_400),
    };
    if seconds < 0 { format!("in {text}") } else { format!("{text} ago") }
}

/// The clock in `zone`: `14:02:11` on the day of `now`, `22 Nov 14:02:11` on others.
pub fn clock<Z: TimeZone>(time: DateTime<Utc>, now: DateTime<Utc>, zone: &Z) -> String
where
    Z::Offset: Display,
{
    let (local, today) = (time.with_timezone(zone), now.with_timezone(zone).date_naive());
    let format = if local.date_naive() == today { "%H:%M:%S" } else { "%-d %b %H:%M:%S" };
    local.format(format).to_string()
}

/// Everything about a moment, for hovering: `Mon 23 Nov 2026, 14:02:11.482 +01:00`.
pub fn full_time<Z: TimeZone>(time: DateTime<Utc>, zone: &Z) -> String
where
    Z::Offset: Display,
{
    time.with_timezone(zone).format("%a %-d %b %Y, %H:%M:%S%.3f %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn durations_have_three_digits_and_change_unit_where_rounding_does() {
        let check = |ns, text: &str| assert_eq!(duration(ns), text, "{ns}");
        check(0, "0 ns");
        check(999, "999 ns");
        check(1_000, "1 µs");
        check(412_000, "412 µs");
        check(999_499, "999 µs");
        check(999_500, "1 ms");
        check(87_312_000, "87.3 ms");
        check(99_960_000, "100 ms");
        check(1_240_000_000, "1.24 s");
        check(9_996_000_000, "10 s");
        check(59_949_000_000, "59.9 s");
        check(59_960_000_000, "1 min");
        check(125_000_000_000, "2 min 5 s");
        check(11_520_000_000_000, "3 h 12 min");
        check(90_000_000_000_000, "1 d 1 h");
        check(-1_500_000, "−1.5 ms");
        check(i64::MIN, "−106751 d 23 h");
    }

    #[test]
    fn counts_are_exact_while_short() {
        let check = |n, text: &str| assert_eq!(count(n), text, "{n}");
        check(0.0, "0");
        check(999.0, "999");
        check(9_999.0, "9,999");
        check(12_400.0, "12.4k");
        check(999_499.0, "999k");
        check(999_500.0, "1M");
        check(3_140_000.0, "3.14M");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(100), "100");
        assert_eq!(plural(1, "span"), "1 span");
        assert_eq!(plural(12_345, "span"), "12,345 spans");
    }

    #[test]
    fn bytes_change_unit_where_rounding_does() {
        let check = |n, text: &str| assert_eq!(bytes(n), text, "{n}");
        check(0, "0 B");
        check(999, "999 B");
        check(8_192, "8.19 kB");
        check(999_499, "999 kB");
        check(999_500, "1 MB");
        check(1_240_000_000, "1.24 GB");
        check(u64::MAX, "18447 PB");
    }

    // Catches the two lies of rounding: "0%" with errors, "100%" with successes.
    #[test]
    fn shares_and_rates_do_not_round_to_a_lie() {
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(0.000_01), "<0.01%");
        assert_eq!(percent(0.012), "1.2%");
        assert_eq!(percent(0.999_9), ">99.9%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(rate(0.0), "0/s");
        assert_eq!(rate(0.001), "<0.01/s");
        assert_eq!(rate(12.43), "12.4/s");
        assert_eq!(rate(3_200.0), "3.2k/s");
        assert_eq!(rate(45_600.0), "45.6k/s");
    }

    #[test]
    fn relative_times_are_rounded_not_cut() {
        let check = |seconds: i64, text: &str| assert_eq!(ago(0, seconds * 1000), text);
        check(1, "just now");
        check(12, "12 s ago");
        check(89, "89 s ago");
        check(100, "2 min ago");
        check(7200, "2 h ago");
        check(200_000, "2 d ago");
        check(-30, "in 30 s");
    }

    #[test]
    fn the_clock_names_the_day_only_if_it_is_another_one() {
        let zone = FixedOffset::east_opt(3600).unwrap();
        let utc = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let now = utc("2026-11-23T10:00:00Z");
        assert_eq!(clock(utc("2026-11-23T08:02:11Z"), now, &zone), "09:02:11");
        // 23:30 in UTC is already today in the zone.
        assert_eq!(clock(utc("2026-11-22T23:30:00Z"), now, &zone), "00:30:00");
        assert_eq!(clock(utc("2026-11-22T22:30:00Z"), now, &zone), "22 Nov 23:30:00");
        assert_eq!(
            full_time(utc("2026-11-23T08:02:11.4821Z"), &zone),
            "Mon 23 Nov 2026, 09:02:11.482 +01:00"
        );
    }
}
