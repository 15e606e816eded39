//! Sizes, events, and samples of whose rows a partition holds.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use spanloom_model::api::{RetentionEvent, RetentionReason};
use sqlx::{PgConnection, PgPool, Row};
use tokio::time::Instant;

use crate::query::store::{begin_read, service_names, timed_out};
use crate::store::retention::{self, Partition};

/// Events in the answer.
const EVENTS_MAX: i64 = 100;

/// Undivided tables that are looked at.
const PLAIN_TABLES_MAX: i64 = 100;

/// A table without partitions.
#[derive(Debug, Clone)]
pub struct PlainTable {
    pub name: String,
    pub signal: Option<String>,
    pub rows_estimate: u64,
    pub heap_bytes: u64,
    pub index_bytes: u64,
    pub toast_bytes: u64,
}

/// What the database says of itself, at one moment.
#[derive(Debug)]
pub struct Measured {
    pub database_bytes: u64,
    /// When data began.
    pub since: DateTime<Utc>,
    pub partitions: Vec<Partition>,
    pub plain_tables: Vec<PlainTable>,
    /// Tables whose rows name their service.
    pub with_service: HashSet<String>,
    pub events: Vec<RetentionEvent>,
    /// By signal, why its last partition went.
    pub last_reasons: HashMap<String, RetentionReason>,
}

/// Measures.
pub async fn measure(pool: &PgPool, statement_time: Duration) -> anyhow::Result<Measured> {
    let mut tx = begin_read(pool, statement_time).await?;
    let partitions = retention::partitions(&mut tx).await?;
    Ok(Measured {
        database_bytes: retention::database_bytes(&mut tx).await?,
        since: began(&mut tx, &partitions).await?,
        partitions,
        plain_tables: plain_tables(&mut tx).await?,
        with_service: sqlx::query_scalar(
            "SELECT table_name FROM retained_tables
             JOIN pg_attribute ON attrelid = to_regclass(quote_ident(table_name)) AND attname = 'service_id'",
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect(),
        events: events(&mut tx).await?,
        last_reasons: last_reasons(&mut tx).await?,
    })
}

/// When the schema was made, or where the oldest partition of at most a day with rows begins: spans
/// may be older than the schema.
async fn began(connection: &mut PgConnection, partitions: &[Partition]) -> sqlx::Result<DateTime<Utc>> {
    let made: DateTime<Utc> =
        sqlx::query_scalar("SELECT min(installed_on) FROM _sqlx_migrations").fetch_one(connection).await?;
    let is_fine = |it: &&Partition| it.heap_bytes > 0 && it.to_time - it.from_time <= TimeDelta::days(1);
    Ok(partitions.iter().filter(is_fine).map(|it| it.from_time).fold(made, Ord::min))
}

async fn plain_tables(connection: &mut PgConnection) -> sqlx::Result<Vec<PlainTable>> {
    let rows = sqlx::query(
        "SELECT c.relname::text, r.signal, greatest(c.reltuples, 0)::bigint,
                coalesce(pg_table_size(c.oid), 0) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0),
                coalesce(pg_indexes_size(c.oid), 0),
                coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)
         FROM pg_class c LEFT JOIN retained_tables r ON r.table_name = c.relname
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
         ORDER BY pg_total_relation_size(c.oid) DESC NULLS LAST LIMIT $1",
    )
    .bind(PLAIN_TABLES_MAX)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let number = |column: usize| row.try_get::<i64, _>(column).map(unsigned);
            Ok(PlainTable {
                name: row.try_get(0)?,
                signal: row.try_get(1)?,
                rows_estimate: number(2)?,
                heap_bytes: number(3)?,
                index_bytes: number(4)?,
                toast_bytes: number(5)?,
            })
        })
        .collect()
}

async fn events(connection: &mut PgConnection) -> sqlx::Result<Vec<RetentionEvent>> {
    let rows = sqlx::query(
        "SELECT dropped_at, signal, table_name, partition, from_time, to_time, rows_estimate, bytes, reason
         FROM retention_events ORDER BY id DESC LIMIT $1",
    )
    .bind(EVENTS_MAX)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RetentionEvent {
                dropped_at: row.try_get(0)?,
                signal: row.try_get(1)?,
                table: row.try_get(2)?,
                partition: row.try_get(3)?,
                start_time: row.try_get(4)?,
                end_time: row.try_get(5)?,
                rows_estimate: unsigned(row.try_get(6)?),
                bytes: unsigned(row.try_get(7)?),
                reason: reason(row.try_get(8)?),
            })
        })
        .collect()
}

async fn last_reasons(connection: &mut PgConnection) -> sqlx::Result<HashMap<String, RetentionReason>> {
    let rows = sqlx::query(
        "SELECT DISTINCT ON (signal) signal, reason FROM retention_events ORDER BY signal, id DESC",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, reason(row.try_get(1)?)))).collect()
}

/// The table's check leaves only the two.
fn reason(text: &str) -> RetentionReason {
    if text == "age" { RetentionReason::Age } else { RetentionReason::Bytes }
}

/// By partition, which share of it each service has. The shares of a partition make 1.
#[derive(Debug, Default)]
pub struct Shares {
    pub by_partition: HashMap<String, Vec<(i32, f64)>>,
    pub names: HashMap<i32, String>,
    /// Whether there was time for all.
    pub complete: bool,
}

/// Samples the partitions in this order until the deadline.
pub async fn shares(pool: &PgPool, partitions: &[&Partition], deadline: Instant) -> anyhow::Result<Shares> {
    let mut shares = Shares { complete: true, ..Shares::default() };
    let mut ids = HashSet::new();
    for partition in partitions {
        let time_left = deadline.saturating_duration_since(Instant::now());
        let weights = if time_left.is_zero() { None } else { weights(pool, partition, time_left).await? };
        let Some(weights) = weights else {
            shares.complete = false;
            break;
        };
        let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
        ids.extend(weights.iter().map(|(id, _)| *id));
        let weights = weights.into_iter().map(|(id, weight)| (id, weight / sum)).collect();
        shares.by_partition.insert(partition.name.clone(), weights);
    }
    let ids: Vec<i32> = ids.into_iter().collect();
    shares.names = service_names(&mut *pool.acquire().await?, &ids).await?;
    Ok(shares)
}

/// None if there was not enough time; nothing if the partition is gone.
async fn weights(
    pool: &PgPool,
    partition: &Partition,
    time_left: Duration,
) -> anyhow::Result<Option<Vec<(i32, f64)>>> {
    let mut tx = begin_read(pool, time_left).await?;
    let found = sqlx::query_as("SELECT service_id, weight FROM service_weights($1)")
        .bind(&partition.name)
        .fetch_all(&mut *tx)
        .await;
    match found {
        Ok(weights) => Ok(Some(weights)),
        Err(error) if timed_out(&error) => Ok(None),
        // undefined_table: dropped since it was measured.
        Err(sqlx::Error::Database(cause)) if cause.code().as_deref() == Some("42P01") => {
            Ok(Some(Vec::new()))
        }
        Err(error) => Err(error).with_context(|| format!("sampling {}", partition.name)),
    }
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
