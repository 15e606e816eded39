//! Each kind of policy alone and together.

use spanloom_model::api::{CompositePart, SamplingRule as R};
use spanloom_model::{AttrValue, Span, SpanStatus};
use spanloom_sampling::Outcome;

use super::fixture::*;

const SURE: Outcome = Outcome::Kept { weight: 1.0 };

fn outcome(rule: R, spans: Vec<Span>) -> Outcome {
    decide(vec![rule], spans).outcome
}

fn keeps(rule: R, spans: Vec<Span>) -> bool {
    is_kept(outcome(rule, spans))
}

#[test]
fn always_sample_keeps_everything_for_certain() {
    assert_eq!(outcome(R::AlwaysSample, spans(random_id(1), 3)), SURE);
}

// Catches a duration of one span taken for the trace's, and ends that do not belong.
#[test]
fn latency_goes_from_the_earliest_start_to_the_latest_end() {
    let trace = || {
        let first = Span { start_ns: 100 * MS_NS, duration_ns: 50 * MS_NS, ..span(random_id(1), 1) };
        vec![first.clone(), Span { start_ns: 300 * MS_NS, ..first }]
    };
    let latency = |threshold_ms, upper_threshold_ms| R::Latency { threshold_ms, upper_threshold_ms };
    for (rule, expected) in [
        (latency(250, None), true),
        (latency(251, None), false),
        (latency(0, Some(250)), true),
        (latency(0, Some(249)), false),
        (latency(100, Some(300)), true),
    ] {
        assert_eq!(keeps(rule.clone(), trace()), expected, "{rule:?}");
    }
}

// Catches values that are looked for in the wrong place or matched in the wrong manner.
#[test]
fn string_attributes_of_spans_and_resources() {
    let rule = |values: &[&str], enabled_regex_matching, invert_match| R::StringAttribute {
        key: "service.name".to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        enabled_regex_matching,
        invert_match,
    };
    let shop = || vec![Span { resource: resource("shop-eu"), ..span(random_id(1), 1) }];
    assert!(keeps(rule(&["cart", "shop-eu"], false, false), shop()));
    assert!(!keeps(rule(&["shop"], false, false), shop()), "the whole text");
    assert!(keeps(rule(&["^shop-(eu|us)$"], true, false), shop()));
    assert!(keeps(rule(&["op-"], true, false), shop()), "anywhere, as the Collector has it");
    assert!(!keeps(rule(&["^cart"], true, false), shop()));
    assert!(!keeps(rule(&["shop-eu"], false, true), shop()));
    assert!(keeps(rule(&["cart"], false, true), shop()));
    assert!(keeps(rule(&["cart"], false, true), spans(random_id(1), 1)), "no such key at all");
    assert!(keeps(text("user", "7"), vec![with("user", "7")]));
    assert!(!keeps(text("user", "7"), vec![with("user", 7_i64)]), "a number is no text");
    // Any span of the trace, also when it shares the resource with one that was looked at.
    let mut two = shop();
    two.push(Span { attributes: with("user", "7").attributes, ..two[0].clone() });
    assert!(keeps(text("user", "7"), two));
}

#[test]
fn numeric_attributes_within_bounds() {
    let rule = |min_value, max_value, invert_match| R::NumericAttribute {
        key: "code".to_owned(),
        min_value,
        max_value,
        invert_match,
    };
    for (value, rule, expected) in [
        (AttrValue::Int(500), rule(Some(500.0), None, false), true),
        (AttrValue::Int(499), rule(Some(500.0), None, false), false),
        (AttrValue::Double(1.5), rule(Some(1.0), Some(2.0), false), true),
        (AttrValue::Double(f64::NAN), rule(Some(1.0), Some(2.0), false), false),
        (AttrValue::Int(3), rule(None, Some(2.0), false), false),
        (AttrValue::Int(3), rule(None, Some(2.0), true), true),
        (AttrValue::String("500".to_owned()), rule(Some(500.0), None, false), false),
    ] {
        assert_eq!(keeps(rule.clone(), vec![with("code", value.clone())]), expected, "{value:?} {rule:?}");
    }
}

#[test]
fn boolean_attributes() {
    let rule = |value, invert_match| R::BooleanAttribute { key: "vip".to_owned(), value, invert_match };
    assert!(keeps(rule(true, false), vec![with("vip", true)]));
    assert!(!keeps(rule(true, false), vec![with("vip", false)]));
    assert!(keeps(rule(true, true), vec![with("vip", false)]));
    assert!(!keeps(rule(true, false), vec![with("vip", "true")]));
}

// Catches a share that is of the wrong end, or a weight that is not its inverse.
#[test]
fn probabilistic_keeps_the_most_random_and_weighs_the_inverse() {
    assert_eq!(outcome(percent(25.0), spans(id_at(0.76, 1), 1)), Outcome::Kept { weight: 4.0 });
    assert_eq!(outcome(percent(25.0), spans(id_at(0.74, 1), 1)), Outcome::Dropped);
    assert_eq!(outcome(percent(100.0), spans(id_at(0.0, 1), 1)), SURE);
    assert_eq!(outcome(percent(0.0), spans(id_at(1.0 - 1e-12, 1), 1)), Outcome::Dropped);
}

#[test]
fn status_codes() {
    let failed = Span { status: SpanStatus::Error, ..span(random_id(1), 2) };
    assert_eq!(outcome(errors(), vec![span(random_id(1), 1), failed]), SURE);
    assert_eq!(outcome(errors(), spans(random_id(1), 2)), Outcome::Dropped);
}

#[test]
fn span_counts() {
    let rule = |min_spans, max_spans| R::SpanCount { min_spans, max_spans };
    assert!(keeps(rule(3, None), spans(random_id(1), 3)));
    assert!(!keeps(rule(4, None), spans(random_id(1), 3)));
    assert!(!keeps(rule(0, Some(2)), spans(random_id(1), 3)));
}

// Catches conjunctions that are unions, and weights of the rarest member that get lost.
#[test]
fn and_keeps_what_all_keep() {
    let both = |share| R::And { rules: vec![text("a", "1"), percent(share)] };
    let trace = |share| vec![Span { trace_id: id_at(share, 1), ..with("a", "1") }];
    assert_eq!(outcome(both(50.0), trace(0.6)), Outcome::Kept { weight: 2.0 });
    assert_eq!(outcome(both(50.0), trace(0.4)), Outcome::Dropped);
    assert_eq!(outcome(both(50.0), spans(id_at(0.6, 1), 1)), Outcome::Dropped);
}

#[test]
fn not_keeps_the_other_ones() {
    let not = |rule| R::Not { rule: Box::new(rule) };
    assert!(keeps(not(errors()), spans(random_id(1), 1)));
    assert!(!keeps(not(R::AlwaysSample), spans(random_id(1), 1)));
    // As many as the rule rejects: 75%.
    assert!(keeps(not(percent(25.0)), spans(id_at(0.26, 1), 1)));
    assert!(!keeps(not(percent(25.0)), spans(id_at(0.24, 1), 1)));
}

// Catches a drop that another policy overrides, and the reverse: a drop that drops all others.
#[test]
fn drop_wins_and_leaves_the_rest_alone() {
    let drop = |rules| R::Drop { rules };
    let health = || with("url.path", "/health");
    let decided = decide(vec![R::AlwaysSample, drop(vec![text("url.path", "/health")])], vec![health()]);
    assert_eq!((decided.outcome, decided.policy.as_deref()), (Outcome::Dropped, Some("p1")));
    let rules = vec![errors(), drop(vec![text("url.path", "/health")])];
    assert_eq!(decide(rules, spans(random_id(1), 1)).outcome, Outcome::Dropped, "nobody keeps it");
    let only = vec![drop(vec![text("url.path", "/health")])];
    assert_eq!(
        decide(only.clone(), spans(random_id(1), 1)).outcome,
        SURE,
        "nothing but drops: the rest stays"
    );
    assert_eq!(decide(only, vec![health()]).outcome, Outcome::Dropped);
    // Nine of ten are dropped; the tenth stands for all.
    let most = || vec![drop(vec![text("url.path", "/health"), percent(90.0)])];
    let of = |share| decide(most(), vec![Span { trace_id: id_at(share, 1), ..health() }]).outcome;
    assert!((weight(of(0.91)) - 10.0).abs() < 1e-9);
    assert_eq!(of(0.89), Outcome::Dropped);
}

// Catches a union that adds up probabilities, or a sure keep that keeps a weight.
#[test]
fn the_surest_policy_gives_the_weight_and_the_name() {
    let rules = || vec![percent(10.0), percent(50.0), errors()];
    let decided = decide(rules(), spans(id_at(0.95, 1), 1));
    assert_eq!((decided.outcome, decided.policy.as_deref()), (Outcome::Kept { weight: 2.0 }, Some("p1")));
    let failed = Span { status: SpanStatus::Error, ..span(id_at(0.95, 1), 1) };
    let decided = decide(rules(), vec![failed]);
    assert_eq!((decided.outcome, decided.policy.as_deref()), (SURE, Some("p2")));
    let decided = decide(rules(), spans(id_at(0.2, 1), 1));
    assert_eq!((decided.outcome, decided.policy), (Outcome::Dropped, None));
}

// Catches a policy that works although it is turned off.
#[test]
fn disabled_policies_do_nothing() {
    let mut settings = settings(vec![errors()]);
    settings.policies[0].enabled = false;
    assert!(spanloom_sampling::Policies::new(&settings).unwrap().is_pass_through());
}

/// How many spans of the traces of one second are kept.
fn kept_spans(rules: Vec<R>, traces: impl IntoIterator<Item = Vec<Span>>) -> (usize, usize) {
    let mut sampler = sampler(rules);
    for (index, spans) in traces.into_iter().enumerate() {
        sampler.offer(index as u64, index as i64, spans);
    }
    let decided = sampler.decide(5 * SECOND_NS);
    let kept = decided.iter().filter(|decided| is_kept(decided.outcome));
    kept.fold((0, 0), |(traces, spans), decided| (traces + 1, spans + decided.spans.len()))
}

// Catches a rate that is exceeded, and one that is not used.
#[test]
fn a_rate_is_kept_to_within_a_second() {
    let traces = || (0..100).map(|seed| spans(random_id(seed), 1 + seed % 7));
    let (count, kept) = kept_spans(vec![R::RateLimiting { spans_per_second: 60 }], traces());
    assert!((54..=60).contains(&kept), "{kept}");
    assert!(count > 10);
    let all: usize = traces().map(|trace| trace.len()).sum();
    assert_eq!(kept_spans(vec![R::RateLimiting { spans_per_second: 1_000 }], traces()), (100, all));
    assert_eq!(kept_spans(vec![R::RateLimiting { spans_per_second: 1 }], [spans(random_id(1), 9)]), (1, 9));
}

// Catches a limit that counts traces which the other conditions turn away.
#[test]
fn a_rate_in_a_conjunction_is_for_what_the_others_keep() {
    let rule = R::And { rules: vec![R::RateLimiting { spans_per_second: 10 }, text("a", "1")] };
    let traces = (0..200).map(|seed| {
        let trace = Span { trace_id: random_id(seed), ..with("a", if seed < 10 { "1" } else { "2" }) };
        vec![trace]
    });
    assert_eq!(kept_spans(vec![rule], traces), (10, 10));
}

// Catches parts that take each other's rate, and shares that are not what was asked for.
#[test]
fn composite_shares_its_rate_out() {
    let part = |percent, rule| CompositePart { percent, rule };
    let composite = || R::Composite {
        max_total_spans_per_second: 100,
        parts: vec![
            part(Some(50.0), text("a", "1")),
            part(None, text("a", "2")),
            part(None, R::AlwaysSample),
        ],
    };
    let traces = |value: &'static str, count: u64| {
        (0..count).map(move |seed| {
            vec![Span { trace_id: random_id(seed + 1_000 * value.len() as u64), ..with("a", value) }]
        })
    };
    let rules = || vec![composite()];
    assert_eq!(kept_spans(rules(), traces("1", 300)), (50, 50));
    assert_eq!(kept_spans(rules(), traces("2", 300)), (25, 25));
    assert_eq!(kept_spans(rules(), traces("333", 300)), (25, 25));
    let mixed = traces("1", 300).chain(traces("22", 300));
    assert_eq!(kept_spans(rules(), mixed), (75, 75));
}
