//! The pairs that a writer remembers.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use foldhash::{HashMap, HashMapExt as _};
use spanloom_model::{AttrValue, Key};
use sqlx::PgPool;

use super::{ROWS_MAX, TEXT_BYTES_MAX, store};

/// More are not remembered. Above the rows that there are, so that what is forgotten is what is gone.
const KNOWN_MAX: usize = ROWS_MAX + ROWS_MAX / 5;

/// A value of a plain type. Doubles are equal if their bits are, so that 0.0 and -0.0 are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plain<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(u64),
}

impl<'a> Plain<'a> {
    /// None for values of the other types.
    pub fn of(value: &'a AttrValue) -> Option<Self> {
        match value {
            AttrValue::String(text) => Some(Self::Text(text)),
            AttrValue::Bool(truth) => Some(Self::Bool(*truth)),
            AttrValue::Int(number) => Some(Self::Int(*number)),
            AttrValue::Double(number) => Some(Self::Double(number.to_bits())),
            AttrValue::Null | AttrValue::Bytes(_) | AttrValue::Array(_) | AttrValue::Map(_) => None,
        }
    }

    /// Whether it is short enough for a number.
    pub fn is_short(self) -> bool {
        !matches!(self, Self::Text(text) if text.len() > TEXT_BYTES_MAX)
    }
}

/// A row of the dictionary.
pub struct Pair {
    key: Key,
    value: Owned,
    /// Its id.
    pub number: i32,
    /// Days since the epoch: its `used_on`, or an earlier one.
    pub day: i32,
}

/// [`Plain`] with its text.
enum Owned {
    /// In the same form as keys: short text needs no memory of its own.
    Text(Key),
    Other(Plain<'static>),
}

impl Pair {
    /// A pair that is in the dictionary.
    pub fn new(key: &str, value: Plain<'_>, number: i32, day: i32) -> Self {
        let value = match value {
            Plain::Text(text) => Owned::Text(Key::from(text)),
            Plain::Bool(truth) => Owned::Other(Plain::Bool(truth)),
            Plain::Int(number) => Owned::Other(Plain::Int(number)),
            Plain::Double(bits) => Owned::Other(Plain::Double(bits)),
        };
        Self { key: Key::from(key), value, number, day }
    }

    /// Whether it is the one.
    pub fn is(&self, key: &str, value: Plain<'_>) -> bool {
        let own = match &self.value {
            Owned::Text(text) => Plain::Text(text),
            Owned::Other(value) => *value,
        };
        own == value && self.key == key
    }
}

/// Pairs by hash. Of two with the same hash one is known and the other never gets a number.
pub struct Known {
    pairs: HashMap<u64, Pair>,
    hasher: RandomState,
    is_loaded: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self { pairs: HashMap::new(), hasher: RandomState::default(), is_loaded: false }
    }
}

impl Known {
    /// Reads the dictionary, if that was not done: what is in it need not be seen again to be used.
    pub async fn load(&mut self, pool: &PgPool) -> anyhow::Result<()> {
        if !self.is_loaded {
            store::load(pool, ROWS_MAX, |key, value, number, day| {
                if let Some(plain) = Plain::of(value) {
                    self.insert(self.hash(key, plain), Pair::new(key, plain, number, day));
                }
            })
            .await?;
            self.is_loaded = true;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.is_loaded = false;
    }

    /// Forgets everything if it is too much.
    pub fn bound(&mut self) {
        if self.pairs.len() > KNOWN_MAX {
            self.clear();
        }
    }

    /// Under which the pair is known.
    pub fn hash(&self, key: &str, value: Plain<'_>) -> u64 {
        self.hasher.hash_one((key, value))
    }

    /// The pair of that hash.
    pub fn get(&self, hash: u64) -> Option<&Pair> {
        self.pairs.get(&hash)
    }

    /// Adds a pair, or what was learned of it.
    pub fn insert(&mut self, hash: u64, pair: Pair) {
        self.pairs.insert(hash, pair);
    }
}
