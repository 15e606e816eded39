//! What the chart and the tables show, from the server's answer. Pure.

use std::collections::HashMap;

use spanloom_model::api::{NamedBytes, StorageGrowth, StorageResponse};

use crate::components::service_color::hue;
use crate::format;

/// What the bars are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A segment per table.
    Table,
    /// A segment per service.
    Service,
}

/// Series that the chart tells apart; the rest is one.
const SERIES_MAX: usize = 9;

/// The colour of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Degrees in OKLCH.
    Hue(u32),
    /// What is not told apart.
    Rest,
}

/// Segments of one colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Table, service, or "other".
    pub name: String,
    /// Its colour.
    pub paint: Paint,
    /// Bytes by day.
    pub values: Vec<f64>,
}

/// The series, the largest first, and what is in none of them last.
pub fn series(answer: &StorageResponse, by: By) -> Vec<Series> {
    let parts = |index: usize| match by {
        By::Table => &answer.days[index].tables,
        By::Service => &answer.days[index].services,
    };
    let mut totals: HashMap<&str, u64> = HashMap::new();
    for index in 0..answer.days.len() {
        for part in parts(index) {
            *totals.entry(&part.name).or_default() += part.bytes;
        }
    }
    let mut names: Vec<(&str, u64)> = totals.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    names.sort_by(|(a, a_bytes), (b, b_bytes)| b_bytes.cmp(a_bytes).then_with(|| a.cmp(b)));
    names.truncate(SERIES_MAX);
    let value = |parts: &[NamedBytes], name: &str| {
        parts.iter().find(|part| part.name == name).map_or(0.0, |part| part.bytes as f64)
    };
    let mut series: Vec<Series> = names
        .into_iter()
        .map(|(name, _)| Series {
            name: name.to_owned(),
            paint: Paint::Hue(if by == By::Table { table_hue(name) } else { hue(name) }),
            values: (0..answer.days.len()).map(|index| value(parts(index), name)).collect(),
        })
        .collect();
    let rest: Vec<f64> = answer
        .days
        .iter()
        .enumerate()
        .map(|(index, day)| {
            let told: f64 = series.iter().map(|it| it.values[index]).sum();
            (day.bytes as f64 - told).max(0.0)
        })
        .collect();
    // Below a thousandth it is rounding.
    let all: u64 = answer.days.iter().map(|day| day.bytes).sum();
    if rest.iter().sum::<f64>() > all as f64 / 1000.0 {
        series.push(Series { name: "other".to_owned(), paint: Paint::Rest, values: rest });
    }
    series
}

/// Tables that one knows have colours far apart; others one of their name.
fn table_hue(name: &str) -> u32 {
    match name {
        "spans" => 230,
        "traces" => 165,
        "span_metrics" | "metrics_source" => 95,
        "metrics_1m" | "packed_metrics_1m" => 60,
        "metrics_1h" | "packed_metrics_1h" => 305,
        "metrics_1d" | "packed_metrics_1d" => 340,
        _ => hue(name),
    }
}

/// Where the growth leads, in words: what to read first, and why.
pub fn outlook(growth: &StorageGrowth, bytes_max: Option<u64>) -> (String, String) {
    let steady = growth.steady_bytes.map(format::bytes);
    match (growth.full_in_days, steady) {
        (_, None) => ("Not known yet".to_owned(), "after the first whole day of data".to_owned()),
        (Some(0), _) => {
            ("Full".to_owned(), "the oldest goes before its time, to stay within the bound".to_owned())
        }
        (Some(days), Some(steady)) => (
            format!("Full in {}", format::plural(u64::from(days), "day")),
            format!("then the oldest goes before its time; unbounded it would level off at {steady}"),
        ),
        (None, Some(steady)) => {
            let why = if bytes_max.is_some() {
                "then as much goes as comes, within the bound"
            } else {
                "then as much goes as comes"
            };
            (format!("Levels off at {steady}"), why.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, NaiveDate};
    use spanloom_model::api::{StorageDay, StorageFlavour};

    fn named(parts: &[(&str, u64)]) -> Vec<NamedBytes> {
        parts.iter().map(|(name, bytes)| NamedBytes { name: (*name).to_owned(), bytes: *bytes }).collect()
    }

    type Parts<'a> = &'a [(&'a str, u64)];

    /// An answer whose days have these tables and services.
    fn answer(days: &[(Parts, Parts)]) -> StorageResponse {
        let day = |(index, (tables, services)): (usize, &(Parts, Parts))| StorageDay {
            day: NaiveDate::from_ymd_opt(2026, 11, index as u32 + 1).unwrap(),
            bytes: tables.iter().map(|(_, bytes)| bytes).sum(),
            tables: named(tables),
            services: named(services),
        };
        StorageResponse {
            measured_at: DateTime::UNIX_EPOCH,
            flavour: StorageFlavour::Postgres,
            database_bytes: 0,
            bytes_max: None,
            growth: StorageGrowth {
                bytes_per_day: None,
                days_measured: 0,
                full_in_days: None,
                steady_bytes: None,
            },
            signals: Vec::new(),
            tables: Vec::new(),
            days: days.iter().enumerate().map(day).collect(),
            services: Vec::new(),
            services_complete: true,
            partitions: Vec::new(),
            partition_count: 0,
            events: Vec::new(),
        }
    }

    // Catches segments that change their order from day to day, and bytes that no segment shows.
    #[test]
    fn series_keep_their_order_and_show_every_byte() {
        let answer = answer(&[
            (&[("spans", 100), ("traces", 20)], &[("shop", 60)]),
            (&[("traces", 30), ("spans", 10)], &[("shop", 5), ("cart", 35)]),
        ]);
        let tables = series(&answer, By::Table);
        let names: Vec<&str> = tables.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["spans", "traces"], "nothing is left for \"other\"");
        assert_eq!(tables[1].values, [20.0, 30.0]);
        let services = series(&answer, By::Service);
        let shown: Vec<(&str, &[f64])> =
            services.iter().map(|it| (it.name.as_str(), it.values.as_slice())).collect();
        assert_eq!(shown, [("shop", &[60.0, 5.0][..]), ("cart", &[0.0, 35.0]), ("other", &[60.0, 0.0])]);
        assert_eq!(services[2].paint, Paint::Rest);
    }

    #[test]
    fn many_series_become_few() {
        let names: Vec<String> = (0..30).map(|index| format!("service-{index}")).collect();
        let parts: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 10)).collect();
        let series = series(&answer(&[(&parts, &parts)]), By::Service);
        assert_eq!(series.len(), SERIES_MAX + 1);
        assert_eq!(series.last().map(|it| it.values[0]), Some(210.0));
    }

    // Catches the wrong alarm.
    #[test]
    fn the_outlook_says_full_only_where_a_bound_is_reached() {
        let growth = |full_in_days, steady_bytes| StorageGrowth {
            bytes_per_day: Some(1),
            days_measured: 1,
            full_in_days,
            steady_bytes,
        };
        let say = |growth| outlook(&growth, Some(5)).0;
        assert_eq!(say(growth(Some(21), Some(9_000))), "Full in 21 days");
        assert_eq!(say(growth(Some(0), Some(9_000))), "Full");
        assert_eq!(say(growth(None, Some(9_000))), "Levels off at 9 kB");
        assert_eq!(say(growth(None, None)), "Not known yet");
    }
}
