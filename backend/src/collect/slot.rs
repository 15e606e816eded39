//! Which writer a span belongs to: by its trace, so that one writer sees whole traces and knows what
//! it has seen of them.

use spanloom_model::TraceId;

/// Slots of the table `write_slots`. A partition of a broker's queue is a set of slots.
pub const SLOTS: u8 = 16;

/// The slot of a trace, below [`SLOTS`]. Receivers and writers of all versions have to agree on it,
/// so that it never changes. Ids need not be random: some clients count, or count in steps.
pub fn slot_of(trace_id: TraceId) -> u8 {
    let id = trace_id.get();
    let mut hash = 0_u64;
    for part in [(id >> 64) as u64, id as u64] {
        // The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): every bit reaches the upper ones.
        hash ^= part;
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
    }
    (hash >> 60) as u8
}

/// The slots of partition `index` of `partitions`, which divide [`SLOTS`].
pub fn slots_of_partition(index: u8, partitions: u8) -> Vec<i16> {
    (0..SLOTS).filter(|slot| slot % partitions == index).map(i16::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a change that would send a trace to two writers while servers are upgraded.
    #[test]
    fn slots_never_change() {
        let slot = |id| slot_of(TraceId::new(id).unwrap());
        let slots = [1, 2, 3, 1 << 64, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, u128::MAX].map(slot);
        assert_eq!(slots, [5, 13, 1, 7, 11, 13]);
    }

    /// Catches a hash that leaves writers idle when ids are not random.
    #[test]
    fn ids_that_count_are_spread_too() {
        let ids: [fn(u128) -> u128; 5] =
            [|n| n, |n| n * 1024, |n| n << 64, |n| (n << 64) | 0xdead_beef_0000_0001, |n| (n << 64) | n];
        for id in ids {
            let mut traces = [0_u32; SLOTS as usize];
            for n in 1..=16_000 {
                traces[usize::from(slot_of(TraceId::new(id(n)).unwrap()))] += 1;
            }
            assert!(traces.iter().all(|traces| (800..1_200).contains(traces)), "{traces:?}");
        }
    }

    #[test]
    fn partitions_share_all_slots() {
        for partitions in [1, 2, 4, 8, 16] {
            let mut slots: Vec<i16> =
                (0..partitions).flat_map(|index| slots_of_partition(index, partitions)).collect();
            slots.sort_unstable();
            assert_eq!(slots, (0..16).collect::<Vec<_>>());
        }
    }
}
