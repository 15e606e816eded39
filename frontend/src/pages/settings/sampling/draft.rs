//! A rule while it is typed: text that may not be a number yet, and fields of all kinds, so that
//! nothing is lost when the kind is changed back and forth.

use std::sync::atomic::{AtomicU32, Ordering};

use leptos::prelude::*;
use spanloom_model::SpanStatus;
use spanloom_model::api::{CompositePart, FieldError, SamplingRule};

/// All statuses in the order in which they are shown.
pub const STATUSES: [SpanStatus; 3] = [SpanStatus::Error, SpanStatus::Ok, SpanStatus::Unset];

/// The kinds of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Status,
    Latency,
    Probabilistic,
    Text,
    Number,
    Boolean,
    SpanCount,
    RateLimit,
    Always,
    And,
    Not,
    Drop,
    Composite,
}

/// Kinds with the API's name, the word for people and what they do.
pub const KINDS: [(Kind, &str, &str); 13] = [
    (Kind::Status, "status_code", "Status: traces with a failed span"),
    (Kind::Latency, "latency", "Latency: slow traces"),
    (Kind::Probabilistic, "probabilistic", "Probabilistic: a share of all traces"),
    (Kind::Text, "string_attribute", "Text attribute: a service, a route, a customer"),
    (Kind::Number, "numeric_attribute", "Number attribute: a status code, a size"),
    (Kind::Boolean, "boolean_attribute", "Boolean attribute"),
    (Kind::SpanCount, "span_count", "Span count: large or small traces"),
    (Kind::RateLimit, "rate_limiting", "Rate limit: so many spans a second"),
    (Kind::Always, "always_sample", "Always: every trace"),
    (Kind::And, "and", "And: what several rules keep"),
    (Kind::Not, "not", "Not: what a rule does not keep"),
    (Kind::Drop, "drop", "Drop: never keep these"),
    (Kind::Composite, "composite", "Composite: share a rate out"),
];

/// Where a rule stands; not every kind may stand everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A policy.
    Policy,
    /// Directly in an `and` that is a policy.
    InAnd,
    /// Anywhere else, with so many levels left below.
    Inner(u8),
}

impl Place {
    /// Whether a kind may stand here.
    pub fn allows(self, kind: Kind) -> bool {
        match kind {
            Kind::Drop | Kind::Composite => self == Self::Policy,
            Kind::RateLimit => !matches!(self, Self::Inner(_)),
            Kind::And | Kind::Not => self != Self::Inner(0),
            _ => true,
        }
    }

    /// Where the members of a rule of this kind stand.
    pub fn below(self, kind: Kind) -> Self {
        match (self, kind) {
            (Self::Policy, Kind::And) => Self::InAnd,
            (Self::Policy, _) => Self::Inner(2),
            (Self::InAnd, _) => Self::Inner(1),
            (Self::Inner(left), _) => Self::Inner(left.saturating_sub(1)),
        }
    }
}

/// A rule that is typed. A handle: copies are the same rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleDraft {
    /// Tells rules of a form apart.
    pub id: u32,
    /// Which fields count.
    pub kind: RwSignal<Kind>,
    /// An attribute's key.
    pub key: RwSignal<String>,
    /// Texts, one a line.
    pub values: RwSignal<String>,
    /// Whether they are regular expressions.
    pub is_regex: RwSignal<bool>,
    /// Keeps what has no such value.
    pub invert: RwSignal<bool>,
    /// The value of a boolean.
    pub truth: RwSignal<bool>,
    /// The least; milliseconds, spans, or a value.
    pub min: RwSignal<String>,
    /// The most; nothing for no limit.
    pub max: RwSignal<String>,
    /// Percent.
    pub percent: RwSignal<String>,
    /// Spans per second.
    pub rate: RwSignal<String>,
    /// Statuses in the order of [`STATUSES`].
    pub statuses: RwSignal<[bool; 3]>,
    /// Rules within; `not` looks at the first only.
    pub members: RwSignal<Vec<MemberDraft>>,
}

/// A rule within another.
#[derive(Debug, Clone, Copy)]
pub struct MemberDraft {
    /// A part's share of the rate in percent; nothing for a share of the rest.
    pub percent: RwSignal<String>,
    /// The rule.
    pub rule: RuleDraft,
}

impl MemberDraft {
    /// A member with the commonest rule.
    pub fn new() -> Self {
        Self { percent: RwSignal::new(String::new()), rule: RuleDraft::new(Kind::Text) }
    }

    fn of(rule: &SamplingRule, percent: Option<f64>) -> Self {
        let percent = percent.map(|percent| percent.to_string()).unwrap_or_default();
        Self { percent: RwSignal::new(percent), rule: RuleDraft::of(rule) }
    }
}

impl RuleDraft {
    /// A rule of this kind with likely values.
    pub fn new(kind: Kind) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            kind: RwSignal::new(kind),
            key: text(""),
            values: text(""),
            is_regex: RwSignal::new(false),
            invert: RwSignal::new(false),
            truth: RwSignal::new(true),
            min: text(""),
            max: text(""),
            percent: text("10"),
            rate: text("100"),
            statuses: RwSignal::new([true, false, false]),
            members: RwSignal::new(Vec::new()),
        }
    }

    /// A rule to be changed.
    pub fn of(rule: &SamplingRule) -> Self {
        let draft = Self::new(Kind::Always);
        let number =
            |signal: RwSignal<String>, value: Option<String>| signal.set(value.unwrap_or_default());
        let kind = match rule {
            SamplingRule::AlwaysSample => Kind::Always,
            SamplingRule::Latency { threshold_ms, upper_threshold_ms } => {
                number(draft.min, Some(threshold_ms.to_string()));
                number(draft.max, upper_threshold_ms.map(|ms| ms.to_string()));
                Kind::Latency
            }
            SamplingRule::StringAttribute { key, values, enabled_regex_matching, invert_match } => {
                draft.key.set(key.clone());
                draft.values.set(values.join("\n"));
                draft.is_regex.set(*enabled_regex_matching);
                draft.invert.set(*invert_match);
                Kind::Text
            }
            SamplingRule::NumericAttribute { key, min_value, max_value, invert_match } => {
                draft.key.set(key.clone());
                number(draft.min, min_value.map(|value| value.to_string()));
                number(draft.max, max_value.map(|value| value.to_string()));
                draft.invert.set(*invert_match);
                Kind::Number
            }
            SamplingRule::BooleanAttribute { key, value, invert_match } => {
                draft.key.set(key.clone());
                draft.truth.set(*value);
                draft.invert.set(*invert_match);
                Kind::Boolean
            }
            SamplingRule::Probabilistic { sampling_percentage } => {
                draft.percent.set(sampling_percentage.to_string());
                Kind::Probabilistic
            }
            SamplingRule::StatusCode { status_codes } => {
                draft.statuses.set(STATUSES.map(|status| status_codes.contains(&status)));
                Kind::Status
            }
            SamplingRule::RateLimiting { spans_per_second } => {
                draft.rate.set(spans_per_second.to_string());
                Kind::RateLimit
            }
            SamplingRule::SpanCount { min_spans, max_spans } => {
                number(draft.min, Some(min_spans.to_string()));
                number(draft.max, max_spans.map(|spans| spans.to_string()));
                Kind::SpanCount
            }
            SamplingRule::And { rules } => {
                draft.members.set(rules.iter().map(|rule| MemberDraft::of(rule, None)).collect());
                Kind::And
            }
            SamplingRule::Not { rule } => {
                draft.members.set(vec![MemberDraft::of(rule, None)]);
                Kind::Not
            }
            SamplingRule::Drop { rules } => {
                draft.members.set(rules.iter().map(|rule| MemberDraft::of(rule, None)).collect());
                Kind::Drop
            }
            SamplingRule::Composite { max_total_spans_per_second, parts } => {
                draft.rate.set(max_total_spans_per_second.to_string());
                let members = parts.iter().map(|part| MemberDraft::of(&part.rule, part.percent));
                draft.members.set(members.collect());
                Kind::Composite
            }
        };
        draft.kind.set(kind);
        draft
    }

    /// The rule, as far as what is typed can be read; what cannot goes to `faults` with the paths that
    /// the server would use. The server judges the rest.
    pub fn read(self, path: &str, faults: &mut Vec<FieldError>) -> SamplingRule {
        let mut fields = Fields { path, faults };
        let rules = |fields: &mut Fields| -> Vec<SamplingRule> {
            let members = self.members.get_untracked();
            let rule = |(index, member): (usize, &MemberDraft)| {
                member.rule.read(&format!("{path}.rules[{index}]"), fields.faults)
            };
            members.iter().enumerate().map(rule).collect()
        };
        match self.kind.get_untracked() {
            Kind::Always => SamplingRule::AlwaysSample,
            Kind::Latency => SamplingRule::Latency {
                threshold_ms: fields.whole("thresholdMs", self.min),
                upper_threshold_ms: fields.optional_whole("upperThresholdMs", self.max),
            },
            Kind::Text => SamplingRule::StringAttribute {
                key: self.key.get_untracked().trim().to_owned(),
                values: lines(&self.values.get_untracked()),
                enabled_regex_matching: self.is_regex.get_untracked(),
                invert_match: self.invert.get_untracked(),
            },
            Kind::Number => SamplingRule::NumericAttribute {
                key: self.key.get_untracked().trim().to_owned(),
                min_value: fields.optional_number("minValue", self.min),
                max_value: fields.optional_number("maxValue", self.max),
                invert_match: self.invert.get_untracked(),
            },
            Kind::Boolean => SamplingRule::BooleanAttribute {
                key: self.key.get_untracked().trim().to_owned(),
                value: self.truth.get_untracked(),
                invert_match: self.invert.get_untracked(),
            },
            Kind::Probabilistic => SamplingRule::Probabilistic {
                sampling_percentage: fields.number("samplingPercentage", self.percent),
            },
            Kind::Status => {
                let chosen = self.statuses.get_untracked();
                let codes = STATUSES.into_iter().zip(chosen).filter(|(_, chosen)| *chosen);
                SamplingRule::StatusCode { status_codes: codes.map(|(status, _)| status).collect() }
            }
            Kind::RateLimit => {
                SamplingRule::RateLimiting { spans_per_second: fields.whole("spansPerSecond", self.rate) }
            }
            Kind::SpanCount => SamplingRule::SpanCount {
                min_spans: fields.optional_whole("minSpans", self.min).unwrap_or(0),
                max_spans: fields.optional_whole("maxSpans", self.max),
            },
            Kind::And => SamplingRule::And { rules: rules(&mut fields) },
            Kind::Drop => SamplingRule::Drop { rules: rules(&mut fields) },
            Kind::Not => {
                let first = self.members.with_untracked(|members| members.first().copied());
                let rule = first.map_or(SamplingRule::AlwaysSample, |member| {
                    member.rule.read(&format!("{path}.rule"), fields.faults)
                });
                SamplingRule::Not { rule: Box::new(rule) }
            }
            Kind::Composite => {
                let max_total_spans_per_second = fields.whole("maxTotalSpansPerSecond", self.rate);
                let parts = self.members.get_untracked();
                let parts = parts.iter().enumerate().map(|(index, member)| {
                    let path = format!("{path}.parts[{index}]");
                    let mut fields = Fields { path: &path, faults: fields.faults };
                    let percent = fields.optional_number("percent", member.percent);
                    CompositePart {
                        percent,
                        rule: member.rule.read(&format!("{path}.rule"), fields.faults),
                    }
                });
                SamplingRule::Composite { max_total_spans_per_second, parts: parts.collect() }
            }
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Reads typed numbers.
struct Fields<'a> {
    path: &'a str,
    faults: &'a mut Vec<FieldError>,
}

impl Fields<'_> {
    fn fault(&mut self, name: &str, message: &str) {
        self.faults
            .push(FieldError { field: format!("{}.{name}", self.path), message: message.to_owned() });
    }

    fn whole(&mut self, name: &str, text: RwSignal<String>) -> u64 {
        self.optional_whole(name, text).unwrap_or_else(|| {
            if text.with_untracked(|text| text.trim().is_empty()) {
                self.fault(name, "is missing");
            }
            0
        })
    }

    fn optional_whole(&mut self, name: &str, text: RwSignal<String>) -> Option<u64> {
        let text = text.get_untracked();
        let text = text.trim();
        let number = text.parse().ok();
        if number.is_none() && !text.is_empty() {
            self.fault(name, "must be a whole number");
        }
        number
    }

    fn number(&mut self, name: &str, text: RwSignal<String>) -> f64 {
        self.optional_number(name, text).unwrap_or_else(|| {
            if text.with_untracked(|text| text.trim().is_empty()) {
                self.fault(name, "is missing");
            }
            0.0
        })
    }

    fn optional_number(&mut self, name: &str, text: RwSignal<String>) -> Option<f64> {
        let text = text.get_untracked();
        let text = text.trim();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        if number.is_none() && !text.is_empty() {
            self.fault(name, "must be a number");
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a form that loses part of a rule that was only looked at.
    #[test]
    fn every_rule_comes_back_from_the_form() {
        let owner = Owner::new();
        owner.set();
        let text = || SamplingRule::StringAttribute {
            key: "k".to_owned(),
            values: vec!["a".to_owned(), "b c".to_owned()],
            enabled_regex_matching: true,
            invert_match: true,
        };
        let rules = vec![
            SamplingRule::AlwaysSample,
            SamplingRule::Latency { threshold_ms: 5, upper_threshold_ms: Some(7) },
            SamplingRule::Latency { threshold_ms: 0, upper_threshold_ms: None },
            text(),
            SamplingRule::NumericAttribute {
                key: "n".to_owned(),
                min_value: Some(-1.5),
                max_value: None,
                invert_match: false,
            },
            SamplingRule::BooleanAttribute { key: "b".to_owned(), value: false, invert_match: true },
            SamplingRule::Probabilistic { sampling_percentage: 0.1 },
            SamplingRule::StatusCode { status_codes: vec![SpanStatus::Error, SpanStatus::Unset] },
            SamplingRule::RateLimiting { spans_per_second: 9 },
            SamplingRule::SpanCount { min_spans: 0, max_spans: Some(3) },
            SamplingRule::Not { rule: Box::new(text()) },
            SamplingRule::Drop { rules: vec![text(), SamplingRule::AlwaysSample] },
            SamplingRule::Composite {
                max_total_spans_per_second: 100,
                parts: vec![
                    CompositePart { percent: Some(12.5), rule: text() },
                    CompositePart { percent: None, rule: SamplingRule::And { rules: vec![text()] } },
                ],
            },
        ];
        for rule in rules {
            let mut faults = Vec::new();
            assert_eq!(RuleDraft::of(&rule).read("rule", &mut faults), rule);
            assert_eq!(faults, []);
        }
    }

    #[test]
    fn what_is_no_number_is_told_with_its_place() {
        let owner = Owner::new();
        owner.set();
        let draft = RuleDraft::new(Kind::Composite);
        draft.rate.set("many".to_owned());
        let member = MemberDraft::new();
        member.rule.kind.set(Kind::Latency);
        member.percent.set("half".to_owned());
        draft.members.set(vec![member]);
        let mut faults = Vec::new();
        draft.read("p.rule", &mut faults);
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "p.rule.maxTotalSpansPerSecond",
                "p.rule.parts[0].percent",
                "p.rule.parts[0].rule.thresholdMs"
            ]
        );
    }

    #[test]
    fn kinds_stand_where_the_server_lets_them() {
        assert!(Place::Policy.allows(Kind::Composite) && !Place::InAnd.allows(Kind::Composite));
        assert!(Place::InAnd.allows(Kind::RateLimit));
        assert!(!Place::Policy.below(Kind::Drop).allows(Kind::RateLimit));
        assert!(!Place::Policy.below(Kind::Not).below(Kind::Not).below(Kind::Not).allows(Kind::Not));
    }
}
