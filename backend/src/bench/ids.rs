//! Ids that are new at every send, look random to indexes and compression, and tell what they were
//! made for.

/// Odd factors of the finaliser of `MurmurHash3`, a bijection on 64 bits.
const FACTORS: [u64; 2] = [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53];
const INVERSES: [u64; 2] = [inverse(FACTORS[0]), inverse(FACTORS[1])];

/// The ids of one run: a number becomes an id, and an id its number again.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    base: u64,
}

impl Ids {
    /// Numbers have to be less.
    pub const NUMBERS_MAX: u64 = 1 << 62;

    /// Runs with different seeds have different ids.
    pub const fn new(seed: u64) -> Self {
        // Between 2^63 and 2^63 + 2^62: adding a number neither overflows nor gives zero.
        Self { base: (seed >> 2) | (1 << 63) }
    }

    /// The id of a trace, never zero.
    pub const fn trace(self, number: u64) -> [u8; 16] {
        let first = scramble(self.base + number);
        (((first as u128) << 64) | second(first) as u128).to_be_bytes()
    }

    /// The id of a span, never zero.
    pub const fn span(self, number: u64) -> [u8; 8] {
        scramble(self.base + number).to_be_bytes()
    }

    /// The number of a trace's id; none if the id is not of this run.
    pub const fn trace_number(self, id: u128) -> Option<u64> {
        let first = (id >> 64) as u64;
        if id as u64 != second(first) {
            return None;
        }
        match unscramble(first).checked_sub(self.base) {
            Some(number) if number < Self::NUMBERS_MAX => Some(number),
            _ => None,
        }
    }
}

/// The lower half of a trace's id follows from the upper one.
const fn second(first: u64) -> u64 {
    scramble(first ^ 0x5bd1_e995_9bd1_e995)
}

const fn scramble(mut word: u64) -> u64 {
    word ^= word >> 33;
    word = word.wrapping_mul(FACTORS[0]);
    word ^= word >> 33;
    word = word.wrapping_mul(FACTORS[1]);
    word ^ (word >> 33)
}

const fn unscramble(mut word: u64) -> u64 {
    // A shift by more than half of the bits is its own inverse.
    word ^= word >> 33;
    word = word.wrapping_mul(INVERSES[1]);
    word ^= word >> 33;
    word = word.wrapping_mul(INVERSES[0]);
    word ^ (word >> 33)
}

/// The inverse of an odd number modulo 2^64, by Newton's method: each round doubles the right bits.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 6 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Catches ids that collide, or that the count of what is stored could not be checked with.
    #[test]
    fn ids_are_distinct_and_tell_their_number() {
        for seed in [0, 1, u64::MAX] {
            let ids = Ids::new(seed);
            let numbers = (0..5_000).chain(Ids::NUMBERS_MAX - 5_000..Ids::NUMBERS_MAX);
            let mut spans = HashSet::new();
            for number in numbers {
                let trace = u128::from_be_bytes(ids.trace(number));
                assert_eq!(ids.trace_number(trace), Some(number));
                assert_eq!(ids.trace_number(trace ^ 1), None, "an id of somebody else");
                assert!(spans.insert(ids.span(number)), "{number}");
            }
            assert!(!spans.contains(&[0; 8]));
        }
    }

    /// Catches two runs on one database that send the same spans.
    #[test]
    fn runs_differ() {
        let (one, other) = (Ids::new(4 << 40), Ids::new(5 << 40));
        assert_ne!(one.trace(7), other.trace(7));
        assert_ne!(other.trace_number(u128::from_be_bytes(one.trace(7))), Some(7));
    }
}
