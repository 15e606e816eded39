//! What OpenTelemetry's entry of the W3C trace state says about sampling: `ot=th:c;rv:...`.

use spanloom_model::{Span, TraceId};

use crate::{Randomness, Threshold};

/// Digits of a threshold or randomness.
const DIGITS: usize = 14;

/// How many spans this one stands for by what its client sampled away: 1 if the trace state does not
/// tell, is malformed, or contradicts itself, because such a span would not have been kept.
pub fn head_weight(trace_id: TraceId, trace_state: &str) -> f64 {
    if trace_state.is_empty() {
        return 1.0;
    }
    let said = Said::parse(trace_state);
    let Some(threshold) = said.threshold else { return 1.0 };
    let randomness = said.randomness.unwrap_or(Randomness::of_trace_id(trace_id));
    if threshold.keeps(randomness) { threshold.adjusted_count() } else { 1.0 }
}

/// A trace's randomness: what its first span with an explicit one says, else that of its id.
pub fn randomness_of(trace_id: TraceId, spans: &[Span]) -> Randomness {
    spans
        .iter()
        .filter(|span| !span.trace_state.is_empty())
        .find_map(|span| Said::parse(&span.trace_state).randomness)
        .unwrap_or(Randomness::of_trace_id(trace_id))
}

#[derive(Debug, Default, PartialEq)]
struct Said {
    threshold: Option<Threshold>,
    randomness: Option<Randomness>,
}

impl Said {
    fn parse(trace_state: &str) -> Self {
        let members = trace_state.split(',').filter_map(|member| member.trim().split_once('='));
        let mut said = Self::default();
        let Some((_, entry)) = members.into_iter().find(|(key, _)| *key == "ot") else { return said };
        for (key, value) in entry.split(';').filter_map(|pair| pair.split_once(':')) {
            match key {
                "th" => said.threshold = hex_fraction(value).map(Threshold::from_bits),
                "rv" if value.len() == DIGITS => {
                    said.randomness = hex_fraction(value).map(Randomness::from_bits);
                }
                _ => {}
            }
        }
        said
    }
}

/// Up to 14 hexadecimal digits; missing ones at the end are zeros.
fn hex_fraction(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bits = u64::from_str_radix(text, 16).ok()?;
    Some(bits << (4 * (DIGITS - text.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(randomness: u64, trace_state: &str) -> f64 {
        head_weight(TraceId::new(1 << 64 | u128::from(randomness)).unwrap(), trace_state)
    }

    // Catches digits that are read as a whole number instead of a fraction, and a neighbour's entry
    // that is taken for OpenTelemetry's.
    #[test]
    fn the_threshold_is_a_fraction_of_14_digits() {
        let high = (1 << 56) - 1;
        for (trace_state, expected) in [
            ("", 1.0),
            ("ot=th:0", 1.0),
            ("ot=th:8", 2.0),
            ("ot=th:c", 4.0),
            ("ot=th:C0", 4.0),
            ("vendor=th:c, ot=rv:ffffffffffffff;th:e ,x=y", 8.0),
            ("ot=p:8;r:62", 1.0),
            ("ot=th:", 1.0),
            ("ot=th:g", 1.0),
            ("ot=th:+8", 1.0),
            ("ot=th:800000000000000", 1.0),
            ("tenant@ot=th:c", 1.0),
            ("th:c", 1.0),
        ] {
            assert!((weight(high, trace_state) - expected).abs() < 1e-9, "{trace_state:?}");
        }
        // 1%, with five digits of precision.
        assert!((weight(high, "ot=th:fd70a") - 100.0).abs() < 0.1);
    }

    // Catches counts from a threshold by which the span would not be here.
    #[test]
    fn a_threshold_that_would_have_dropped_the_span_is_not_believed() {
        let lower = 0x40_0000_0000_0000;
        assert!((weight(lower, "ot=th:8") - 1.0).abs() < 1e-9);
        assert!((weight(lower, "ot=th:4") - 4.0 / 3.0).abs() < 1e-9);
        assert!((weight(lower, "ot=th:8;rv:90000000000000") - 2.0).abs() < 1e-9, "rv wins over the id");
        assert!((weight(lower, "ot=rv:30000000000000;th:4") - 1.0).abs() < 1e-9);
        assert!((weight(lower, "ot=rv:9;th:4") - 4.0 / 3.0).abs() < 1e-9, "rv has 14 digits or is none");
    }
}
