//! From settings to policies; everything that is wrong is told at once.

use std::collections::HashSet;
use std::sync::Arc;

use regex::RegexSetBuilder;
use spanloom_model::api::{CompositePart, FieldError, SamplingRule, SamplingSettings};

use crate::policies::{Compiled, Dropper, Keeper, Part};
use crate::rule::{Matcher, Rule};
use crate::{Threshold, head};

const POLICIES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 100;
/// Members of `and`, `drop` and `composite`.
const MEMBERS_MAX: usize = 16;
const VALUES_MAX: usize = 64;
const VALUE_CHARS_MAX: usize = 512;
const KEY_CHARS_MAX: usize = 256;
/// Rules within rules.
const DEPTH_MAX: usize = 4;
/// Of all expressions of a rule, compiled.
const REGEX_BYTES_MAX: usize = 1 << 20;
const DECISION_WAIT_MS: std::ops::RangeInclusive<u32> = 100..=600_000;
const NS_PER_MS: u64 = 1_000_000;

/// What is wrong so far.
#[derive(Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes that the field at `path` is wrong.
    pub fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: path.to_owned(), message: message.into() });
    }

    fn unless(&mut self, holds: bool, path: &str, message: impl Into<String>) {
        if !holds {
            self.add(path, message);
        }
    }
}

/// Compiles a document; the errors have paths in it.
pub fn compile(settings: &SamplingSettings) -> Result<Compiled, Vec<FieldError>> {
    let mut faults = Faults::default();
    let mut compiled = Compiled {
        decision_wait_ns: i64::from(settings.decision_wait_ms) * NS_PER_MS as i64,
        ..Compiled::default()
    };
    let (least, most) = DECISION_WAIT_MS.into_inner();
    let in_range = DECISION_WAIT_MS.contains(&settings.decision_wait_ms);
    faults.unless(in_range, "decisionWaitMs", format!("must be {least} to {most} milliseconds"));
    let count = settings.policies.len();
    faults.unless(count <= POLICIES_MAX, "policies", format!("must be at most {POLICIES_MAX}"));
    let mut names = HashSet::new();
    // What is beyond the limit is not looked at.
    for (index, policy) in settings.policies.iter().take(POLICIES_MAX).enumerate() {
        let path = format!("policies[{index}]");
        check_text(&mut faults, &format!("{path}.name"), &policy.name, NAME_CHARS_MAX);
        let is_new = names.insert(policy.name.trim());
        faults.unless(is_new, &format!("{path}.name"), "is the name of another policy too");
        // What is not in force has to be right as well: it may be put in force by a click.
        let name: Arc<str> = policy.name.as_str().into();
        let target = if policy.enabled { &mut compiled } else { &mut Compiled::default() };
        policy_of(&mut faults, &format!("{path}.rule"), name, &policy.rule, target);
    }
    head::check(&mut faults, "head", &settings.head);
    if faults.0.is_empty() { Ok(compiled) } else { Err(faults.0) }
}

fn policy_of(faults: &mut Faults, path: &str, name: Arc<str>, rule: &SamplingRule, target: &mut Compiled) {
    let parts = match rule {
        SamplingRule::Drop { rules } => {
            let rules = members(faults, path, rules, 1);
            return target.droppers.push(Dropper { name, rules });
        }
        SamplingRule::RateLimiting { spans_per_second } => {
            let bucket = bucket(faults, path, *spans_per_second, target);
            vec![Part { rule: Rule::Always, bucket: Some(bucket) }]
        }
        SamplingRule::And { rules } => vec![limited_and(faults, path, rules, target)],
        SamplingRule::Composite { max_total_spans_per_second, parts } => {
            composite(faults, path, *max_total_spans_per_second, parts, target)
        }
        other => vec![Part { rule: rule_of(faults, path, other, 1), bucket: None }],
    };
    target.keepers.push(Keeper { name, parts });
}

fn bucket(faults: &mut Faults, path: &str, spans_per_second: u64, target: &mut Compiled) -> usize {
    faults.unless(spans_per_second >= 1, &format!("{path}.spansPerSecond"), "must be at least 1");
    target.buckets.push(spans_per_second);
    target.buckets.len() - 1
}

/// A conjunction, of which one member may limit the rate of what the others keep.
fn limited_and(faults: &mut Faults, path: &str, rules: &[SamplingRule], target: &mut Compiled) -> Part {
    check_members(faults, path, rules.len());
    let mut part = Part { rule: Rule::Always, bucket: None };
    let mut compiled = Vec::new();
    for (index, rule) in rules.iter().take(MEMBERS_MAX).enumerate() {
        let path = format!("{path}.rules[{index}]");
        match rule {
            SamplingRule::RateLimiting { spans_per_second } => {
                faults.unless(part.bucket.is_none(), &path, "is the second rate here: one is enough");
                part.bucket = Some(bucket(faults, &path, *spans_per_second, target));
            }
            other => compiled.push(rule_of(faults, &path, other, 2)),
        }
    }
    part.rule = Rule::All(compiled);
    part
}

fn composite(
    faults: &mut Faults,
    path: &str,
    spans_per_second: u64,
    parts: &[CompositePart],
    target: &mut Compiled,
) -> Vec<Part> {
    let rate_path = format!("{path}.maxTotalSpansPerSecond");
    faults.unless(spans_per_second >= 1, &rate_path, "must be at least 1");
    let parts_path = format!("{path}.parts");
    let count_fits = (1..=MEMBERS_MAX).contains(&parts.len());
    faults.unless(count_fits, &parts_path, format!("must be 1 to {MEMBERS_MAX}"));
    for (index, percent) in parts.iter().enumerate().filter_map(|(i, part)| Some((i, part.percent?))) {
        let in_range = percent > 0.0 && percent <= 100.0;
        faults.unless(in_range, &format!("{parts_path}[{index}].percent"), "must be above 0, at most 100");
    }
    let given: f64 = parts.iter().filter_map(|part| part.percent).sum();
    let others = parts.iter().filter(|part| part.percent.is_none()).count();
    // Percents that people write do not always add up to the bit.
    faults.unless(given <= 100.0 + 1e-6, &parts_path, "must not have more than 100 percent together");
    let leaves_some = others == 0 || given < 100.0 - 1e-6;
    faults.unless(leaves_some, &parts_path, "leave nothing for the parts without a percentage");
    let compiled = parts.iter().take(MEMBERS_MAX).enumerate().map(|(index, part)| {
        let percent = part.percent.unwrap_or((100.0 - given) / others as f64);
        target.buckets.push(((spans_per_second as f64 * percent / 100.0) as u64).max(1));
        let rule = rule_of(faults, &format!("{parts_path}[{index}].rule"), &part.rule, 2);
        Part { rule, bucket: Some(target.buckets.len() - 1) }
    });
    compiled.collect()
}

fn members(faults: &mut Faults, path: &str, rules: &[SamplingRule], depth: usize) -> Vec<Rule> {
    check_members(faults, path, rules.len());
    let rules = rules.iter().take(MEMBERS_MAX).enumerate();
    rules.map(|(index, rule)| rule_of(faults, &format!("{path}.rules[{index}]"), rule, depth + 1)).collect()
}

fn check_members(faults: &mut Faults, path: &str, count: usize) {
    let fits = (1..=MEMBERS_MAX).contains(&count);
    faults.unless(fits, &format!("{path}.rules"), format!("must be 1 to {MEMBERS_MAX}"));
}

/// A rule that looks at one trace alone.
fn rule_of(faults: &mut Faults, path: &str, rule: &SamplingRule, depth: usize) -> Rule {
    if depth > DEPTH_MAX {
        faults.add(path, format!("is nested deeper than {DEPTH_MAX} rules"));
        return Rule::Always;
    }
    match rule {
        SamplingRule::AlwaysSample => Rule::Always,
        SamplingRule::Latency { threshold_ms, upper_threshold_ms } => {
            let upper_ms = upper_threshold_ms.unwrap_or(u64::MAX);
            let upper_path = format!("{path}.upperThresholdMs");
            faults.unless(upper_ms >= *threshold_ms, &upper_path, "must not be below thresholdMs");
            let ns = |ms: u64| ms.saturating_mul(NS_PER_MS);
            Rule::Latency { min_ns: ns(*threshold_ms), max_ns: ns(upper_ms) }
        }
        SamplingRule::StringAttribute { key, values, enabled_regex_matching, invert_match } => {
            let matcher = texts(faults, path, values, *enabled_regex_matching);
            attribute(faults, path, key, matcher, *invert_match)
        }
        SamplingRule::NumericAttribute { key, min_value, max_value, invert_match } => {
            let (min, max) = (min_value.unwrap_or(f64::NEG_INFINITY), max_value.unwrap_or(f64::INFINITY));
            faults.unless(
                min_value.is_some() || max_value.is_some(),
                &format!("{path}.minValue"),
                "or maxValue must be given",
            );
            faults.unless(min <= max, &format!("{path}.maxValue"), "must not be below minValue");
            attribute(faults, path, key, Matcher::Number { min, max }, *invert_match)
        }
        SamplingRule::BooleanAttribute { key, value, invert_match } => {
            attribute(faults, path, key, Matcher::Bool(*value), *invert_match)
        }
        SamplingRule::Probabilistic { sampling_percentage } => {
            let in_range = (0.0..=100.0).contains(sampling_percentage);
            faults.unless(in_range, &format!("{path}.samplingPercentage"), "must be 0 to 100");
            Rule::Chance(Threshold::of_probability(sampling_percentage / 100.0))
        }
        SamplingRule::StatusCode { status_codes } => {
            let path = format!("{path}.statusCodes");
            faults.unless(!status_codes.is_empty(), &path, "must name at least one of unset, ok, error");
            Rule::Status(status_codes.clone())
        }
        SamplingRule::SpanCount { min_spans, max_spans } => {
            let max = max_spans.unwrap_or(u64::MAX);
            faults.unless(max >= *min_spans, &format!("{path}.maxSpans"), "must not be below minSpans");
            Rule::SpanCount { min: *min_spans, max }
        }
        SamplingRule::And { rules } => Rule::All(members(faults, path, rules, depth)),
        SamplingRule::Not { rule } => {
            Rule::Not(Box::new(rule_of(faults, &format!("{path}.rule"), rule, depth + 1)))
        }
        SamplingRule::RateLimiting { .. } => {
            faults.add(path, "a rate can stand alone, or directly in an \"and\" that is a policy");
            Rule::Always
        }
        SamplingRule::Drop { .. } | SamplingRule::Composite { .. } => {
            faults.add(path, "drop and composite can only be policies, not parts of one");
            Rule::Always
        }
    }
}

fn attribute(faults: &mut Faults, path: &str, key: &str, matcher: Matcher, invert: bool) -> Rule {
    check_text(faults, &format!("{path}.key"), key, KEY_CHARS_MAX);
    Rule::Attribute { key: key.to_owned(), matcher, invert }
}

fn texts(faults: &mut Faults, path: &str, values: &[String], are_patterns: bool) -> Matcher {
    let fits = (1..=VALUES_MAX).contains(&values.len());
    faults.unless(fits, &format!("{path}.values"), format!("must be 1 to {VALUES_MAX}"));
    let values = &values[..values.len().min(VALUES_MAX)];
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}.values[{index}]");
        let fits = value.chars().count() <= VALUE_CHARS_MAX && !value.contains('\0');
        faults.unless(
            fits,
            &path,
            format!("must have at most {VALUE_CHARS_MAX} characters, none of them null"),
        );
        if are_patterns
            && fits
            && let Err(error) = patterns(std::slice::from_ref(value))
        {
            faults.add(&path, pattern_fault(&error));
        }
    }
    if !are_patterns {
        return Matcher::Texts(values.to_vec());
    }
    match patterns(values) {
        Ok(set) => Matcher::Patterns(set),
        Err(error) => {
            // Each may be small enough and all together too large.
            if let regex::Error::CompiledTooBig(_) = error {
                faults.add(&format!("{path}.values"), pattern_fault(&error));
            }
            Matcher::Texts(Vec::new())
        }
    }
}

fn patterns(values: &[String]) -> Result<regex::RegexSet, regex::Error> {
    RegexSetBuilder::new(values).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build()
}

fn pattern_fault(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "is too large when compiled: write a simpler one".to_owned(),
        // The last line says what; the lines before it draw where.
        other => {
            let text = other.to_string();
            let last =
                text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            format!("is not a regular expression: {last}")
        }
    }
}

/// A name or key: some printable characters, not too many.
pub fn check_text(faults: &mut Faults, path: &str, text: &str, chars_max: usize) {
    let fits = !text.trim().is_empty() && text.chars().count() <= chars_max;
    let printable = !text.chars().any(char::is_control);
    faults.unless(fits && printable, path, format!("must have 1 to {chars_max} printable characters"));
}
