//! The dictionary's rows. Days are days since the epoch.

use anyhow::Context;
use foldhash::{HashMap, HashMapExt as _};
use futures::TryStreamExt;
use spanloom_model::{AttrValue, Key};
use sqlx::{PgPool, Row};

use super::Wanted;

/// Number and day of a pair.
type Found = Option<(i32, i32)>;

/// Tells the rows that were used last, at most so many: key, value, number, day.
pub async fn load(
    pool: &PgPool,
    rows_max: usize,
    mut tell: impl FnMut(&str, &AttrValue, i32, i32),
) -> anyhow::Result<()> {
    let mut rows = sqlx::query(
        "SELECT key, value, id, used_on - date '1970-01-01' FROM attribute_pairs
         ORDER BY used_on DESC, id DESC LIMIT $1",
    )
    .bind(rows_max as i64)
    .fetch(pool);
    while let Some(row) = rows.try_next().await? {
        let value: AttrValue = serde_json::from_str(row.try_get(1)?).context("a stored value")?;
        tell(row.try_get(0)?, &value, row.try_get(2)?, row.try_get(3)?);
    }
    Ok(())
}

/// How many values each key has.
pub async fn count(pool: &PgPool) -> sqlx::Result<HashMap<Key, usize>> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT key, count(*) FROM attribute_pairs GROUP BY key").fetch_all(pool).await?;
    let mut counts = HashMap::with_capacity(rows.len());
    counts.extend(rows.into_iter().map(|(key, count)| (Key::from(key), count as usize)));
    Ok(counts)
}

/// Those of the pairs that are there, in order.
pub async fn find(pool: &PgPool, wanted: &[Wanted<'_>]) -> anyhow::Result<Vec<Found>> {
    // What is known to be there has an earlier day than is wanted: renew() is given any.
    let mut found: Vec<Found> = wanted.iter().map(|pair| Some((pair.number?, i32::MIN))).collect();
    let unknown: Vec<usize> = (0..wanted.len()).filter(|&index| found[index].is_none()).collect();
    if unknown.is_empty() {
        return Ok(found);
    }
    let rows: Vec<(i64, i32, i32)> = sqlx::query_as(
        "SELECT w.place, p.id, p.used_on - date '1970-01-01'
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (key, value, place)
         JOIN attribute_pairs p ON p.key = w.key AND p.value = w.value",
    )
    .bind(keys(wanted, &unknown))
    .bind(values(wanted, &unknown)?)
    .fetch_all(pool)
    .await?;
    for (place, number, day) in rows {
        found[unknown[place as usize - 1]] = Some((number, day));
    }
    Ok(found)
}

/// Adds those of the pairs that are new and tells their numbers, but for those that somebody else adds at
/// the same moment: these are found the next time.
pub async fn insert(
    pool: &PgPool,
    wanted: &[Wanted<'_>],
    new: &[usize],
    found: &mut [Found],
) -> anyhow::Result<()> {
    let values = values(wanted, new)?;
    let places: HashMap<(&str, &str), usize> =
        new.iter().zip(&values).map(|(&index, value)| ((wanted[index].key, &value[..]), index)).collect();
    // Sorted, so that two writers lock in the same order.
    let rows: Vec<(i32, String, String)> = sqlx::query_as(
        "INSERT INTO attribute_pairs (key, value, used_on)
         SELECT key, value, date '1970-01-01' + day
         FROM unnest($1::text[], $2::text[], $3::int[]) AS w (key, value, day)
         ORDER BY key COLLATE \"C\", value COLLATE \"C\"
         ON CONFLICT DO NOTHING RETURNING id, key, value",
    )
    .bind(keys(wanted, new))
    .bind(&values)
    .bind(new.iter().map(|&index| wanted[index].day).collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    for (number, key, value) in &rows {
        if let Some(&index) = places.get(&(&key[..], &value[..])) {
            found[index] = Some((*number, wanted[index].day));
        }
    }
    Ok(())
}

/// Makes sure that the pairs that were found are noted as used on the days that are wanted.
pub async fn renew(pool: &PgPool, wanted: &[Wanted<'_>], found: &[Found]) -> sqlx::Result<()> {
    let stale = wanted.iter().zip(found).filter_map(|(wanted, found)| {
        let (number, day) = (*found)?;
        (day < wanted.day).then_some((number, wanted.day))
    });
    let (numbers, days): (Vec<i32>, Vec<i32>) = stale.unzip();
    if numbers.is_empty() {
        return Ok(());
    }
    // Sorted, so that two writers lock in the same order.
    sqlx::query(
        "WITH stale AS (
             SELECT p.id, date '1970-01-01' + w.day AS day
             FROM unnest($1::int[], $2::int[]) AS w (id, day) JOIN attribute_pairs p ON p.id = w.id
             ORDER BY p.id FOR UPDATE OF p
         )
         UPDATE attribute_pairs p SET used_on = stale.day FROM stale
         WHERE p.id = stale.id AND p.used_on < stale.day",
    )
    .bind(numbers)
    .bind(days)
    .execute(pool)
    .await?;
    Ok(())
}

fn keys<'a>(wanted: &[Wanted<'a>], which: &[usize]) -> Vec<&'a str> {
    which.iter().map(|&index| wanted[index].key).collect()
}

/// JSON of the values.
fn values(wanted: &[Wanted<'_>], which: &[usize]) -> serde_json::Result<Vec<String>> {
    which.iter().map(|&index| serde_json::to_string(wanted[index].value)).collect()
}
