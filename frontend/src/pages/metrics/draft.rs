//! A definition while it is typed.

use leptos::prelude::*;
use spanloom_model::api::{
    CustomMetricAggregation, CustomMetricCondition, CustomMetricDefinition, CustomMetricFilter,
    CustomMetricGroup, CustomMetricValue,
};
use spanloom_model::{SpanKind, SpanStatus};

use crate::format;

/// Kinds that can be chosen.
pub const KINDS: [SpanKind; 5] =
    [SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer, SpanKind::Internal];

/// Ways of computing, with their names in the form.
pub const AGGREGATIONS: [(&str, &str); 7] = [
    ("count", "Count"),
    ("sum", "Sum"),
    ("avg", "Mean"),
    ("min", "Least"),
    ("max", "Greatest"),
    ("quantile", "Quantile"),
    ("distinct", "Distinct values"),
];

/// Names that are no attribute's.
pub const GROUPS: [&str; 5] = ["service", "operation", "kind", "status", "version"];

/// The fields, in signals. A handle: copies are the same draft.
#[derive(Clone, Copy)]
pub struct Draft {
    pub name: RwSignal<String>,
    pub description: RwSignal<String>,
    pub unit: RwSignal<String>,
    pub service: RwSignal<String>,
    pub operation: RwSignal<String>,
    pub kinds: RwSignal<Vec<SpanKind>>,
    pub status: RwSignal<Option<SpanStatus>>,
    pub conditions: RwSignal<Vec<CustomMetricCondition>>,
    /// Milliseconds.
    pub at_least: RwSignal<String>,
    /// Milliseconds.
    pub at_most: RwSignal<String>,
    /// `span`, `duration` or `attribute`.
    pub value: RwSignal<String>,
    pub key: RwSignal<String>,
    /// One of [`AGGREGATIONS`].
    pub aggregation: RwSignal<String>,
    /// Percent.
    pub quantile: RwSignal<String>,
    pub groups: RwSignal<Vec<CustomMetricGroup>>,
    pub groups_max: RwSignal<String>,
}

impl Draft {
    /// A draft of a definition; of one that counts spans without.
    pub fn new(definition: Option<&CustomMetricDefinition>) -> Self {
        let text = |of: fn(&CustomMetricDefinition) -> String, none: &str| {
            RwSignal::new(definition.map_or_else(|| none.to_owned(), of))
        };
        let filter = definition.map(|it| it.filter.clone()).unwrap_or_default();
        let ms = |bound: Option<i64>| {
            RwSignal::new(bound.map(|ns| (ns as f64 / 1e6).to_string()).unwrap_or_default())
        };
        Self {
            name: text(|it| it.name.clone(), ""),
            description: text(|it| it.description.clone(), ""),
            unit: text(|it| it.unit.clone(), ""),
            service: RwSignal::new(filter.service.unwrap_or_default()),
            operation: RwSignal::new(filter.operation.unwrap_or_default()),
            kinds: RwSignal::new(filter.kinds),
            status: RwSignal::new(filter.status),
            conditions: RwSignal::new(filter.attributes),
            at_least: ms(filter.duration_min_ns),
            at_most: ms(filter.duration_max_ns),
            value: text(|it| value_name(&it.value).to_owned(), "span"),
            key: text(
                |it| match &it.value {
                    CustomMetricValue::Attribute { key } => key.clone(),
                    _ => String::new(),
                },
                "",
            ),
            aggregation: text(|it| aggregation_name(it.aggregation).to_owned(), "count"),
            quantile: text(
                |it| match it.aggregation {
                    CustomMetricAggregation::Quantile { q } => format::number(q * 100.0),
                    _ => "95".to_owned(),
                },
                "95",
            ),
            groups: RwSignal::new(definition.map(|it| it.group_by.clone()).unwrap_or_default()),
            groups_max: text(|it| it.groups_max.to_string(), "100"),
        }
    }

    /// The definition; tracks all fields. What is no number is told by the server as one out of range.
    pub fn read(self) -> CustomMetricDefinition {
        let some = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let aggregation = match self.aggregation.get().as_str() {
            "sum" => CustomMetricAggregation::Sum,
            "avg" => CustomMetricAggregation::Avg,
            "min" => CustomMetricAggregation::Min,
            "max" => CustomMetricAggregation::Max,
            "quantile" => {
                let percent: Option<f64> = self.quantile.get().trim().parse().ok();
                // Without the digits that come from dividing by 100.
                let q = percent.map_or(0.0, |percent| (percent * 1e4).round() / 1e6);
                CustomMetricAggregation::Quantile { q }
            }
            "distinct" => CustomMetricAggregation::Distinct,
            _ => CustomMetricAggregation::Count,
        };
        CustomMetricDefinition {
            name: self.name.get().trim().to_owned(),
            description: self.description.get().trim().to_owned(),
            unit: self.unit.get().trim().to_owned(),
            filter: CustomMetricFilter {
                service: some(self.service.get()),
                operation: some(self.operation.get()),
                kinds: self.kinds.get(),
                status: self.status.get(),
                attributes: self.conditions.get(),
                duration_min_ns: some(self.at_least.get()).map(|text| nanoseconds(&text)),
                duration_max_ns: some(self.at_most.get()).map(|text| nanoseconds(&text)),
            },
            value: match self.value.get().as_str() {
                "duration" => CustomMetricValue::Duration,
                "attribute" => CustomMetricValue::Attribute { key: self.key.get().trim().to_owned() },
                _ => CustomMetricValue::Span,
            },
            aggregation,
            group_by: self.groups.get(),
            groups_max: self.groups_max.get().trim().parse().unwrap_or(0),
        }
    }
}

/// Milliseconds as nanoseconds; what is no number is out of range.
fn nanoseconds(ms: &str) -> i64 {
    ms.parse::<f64>().map_or(-1, |ms| (ms * 1e6).round() as i64)
}

fn value_name(value: &CustomMetricValue) -> &'static str {
    match value {
        CustomMetricValue::Span => "span",
        CustomMetricValue::Duration => "duration",
        CustomMetricValue::Attribute { .. } => "attribute",
    }
}

fn aggregation_name(aggregation: CustomMetricAggregation) -> &'static str {
    match aggregation {
        CustomMetricAggregation::Count => "count",
        CustomMetricAggregation::Sum => "sum",
        CustomMetricAggregation::Avg => "avg",
        CustomMetricAggregation::Min => "min",
        CustomMetricAggregation::Max => "max",
        CustomMetricAggregation::Quantile { .. } => "quantile",
        CustomMetricAggregation::Distinct => "distinct",
    }
}

/// `key=value`, or a key that must be there; none for nothing.
pub fn condition(text: &str) -> Option<CustomMetricCondition> {
    let text = text.trim();
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        None => (text, None),
    };
    (!key.is_empty()).then(|| CustomMetricCondition { key: key.to_owned(), value })
}

/// The group of that name: one of [`GROUPS`], else an attribute.
pub fn group(name: &str) -> Option<CustomMetricGroup> {
    Some(match name.trim() {
        "" => return None,
        "service" => CustomMetricGroup::Service,
        "operation" => CustomMetricGroup::Operation,
        "kind" => CustomMetricGroup::Kind,
        "status" => CustomMetricGroup::Status,
        "version" => CustomMetricGroup::Version,
        key => CustomMetricGroup::Attribute { key: key.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches an edit that changes what nobody touched.
    #[test]
    fn a_definition_survives_the_form() {
        let owner = Owner::new();
        owner.with(|| {
            let definition = CustomMetricDefinition {
                name: "cart_total".to_owned(),
                description: "What customers ordered".to_owned(),
                unit: "EUR".to_owned(),
                filter: CustomMetricFilter {
                    service: Some("shop".to_owned()),
                    operation: None,
                    kinds: vec![SpanKind::Server, SpanKind::Client],
                    status: Some(SpanStatus::Error),
                    attributes: vec![condition("tier=gold").unwrap(), condition("vip").unwrap()],
                    duration_min_ns: Some(1_500_000),
                    duration_max_ns: None,
                },
                value: CustomMetricValue::Attribute { key: "cart.total".to_owned() },
                aggregation: CustomMetricAggregation::Quantile { q: 0.999 },
                group_by: vec![group("service").unwrap(), group("tier").unwrap()],
                groups_max: 50,
            };
            assert_eq!(Draft::new(Some(&definition)).read(), definition);
            let empty = Draft::new(None);
            assert_eq!(empty.read().aggregation, CustomMetricAggregation::Count);
            empty.at_least.set("soon".to_owned());
            assert_eq!(empty.read().filter.duration_min_ns, Some(-1), "the server says what is wrong");
        });
    }

    #[test]
    fn conditions_are_keys_with_or_without_a_value() {
        let told = |text: &str| condition(text).map(|it| (it.key, it.value));
        assert_eq!(told(" a = b=c "), Some(("a".to_owned(), Some("b=c".to_owned()))));
        assert_eq!(told("a="), Some(("a".to_owned(), None)));
        assert_eq!((told("=b"), told(" ")), (None, None));
    }
}
