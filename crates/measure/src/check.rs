//! What may be defined; everything that is wrong is told at once.

use spanloom_model::api::{
    CustomMetricAggregation, CustomMetricDefinition, CustomMetricFilter, CustomMetricGroup,
    CustomMetricValue, FieldError,
};

const NAME_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 500;
const UNIT_CHARS_MAX: usize = 20;
const SERVICE_CHARS_MAX: usize = 255;
const OPERATION_CHARS_MAX: usize = 1_000;
const KEY_CHARS_MAX: usize = 255;
const VALUE_CHARS_MAX: usize = 1_000;
const CONDITIONS_MAX: usize = 10;
const KINDS_MAX: usize = 6;
const GROUP_BY_MAX: usize = 3;
const GROUPS_MAX: u32 = 1_000;
/// Each point of each group has up to 1,024 registers.
const DISTINCT_GROUPS_MAX: u32 = 100;

/// Characters of a label's value; what is longer is cut.
pub const GROUP_CHARS_MAX: usize = 200;

struct Faults(Vec<FieldError>);

impl Faults {
    fn unless(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.0.push(FieldError { field: field.to_owned(), message: message.into() });
        }
    }

    fn text(&mut self, field: &str, text: &str, chars_max: usize) {
        self.unless(!text.contains('\0'), field, "must not contain a null character");
        let fits = text.chars().count() <= chars_max;
        self.unless(fits, field, format!("must have at most {chars_max} characters"));
    }

    fn key(&mut self, field: &str, key: &str) {
        self.unless(!key.is_empty(), field, "must not be empty");
        self.text(field, key, KEY_CHARS_MAX);
    }
}

/// Everything that is wrong with a definition, with the paths in it.
pub fn check(definition: &CustomMetricDefinition) -> Vec<FieldError> {
    let mut faults = Faults(Vec::new());
    faults.unless(
        is_name(&definition.name),
        "name",
        format!("must be letters, digits and _, no digit first, at most {NAME_CHARS_MAX}"),
    );
    faults.text("description", &definition.description, DESCRIPTION_CHARS_MAX);
    faults.text("unit", &definition.unit, UNIT_CHARS_MAX);
    check_filter(&mut faults, &definition.filter);
    check_value(&mut faults, &definition.value, definition.aggregation);
    check_groups(&mut faults, definition);
    faults.0
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    begins_well && name.len() <= NAME_CHARS_MAX && name.bytes().all(is_plain)
}

fn check_filter(faults: &mut Faults, filter: &CustomMetricFilter) {
    for (field, text, chars_max) in [
        ("filter.service", &filter.service, SERVICE_CHARS_MAX),
        ("filter.operation", &filter.operation, OPERATION_CHARS_MAX),
    ] {
        if let Some(text) = text {
            faults.unless(!text.is_empty(), field, "must not be empty: leave it out");
            faults.text(field, text, chars_max);
        }
    }
    faults.unless(filter.kinds.len() <= KINDS_MAX, "filter.kinds", "must name each kind once");
    let count = filter.attributes.len();
    faults.unless(
        count <= CONDITIONS_MAX,
        "filter.attributes",
        format!("must be at most {CONDITIONS_MAX}"),
    );
    for (index, condition) in filter.attributes.iter().take(CONDITIONS_MAX).enumerate() {
        faults.key(&format!("filter.attributes[{index}].key"), &condition.key);
        if let Some(value) = &condition.value {
            faults.text(&format!("filter.attributes[{index}].value"), value, VALUE_CHARS_MAX);
        }
    }
    for (field, bound) in
        [("filter.durationMinNs", filter.duration_min_ns), ("filter.durationMaxNs", filter.duration_max_ns)]
    {
        faults.unless(bound.is_none_or(|bound| bound >= 0), field, "must not be negative");
    }
    if let (Some(min), Some(max)) = (filter.duration_min_ns, filter.duration_max_ns) {
        faults.unless(min <= max, "filter.durationMaxNs", "must not be less than durationMinNs");
    }
}

fn check_value(faults: &mut Faults, value: &CustomMetricValue, aggregation: CustomMetricAggregation) {
    use CustomMetricAggregation::{Count, Distinct, Quantile};
    match value {
        CustomMetricValue::Span => {
            faults.unless(aggregation == Count, "value", "must be a duration or an attribute");
        }
        CustomMetricValue::Duration => {
            faults.unless(aggregation != Distinct, "value", "must be an attribute to count distinct ones");
        }
        CustomMetricValue::Attribute { key } => faults.key("value.key", key),
    }
    if let Quantile { q } = aggregation {
        faults.unless(q > 0.0 && q < 1.0, "aggregation.q", "must be above 0 and below 1");
    }
}

fn check_groups(faults: &mut Faults, definition: &CustomMetricDefinition) {
    let groups = &definition.group_by;
    faults.unless(groups.len() <= GROUP_BY_MAX, "groupBy", format!("must be at most {GROUP_BY_MAX}"));
    for (index, group) in groups.iter().take(GROUP_BY_MAX).enumerate() {
        let field = format!("groupBy[{index}]");
        if let CustomMetricGroup::Attribute { key } = group {
            faults.key(&format!("{field}.key"), key);
        }
        let is_new = groups[..index].iter().all(|other| other.label() != group.label());
        faults.unless(is_new, &field, "has the label of another");
    }
    let most = match definition.aggregation {
        CustomMetricAggregation::Distinct => DISTINCT_GROUPS_MAX,
        _ => GROUPS_MAX,
    };
    let fits = (1..=most).contains(&definition.groups_max);
    faults.unless(fits, "groupsMax", format!("must be 1 to {most}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::CustomMetricCondition;

    fn valid() -> CustomMetricDefinition {
        CustomMetricDefinition {
            name: "cart_value".to_owned(),
            description: String::new(),
            unit: "EUR".to_owned(),
            filter: CustomMetricFilter::default(),
            value: CustomMetricValue::Attribute { key: "cart.total".to_owned() },
            aggregation: CustomMetricAggregation::Quantile { q: 0.95 },
            group_by: vec![CustomMetricGroup::Service],
            groups_max: 100,
        }
    }

    fn fields(definition: &CustomMetricDefinition) -> Vec<String> {
        check(definition).into_iter().map(|fault| fault.field).collect()
    }

    // Catches faults that hide each other, and paths that no form could show.
    #[test]
    fn all_faults_are_told_with_their_fields() {
        assert_eq!(fields(&valid()), [""; 0]);
        let condition = |key: &str| CustomMetricCondition { key: key.to_owned(), value: None };
        let wrong = CustomMetricDefinition {
            name: "1st value".to_owned(),
            unit: "x".repeat(21),
            filter: CustomMetricFilter {
                service: Some(String::new()),
                attributes: vec![condition("a"), condition("")],
                duration_min_ns: Some(2),
                duration_max_ns: Some(1),
                ..CustomMetricFilter::default()
            },
            value: CustomMetricValue::Attribute { key: "a\0".to_owned() },
            aggregation: CustomMetricAggregation::Quantile { q: 1.0 },
            group_by: vec![
                CustomMetricGroup::Service,
                CustomMetricGroup::Attribute { key: "service".to_owned() },
            ],
            groups_max: 1_001,
            ..valid()
        };
        let expected = [
            "name",
            "unit",
            "filter.service",
            "filter.attributes[1].key",
            "filter.durationMaxNs",
            "value.key",
            "aggregation.q",
            "groupBy[1]",
            "groupsMax",
        ];
        assert_eq!(fields(&wrong), expected);
    }

    // Catches a mean of nothing, and a thousand sketches a minute.
    #[test]
    fn values_and_aggregations_go_together() {
        let of = |value, aggregation| fields(&CustomMetricDefinition { value, aggregation, ..valid() });
        assert_eq!(of(CustomMetricValue::Span, CustomMetricAggregation::Sum), ["value"]);
        assert_eq!(of(CustomMetricValue::Duration, CustomMetricAggregation::Distinct), ["value"]);
        assert_eq!(of(CustomMetricValue::Span, CustomMetricAggregation::Count), [""; 0]);
        let many = CustomMetricDefinition {
            aggregation: CustomMetricAggregation::Distinct,
            groups_max: 101,
            ..valid()
        };
        assert_eq!(fields(&many), ["groupsMax"]);
    }
}
