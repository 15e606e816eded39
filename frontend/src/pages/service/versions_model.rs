//! The versions of a service in the range, and when one took over from another. Pure.

use spanloom_model::api::{Metric, MetricsResponse};

use crate::charts::line_chart::Mark;

/// The metrics that are asked for by version.
pub const METRICS: [&str; 5] = ["count", "rate", "error_rate", "p50", "p95"];

/// More versions than this are not marked in the charts: their lines would be all that is seen.
const MARKS_MAX: usize = 12;

/// A version of the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// `service.version`; empty for spans that do not tell it.
    pub name: String,
    /// Start of the first step with spans, milliseconds since the epoch; none if it was there before.
    pub since_ms: Option<i64>,
    /// Spans in the range.
    pub count: f64,
    /// Calls per second over the whole range.
    pub rate: f64,
    /// Share of errors.
    pub error_rate: f64,
    /// Nanoseconds; none without spans.
    pub p50_ns: Option<f64>,
    /// Nanoseconds; none without spans.
    pub p95_ns: Option<f64>,
}

/// The versions, the newest first: by when they appeared, then by how much they do.
pub fn versions(answer: &MetricsResponse) -> Vec<Version> {
    let start_ms = answer.start_time.timestamp_millis();
    let counts = answer.series.iter().filter(|series| series.metric == Metric::Count);
    let mut versions: Vec<Version> = counts
        .filter_map(|counts| {
            let total = |metric| {
                let is_it = |series: &&spanloom_model::api::MetricSeries| {
                    series.metric == metric && series.labels == counts.labels
                };
                answer.series.iter().find(is_it).and_then(|series| series.total)
            };
            let first = counts.points.iter().position(|count| count.is_some_and(|count| count > 0.0))?;
            Some(Version {
                name: counts.labels.version.clone().unwrap_or_default(),
                since_ms: (first > 0).then_some(start_ms + first as i64 * answer.step_seconds * 1_000),
                count: counts.total.unwrap_or_default(),
                rate: total(Metric::Rate).unwrap_or_default(),
                error_rate: total(Metric::ErrorRate).unwrap_or_default(),
                p50_ns: total(Metric::P50),
                p95_ns: total(Metric::P95),
            })
        })
        .collect();
    versions.sort_by(|a, b| b.since_ms.cmp(&a.since_ms).then(b.count.total_cmp(&a.count)));
    versions
}

/// When versions appeared in the range, for the charts.
pub fn deployments(versions: &[Version]) -> Vec<Mark> {
    // A service's first spans at all are no deployment.
    let has_older = versions.iter().any(|version| version.since_ms.is_none());
    let marks = versions.iter().filter(|_| has_older || versions.len() > 1);
    let oldest = versions.last().map(|version| version.name.clone());
    marks
        .filter(|version| has_older || Some(&version.name) != oldest.as_ref())
        .filter_map(|version| {
            let name = if version.name.is_empty() { "no version" } else { &version.name };
            Some(Mark { at_ms: version.since_ms?, label: name.to_owned() })
        })
        .take(MARKS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::{MetricLabels, MetricSeries};

    fn answer(versions: &[(&str, &[f64])]) -> MetricsResponse {
        let series = |version: &str, metric, total: f64, points: Vec<Option<f64>>| MetricSeries {
            metric,
            labels: MetricLabels { version: Some(version.to_owned()), ..MetricLabels::default() },
            total: Some(total),
            points,
        };
        let both = |(version, counts): &(&str, &[f64])| {
            let points = counts.iter().copied().map(Some).collect();
            let total: f64 = counts.iter().sum();
            [
                series(version, Metric::Count, total, points),
                series(version, Metric::P95, total * 10.0, vec![]),
            ]
        };
        let time = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        MetricsResponse {
            start_time: time(600),
            end_time: time(780),
            step_seconds: 60,
            series: versions.iter().flat_map(both).collect(),
            histogram: None,
            comparison: None,
        }
    }

    fn names(versions: &[Version]) -> Vec<(&str, Option<i64>)> {
        versions.iter().map(|version| (version.name.as_str(), version.since_ms)).collect()
    }

    // Catches an old version shown as the newest, and another's durations.
    #[test]
    fn the_newest_version_comes_first() {
        let versions =
            versions(&answer(&[("1", &[5.0, 1.0, 0.0]), ("2", &[0.0, 4.0, 5.0]), ("0", &[9.0])]));
        assert_eq!(names(&versions), [("2", Some(660_000)), ("0", None), ("1", None)]);
        assert_eq!(versions[0].p95_ns, Some(90.0));
        let marks = deployments(&versions);
        assert_eq!(marks, [Mark { at_ms: 660_000, label: "2".to_owned() }]);
    }

    // Catches a mark where a service merely begins.
    #[test]
    fn the_first_version_at_all_is_no_deployment() {
        assert!(deployments(&versions(&answer(&[("1", &[0.0, 1.0])]))).is_empty());
        let both = deployments(&versions(&answer(&[("1", &[0.0, 1.0]), ("2", &[0.0, 0.0, 1.0])])));
        assert_eq!(both.iter().map(|mark| mark.label.as_str()).collect::<Vec<_>>(), ["2"]);
    }
}
