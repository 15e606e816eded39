//! Attributes of stored spans: those in the span's JSON and those in the dictionary `attribute_pairs`.
//!
//! Whoever reads a span's attributes selects both columns, makes [`StoredAttributes`] of them, has
//! [`PairCache::fill`] look the numbers up in the same transaction, and reads them where time does not
//! matter. In SQL `span_attributes()` does the same.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use chrono::NaiveDate;
use spanloom_model::{AttrValue, Attributes, Key};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::pair_numbers;

/// Shared by the transactions of writers; whoever deletes pairs has it alone. The first half of an
/// advisory lock, the second is 0.
pub const PAIRS_LOCK: i32 = 0x5041_4952;

/// Pairs that are remembered: as many as writers add.
const CACHE_MAX: usize = 250_000;

/// Numbers that are looked up at once.
const LOOK_UP_MAX: usize = 20_000;

/// Pairs that are deleted in a transaction, which writers wait for.
const SWEEP_MAX: i64 = 50_000;

type Pair = Arc<(Key, AttrValue)>;

/// A span's attributes as they are stored.
#[derive(Debug, Clone, Default)]
pub struct StoredAttributes {
    json: String,
    ids: Vec<i32>,
    pairs: Vec<Pair>,
}

impl StoredAttributes {
    /// From two columns of a row, `attributes` and `attribute_ids`. [`PairCache::fill`] comes next.
    ///
    /// # Errors
    /// If the columns are others.
    pub fn from_columns(row: &PgRow, attributes: usize, attribute_ids: usize) -> sqlx::Result<Self> {
        let stored = Self::from_columns_or_null(row, attributes, attribute_ids)?;
        stored.ok_or(sqlx::Error::Decode("attributes are never null".into()))
    }

    /// The same for a statement that may leave attributes out; none if they are null.
    ///
    /// # Errors
    /// If the columns are others.
    pub fn from_columns_or_null(
        row: &PgRow,
        attributes: usize,
        attribute_ids: usize,
    ) -> sqlx::Result<Option<Self>> {
        let Some(json) = row.try_get(attributes)? else { return Ok(None) };
        let ids: Option<&[u8]> = row.try_get(attribute_ids)?;
        Ok(Some(Self { json, ids: ids.map(pair_numbers::read).unwrap_or_default(), pairs: Vec::new() }))
    }

    /// All attributes, by key.
    ///
    /// # Errors
    /// If the JSON is none.
    pub fn read(&self) -> anyhow::Result<Attributes> {
        let own: Attributes = serde_json::from_str(&self.json).context("stored attributes")?;
        if self.pairs.is_empty() {
            return Ok(own);
        }
        let mut entries = own.into_keyed();
        entries.extend(self.pairs.iter().map(|pair| (**pair).clone()));
        Ok(Attributes::from_keyed(entries))
    }
}

impl From<&str> for StoredAttributes {
    /// Of the JSON alone.
    fn from(json: &str) -> Self {
        Self { json: json.to_owned(), ..Self::default() }
    }
}

/// Pairs by number, to be shared by all that read. A pair never changes and its number is never used
/// again, so that what is remembered is right as long as the database is the same.
#[derive(Debug, Clone, Default)]
pub struct PairCache {
    pairs: Arc<RwLock<HashMap<i32, Pair>>>,
}

impl PairCache {
    /// Looks the spans' numbers up. `db` is in the transaction that has read the spans.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn fill(
        &self,
        db: &mut PgConnection,
        spans: impl Iterator<Item = &mut StoredAttributes>,
    ) -> sqlx::Result<()> {
        let mut spans: Vec<&mut StoredAttributes> = spans.filter(|span| !span.ids.is_empty()).collect();
        if spans.is_empty() {
            return Ok(());
        }
        let wanted: HashSet<i32> = spans.iter().flat_map(|span| &span.ids).copied().collect();
        let mut pairs = HashMap::with_capacity(wanted.len());
        let mut missing = Vec::new();
        {
            let known = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
            for id in wanted {
                match known.get(&id) {
                    Some(pair) => drop(pairs.insert(id, Arc::clone(pair))),
                    None => missing.push(id),
                }
            }
        }
        for ids in missing.chunks(LOOK_UP_MAX) {
            let found = look_up(db, ids).await?;
            self.remember(&found);
            pairs.extend(found);
        }
        let mut lost = 0;
        for span in &mut spans {
            span.pairs = span.ids.iter().filter_map(|id| pairs.get(id).cloned()).collect();
            lost += span.ids.len() - span.pairs.len();
        }
        if lost > 0 {
            tracing::error!(lost, "attributes of stored spans are not in the table attribute_pairs");
        }
        Ok(())
    }

    /// Forgets everything: the database may be another one.
    pub fn clear(&self) {
        self.pairs.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn remember(&self, found: &[(i32, Pair)]) {
        let mut known = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() + found.len() > CACHE_MAX {
            known.clear();
        }
        known.extend(found.iter().cloned());
    }
}

async fn look_up(db: &mut PgConnection, ids: &[i32]) -> sqlx::Result<Vec<(i32, Pair)>> {
    let rows: Vec<(i32, String, String)> =
        sqlx::query_as("SELECT id, key, value FROM attribute_pairs WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(db)
            .await?;
    rows.into_iter()
        .map(|(id, key, value)| {
            let value = serde_json::from_str(&value).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok((id, Arc::new((Key::from(key), value))))
        })
        .collect()
}

/// Deletes pairs that no stored span can refer to, at most so many that writers do not wait for long;
/// returns how many. The migration tells why no writer uses them any more. To the end of the transaction
/// writers wait: it must hold no lock that one of them may wait for.
///
/// # Errors
/// If the database fails, or a writer does not end its transaction in time.
pub async fn sweep(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let is_due = "SELECT EXISTS (SELECT FROM attribute_pairs WHERE used_on < $1)";
    if !sqlx::query_scalar(is_due).bind(first_day(connection).await?).fetch_one(&mut *connection).await? {
        return Ok(0);
    }
    // Writers queue behind this, and give up after five seconds.
    sqlx::query("SET LOCAL lock_timeout = '4s'").execute(&mut *connection).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1, 0)").bind(PAIRS_LOCK).execute(&mut *connection).await?;
    // Again: what was on its way a moment ago is stored now, and may be older.
    let day = first_day(connection).await?;
    let deleted = sqlx::query(
        "DELETE FROM attribute_pairs
         WHERE id IN (SELECT id FROM attribute_pairs WHERE used_on < $1 LIMIT $2)",
    )
    .bind(day)
    .bind(SWEEP_MAX)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if deleted > 0 {
        sqlx::query("UPDATE attribute_pairs_floor SET day = greatest(day, $1)")
            .bind(day)
            .execute(connection)
            .await?;
    }
    Ok(deleted)
}

/// The day (UTC) on which the oldest stored span may start.
async fn first_day(connection: &mut PgConnection) -> sqlx::Result<NaiveDate> {
    sqlx::query_scalar("SELECT (coalesce(spans_from(), spanloom_now()) AT TIME ZONE 'UTC')::date")
        .fetch_one(connection)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches attributes that are lost, doubled or out of order when the two halves meet.
    #[test]
    fn both_halves_are_one_set_by_key() {
        let pair = |key: &str, value: AttrValue| Arc::new((Key::from(key), value));
        let stored = StoredAttributes {
            json: r#"{"b":[1],"d":"x"}"#.into(),
            ids: vec![1, 2, 3],
            pairs: vec![pair("e", 5.into()), pair("a", 1.0.into()), pair("c", "".into())],
        };
        let json = serde_json::to_string(&stored.read().unwrap()).unwrap();
        assert_eq!(json, r#"{"a":1.0,"b":[1],"c":"","d":"x","e":5}"#);
        assert_eq!(StoredAttributes::from("{}").read().unwrap(), Attributes::default());
    }
}
