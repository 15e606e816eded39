//! What was decided of traces whose spans may still come.

use std::collections::HashMap;

use spanloom_model::TraceId;

use crate::Outcome;

/// Decisions in two generations: a full young one replaces the old one, which is forgotten. What is
/// asked for moves to the young one. So about the latest `decisions_max` used decisions are known, at
/// the cost of a map, and in the same order of calls always the same ones.
pub struct Memory {
    young: HashMap<TraceId, Outcome>,
    old: HashMap<TraceId, Outcome>,
    generation_max: usize,
}

impl Memory {
    /// Remembers at most so many decisions, and at least two.
    pub fn new(decisions_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_max: (decisions_max / 2).max(1) }
    }

    /// What was decided, if it is known.
    pub fn get(&self, trace_id: TraceId) -> Option<Outcome> {
        self.young.get(&trace_id).or_else(|| self.old.get(&trace_id)).copied()
    }

    /// The same, and keeps it known.
    pub fn touch(&mut self, trace_id: TraceId) -> Option<Outcome> {
        if let Some(outcome) = self.young.get(&trace_id) {
            return Some(*outcome);
        }
        let outcome = self.old.remove(&trace_id)?;
        self.insert(trace_id, outcome);
        Some(outcome)
    }

    /// Remembers.
    pub fn insert(&mut self, trace_id: TraceId, outcome: Outcome) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&trace_id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&trace_id);
        self.young.insert(trace_id, outcome);
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> TraceId {
        TraceId::new(number).unwrap()
    }

    // Catches a memory that grows, and one that forgets what is in use.
    #[test]
    fn it_is_bounded_and_forgets_what_is_not_used() {
        let mut memory = Memory::new(10);
        memory.insert(id(1), Outcome::Dropped);
        for number in 2..1_000 {
            memory.insert(id(number), Outcome::Kept { weight: 1.0 });
            assert_eq!(memory.touch(id(1)), Some(Outcome::Dropped));
            assert!(memory.len() <= 10, "{}", memory.len());
        }
        assert_eq!(memory.get(id(999)), Some(Outcome::Kept { weight: 1.0 }));
        assert_eq!(memory.get(id(900)), None);
        for number in 2_000..2_010 {
            memory.insert(id(number), Outcome::Dropped);
        }
        assert_eq!(memory.get(id(1)), None);
    }
}
