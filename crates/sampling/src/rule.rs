//! Compiled rules: what one says of a trace.

use regex::RegexSet;
use spanloom_model::{AttrValue, Span, SpanStatus};

use crate::Threshold;

/// A rule that says of each trace alone which threshold it has. It does not look at the trace's
/// randomness, or weights would be wrong.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Every trace.
    Always,
    /// By duration in nanoseconds, both ends included.
    Latency { min_ns: u64, max_ns: u64 },
    /// By an attribute of a span or its resource.
    Attribute { key: String, matcher: Matcher, invert: bool },
    /// By nothing but chance.
    Chance(Threshold),
    /// With a span of one of these statuses.
    Status(Vec<SpanStatus>),
    /// By the number of spans, both ends included.
    SpanCount { min: u64, max: u64 },
    /// What all keep.
    All(Vec<Rule>),
    /// What the rule does not keep.
    Not(Box<Rule>),
}

/// What an attribute's value has to be.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// One of these texts.
    Texts(Vec<String>),
    /// A text in which one of these is found.
    Patterns(RegexSet),
    /// A number, both ends included.
    Number { min: f64, max: f64 },
    /// A boolean.
    Bool(bool),
}

impl Rule {
    /// Which randomness the rule keeps the trace for.
    pub fn threshold(&self, spans: &[Span]) -> Threshold {
        let yes = match self {
            Self::Always => true,
            Self::Latency { min_ns, max_ns } => (*min_ns..=*max_ns).contains(&duration_ns(spans)),
            Self::Attribute { key, matcher, invert } => matcher.finds(key, spans) != *invert,
            Self::Chance(threshold) => return *threshold,
            Self::Status(statuses) => spans.iter().any(|span| statuses.contains(&span.status)),
            Self::SpanCount { min, max } => (*min..=*max).contains(&(spans.len() as u64)),
            Self::All(rules) => return all(rules, spans),
            Self::Not(rule) => return rule.threshold(spans).inverted(),
        };
        if yes { Threshold::ALWAYS } else { Threshold::NEVER }
    }

    /// Whether it reads attributes.
    pub fn reads_attributes(&self) -> bool {
        match self {
            Self::Attribute { .. } => true,
            Self::All(rules) => rules.iter().any(Self::reads_attributes),
            Self::Not(rule) => rule.reads_attributes(),
            _ => false,
        }
    }
}

/// The threshold of several rules that all have to keep the trace.
pub fn all(rules: &[Rule], spans: &[Span]) -> Threshold {
    let mut highest = Threshold::ALWAYS;
    for rule in rules {
        highest = highest.max(rule.threshold(spans));
        if !highest.is_possible() {
            break;
        }
    }
    highest
}

/// From the earliest start to the latest end.
fn duration_ns(spans: &[Span]) -> u64 {
    let start_ns = spans.iter().map(|span| span.start_ns).min().unwrap_or(0);
    let end_ns = spans.iter().map(|span| span.start_ns.saturating_add(span.duration_ns)).max().unwrap_or(0);
    end_ns.saturating_sub(start_ns).max(0) as u64
}

impl Matcher {
    fn finds(&self, key: &str, spans: &[Span]) -> bool {
        let mut resource = None;
        spans.iter().any(|span| {
            // Spans of a request share their resource: look once.
            let same = resource == Some(std::sync::Arc::as_ptr(&span.resource));
            resource = Some(std::sync::Arc::as_ptr(&span.resource));
            let of_resource = || span.resource.attributes.get(key);
            self.matches(span.attributes.get(key)) || (!same && self.matches(of_resource()))
        })
    }

    fn matches(&self, value: Option<&AttrValue>) -> bool {
        match (self, value) {
            (Self::Texts(texts), Some(AttrValue::String(text))) => texts.contains(text),
            (Self::Patterns(patterns), Some(AttrValue::String(text))) => patterns.is_match(text),
            (Self::Number { min, max }, Some(AttrValue::Int(number))) => {
                (*min..=*max).contains(&(*number as f64))
            }
            (Self::Number { min, max }, Some(AttrValue::Double(number))) => (*min..=*max).contains(number),
            (Self::Bool(expected), Some(AttrValue::Bool(truth))) => expected == truth,
            _ => false,
        }
    }
}
