//! What was seen lately, to tell what repeats: values of one span or one trace alone (ids, full URLs)
//! must not fill the dictionary.

/// Pairs that are remembered; a newer one takes the place of an older one. A power of two.
const SLOTS: usize = 1 << 18;

/// Hashes of pairs, each with a mark of the trace that it was last seen in, in two megabytes.
pub struct Sightings {
    slots: Box<[u64]>,
}

impl Default for Sightings {
    fn default() -> Self {
        Self { slots: vec![0; SLOTS].into() }
    }
}

impl Sightings {
    /// Whether the pair was lately seen in another trace. Rarely wrong either way, which does no harm.
    pub fn is_repeated(&mut self, hash: u64, trace: u128) -> bool {
        const MARK: u64 = 0xffff;
        // The ends of ids are random, whoever makes them.
        let mark = (trace as u64 ^ (trace >> 64) as u64) & MARK;
        // The place tells the bits of the hash that the mark takes.
        let slot = &mut self.slots[hash as usize % SLOTS];
        let is_repeated = (*slot ^ hash) & !MARK == 0 && *slot & MARK != mark;
        *slot = hash & !MARK | mark;
        is_repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches values of one trace that count as repeated, and repetitions that are missed.
    #[test]
    fn only_another_trace_is_a_repetition() {
        let mut sightings = Sightings::default();
        let hash = 0x1234_5678_9abc_def0;
        assert!(!sightings.is_repeated(hash, 1));
        assert!(!sightings.is_repeated(hash, 1), "the same trace");
        assert!(sightings.is_repeated(hash, 2));
        assert!(!sightings.is_repeated(hash ^ 1 << 20, 3), "another pair in the same place");
        assert!(!sightings.is_repeated(hash, 4), "which is forgotten then");
        assert!(!sightings.is_repeated(hash ^ 1, 5), "another pair in another place");
        assert!(sightings.is_repeated(hash, 6));
    }
}
