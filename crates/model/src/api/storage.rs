//! What is stored, and how long it is kept.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// How the database stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum StorageFlavour {
    /// TimescaleDB: chunks that are compressed after a while.
    Timescale,
    /// Plain PostgreSQL: partitions.
    Postgres,
}

/// Why a partition was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RetentionReason {
    /// All of it was older than its signal is kept.
    Age,
    /// It was the oldest when a bound on bytes was exceeded.
    Bytes,
}

/// Bytes of something with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NamedBytes {
    /// A table or a service.
    pub name: String,
    /// On disk, indexes included.
    pub bytes: u64,
}

/// How fast it grows and where that leads, if every day is like the last ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageGrowth {
    /// Mean of the last whole days, at most seven; without a whole day there is none.
    pub bytes_per_day: Option<u64>,
    /// How many days that is the mean of.
    pub days_measured: u32,
    /// When `bytesMax` is reached: from then on the oldest goes before its time. Absent if never.
    pub full_in_days: Option<u32>,
    /// Where the size levels off when as much goes by age as comes; `bytesMax` not considered.
    pub steady_bytes: Option<u64>,
}

/// A kind of data and how long it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageSignal {
    /// As in `[storage.retention]`: `traces`, `logs`, `metrics` (by minute), `rollups` (by hour and day).
    #[cfg_attr(feature = "openapi", schema(example = "traces"))]
    pub name: String,
    /// On disk, indexes included.
    pub bytes: u64,
    /// Days that it is kept.
    pub days_max: u32,
    /// Bytes that it may occupy.
    pub bytes_max: Option<u64>,
    /// Where the oldest partition begins.
    pub oldest: Option<DateTime<Utc>>,
    /// Why the signal's last partition went; absent if none has.
    pub last_reason: Option<RetentionReason>,
}

/// A table with all its partitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageTable {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(example = "spans"))]
    pub name: String,
    /// The signal that it belongs to; tables without one are not dropped from.
    pub signal: Option<String>,
    /// Partitions or chunks; 0 for an undivided table.
    pub partitions: u64,
    /// The database's estimate.
    pub rows_estimate: u64,
    /// All of it.
    pub bytes: u64,
    /// The rows themselves.
    pub heap_bytes: u64,
    /// Indexes.
    pub index_bytes: u64,
    /// Values stored out of line, and in TimescaleDB's columnstore.
    pub toast_bytes: u64,
    /// What the compressed partitions occupy.
    pub compressed_bytes: u64,
    /// What they occupied before.
    pub uncompressed_bytes: u64,
    /// How many times smaller they are.
    pub compression_ratio: Option<f64>,
}

/// What one day (UTC) of data occupies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageDay {
    /// The day of the data, not of its arrival.
    pub day: NaiveDate,
    /// All of it.
    pub bytes: u64,
    /// By table. A partition that covers several days counts in each by its share of the time.
    pub tables: Vec<NamedBytes>,
    /// By service, the largest of the range; what is missing to `bytes` is of other services. An
    /// estimate.
    pub services: Vec<NamedBytes>,
}

/// What a service occupies over the range; an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageService {
    /// `service.name`.
    #[cfg_attr(feature = "openapi", schema(example = "checkout"))]
    pub name: String,
    /// All of it.
    pub bytes: u64,
    /// By table.
    pub tables: Vec<NamedBytes>,
}

/// A partition of plain PostgreSQL or a chunk of TimescaleDB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoragePartition {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// What it covers, inclusive.
    pub start_time: DateTime<Utc>,
    /// What it covers, exclusive.
    pub end_time: DateTime<Utc>,
    /// The database's estimate.
    pub rows_estimate: u64,
    /// All that it occupies.
    pub bytes: u64,
    /// What it occupied before it was compressed.
    pub uncompressed_bytes: Option<u64>,
}

/// A partition that retention dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RetentionEvent {
    /// When.
    pub dropped_at: DateTime<Utc>,
    /// The signal of its table.
    pub signal: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub partition: String,
    /// What it covered, inclusive.
    pub start_time: DateTime<Utc>,
    /// What it covered, exclusive.
    pub end_time: DateTime<Utc>,
    /// The database's estimate of its rows.
    pub rows_estimate: u64,
    /// What it occupied.
    pub bytes: u64,
    /// Why.
    pub reason: RetentionReason,
}

/// What is stored, and how long it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageResponse {
    /// When.
    pub measured_at: DateTime<Utc>,
    /// How the database stores.
    pub flavour: StorageFlavour,
    /// The whole database, system catalogue included; not the write-ahead log.
    pub database_bytes: u64,
    /// Bytes that the whole database may occupy.
    pub bytes_max: Option<u64>,
    /// How fast it grows.
    pub growth: StorageGrowth,
    /// How long what is kept.
    pub signals: Vec<StorageSignal>,
    /// The largest first, at most 100.
    pub tables: Vec<StorageTable>,
    /// Every day of the range, the oldest first.
    pub days: Vec<StorageDay>,
    /// Over the range, the largest first, at most 100.
    pub services: Vec<StorageService>,
    /// Whether every sample that the services' shares are estimated from was taken in time. If not,
    /// bytes of some days are of no service.
    pub services_complete: bool,
    /// The newest first, at most 500.
    pub partitions: Vec<StoragePartition>,
    /// How many there are.
    pub partition_count: u64,
    /// What was dropped, the last first, at most 100.
    pub events: Vec<RetentionEvent>,
}
