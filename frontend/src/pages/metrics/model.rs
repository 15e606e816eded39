//! What pages say of a metric, and its series as a chart. Pure.

use spanloom_model::SpanKind;
use spanloom_model::api::{
    CUSTOM_METRIC_OTHER, CustomMetricAggregation, CustomMetricDefinition, CustomMetricGroup,
    CustomMetricSeries, CustomMetricSeriesResponse, CustomMetricValue,
};

use crate::charts::line_chart::ChartData;
use crate::charts::lines::{Line, Steps, Stroke, Unit};
use crate::format;

/// Lines of a chart: colours, and the same colours dashed.
pub const LINES_MAX: usize = 8;

/// What a metric's numbers measure.
pub fn unit_of(definition: &CustomMetricDefinition) -> Unit {
    let counts = matches!(
        definition.aggregation,
        CustomMetricAggregation::Count | CustomMetricAggregation::Distinct
    );
    match definition.value {
        CustomMetricValue::Duration if !counts => Unit::Duration,
        _ => Unit::Number,
    }
}

/// A number with the unit that the definition tells.
pub fn value_label(definition: &CustomMetricDefinition, value: f64) -> String {
    let unit = unit_of(definition);
    let is_of_attribute = !matches!(
        definition.aggregation,
        CustomMetricAggregation::Count | CustomMetricAggregation::Distinct
    );
    let number = unit.label(value);
    if unit == Unit::Number && is_of_attribute && !definition.unit.is_empty() {
        format!("{number} {}", definition.unit)
    } else {
        number
    }
}

/// The values of a group's labels as one name.
pub fn group_name(definition: &CustomMetricDefinition, series: &CustomMetricSeries) -> String {
    if series.labels.is_empty() {
        return definition.name.clone();
    }
    if series.labels.values().all(|value| value == CUSTOM_METRIC_OTHER) {
        return "all others".to_owned();
    }
    let value = |group: &CustomMetricGroup| match series.labels.get(group.label()).map(String::as_str) {
        None | Some("") => "(none)".to_owned(),
        Some(value) => value.to_owned(),
    };
    definition.group_by.iter().map(value).collect::<Vec<_>>().join(" · ")
}

/// The lines of the groups with most.
pub fn chart(definition: &CustomMetricDefinition, answer: &CustomMetricSeriesResponse) -> ChartData {
    let step_ms = answer.step_seconds * 1_000;
    let start_ms = answer.start_time.timestamp_millis();
    let count = (answer.end_time.timestamp_millis() - start_ms) / step_ms.max(1);
    let line = |(index, series): (usize, &CustomMetricSeries)| Line {
        name: group_name(definition, series),
        stroke: Stroke::Palette(index + 1),
        values: series.points.clone(),
    };
    ChartData {
        steps: Steps { start_ms, step_ms, count: count.max(0) as usize },
        lines: answer.series.iter().take(LINES_MAX).enumerate().map(line).collect(),
    }
}

/// The value of the last step that is over, if any was known.
pub fn current(answer: &CustomMetricSeriesResponse) -> Option<f64> {
    let points = &answer.series.first()?.points;
    points.iter().rev().skip(1).find_map(|point| *point).or_else(|| points.last().copied().flatten())
}

/// What is computed: `p95 of cart.total`.
pub fn computed(definition: &CustomMetricDefinition) -> String {
    let value = match &definition.value {
        CustomMetricValue::Span => "spans".to_owned(),
        CustomMetricValue::Duration => "the duration".to_owned(),
        CustomMetricValue::Attribute { key } => key.clone(),
    };
    let what = match definition.aggregation {
        CustomMetricAggregation::Count if definition.value == CustomMetricValue::Span => {
            return "number of spans".to_owned();
        }
        CustomMetricAggregation::Count => "number of spans with".to_owned(),
        CustomMetricAggregation::Sum => "sum of".to_owned(),
        CustomMetricAggregation::Avg => "mean of".to_owned(),
        CustomMetricAggregation::Min => "least of".to_owned(),
        CustomMetricAggregation::Max => "greatest of".to_owned(),
        CustomMetricAggregation::Quantile { q } => {
            format!("p{} of", format::number(q * 100.0).replace('.', ""))
        }
        CustomMetricAggregation::Distinct => "distinct values of".to_owned(),
    };
    format!("{what} {value}")
}

/// Which spans count, condition by condition; empty for all.
pub fn conditions(definition: &CustomMetricDefinition) -> Vec<String> {
    let filter = &definition.filter;
    let mut conditions = Vec::new();
    conditions.extend(filter.service.iter().map(|service| format!("service = {service}")));
    conditions.extend(filter.operation.iter().map(|operation| format!("operation = {operation}")));
    if !filter.kinds.is_empty() {
        let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind_name(*kind)).collect();
        conditions.push(format!("kind = {}", kinds.join(" or ")));
    }
    conditions.extend(filter.status.map(|status| format!("status = {status:?}").to_lowercase()));
    conditions.extend(filter.attributes.iter().map(|condition| match &condition.value {
        Some(value) => format!("{} = {value}", condition.key),
        None => format!("has {}", condition.key),
    }));
    conditions.extend(filter.duration_min_ns.map(|ns| format!("at least {}", format::duration(ns))));
    conditions.extend(filter.duration_max_ns.map(|ns| format!("at most {}", format::duration(ns))));
    conditions
}

/// The names of what it is grouped by.
pub fn group_names(definition: &CustomMetricDefinition) -> String {
    definition.group_by.iter().map(CustomMetricGroup::label).collect::<Vec<_>>().join(", ")
}

/// A kind as the API writes it.
pub fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::CustomMetricFilter;

    fn definition() -> CustomMetricDefinition {
        CustomMetricDefinition {
            name: "cart_total".to_owned(),
            description: String::new(),
            unit: "EUR".to_owned(),
            filter: CustomMetricFilter {
                service: Some("checkout".to_owned()),
                kinds: vec![SpanKind::Server, SpanKind::Consumer],
                duration_min_ns: Some(250_000_000),
                ..CustomMetricFilter::default()
            },
            value: CustomMetricValue::Attribute { key: "cart.total".to_owned() },
            aggregation: CustomMetricAggregation::Quantile { q: 0.999 },
            group_by: vec![
                CustomMetricGroup::Attribute { key: "tier".to_owned() },
                CustomMetricGroup::Service,
            ],
            groups_max: 100,
        }
    }

    fn series(labels: &[(&str, &str)], points: &[Option<f64>]) -> CustomMetricSeries {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        CustomMetricSeries { labels: labels.collect(), total: None, points: points.to_vec() }
    }

    // Catches p99.9 written as p99, and conditions that nobody sees.
    #[test]
    fn a_definition_is_told_in_words() {
        assert_eq!(computed(&definition()), "p999 of cart.total");
        assert_eq!(
            conditions(&definition()),
            ["service = checkout", "kind = server or consumer", "at least 250 ms"]
        );
        let count = CustomMetricDefinition {
            value: CustomMetricValue::Span,
            aggregation: CustomMetricAggregation::Count,
            ..definition()
        };
        assert_eq!((computed(&count), value_label(&count, 3.0)), ("number of spans".into(), "3".into()));
        assert_eq!(value_label(&definition(), 12.5), "12.5 EUR");
        let duration = CustomMetricDefinition { value: CustomMetricValue::Duration, ..definition() };
        assert_eq!(value_label(&duration, 1.5e6), "1.5 ms");
    }

    // Catches names in the order of the alphabet instead of the definition's, and empty ones.
    #[test]
    fn groups_have_names() {
        let name = |labels: &[(&str, &str)]| group_name(&definition(), &series(labels, &[]));
        assert_eq!(name(&[("service", "shop"), ("tier", "gold")]), "gold · shop");
        assert_eq!(name(&[("service", "shop"), ("tier", "")]), "(none) · shop");
        assert_eq!(name(&[("service", "__other__"), ("tier", "__other__")]), "all others");
        assert_eq!(name(&[]), "cart_total");
    }

    // Catches a number that falls with every minute that has just begun.
    #[test]
    fn the_current_value_is_of_a_whole_step() {
        let of = |points: &[Option<f64>]| {
            let answer = CustomMetricSeriesResponse {
                start_time: chrono::DateTime::default(),
                end_time: chrono::DateTime::default(),
                step_seconds: 60,
                series: vec![series(&[], points)],
                groups: 1,
                overflowed: false,
            };
            current(&answer)
        };
        assert_eq!(of(&[Some(1.0), Some(9.0), Some(2.0)]), Some(9.0));
        assert_eq!(of(&[Some(1.0), None, Some(2.0)]), Some(1.0));
        assert_eq!(of(&[None, None, Some(2.0)]), Some(2.0));
        assert_eq!(of(&[]), None);
    }
}
