//! How the services' numbers came to be, and how they were before. Pure.

use std::collections::HashMap;

use spanloom_model::api::{Metric, MetricsResponse};

use crate::state::time_range::Window;

/// Steps of a sparkline, about.
const STEPS: i64 = 36;

const MINUTE_S: i64 = 60;

/// The metrics with a history.
pub const METRICS: [&str; 3] = ["rate", "error_rate", "p95"];

/// A number over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// One value per step.
    pub points: Vec<Option<f64>>,
    /// Of the period before, which is as long.
    pub before: Option<f64>,
}

/// What is known of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Calls per second.
    pub rate: Course,
    /// Share of errors.
    pub errors: Course,
    /// 95th percentile of the duration.
    pub p95: Course,
}

/// Step and distance to the period before, both in seconds: whole steps, as the API wants them.
pub fn steps_of(window: Window) -> (i64, i64) {
    let length_s = (window.length_ms() / 1_000).max(1);
    let step_s = ((length_s / STEPS / MINUTE_S) * MINUTE_S).max(MINUTE_S);
    (step_s, (length_s + step_s - 1) / step_s * step_s)
}

/// The histories by service.
pub fn histories(answer: &MetricsResponse) -> HashMap<String, History> {
    let mut histories = HashMap::<String, History>::new();
    for series in &answer.series {
        if let Some(course) = course(&mut histories, series.metric, series.labels.service.as_ref()) {
            course.points.clone_from(&series.points);
        }
    }
    for series in answer.comparison.iter().flat_map(|earlier| &earlier.series) {
        if let Some(course) = course(&mut histories, series.metric, series.labels.service.as_ref()) {
            course.before = series.total;
        }
    }
    histories
}

fn course<'a>(
    histories: &'a mut HashMap<String, History>,
    metric: Metric,
    service: Option<&String>,
) -> Option<&'a mut Course> {
    let history = histories.entry(service?.clone()).or_default();
    match metric {
        Metric::Rate => Some(&mut history.rate),
        Metric::ErrorRate => Some(&mut history.errors),
        Metric::P95 => Some(&mut history.p95),
        _ => None,
    }
}

/// How much more or less it is than before, as a share of that; none if that says nothing.
pub fn change(now: f64, before: Option<f64>) -> Option<f64> {
    let before = before.filter(|before| *before > 0.0)?;
    let change = now / before - 1.0;
    // Less than that is noise.
    (change.abs() >= 0.05).then_some(change)
}

/// As people read it.
pub fn change_label(change: f64) -> String {
    let arrow = if change > 0.0 { '▲' } else { '▼' };
    if change >= 9.995 {
        return format!("{arrow} ×{:.0}", change + 1.0);
    }
    format!("{arrow} {:.0}%", change.abs() * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::{MetricComparison, MetricLabels, MetricSeries};

    // Catches steps that the API refuses, and a period before that overlaps or leaves a gap.
    #[test]
    fn the_period_before_is_as_long_in_whole_steps() {
        for (minutes, expected) in [(5, (60, 300)), (60, (60, 3_600)), (24 * 60, (2_400, 86_400))] {
            let window = Window { from_ms: 0, to_ms: minutes * 60_000 };
            assert_eq!(steps_of(window), expected, "{minutes}");
        }
        let (step_s, before_s) = steps_of(Window { from_ms: 0, to_ms: 7_654_321 });
        assert!(before_s % step_s == 0 && before_s >= 7_654 && before_s - step_s < 7_654);
    }

    // Catches a service with another's line, and now taken for before.
    #[test]
    fn histories_belong_to_their_services() {
        let series = |service: &str, metric, total| MetricSeries {
            metric,
            labels: MetricLabels { service: Some(service.to_owned()), ..MetricLabels::default() },
            total: Some(total),
            points: vec![Some(total), None],
        };
        let time = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let histories = histories(&MetricsResponse {
            start_time: time,
            end_time: time,
            step_seconds: 60,
            series: vec![series("a", Metric::Rate, 1.0), series("b", Metric::P95, 2.0)],
            histogram: None,
            comparison: Some(MetricComparison {
                start_time: time,
                end_time: time,
                histogram: None,
                series: vec![series("a", Metric::Rate, 3.0), series("c", Metric::ErrorRate, 0.5)],
            }),
        });
        assert_eq!(histories["a"].rate, Course { points: vec![Some(1.0), None], before: Some(3.0) });
        assert_eq!(histories["b"].p95.points, [Some(2.0), None]);
        assert_eq!((histories["b"].rate.before, histories["c"].errors.before), (None, Some(0.5)));
    }

    #[test]
    fn changes_are_told_if_they_mean_something() {
        let label = |now, before| change(now, before).map(change_label);
        assert_eq!(label(1.5, Some(1.0)).as_deref(), Some("▲ 50%"));
        assert_eq!(label(0.25, Some(1.0)).as_deref(), Some("▼ 75%"));
        assert_eq!(label(30.0, Some(1.0)).as_deref(), Some("▲ ×30"));
        assert_eq!(label(1.04, Some(1.0)), None);
        assert_eq!(label(1.0, Some(0.0)), None);
        assert_eq!(label(1.0, None), None);
    }
}
