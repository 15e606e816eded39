//! A definition looks at spans.

use std::borrow::Cow;

use spanloom_model::api::{
    CustomMetricAggregation, CustomMetricDefinition, CustomMetricFilter, CustomMetricGroup,
    CustomMetricValue, FieldError,
};
use spanloom_model::{AttrValue, Attributes, Span, SpanKind, SpanStatus};

use crate::check::{GROUP_CHARS_MAX, check};
use crate::{Cell, Tally, buckets, distinct};

/// What metrics look at of a span.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// `service.name`.
    pub service: &'a str,
    /// The span's name.
    pub operation: &'a str,
    /// Its kind.
    pub kind: SpanKind,
    /// Its status.
    pub status: SpanStatus,
    /// `service.version`; empty if not told.
    pub version: &'a str,
    /// Microseconds since the epoch.
    pub start_us: i64,
    /// Nanoseconds.
    pub duration_ns: i64,
    /// The span's attributes.
    pub attributes: &'a Attributes,
    /// Its process' attributes.
    pub resource: &'a Attributes,
    /// How many spans it stands for.
    pub weight: f64,
}

impl<'a> Observed<'a> {
    /// A span that stands for `weight`.
    pub fn new(span: &'a Span, weight: f64) -> Self {
        Self {
            service: span.resource.service_name(),
            operation: &span.name,
            kind: span.kind,
            status: span.status,
            version: span.resource.service_version(),
            start_us: span.start_ns.div_euclid(1_000),
            duration_ns: span.duration_ns,
            attributes: &span.attributes,
            resource: &span.resource.attributes,
            weight,
        }
    }

    /// The span's attribute, else its process'.
    fn attribute(&self, key: &str) -> Option<&'a AttrValue> {
        self.attributes.get(key).or_else(|| self.resource.get(key))
    }
}

/// A valid definition.
#[derive(Debug, Clone)]
pub struct Meter(CustomMetricDefinition);

impl Meter {
    /// # Errors
    /// Everything that is wrong with the definition.
    pub fn new(definition: CustomMetricDefinition) -> Result<Self, Vec<FieldError>> {
        let faults = check(&definition);
        if faults.is_empty() { Ok(Self(definition)) } else { Err(faults) }
    }

    /// The definition.
    pub fn definition(&self) -> &CustomMetricDefinition {
        &self.0
    }

    /// Whether attributes matter, of the span or its process.
    pub fn reads_attributes(&self) -> bool {
        !self.0.filter.attributes.is_empty()
            || matches!(self.0.value, CustomMetricValue::Attribute { .. })
            || self.0.group_by.iter().any(|group| matches!(group, CustomMetricGroup::Attribute { .. }))
    }

    /// Adds the span to `tally` if it counts; whether it does.
    pub fn observe(&self, span: &Observed, tally: &mut Tally) -> bool {
        if !matches(&self.0.filter, span) {
            return false;
        }
        let Some((bucket, cell)) = self.value(span) else { return false };
        tally.add(self.0.group_by.iter().map(|group| label(group, span)), span.start_us, bucket, &cell);
        true
    }

    fn value(&self, span: &Observed) -> Option<(i16, Cell)> {
        let number = match &self.0.value {
            CustomMetricValue::Span => 1.0,
            CustomMetricValue::Duration => span.duration_ns as f64,
            CustomMetricValue::Attribute { key } => {
                let value = span.attribute(key)?;
                match self.0.aggregation {
                    CustomMetricAggregation::Distinct => {
                        let (register, rank) = distinct::register_of(&text(value));
                        let rank = f64::from(rank);
                        return Some((
                            register,
                            Cell { count: span.weight, sum: 0.0, min: rank, max: rank },
                        ));
                    }
                    // Whatever it is, it is there.
                    CustomMetricAggregation::Count => 1.0,
                    _ => number(value)?,
                }
            }
        };
        let bucket = match self.0.aggregation {
            CustomMetricAggregation::Quantile { .. } => buckets::bucket_of(number),
            _ => 0,
        };
        Some((bucket, Cell::of(number, span.weight)))
    }
}

fn matches(filter: &CustomMetricFilter, span: &Observed) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    is(&filter.service, span.service)
        && is(&filter.operation, span.operation)
        && (filter.kinds.is_empty() || filter.kinds.contains(&span.kind))
        && filter.status.is_none_or(|status| status == span.status)
        && filter.duration_min_ns.is_none_or(|min| span.duration_ns >= min)
        && filter.duration_max_ns.is_none_or(|max| span.duration_ns <= max)
        && filter.attributes.iter().all(|condition| {
            // As the search has it: the span's or the process'.
            let mut found =
                [span.attributes, span.resource].into_iter().filter_map(|of| of.get(&condition.key));
            match &condition.value {
                None => found.next().is_some(),
                Some(wanted) => found.any(|value| text(value) == wanted.as_str()),
            }
        })
}

fn number(value: &AttrValue) -> Option<f64> {
    match value {
        AttrValue::Int(number) => Some(*number as f64),
        AttrValue::Double(number) if number.is_finite() => Some(*number),
        _ => None,
    }
}

fn text(value: &AttrValue) -> Cow<'_, str> {
    match value {
        AttrValue::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn label<'a>(group: &CustomMetricGroup, span: &Observed<'a>) -> Cow<'a, str> {
    let label = match group {
        CustomMetricGroup::Service => Cow::Borrowed(span.service),
        CustomMetricGroup::Operation => Cow::Borrowed(span.operation),
        CustomMetricGroup::Version => Cow::Borrowed(span.version),
        CustomMetricGroup::Kind => Cow::Borrowed(kind_name(span.kind)),
        CustomMetricGroup::Status => Cow::Borrowed(status_name(span.status)),
        CustomMetricGroup::Attribute { key } => span.attribute(key).map(text).unwrap_or_default(),
    };
    if label.len() <= GROUP_CHARS_MAX && !label.contains('\0') {
        return label;
    }
    // A null character divides labels in a tally, and the database has none.
    Cow::Owned(label.chars().filter(|char| *char != '\0').take(GROUP_CHARS_MAX).collect())
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn status_name(status: SpanStatus) -> &'static str {
    match status {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::CustomMetricCondition;

    fn attributes(pairs: &[(&str, AttrValue)]) -> Attributes {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    fn definition() -> CustomMetricDefinition {
        CustomMetricDefinition {
            name: "m".to_owned(),
            description: String::new(),
            unit: String::new(),
            filter: CustomMetricFilter::default(),
            value: CustomMetricValue::Span,
            aggregation: CustomMetricAggregation::Count,
            group_by: Vec::new(),
            groups_max: 10,
        }
    }

    fn condition(key: &str, value: Option<&str>) -> Vec<CustomMetricCondition> {
        vec![CustomMetricCondition { key: key.to_owned(), value: value.map(str::to_owned) }]
    }

    /// What one span of 5 ms in the shop counts, by group.
    fn observe(definition: CustomMetricDefinition, of_span: &[(&str, AttrValue)]) -> Vec<(String, f64)> {
        let (attributes, resource) =
            (attributes(of_span), attributes(&[("region", "eu".into()), ("pods", 3_i64.into())]));
        let span = Observed {
            service: "shop",
            operation: "POST /cart",
            kind: SpanKind::Server,
            status: SpanStatus::Error,
            version: "2.1",
            start_us: 61_000_000,
            duration_ns: 5_000_000,
            attributes: &attributes,
            resource: &resource,
            weight: 4.0,
        };
        let aggregation = definition.aggregation;
        let mut tally = Tally::default();
        Meter::new(definition).unwrap().observe(&span, &mut tally);
        let mut counted = Vec::new();
        for (labels, minute_us, summary) in tally.summaries() {
            assert_eq!(minute_us, 60_000_000);
            counted.push((labels.join("|"), summary.value(aggregation).unwrap()));
        }
        counted
    }

    // Catches a condition that is ignored, one that is turned around, and attributes that must be text.
    #[test]
    fn only_spans_that_meet_every_condition_count() {
        let with = |change: fn(&mut CustomMetricFilter)| {
            let mut wanted = definition();
            change(&mut wanted.filter);
            !observe(wanted, &[("items", 7_i64.into()), ("vip", true.into())]).is_empty()
        };
        assert!(with(|_| {}));
        assert!(with(|filter| filter.service = Some("shop".to_owned())));
        assert!(!with(|filter| filter.service = Some("cart".to_owned())));
        assert!(!with(|filter| filter.operation = Some("GET /cart".to_owned())));
        assert!(with(|filter| filter.kinds = vec![SpanKind::Client, SpanKind::Server]));
        assert!(!with(|filter| filter.kinds = vec![SpanKind::Client]));
        assert!(!with(|filter| filter.status = Some(SpanStatus::Ok)));
        assert!(with(|filter| filter.duration_min_ns = Some(5_000_000)));
        assert!(!with(|filter| filter.duration_max_ns = Some(4_999_999)));
        assert!(with(|filter| filter.attributes = condition("items", Some("7"))));
        assert!(with(|filter| filter.attributes = condition("vip", Some("true"))));
        assert!(!with(|filter| filter.attributes = condition("items", Some("70"))));
        assert!(with(|filter| filter.attributes = condition("region", Some("eu"))), "of the process");
        assert!(with(|filter| filter.attributes = condition("items", None)));
        assert!(!with(|filter| filter.attributes = condition("nothing", None)));
    }

    // Catches text that is taken for a number, and a span without the attribute that counts as zero.
    #[test]
    fn numbers_come_from_numeric_attributes_alone() {
        let sum = |key: &str, of_span: &[(&str, AttrValue)]| {
            let value = CustomMetricValue::Attribute { key: key.to_owned() };
            observe(
                CustomMetricDefinition { value, aggregation: CustomMetricAggregation::Sum, ..definition() },
                of_span,
            )
        };
        assert_eq!(sum("total", &[("total", AttrValue::Double(2.5))]), [(String::new(), 10.0)]);
        assert_eq!(sum("pods", &[]), [(String::new(), 12.0)]);
        for no_number in [AttrValue::from("2.5"), true.into(), AttrValue::Double(f64::NAN)] {
            assert_eq!(sum("total", &[("total", no_number)]), []);
        }
        assert_eq!(sum("total", &[]), []);
    }

    // Catches labels in another order than asked for, and two spans told apart by what is cut off.
    #[test]
    fn groups_are_labelled_in_order() {
        use CustomMetricGroup::{Attribute, Kind, Service};
        let attribute = |key: &str| Attribute { key: key.to_owned() };
        let by = |group_by| CustomMetricDefinition { group_by, ..definition() };
        let grouped = observe(by(vec![attribute("items"), Service, Kind]), &[("items", 7_i64.into())]);
        assert_eq!(grouped, [("7|shop|server".to_owned(), 4.0)]);
        assert_eq!(
            observe(by(vec![attribute("none"), attribute("region")]), &[]),
            [("|eu".to_owned(), 4.0)]
        );
        let long = observe(by(vec![attribute("long")]), &[("long", "é".repeat(300).into())]);
        assert_eq!(long[0].0.chars().count(), GROUP_CHARS_MAX);
    }

    // Catches a count of values that needs numbers, and a distinct count that adds weights up.
    #[test]
    fn distinct_counts_texts_and_count_whatever_is_there() {
        let of = |aggregation| CustomMetricDefinition {
            value: CustomMetricValue::Attribute { key: "user".to_owned() },
            aggregation,
            ..definition()
        };
        let user = [("user", AttrValue::from("jane"))];
        assert_eq!(observe(of(CustomMetricAggregation::Distinct), &user), [(String::new(), 1.0)]);
        assert_eq!(observe(of(CustomMetricAggregation::Count), &user), [(String::new(), 4.0)]);
        assert_eq!(observe(of(CustomMetricAggregation::Distinct), &[]), []);
    }
}
