//! 56-bit randomness and thresholds, as OpenTelemetry's consistent probability sampling has them.

use spanloom_model::TraceId;

/// How many values the randomness has: 2^56.
const VALUES: u64 = 1 << 56;

/// A trace's random number: 0 to 2^56 - 1. The higher, the more samplers keep the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Randomness(u64);

impl Randomness {
    /// The lower 56 bits of the trace id, which W3C Trace Context (level 2) wants random.
    pub fn of_trace_id(trace_id: TraceId) -> Self {
        Self(trace_id.get() as u64 & (VALUES - 1))
    }

    /// From 14 hexadecimal digits that say it explicitly.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits & (VALUES - 1))
    }
}

/// Which randomness is rejected: everything below it. 0 rejects nothing, 2^56 everything.
///
/// The order is that of strictness: the lower of two thresholds keeps what either keeps, the higher
/// what both keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u64);

impl Threshold {
    /// Keeps everything.
    pub const ALWAYS: Self = Self(0);
    /// Keeps nothing.
    pub const NEVER: Self = Self(VALUES);

    /// Keeps what has this probability, 0 to 1; values beyond are taken for the nearer end.
    pub fn of_probability(probability: f64) -> Self {
        // NaN becomes 0 by the cast.
        let kept = (probability * VALUES as f64).round() as u64;
        Self(VALUES - kept.min(VALUES))
    }

    /// From at most 2^56 - 1 rejected values, as the trace state tells them.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits.min(VALUES))
    }

    /// Keeps only what is more random than `bound`.
    pub(crate) fn above(bound: Randomness) -> Self {
        Self(bound.0 + 1)
    }

    /// Whether it keeps a trace of this randomness.
    pub fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// Keeps as much as this one rejects: the highest of the other side, so that it is a threshold
    /// again and agrees with all others.
    pub(crate) fn inverted(self) -> Self {
        Self(VALUES - self.0)
    }

    /// Whether it can keep anything.
    pub(crate) fn is_possible(self) -> bool {
        self.0 < VALUES
    }

    /// How many traces one that it kept stands for: the inverse of its probability, 1 to 2^56.
    pub fn adjusted_count(self) -> f64 {
        VALUES as f64 / (VALUES - self.0.min(VALUES - 1)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a share that is off by rounding at either end, where it matters most.
    #[test]
    fn probabilities_become_thresholds_and_come_back() {
        assert_eq!(Threshold::of_probability(1.0), Threshold::ALWAYS);
        assert_eq!(Threshold::of_probability(7.0), Threshold::ALWAYS);
        assert_eq!(Threshold::of_probability(0.0), Threshold::NEVER);
        assert_eq!(Threshold::of_probability(-1.0), Threshold::NEVER);
        assert_eq!(Threshold::of_probability(f64::NAN), Threshold::NEVER);
        assert_eq!(Threshold::of_probability(0.25).0, 0xc0_0000_0000_0000);
        for probability in [1.0, 0.5, 0.1, 0.001, 1e-9] {
            let count = Threshold::of_probability(probability).adjusted_count();
            assert!((count * probability - 1.0).abs() < 1e-6, "{probability}: {count}");
        }
        assert_eq!(Threshold::of_probability(0.25).inverted(), Threshold::of_probability(0.75));
    }

    #[test]
    fn only_the_lower_56_bits_are_random() {
        let id = TraceId::new(0xffff_ffff_ffff_ffff_ab00_0000_0000_0001).unwrap();
        assert_eq!(Randomness::of_trace_id(id), Randomness(1));
        assert!(Threshold(1).keeps(Randomness(1)));
        assert!(!Threshold(2).keeps(Randomness(1)));
        assert!(!Threshold::above(Randomness(1)).keeps(Randomness(1)));
        assert!(!Threshold::NEVER.keeps(Randomness(VALUES - 1)));
    }
}
