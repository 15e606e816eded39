//! Custom metrics into families. Pure.
//!
//! Counts are counters; sums and averages a summary's `_sum` and `_count`, from which both can be had over
//! any time; quantiles a summary's, of the last minutes; what has no meaning since ever (the least, the
//! greatest, how many different) a gauge of the last minutes.

use std::collections::{BTreeMap, BTreeSet};

use spanloom_model::api::{CustomMetricAggregation, CustomMetricDefinition, CustomMetricValue};

use super::text::{Exposition, Labels, Type};
use crate::custom::exposed_store::{Exposed, ExposedMetric};

/// Before each name: names are people's, and must not be those of others.
const PREFIX: &str = "spanloom_custom_";

/// Suffixes of samples: two families must not have one of the same name.
const SUFFIXES: [&str; 4] = ["", "_total", "_sum", "_count"];

/// Names of labels that mean something to Prometheus.
const RESERVED: [&str; 4] = ["le", "quantile", "job", "instance"];

/// Writes the families; returns how many sets of labels were told.
pub fn custom_metrics(to: &mut Exposition, metrics: &[ExposedMetric]) -> usize {
    let mut taken = BTreeSet::new();
    metrics.iter().map(|metric| family(to, &free_name(&mut taken, &metric.definition.name), metric)).sum()
}

/// The name, with `_` at its end where another's sample is called so.
fn free_name(taken: &mut BTreeSet<String>, wanted: &str) -> String {
    let mut name = format!("{PREFIX}{wanted}");
    while SUFFIXES.iter().any(|suffix| taken.contains(&format!("{name}{suffix}"))) {
        name.push('_');
    }
    taken.extend(SUFFIXES.map(|suffix| format!("{name}{suffix}")));
    name
}

fn family(to: &mut Exposition, name: &str, ExposedMetric { definition, series }: &ExposedMetric) -> usize {
    use CustomMetricAggregation::{Avg, Count, Distinct, Max, Min, Quantile, Sum};
    let aggregation = definition.aggregation;
    let of = match aggregation {
        Count => Type::Counter,
        Sum | Avg | Quantile { .. } => Type::Summary,
        Min | Max | Distinct => Type::Gauge,
    };
    to.family(name, of, &help(definition));
    let scale = if definition.value == CustomMetricValue::Duration { 1e-9 } else { 1.0 };
    let mut told = 0;
    for one in series {
        let labels = label_set(&one.labels);
        let recent = recent(one, aggregation).map(|value| value * scale);
        told += usize::from(recent.is_some() || one.since_ever.is_some());
        match (aggregation, recent) {
            (Quantile { q }, Some(value)) => {
                to.sample(name, &labels.with("quantile", &q.to_string()), value, None);
            }
            (Min | Max | Distinct, Some(value)) => to.sample(name, &labels, value, None),
            _ => {}
        }
        match (of, one.since_ever) {
            (Type::Counter, Some((count, _))) => {
                to.sample(&format!("{name}_total"), &labels, steady(count), None);
            }
            (Type::Summary, Some((count, sum))) => {
                to.sample(&format!("{name}_sum"), &labels, steady(sum * scale), None);
                to.sample(&format!("{name}_count"), &labels, steady(count), None);
            }
            _ => {}
        }
    }
    told
}

/// Nothing where there were no values: the estimate of how many different ones is then zero.
fn recent(one: &Exposed, aggregation: CustomMetricAggregation) -> Option<f64> {
    if one.recent.count() > 0.0 { one.recent.value(aggregation) } else { None }
}

/// Sums of fractions differ in their last digits with the order in which they are added up, and a
/// counter that goes down by one of them looks as if it had begun anew.
fn steady(sum: f64) -> f64 {
    format!("{sum:.9e}").parse().unwrap_or(sum)
}

fn help(definition: &CustomMetricDefinition) -> String {
    let unit = match definition.value {
        CustomMetricValue::Duration => "seconds",
        _ => &definition.unit,
    };
    let text = match (definition.description.trim(), unit) {
        ("", "") => format!("Custom metric {}.", definition.name),
        ("", unit) => format!("Custom metric {}, in {unit}.", definition.name),
        (description, "") => description.to_owned(),
        (description, unit) => format!("{description} ({unit})"),
    };
    text.replace('\\', "\\\\").replace('\n', "\\n").replace(|c: char| c.is_control(), " ")
}

/// Attributes' keys as names that are allowed, each once.
fn label_set(labels: &BTreeMap<String, String>) -> Labels {
    let mut taken = BTreeSet::new();
    let mut set = Labels::default();
    for (key, value) in labels {
        let mut name = label_name(key);
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        set = set.with(&name, value);
    }
    set
}

fn label_name(key: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = key.chars().map(allowed).collect();
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !RESERVED.contains(&&*name);
    if is_plain { name } else { format!("label_{name}") }
}

#[cfg(test)]
mod tests {
    use spanloom_measure::{Cell, Summary};
    use spanloom_model::api::CustomMetricFilter;

    use super::super::text::Format;
    use super::*;

    fn metric(name: &str, value: CustomMetricValue, aggregation: CustomMetricAggregation) -> ExposedMetric {
        let definition = CustomMetricDefinition {
            name: name.to_owned(),
            description: String::new(),
            unit: String::new(),
            filter: CustomMetricFilter::default(),
            value,
            aggregation,
            group_by: Vec::new(),
            groups_max: 10,
        };
        ExposedMetric { definition, series: Vec::new() }
    }

    fn rendered(metrics: &[ExposedMetric]) -> (String, usize) {
        let mut to = Exposition::new(Format::OpenMetrics);
        let told = custom_metrics(&mut to, metrics);
        (to.finish(), told)
    }

    fn attribute() -> CustomMetricValue {
        CustomMetricValue::Attribute { key: "total".to_owned() }
    }

    fn counted(count: f64, sum: f64, recent: &[f64]) -> Exposed {
        let mut summary = Summary::default();
        for value in recent {
            summary.add(0, &Cell::of(*value, 1.0));
        }
        Exposed { labels: BTreeMap::new(), since_ever: Some((count, sum)), recent: summary }
    }

    // Catches a type that a scraper understands otherwise, nanoseconds, and values of long ago as a gauge's.
    #[test]
    fn each_aggregation_has_the_type_that_says_what_it_is() {
        let mut quantile =
            metric("slow", CustomMetricValue::Duration, CustomMetricAggregation::Quantile { q: 0.95 });
        quantile.series.push(counted(4.0, 3e9, &[2e9]));
        let mut count = metric("orders", CustomMetricValue::Span, CustomMetricAggregation::Count);
        count.series.push(counted(4.5, 4.5, &[]));
        let mut least = metric("least", attribute(), CustomMetricAggregation::Min);
        least.series.push(Exposed { since_ever: None, ..counted(0.0, 0.0, &[-2.0, 3.0]) });
        least.series.push(Exposed { since_ever: None, ..counted(0.0, 0.0, &[]) });
        let (text, told) = rendered(&[quantile, count, least]);
        assert_eq!(
            text,
            "# HELP spanloom_custom_slow Custom metric slow, in seconds.\n\
             # TYPE spanloom_custom_slow summary\n\
             spanloom_custom_slow{quantile=\"0.95\"} 2\n\
             spanloom_custom_slow_sum{} 3\n\
             spanloom_custom_slow_count{} 4\n\
             # HELP spanloom_custom_orders Custom metric orders.\n\
             # TYPE spanloom_custom_orders counter\n\
             spanloom_custom_orders_total{} 4.5\n\
             # HELP spanloom_custom_least Custom metric least.\n\
             # TYPE spanloom_custom_least gauge\n\
             spanloom_custom_least{} -2\n\
             # EOF\n"
        );
        assert_eq!(told, 3);
    }

    // Catches a scrape that is refused whole because two families have a sample of one name.
    #[test]
    fn no_two_samples_have_one_name() {
        let mut taken = BTreeSet::new();
        let names = ["a", "a_total", "a_sum", "b"].map(|name| free_name(&mut taken, name));
        assert_eq!(
            names,
            [
                "spanloom_custom_a",
                "spanloom_custom_a_total_",
                "spanloom_custom_a_sum_",
                "spanloom_custom_b"
            ]
        );
        let mut taken = BTreeSet::new();
        let names = ["a_total", "a"].map(|name| free_name(&mut taken, name));
        assert_eq!(names, ["spanloom_custom_a_total", "spanloom_custom_a_"]);
    }

    // Catches attributes that Prometheus refuses or takes for its own, and two that become one.
    #[test]
    fn keys_become_label_names() {
        let labels =
            [("a.b", "1"), ("a_b", "2"), ("le", "3"), ("0x", "4"), ("__name__", "5"), ("größe", "6")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let expected = Labels::new(&[
            ("label_0x", "4"),
            ("label___name__", "5"),
            ("a_b", "1"),
            ("a_b_", "2"),
            ("gr__e", "6"),
            ("label_le", "3"),
        ]);
        assert_eq!(label_set(&labels), expected);
    }

    // Catches a help text that ends its line, and a counter that goes down by its last digit.
    #[test]
    fn texts_stay_in_their_line_and_sums_where_they_were() {
        let mut one = metric("a", attribute(), CustomMetricAggregation::Sum);
        one.definition.description = "x\ny\\z\r".to_owned();
        one.definition.unit = "EUR".to_owned();
        assert_eq!(help(&one.definition), "x\\ny\\\\z (EUR)");
        let (one, other): (f64, f64) = (0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1);
        assert!((one - other).abs() > 0.0);
        assert!((steady(one) - steady(other)).abs() <= 0.0);
    }
}
