//! Marks on a ruler of durations.

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
const HOUR_NS: i64 = 60 * MINUTE_NS;
const DAY_NS: i64 = 24 * HOUR_NS;

/// Steps beyond a second that read well; below, it is 1, 2 and 5 times a power of ten.
const LONG_STEPS_NS: [i64; 16] = [
    SECOND_NS,
    2 * SECOND_NS,
    5 * SECOND_NS,
    10 * SECOND_NS,
    15 * SECOND_NS,
    30 * SECOND_NS,
    MINUTE_NS,
    2 * MINUTE_NS,
    5 * MINUTE_NS,
    10 * MINUTE_NS,
    15 * MINUTE_NS,
    30 * MINUTE_NS,
    HOUR_NS,
    3 * HOUR_NS,
    6 * HOUR_NS,
    12 * HOUR_NS,
];

/// The smallest step that reads well and divides `range_ns` into at most `max_steps` parts (at
/// least one), in nanoseconds.
pub fn nice_step_ns(range_ns: i64, max_steps: usize) -> i64 {
    let max_steps = i64::try_from(max_steps.max(1)).unwrap_or(i64::MAX);
    let fits = |step_ns: i64| range_ns / step_ns < max_steps || range_ns == step_ns * max_steps;
    let mut power_ns = 1;
    while power_ns < SECOND_NS {
        for factor in [1, 2, 5] {
            if fits(factor * power_ns) {
                return factor * power_ns;
            }
        }
        power_ns *= 10;
    }
    if let Some(&step_ns) = LONG_STEPS_NS.iter().find(|&&step_ns| fits(step_ns)) {
        return step_ns;
    }
    // Whole days: i64 nanoseconds hold some 106,000 of them.
    let mut days = 1;
    while days < 100_000 && !fits(days * DAY_NS) {
        days *= 2;
    }
    days * DAY_NS
}

/// The multiples of `step_ns` from `from_ns` to `to_ns`, both included.
pub fn ticks(from_ns: i64, to_ns: i64, step_ns: i64) -> Vec<i64> {
    let step_ns = step_ns.max(1);
    let mut tick_ns = from_ns.div_euclid(step_ns).saturating_mul(step_ns);
    if tick_ns < from_ns {
        tick_ns = tick_ns.saturating_add(step_ns);
    }
    let mut result = Vec::new();
    // Bounded even if the step does not belong to the range.
    while tick_ns <= to_ns && result.len() < 1_000 {
        result.push(tick_ns);
        let Some(next) = tick_ns.checked_add(step_ns) else { break };
        tick_ns = next;
    }
    result
}

/// A mark's text: as many digits as the step needs, in the largest unit that the value has, so that
/// neighbours never read the same: `0`, `250 µs`, `1.5 ms`, `2 s`, `1 min 30 s`.
pub fn tick_label(value_ns: i64, step_ns: i64) -> String {
    let sign = if value_ns < 0 { "−" } else { "" };
    let value_ns = value_ns.unsigned_abs();
    let step_ns = step_ns.unsigned_abs().max(1);
    let text = match value_ns {
        0 => return "0".to_owned(),
        1..1_000 => format!("{value_ns} ns"),
        1_000..1_000_000 => decimal(value_ns, step_ns, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(value_ns, step_ns, 1_000_000, "ms"),
        1_000_000_000..60_000_000_000 => decimal(value_ns, step_ns, 1_000_000_000, "s"),
        _ => return format!("{sign}{}", long(value_ns, step_ns)),
    };
    format!("{sign}{text}")
}

/// `value_ns` in `unit_ns` with the decimals that tell multiples of `step_ns` apart.
fn decimal(value_ns: u64, step_ns: u64, unit_ns: u64, unit: &str) -> String {
    let mut decimals = 0;
    let mut resolution_ns = unit_ns;
    // Down to a nanosecond at most: every unit here is a power of ten.
    while resolution_ns > 1 && !step_ns.is_multiple_of(resolution_ns) {
        decimals += 1;
        resolution_ns /= 10;
    }
    let whole = value_ns / unit_ns;
    if decimals == 0 {
        return format!("{whole} {unit}");
    }
    let fraction = value_ns % unit_ns / resolution_ns;
    format!("{whole}.{fraction:0decimals$} {unit}")
}

fn long(value_ns: u64, step_ns: u64) -> String {
    let (minute_ns, hour_ns, day_ns) = (MINUTE_NS as u64, HOUR_NS as u64, DAY_NS as u64);
    let mut parts = Vec::new();
    let mut rest_ns = value_ns;
    for (unit_ns, unit) in [(day_ns, "d"), (hour_ns, "h"), (minute_ns, "min")] {
        if rest_ns >= unit_ns {
            parts.push(format!("{} {unit}", rest_ns / unit_ns));
            rest_ns %= unit_ns;
        }
    }
    if rest_ns > 0 {
        parts.push(decimal(rest_ns, step_ns, SECOND_NS as u64, "s"));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_read_well() {
        assert_eq!(nice_step_ns(1_240_000_000, 4), 500_000_000);
        assert_eq!(nice_step_ns(1_000, 10), 100);
        assert_eq!(nice_step_ns(90 * SECOND_NS, 6), 15 * SECOND_NS);
        assert_eq!(nice_step_ns(0, 5), 1);
        assert_eq!(nice_step_ns(10 * DAY_NS, 5), 2 * DAY_NS);
    }

    #[test]
    fn labels_have_the_digits_that_their_step_needs() {
        assert_eq!(tick_label(0, 500), "0");
        assert_eq!(tick_label(1_500_000, 500_000), "1.5 ms");
        assert_eq!(tick_label(2_000_000, 500_000), "2.0 ms");
        assert_eq!(tick_label(1_000_000_000, 500_000_000), "1.0 s");
        assert_eq!(tick_label(412_000, 1_000), "412 µs");
        assert_eq!(tick_label(90 * SECOND_NS, 30 * SECOND_NS), "1 min 30 s");
        assert_eq!(tick_label(25 * HOUR_NS, HOUR_NS), "1 d 1 h");
        assert_eq!(tick_label(-1_500, 500), "−1.5 µs");
        // Zoomed far into a long trace.
        assert_eq!(tick_label(1_000_000_020, 10), "1.00000002 s");
    }

    proptest! {
        // Catches too many ticks, ticks outside the range and neighbours with the same text.
        #[test]
        fn ticks_are_few_inside_and_distinct(
            from_ns in -(1_i64 << 50)..(1_i64 << 50), range_ns in 1_i64..(1_i64 << 55), max in 1_usize..20
        ) {
            let step_ns = nice_step_ns(range_ns, max);
            let ticks = ticks(from_ns, from_ns + range_ns, step_ns);
            prop_assert!(ticks.len() <= max + 1);
            prop_assert!(ticks.iter().all(|&tick| tick >= from_ns && tick <= from_ns + range_ns));
            let labels: std::collections::HashSet<_> =
                ticks.iter().map(|&tick| tick_label(tick, step_ns)).collect();
            prop_assert_eq!(labels.len(), ticks.len());
        }
    }
}
