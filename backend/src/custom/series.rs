//! From what was counted to series. Pure.

use std::collections::BTreeMap;

use spanloom_measure::Summary;
use spanloom_model::api::{
    CUSTOM_METRIC_OTHER, CustomMetricAggregation, CustomMetricDefinition, CustomMetricSeries,
    CustomMetricSeriesResponse,
};

use crate::query::metrics::params::Steps;

/// A group and what it counted in each step that has something.
#[derive(Debug, Default)]
pub struct Group {
    /// In the order of the definition's `groupBy`; none for everything beyond the bound.
    pub labels: Option<Vec<String>>,
    /// By index of the step.
    pub steps: BTreeMap<usize, Summary>,
}

impl Group {
    fn total(&self) -> Summary {
        let mut total = Summary::default();
        for summary in self.steps.values() {
            total.merge(summary);
        }
        total
    }
}

/// What a group is ranked by: those with most come first.
pub fn rank(aggregation: CustomMetricAggregation, count: f64, sum: f64) -> f64 {
    match aggregation {
        CustomMetricAggregation::Sum => sum,
        _ => count,
    }
}

/// Which of the steps are known: those from a moment on, seconds since the epoch; with `whole` those
/// alone that are known to their whole.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Everything that began then or later is counted.
    pub from_s: i64,
    /// Whether more will be counted.
    pub whole: bool,
}

/// The series of the groups, the greatest first; `groups_found` and `overflowed` are told as they are.
pub fn answer(
    definition: &CustomMetricDefinition,
    steps: Steps,
    known: Known,
    groups: &[Group],
    groups_found: u64,
    overflowed: bool,
) -> CustomMetricSeriesResponse {
    let aggregation = definition.aggregation;
    let none = Summary::default();
    let is_known = |start_s: i64| {
        if known.whole { start_s >= known.from_s } else { start_s + steps.step_s > known.from_s }
    };
    let mut ranked: Vec<(f64, CustomMetricSeries)> = Vec::new();
    for group in groups {
        let point = |step: i64| {
            let summary = group.steps.get(&(step as usize)).unwrap_or(&none);
            is_known(steps.start_s + step * steps.step_s).then(|| summary.value(aggregation)).flatten()
        };
        let total = group.total();
        let series = CustomMetricSeries {
            labels: labels(definition, group.labels.as_deref()),
            total: total.value(aggregation),
            points: (0..steps.count).map(point).collect(),
        };
        ranked.push((rank(aggregation, total.count(), total.sum()), series));
    }
    // Stable, so that equals do not swap places.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let window = steps.window();
    CustomMetricSeriesResponse {
        start_time: window.start,
        end_time: window.end,
        step_seconds: steps.step_s,
        series: ranked.into_iter().map(|(_, series)| series).collect(),
        groups: groups_found,
        overflowed,
    }
}

/// Values by name; every one is [`CUSTOM_METRIC_OTHER`] for what is beyond the bound.
pub fn labels(definition: &CustomMetricDefinition, values: Option<&[String]>) -> BTreeMap<String, String> {
    let value = |index: usize| match values {
        None => CUSTOM_METRIC_OTHER.to_owned(),
        Some(values) => values.get(index).cloned().unwrap_or_default(),
    };
    let groups = definition.group_by.iter().enumerate();
    groups.map(|(index, group)| (group.label().to_owned(), value(index))).collect()
}

#[cfg(test)]
mod tests {
    use spanloom_measure::Cell;
    use spanloom_model::api::{CustomMetricFilter, CustomMetricGroup, CustomMetricValue};

    use super::*;

    const STEPS: Steps = Steps { start_s: 600, step_s: 60, count: 3 };

    fn definition(aggregation: CustomMetricAggregation) -> CustomMetricDefinition {
        CustomMetricDefinition {
            name: "m".to_owned(),
            description: String::new(),
            unit: String::new(),
            filter: CustomMetricFilter::default(),
            value: CustomMetricValue::Duration,
            aggregation,
            group_by: vec![CustomMetricGroup::Service],
            groups_max: 10,
        }
    }

    fn group(label: Option<&str>, values: &[(usize, f64)]) -> Group {
        let mut group = Group { labels: label.map(|label| vec![label.to_owned()]), ..Group::default() };
        for &(step, value) in values {
            group.steps.entry(step).or_default().add(0, &Cell::of(value, 1.0));
        }
        group
    }

    fn points(known: Known) -> Vec<Option<f64>> {
        let groups = [group(Some("a"), &[(1, 5.0)])];
        let of = definition(CustomMetricAggregation::Sum);
        answer(&of, STEPS, known, &groups, 1, false).series.remove(0).points
    }

    // Catches minutes that are not counted yet and look as if nothing had happened.
    #[test]
    fn what_is_not_counted_yet_is_no_zero() {
        let all = Known { from_s: 0, whole: true };
        assert_eq!(points(all), [Some(0.0), Some(5.0), Some(0.0)]);
        assert_eq!(points(Known { from_s: 630, whole: true }), [None, Some(5.0), Some(0.0)]);
        assert_eq!(points(Known { from_s: 630, whole: false }), [Some(0.0), Some(5.0), Some(0.0)]);
        assert_eq!(points(Known { from_s: 660, whole: false }), [None, Some(5.0), Some(0.0)]);
    }

    // Catches the groups with least at the top, and a rest that looks like a service.
    #[test]
    fn the_greatest_group_is_first_and_the_rest_is_named() {
        let groups = [group(Some("a"), &[(0, 1.0), (1, 1.0)]), group(None, &[(0, 9.0)])];
        let names = |aggregation| {
            let known = Known { from_s: 0, whole: true };
            let answer = answer(&definition(aggregation), STEPS, known, &groups, 2, true);
            answer.series.into_iter().map(|series| series.labels["service"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(CustomMetricAggregation::Sum), ["__other__", "a"]);
        assert_eq!(names(CustomMetricAggregation::Max), ["a", "__other__"]);
    }
}
