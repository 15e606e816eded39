//! Policies in plain words. Pure.

use spanloom_model::SpanStatus;
use spanloom_model::api::{CompositePart, HeadService, SamplingRule};

use crate::format;

/// What a policy does, as a sentence without a full stop.
pub fn policy(rule: &SamplingRule) -> String {
    match rule {
        SamplingRule::Drop { rules } => format!("Drops {}", all_of(rules)),
        other => format!("Keeps {}", traces(other)),
    }
}

/// The word for a kind of rule.
pub fn kind(rule: &SamplingRule) -> &'static str {
    match rule {
        SamplingRule::AlwaysSample => "Always",
        SamplingRule::Latency { .. } => "Latency",
        SamplingRule::StringAttribute { .. } => "Text attribute",
        SamplingRule::NumericAttribute { .. } => "Number attribute",
        SamplingRule::BooleanAttribute { .. } => "Boolean attribute",
        SamplingRule::Probabilistic { .. } => "Probabilistic",
        SamplingRule::StatusCode { .. } => "Status",
        SamplingRule::RateLimiting { .. } => "Rate limit",
        SamplingRule::SpanCount { .. } => "Span count",
        SamplingRule::And { .. } => "And",
        SamplingRule::Not { .. } => "Not",
        SamplingRule::Drop { .. } => "Drop",
        SamplingRule::Composite { .. } => "Composite",
    }
}

/// The word for a status.
pub fn status(status: SpanStatus) -> &'static str {
    match status {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    }
}

fn traces(rule: &SamplingRule) -> String {
    match rule {
        SamplingRule::AlwaysSample => "every trace".to_owned(),
        SamplingRule::Probabilistic { sampling_percentage } => {
            format!("{} of the traces", percent(*sampling_percentage))
        }
        SamplingRule::RateLimiting { spans_per_second } => {
            format!("a random selection of at most {} a second", spans(*spans_per_second))
        }
        SamplingRule::And { rules } => all_of(rules),
        SamplingRule::Composite { max_total_spans_per_second, parts } => {
            format!("at most {} a second: {}", spans(*max_total_spans_per_second), shares(parts))
        }
        other => format!("traces {}", condition(other)),
    }
}

fn all_of(rules: &[SamplingRule]) -> String {
    let (chance, conditions): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| {
        matches!(rule, SamplingRule::Probabilistic { .. } | SamplingRule::RateLimiting { .. })
    });
    let conditions: Vec<String> = conditions.into_iter().map(condition).collect();
    let traces = if conditions.is_empty() {
        "traces".to_owned()
    } else {
        format!("traces {}", conditions.join(" and "))
    };
    let chance = chance.into_iter().map(|rule| match rule {
        SamplingRule::Probabilistic { sampling_percentage } => percent(*sampling_percentage),
        SamplingRule::RateLimiting { spans_per_second } => {
            format!("at most {} a second", spans(*spans_per_second))
        }
        _ => String::new(),
    });
    chance.chain([traces]).collect::<Vec<_>>().join(" of ")
}

fn condition(rule: &SamplingRule) -> String {
    match rule {
        SamplingRule::AlwaysSample => "of any kind".to_owned(),
        SamplingRule::Latency { threshold_ms, upper_threshold_ms } => {
            let text =
                |ms: u64| format::duration(i64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX));
            match upper_threshold_ms {
                None => format!("of {} or longer", text(*threshold_ms)),
                Some(upper_ms) => format!("of {} to {}", text(*threshold_ms), text(*upper_ms)),
            }
        }
        SamplingRule::StringAttribute { key, values, enabled_regex_matching, invert_match } => {
            let verb = match (enabled_regex_matching, invert_match) {
                (false, false) => "is",
                (false, true) => "is nowhere",
                (true, false) => "matches",
                (true, true) => "matches nowhere",
            };
            format!("where {key} {verb} {}", one_of(values))
        }
        SamplingRule::NumericAttribute { key, min_value, max_value, invert_match } => {
            let verb = if *invert_match { "is nowhere" } else { "is" };
            let range = match (min_value, max_value) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("{min} or more"),
                (None, Some(max)) => format!("{max} or less"),
                (None, None) => "a number".to_owned(),
            };
            format!("where {key} {verb} {range}")
        }
        SamplingRule::BooleanAttribute { key, value, invert_match } => {
            format!("where {key} {} {value}", if *invert_match { "is nowhere" } else { "is" })
        }
        SamplingRule::StatusCode { status_codes } => {
            let names: Vec<String> = status_codes.iter().map(|code| status(*code).to_owned()).collect();
            format!("with a span of status {}", one_of(&names))
        }
        SamplingRule::SpanCount { min_spans, max_spans } => match max_spans {
            None => format!("of {} or more", spans(*min_spans)),
            Some(max) => format!("of {min_spans} to {}", spans(*max)),
        },
        SamplingRule::Not { rule } => format!("that are not {}", condition(rule)),
        SamplingRule::Probabilistic { sampling_percentage } => {
            format!("among {} of all", percent(*sampling_percentage))
        }
        SamplingRule::And { rules } => rules.iter().map(condition).collect::<Vec<_>>().join(" and "),
        SamplingRule::RateLimiting { .. } | SamplingRule::Drop { .. } | SamplingRule::Composite { .. } => {
            traces(rule)
        }
    }
}

fn shares(parts: &[CompositePart]) -> String {
    let part = |part: &CompositePart| {
        let share = part.percent.map_or_else(|| "a share of the rest".to_owned(), percent);
        format!("{share} for {}", traces(&part.rule))
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn one_of(values: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<&str> = values.iter().take(SHOWN).map(String::as_str).collect();
    let more = values.len().saturating_sub(SHOWN);
    let last = if more > 0 { format!("{more} others") } else { shown.pop().unwrap_or_default().to_owned() };
    if shown.is_empty() { last } else { format!("{} or {last}", shown.join(", ")) }
}

fn percent(percent: f64) -> String {
    format::percent(percent / 100.0)
}

fn spans(count: u64) -> String {
    format::plural(count, "span")
}

/// A share of 0 to 1 as the percentage that somebody typed: 7, not 7.000000000000001.
pub fn percent_text(share: f64) -> String {
    ((share * 1e9).round() / 1e7).to_string()
}

/// What a service is told, in a few words; `default` is what holds where it says nothing.
pub fn head(service: &HeadService, default: f64) -> String {
    if let Some(traces) = service.traces_per_second {
        return format!("{} a second in each process", format::plural(u64::from(traces), "trace"));
    }
    let share = format::percent(service.probability.unwrap_or(default));
    match service.operations.len() {
        0 => format!("{share} of the traces"),
        count => format!("{share} of the traces, {} apart", format::plural(count as u64, "operation")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, values: &[&str]) -> SamplingRule {
        SamplingRule::StringAttribute {
            key: key.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            enabled_regex_matching: false,
            invert_match: false,
        }
    }

    #[test]
    fn shares_come_back_as_they_were_typed() {
        for text in ["7", "0.1", "33.3", "100", "0", "0.001"] {
            let share = text.parse::<f64>().unwrap() / 100.0;
            assert_eq!(percent_text(share), text);
        }
    }

    // Catches sentences that say the opposite of what the policy does.
    #[test]
    fn policies_read_as_sentences() {
        let percent = |sampling_percentage| SamplingRule::Probabilistic { sampling_percentage };
        let latency =
            |threshold_ms, upper_threshold_ms| SamplingRule::Latency { threshold_ms, upper_threshold_ms };
        let status = SamplingRule::StatusCode { status_codes: vec![SpanStatus::Error] };
        let health = || text("url.path", &["/health"]);
        let not = |rule| SamplingRule::Not { rule: Box::new(rule) };
        for (rule, sentence) in [
            (SamplingRule::AlwaysSample, "Keeps every trace"),
            (percent(0.5), "Keeps 0.5% of the traces"),
            (latency(1_500, None), "Keeps traces of 1.5 s or longer"),
            (latency(100, Some(2_000)), "Keeps traces of 100 ms to 2 s"),
            (status.clone(), "Keeps traces with a span of status error"),
            (text("k", &["a", "b"]), "Keeps traces where k is a or b"),
            (text("k", &["a", "b", "c", "d", "e"]), "Keeps traces where k is a, b, c or 2 others"),
            (SamplingRule::Drop { rules: vec![health()] }, "Drops traces where url.path is /health"),
            (
                SamplingRule::Drop { rules: vec![health(), percent(90.0)] },
                "Drops 90% of traces where url.path is /health",
            ),
            (
                SamplingRule::And {
                    rules: vec![SamplingRule::RateLimiting { spans_per_second: 50 }, not(status)],
                },
                "Keeps at most 50 spans a second of traces that are not with a span of status error",
            ),
            (SamplingRule::SpanCount { min_spans: 2, max_spans: Some(9) }, "Keeps traces of 2 to 9 spans"),
            (
                SamplingRule::Composite {
                    max_total_spans_per_second: 100,
                    parts: vec![
                        CompositePart { percent: Some(60.0), rule: health() },
                        CompositePart { percent: None, rule: SamplingRule::AlwaysSample },
                    ],
                },
                "Keeps at most 100 spans a second: 60% for traces where url.path is /health, a share of the rest for every trace",
            ),
        ] {
            assert_eq!(policy(&rule), sentence);
        }
    }
}
