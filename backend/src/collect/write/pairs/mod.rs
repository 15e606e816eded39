//! Numbers for attributes that many spans have: the dictionary `attribute_pairs`.
//!
//! Which attributes get a number is only a matter of policy, a span's attributes are those with a number
//! and the others together: short plain values that lately were in several traces, as long as there are
//! not too many of them. The migration tells why no span refers to a pair that is gone.
//!
//! Like the other dimensions, pairs are added outside the spans' transaction. Looking one up costs a
//! hash of key and value.

mod known;
mod sightings;
mod store;

use anyhow::Context;
use foldhash::HashMap;
use spanloom_model::{AttrValue, Key, Span};
use sqlx::PgPool;

use known::{Known, Pair, Plain};
use sightings::Sightings;

/// Rows of the dictionary. Each writer stops there; several at once exceed it by what they add between
/// two counts.
const ROWS_MAX: usize = 250_000;
/// Values per key, so that one key with a value for each user does not take all the room.
const VALUES_PER_KEY_MAX: usize = 5_000;
/// Rows are counted again after so many were added.
const COUNT_EVERY: usize = 10_000;
/// Pairs that are added or looked up for a batch, for what a batch may take; the next one takes the others.
const WANTED_MAX: usize = 30_000;
/// Longer keys and values stay with the span: they repeat seldom, and rows and index entries are small.
const KEY_BYTES_MAX: usize = 128;
/// Of text, without the quotes of JSON.
const TEXT_BYTES_MAX: usize = 62;

const DAY_NS: i64 = 86_400_000_000_000;

/// What a writer remembers of the dictionary.
#[derive(Default)]
pub struct Pairs {
    known: Known,
    sightings: Sightings,
    /// Days since the epoch. What is not known to be used from this day on may be deleted.
    floor: i32,
    counts: Option<Counts>,
}

/// Rows of the dictionary when they were counted, and what was added since.
#[derive(Default)]
struct Counts {
    total: usize,
    by_key: HashMap<Key, usize>,
    added: usize,
}

/// A pair that the database has to be asked for.
struct Wanted<'a> {
    hash: u64,
    key: &'a str,
    value: &'a AttrValue,
    /// Days since the epoch: the latest start of any span that will refer to it.
    day: i32,
    /// Its number, if it is certain that it is there and only used later than is noted.
    number: Option<i32>,
}

/// What a batch needs to know, and where.
#[derive(Default)]
struct Wants<'a> {
    pairs: Vec<Wanted<'a>>,
    by_hash: HashMap<u64, usize>,
    /// Indexes of attributes and of the pairs that they are.
    places: Vec<(usize, usize)>,
}

impl Pairs {
    /// Tells from which day on nothing was deleted, in days since the epoch. It holds to the end of the
    /// transaction that has read it under the lock.
    pub fn set_floor(&mut self, day: i32) {
        if self.floor != day {
            self.floor = day;
            // Something was deleted: there is room again.
            self.counts = None;
        }
    }

    /// Forgets the dictionary: after an error the database may have lost what this remembers.
    pub fn clear(&mut self) {
        self.known.clear();
        self.counts = None;
    }

    /// The number of each attribute of each span, in order; 0 for those that have none. Adds to the
    /// dictionary what should be there.
    pub async fn resolve(&mut self, pool: &PgPool, spans: &[&Span]) -> anyhow::Result<Vec<i32>> {
        self.known.load(pool).await.context("attribute pairs")?;
        let mut numbers = Vec::with_capacity(spans.iter().map(|span| span.attributes.len()).sum());
        let mut wants = Wants::default();
        for span in spans {
            let day = self.floor.max(day_of(span.start_ns));
            let trace = span.trace_id.get();
            for (key, value) in span.attributes.iter() {
                let number = self.look_up(key, value, day, trace, numbers.len(), &mut wants);
                numbers.push(number.unwrap_or_default());
            }
        }
        if !wants.pairs.is_empty() {
            let found = self.ask(pool, &wants.pairs).await.context("adding attribute pairs")?;
            for (place, pair) in wants.places {
                numbers[place] = found[pair].unwrap_or_default();
            }
        }
        Ok(numbers)
    }

    /// A number that is certain; else notes what to ask for, if anything.
    fn look_up<'a>(
        &mut self,
        key: &'a str,
        value: &'a AttrValue,
        day: i32,
        trace: u128,
        place: usize,
        wants: &mut Wants<'a>,
    ) -> Option<i32> {
        let plain = Plain::of(value).filter(|plain| key.len() <= KEY_BYTES_MAX && plain.is_short())?;
        let hash = self.known.hash(key, plain);
        let mut number = None;
        match self.known.get(hash) {
            Some(pair) if !pair.is(key, plain) => return None,
            Some(pair) if pair.day >= day => return Some(pair.number),
            Some(pair) if pair.day >= self.floor => number = Some(pair.number),
            // It may be gone, but it was worth a row.
            Some(_) => {}
            None if wants.by_hash.contains_key(&hash) => {}
            None if self.sightings.is_repeated(hash, trace) && self.has_room(key) => {}
            None => return None,
        }
        wants.add(Wanted { hash, key, value, day, number }, plain, place);
        None
    }

    /// Whether one more value of the key may be added, as far as this was counted.
    fn has_room(&self, key: &str) -> bool {
        self.counts.as_ref().is_none_or(|counts| {
            counts.total < ROWS_MAX
                && counts.by_key.get(key).is_none_or(|&count| count < VALUES_PER_KEY_MAX)
        })
    }

    /// The numbers of the pairs; none where there is no room.
    async fn ask(&mut self, pool: &PgPool, wanted: &[Wanted<'_>]) -> anyhow::Result<Vec<Option<i32>>> {
        let mut found = store::find(pool, wanted).await?;
        let absent: Vec<usize> = (0..wanted.len()).filter(|&index| found[index].is_none()).collect();
        let new = self.admit(pool, wanted, absent).await?;
        if !new.is_empty() {
            store::insert(pool, wanted, &new, &mut found).await?;
        }
        store::renew(pool, wanted, &found).await?;
        self.known.bound();
        let mut numbers = Vec::with_capacity(wanted.len());
        for (wanted, found) in wanted.iter().zip(found) {
            let pair = found.map(|(number, day)| (number, day.max(wanted.day)));
            if let (Some((number, day)), Some(plain)) = (pair, Plain::of(wanted.value)) {
                self.known.insert(wanted.hash, Pair::new(wanted.key, plain, number, day));
            }
            numbers.push(pair.map(|(number, _)| number));
        }
        Ok(numbers)
    }

    /// Those of the absent pairs for which there is room.
    async fn admit(
        &mut self,
        pool: &PgPool,
        wanted: &[Wanted<'_>],
        mut absent: Vec<usize>,
    ) -> sqlx::Result<Vec<usize>> {
        if absent.is_empty() {
            return Ok(absent);
        }
        let counts = match self.counts.take() {
            Some(counts) if counts.added < COUNT_EVERY => self.counts.insert(counts),
            _ => self.counts.insert(Counts::new(store::count(pool).await?)),
        };
        absent.retain(|&index| counts.take(wanted[index].key));
        Ok(absent)
    }
}

impl Counts {
    fn new(by_key: HashMap<Key, usize>) -> Self {
        Self { total: by_key.values().sum(), by_key, added: 0 }
    }

    /// Takes the room for one more value of the key; false if there is none.
    fn take(&mut self, key: &str) -> bool {
        let count = self.by_key.entry(Key::from(key)).or_default();
        let is_taken = *count < VALUES_PER_KEY_MAX && self.total < ROWS_MAX;
        if is_taken {
            *count += 1;
            self.total += 1;
            self.added += 1;
        }
        is_taken
    }
}

impl<'a> Wants<'a> {
    /// Notes that the attribute at `place` is the pair.
    fn add(&mut self, wanted: Wanted<'a>, plain: Plain<'a>, place: usize) {
        if let Some(&index) = self.by_hash.get(&wanted.hash) {
            let same = &mut self.pairs[index];
            if same.key == wanted.key && Plain::of(same.value) == Some(plain) {
                same.day = same.day.max(wanted.day);
                self.places.push((place, index));
            }
        } else if self.pairs.len() < WANTED_MAX {
            self.by_hash.insert(wanted.hash, self.pairs.len());
            self.places.push((place, self.pairs.len()));
            self.pairs.push(wanted);
        }
    }
}

/// The day (UTC) of a time in nanoseconds since the epoch.
fn day_of(time_ns: i64) -> i32 {
    // Nanoseconds in 64 bits are at most 106,751 days.
    time_ns.div_euclid(DAY_NS) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a dictionary that one key fills, or that grows without end.
    #[test]
    fn there_is_room_for_some_values_of_each_key_and_some_in_all() {
        let mut counts = Counts::default();
        let taken = (0..2 * VALUES_PER_KEY_MAX).filter(|_| counts.take("user.id")).count();
        assert_eq!(taken, VALUES_PER_KEY_MAX);
        assert!(counts.take("region"));
        let taken = (0..2 * ROWS_MAX).filter(|index| counts.take(&format!("key {index}"))).count();
        assert_eq!(taken + VALUES_PER_KEY_MAX + 1, ROWS_MAX);
        assert_eq!(counts.added, ROWS_MAX);
    }

    // Catches a batch that asks for more than it may, and pairs that are taken for others of the same hash.
    #[test]
    fn what_is_asked_for_is_bounded() {
        let (value, other) = (AttrValue::Int(1), AttrValue::Int(2));
        let wanted = |hash: u64, day: i32, value| Wanted { hash, key: "k", value, day, number: None };
        let mut wants = Wants::default();
        for hash in 0..WANTED_MAX as u64 + 5 {
            wants.add(wanted(hash, 0, &value), Plain::Int(1), hash as usize);
        }
        assert_eq!(wants.pairs.len(), WANTED_MAX);
        assert_eq!(wants.places.len(), WANTED_MAX);
        wants.add(wanted(3, 9, &value), Plain::Int(1), 77);
        wants.add(wanted(3, 12, &other), Plain::Int(2), 88);
        assert_eq!(wants.places.last(), Some(&(77, 3)), "the other one stays with its span");
        assert_eq!(wants.pairs[3].day, 9, "the latest day counts");
    }

    // Catches days that begin at another moment than PostgreSQL's.
    #[test]
    fn days_begin_at_midnight_also_before_the_epoch() {
        assert_eq!([-1, 0, DAY_NS - 1, DAY_NS].map(day_of), [-1, 0, 0, 1]);
    }
}
