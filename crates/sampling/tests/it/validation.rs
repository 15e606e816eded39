//! Settings that make no sense are refused, each fault with its place.

use std::collections::BTreeMap;

use spanloom_model::api::{CompositePart, HeadSampling, HeadService, SamplingRule as R};
use spanloom_sampling::Policies;

use super::fixture::*;

fn faults(rules: Vec<R>) -> Vec<String> {
    let faults = Policies::new(&settings(rules)).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.field).collect()
}

// Catches a fault that nobody can find, or that hides another.
#[test]
fn every_fault_has_its_field() {
    let rule = |values: &[&str], enabled_regex_matching| R::StringAttribute {
        key: String::new(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        enabled_regex_matching,
        invert_match: false,
    };
    let number = |min_value, max_value| R::NumericAttribute {
        key: "n".to_owned(),
        min_value,
        max_value,
        invert_match: false,
    };
    let not = |rule| R::Not { rule: Box::new(rule) };
    let limit = |spans_per_second| R::RateLimiting { spans_per_second };
    let composite = |parts| R::Composite { max_total_spans_per_second: 10, parts };
    let part = |percent, rule| CompositePart { percent, rule };
    let cases: Vec<(R, &[&str])> = vec![
        (rule(&[], false), &["policies[0].rule.values", "policies[0].rule.key"]),
        (rule(&["(", "a"], true), &["policies[0].rule.values[0]", "policies[0].rule.key"]),
        (
            R::Latency { threshold_ms: 5, upper_threshold_ms: Some(4) },
            &["policies[0].rule.upperThresholdMs"],
        ),
        (number(None, None), &["policies[0].rule.minValue"]),
        (number(Some(2.0), Some(1.0)), &["policies[0].rule.maxValue"]),
        (number(Some(f64::NAN), None), &["policies[0].rule.maxValue"]),
        (percent(100.5), &["policies[0].rule.samplingPercentage"]),
        (percent(f64::NAN), &["policies[0].rule.samplingPercentage"]),
        (R::StatusCode { status_codes: vec![] }, &["policies[0].rule.statusCodes"]),
        (limit(0), &["policies[0].rule.spansPerSecond"]),
        (R::SpanCount { min_spans: 2, max_spans: Some(1) }, &["policies[0].rule.maxSpans"]),
        (R::And { rules: vec![] }, &["policies[0].rule.rules"]),
        (R::And { rules: vec![limit(1), limit(1)] }, &["policies[0].rule.rules[1]"]),
        (R::Drop { rules: vec![limit(1)] }, &["policies[0].rule.rules[0]"]),
        (not(R::Drop { rules: vec![errors()] }), &["policies[0].rule.rule"]),
        (not(not(not(not(errors())))), &["policies[0].rule.rule.rule.rule.rule"]),
        (composite(vec![]), &["policies[0].rule.parts"]),
        (composite(vec![part(Some(0.0), errors())]), &["policies[0].rule.parts[0].percent"]),
        (
            composite(vec![part(Some(60.0), errors()), part(Some(41.0), errors())]),
            &["policies[0].rule.parts"],
        ),
        (composite(vec![part(Some(100.0), errors()), part(None, errors())]), &["policies[0].rule.parts"]),
        (composite(vec![part(None, limit(1))]), &["policies[0].rule.parts[0].rule"]),
        (not(not(errors())), &[]),
        (composite(vec![part(Some(33.3), errors()), part(Some(66.7), errors())]), &[]),
    ];
    for (rule, expected) in cases {
        assert_eq!(faults(vec![rule.clone()]), expected, "{rule:?}");
    }
}

#[test]
fn names_waits_and_numbers_of_policies() {
    let mut document = settings(vec![errors(), errors()]);
    document.policies[1].name = " p0".to_owned();
    document.decision_wait_ms = 99;
    let fields: Vec<String> =
        Policies::new(&document).unwrap_err().into_iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["decisionWaitMs", "policies[1].name"]);
    assert_eq!(faults(vec![errors(); 65]), ["policies"]);
    // What is turned off has to be right too.
    let mut document = settings(vec![percent(200.0)]);
    document.policies[0].enabled = false;
    assert_eq!(Policies::new(&document).unwrap_err().len(), 1);
}

// Catches an expression that takes the writer's memory or time.
#[test]
fn an_expression_that_explodes_is_refused() {
    let rule = R::StringAttribute {
        key: "k".to_owned(),
        values: vec!["(?:(?:a{1,100}){1,100}){1,100}".to_owned()],
        enabled_regex_matching: true,
        invert_match: false,
    };
    let faults = Policies::new(&settings(vec![rule])).unwrap_err();
    assert!(faults[0].message.contains("too large"), "{}", faults[0].message);
}

#[test]
fn strategies_of_services() {
    let service = |probability, traces_per_second, operations: &[(&str, f64)]| HeadService {
        probability,
        traces_per_second,
        operations: operations.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect(),
    };
    let mut document = settings(vec![]);
    document.head = HeadSampling {
        default_probability: 2.0,
        services: BTreeMap::from([
            ("a".to_owned(), service(Some(-0.1), None, &[])),
            ("b".to_owned(), service(Some(0.1), Some(1), &[])),
            ("c".to_owned(), service(None, None, &[])),
            ("d".to_owned(), service(None, None, &[("GET /", f64::NAN)])),
        ]),
    };
    let fields: Vec<String> =
        Policies::new(&document).unwrap_err().into_iter().map(|fault| fault.field).collect();
    assert_eq!(
        fields,
        [
            "head.defaultProbability",
            "head.services[a].probability",
            "head.services[b].tracesPerSecond",
            "head.services[c]",
            "head.services[d].operations[GET /]"
        ]
    );
}
