//! Which spans are new? The filter: it forgets nothing that it has not declared forgotten, and
//! answers in one look at memory.
//!
//! A span is the same as another if trace id, span id, start and kind are equal. The filter keeps,
//! by slices of the span's own start time, a Bloom filter of every span that passed; slices that
//! are given up raise the *floor*. A span that starts above the floor and is not in its slice is
//! new, provably. Everything else is a *suspect*, and the writer looks it up in the database, which
//! is exact. Because slices follow the spans' own clocks, clocks that run ahead do no harm.
//!
//! The slices are blocked Bloom filters (Putze, Sanders, Singler: "Cache-, Hash- and
//! Space-Efficient Bloom Filters", 2007): all bits of a key lie in one cache line.

use std::collections::BTreeMap;

use spanloom_model::{Span, SpanId, SpanKind, TraceId};

/// What makes a span the same span.
pub type Key = (TraceId, SpanId, i64, SpanKind);

/// The identity of a span.
pub fn key(span: &Span) -> Key {
    (span.trace_id, span.span_id, span.start_ns, span.kind)
}

/// A slice holds spans that start within this time.
const SLICE_NS: i64 = 10_000_000_000;

/// A cache line.
const BLOCK_WORDS: usize = 8;

/// Bits that a key sets.
const KEY_BITS: u32 = 8;

/// Keys per block, on average: 21 bits a key, and about one suspect in a thousand new spans.
const KEYS_PER_BLOCK: usize = 24;

/// Blocks of a slice's first part; each further one is twice as large, up to the maximum.
const PART_BLOCKS_MIN: usize = 64;
const PART_BLOCKS_MAX: usize = 16_384;

/// Remembers spans, within a bound of memory.
pub struct Filter {
    slices: BTreeMap<i64, Slice>,
    blocks: usize,
    blocks_max: usize,
    /// Spans that start here or earlier may be known to somebody else, or forgotten.
    floor_ns: i64,
}

impl Filter {
    /// An empty one that occupies at most about `bytes_max`. Spans up to `floor_ns` may have been
    /// stored before.
    pub fn new(bytes_max: usize, floor_ns: i64) -> Self {
        let blocks_max = (bytes_max / (BLOCK_WORDS * 8)).max(PART_BLOCKS_MAX * 2);
        Self { slices: BTreeMap::new(), blocks: 0, blocks_max, floor_ns }
    }

    /// Remembers the span. True if it is new for certain; false if it has to be looked up.
    pub fn insert(&mut self, span: &Span) -> bool {
        if span.start_ns <= self.floor_ns {
            return false;
        }
        let slice = self.slices.entry(span.start_ns.div_euclid(SLICE_NS)).or_default();
        let before = slice.blocks();
        let is_new = slice.insert(hash(&key(span)));
        self.blocks += slice.blocks() - before;
        while self.blocks > self.blocks_max
            && let Some((number, slice)) = self.slices.pop_first()
        {
            self.blocks -= slice.blocks();
            self.floor_ns = self.floor_ns.max((number + 1).saturating_mul(SLICE_NS) - 1);
        }
        is_new
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.blocks * BLOCK_WORDS * 8
    }
}

/// Spans of one slice of time.
#[derive(Default)]
struct Slice {
    /// The last one is filled; a key may be in any.
    parts: Vec<Part>,
}

struct Part {
    blocks: Vec<[u64; BLOCK_WORDS]>,
    keys: usize,
}

impl Slice {
    fn blocks(&self) -> usize {
        self.parts.iter().map(|part| part.blocks.len()).sum()
    }

    fn insert(&mut self, hash: u64) -> bool {
        let is_full = |part: &Part| part.keys >= part.blocks.len() * KEYS_PER_BLOCK;
        if self.parts.last().is_none_or(is_full) {
            let size = self.parts.last().map_or(PART_BLOCKS_MIN, |part| part.blocks.len() * 2);
            let blocks = vec![[0; BLOCK_WORDS]; size.min(PART_BLOCKS_MAX)];
            self.parts.push(Part { blocks, keys: 0 });
        }
        let Some((last, full)) = self.parts.split_last_mut() else { return false };
        let known = full.iter().any(|part| part.has(hash));
        // Remembered in any case: what is looked up and found new has to be known as well.
        let is_new = last.set(hash);
        last.keys += usize::from(is_new);
        is_new && !known
    }
}

impl Part {
    fn block(&self, hash: u64) -> usize {
        // The upper half of the hash, scaled to the number of blocks.
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }

    fn has(&self, hash: u64) -> bool {
        let block = &self.blocks[self.block(hash)];
        bits(hash).all(|(word, bit)| block[word] & bit != 0)
    }

    /// Sets the key's bits; whether one of them was not set.
    fn set(&mut self, hash: u64) -> bool {
        let block = self.block(hash);
        let block = &mut self.blocks[block];
        let mut is_new = false;
        for (word, bit) in bits(hash) {
            is_new |= block[word] & bit == 0;
            block[word] |= bit;
        }
        is_new
    }
}

/// One bit in each word of a block, from the lower half of the hash.
fn bits(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let mut state = hash;
    (0..KEY_BITS as usize).map(move |word| {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        (word, 1 << (state >> 58))
    })
}

fn hash(key: &Key) -> u64 {
    let trace = key.0.get();
    // Ids need not be random: some clients count.
    let parts = [trace as u64, (trace >> 64) as u64, key.1.get(), key.2.cast_unsigned(), key.3 as u64];
    parts.into_iter().fold(0x5370_616e_6c6f_6f6d, |hash: u64, part| {
        let mixed = u128::from(hash ^ part) * 0x9e37_79b9_7f4a_7c15;
        (mixed as u64) ^ (mixed >> 64) as u64 ^ hash.rotate_left(23)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::collect::testing;

    const MIB: usize = 1 << 20;

    fn span(trace: u128, id: u64, start_ns: i64) -> Span {
        Span { start_ns, ..testing::span(trace, id) }
    }

    /// Catches a filter that costs the slow path too often, or never says "new".
    #[test]
    fn hardly_any_new_span_is_a_suspect() {
        let mut filter = Filter::new(64 * MIB, 0);
        let start = 1_700_000_000_000_000_000;
        // Counting ids are the hard case for a hash.
        let suspects = (1..=400_000_u64)
            .filter(|&id| !filter.insert(&span(u128::from(id / 10 + 1), id, start + id as i64 * 50_000)))
            .count();
        assert!(suspects < 1_200, "{suspects} of 400,000");
        assert!(filter.bytes() < 4 * MIB, "{}", filter.bytes());
    }

    #[test]
    fn whoever_is_forgotten_is_a_suspect() {
        let mut filter = Filter::new(1, 0);
        let slices = PART_BLOCKS_MAX * 2 / PART_BLOCKS_MIN + 1;
        let at = |slice: usize| span(1, 1, slice as i64 * SLICE_NS + 5);
        for slice in 1..=slices {
            assert!(filter.insert(&at(slice)));
        }
        assert!(!filter.insert(&at(1)), "given up, so nothing is known of it");
        assert!(!filter.insert(&span(2, 2, SLICE_NS + 7)), "nor of others of its time");
        assert!(filter.insert(&at(slices + 1)));
    }

    #[test]
    fn nothing_below_the_floor_is_new() {
        let mut filter = Filter::new(MIB, 1_000);
        assert!(!filter.insert(&span(1, 1, 1_000)));
        assert!(filter.insert(&span(1, 1, 1_001)));
        assert!(!filter.insert(&span(1, 1, 1_001)));
        let kind = Span { kind: SpanKind::Client, ..span(1, 1, 1_001) };
        assert!(filter.insert(&kind), "another kind is another span");
    }

    proptest! {
        /// The one thing that must never happen: a span that passed before is called new.
        #[test]
        fn no_span_is_new_twice(
            ids in prop::collection::vec((1_u128..40, 1_u64..40, 1_i64..4_000), 1..400),
            floor in 0_i64..1_000,
        ) {
            let mut filter = Filter::new(1, floor * 100_000_000);
            let mut seen = HashSet::new();
            for (trace, id, start) in ids {
                // Over 400 seconds, so that slices are given up in between.
                let span = span(trace, id, start * 100_000_000);
                let is_new = filter.insert(&span);
                let first_time = seen.insert(key(&span));
                prop_assert!(!is_new || first_time);
            }
        }
    }
}
