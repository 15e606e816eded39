//! The writer: drains the queue in large batches, each in one transaction with the queue's position.
//!
//! A transaction holds the locks of the slots that its spans belong to, so that looking for
//! duplicates and adding spans cannot interleave with another writer. Whatever goes wrong, the
//! writer starts again at the positions that the database has: what was committed is not repeated,
//! what was not is read once more. Its memory of spans is only ever too large, which costs a look.

mod batch;
mod cells;
mod copy;
mod count;
pub mod counting;
mod custom;
mod dimensions;
mod edges;
mod errors;
pub mod exemplars;
mod logs;
mod lookup;
mod pairs;
mod peer;
mod progress;
mod refused;
mod sampled_out;
pub mod servers;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use spanloom_model::Span;
use spanloom_sampling::span_weight;
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::dedup::{Filter, Key, key};
use super::queue::{Appetite, Batch, Record, Source};
use super::sample::Sampling;
use super::sample::selection::{Selected, Selection};
use crate::config::Config;
use crate::store::{Flavour, Store, begin};
use batch::{Row, time_us};
use count::Counters;
use dimensions::Dimensions;
use pairs::Pairs;
use progress::{Positions, Reader};

/// Batches of this size go straight into TimescaleDB's columnstore.
const DIRECT_COMPRESS_SPANS_MIN: usize = 5_000;

/// PostgreSQL's own compression (pglz) of what goes into the columnstore costs more than all the rest
/// of writing; lz4, where the server has it, next to nothing, for a tenth more bytes. What TimescaleDB
/// compresses again later is compressed as the server is configured.
const DIRECT_COMPRESS_ON: &str = "SELECT set_config('timescaledb.enable_direct_compress_copy', 'on', true),
    set_config(name, CASE WHEN 'lz4' = ANY (enumvals) THEN 'lz4' ELSE setting END, true)
    FROM pg_settings WHERE name = 'default_toast_compression'";

/// An attempt that takes longer has lost its database without noticing.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the writer waits for spans before it looks around.
const PATIENCE: Duration = Duration::from_millis(500);

/// Pauses between attempts while the database is away.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// After `close`, what is queued gets this long; the rest waits in the queue for the next start.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The end of the queue that talks to the database.
pub struct Writer {
    store: Store,
    source: Source,
    /// Who we are in `write_slots`.
    owner: Uuid,
    /// Who we are in `queue_readers`: somebody else after each recovery.
    reader: Reader,
    slots: Vec<i16>,
    filter: Option<Filter>,
    filter_bytes_max: usize,
    newest_start_ns: i64,
    sampling: watch::Receiver<Arc<Sampling>>,
    selection: Selection,
    positions: Positions,
    appetite: Appetite,
    dimensions: Dimensions,
    pairs: Pairs,
    counters: Counters,
    /// Days (UTC) whose partitions are known to exist.
    days: HashSet<NaiveDate>,
    written: watch::Sender<u64>,
    /// Up to this position one request is written at a time, to find the one that is refused.
    careful_to: u64,
    /// What would be written next at this position is put aside.
    refuse: Option<u64>,
    refused_dir: PathBuf,
}

impl Writer {
    /// A writer that knows nothing of the database yet, and where to learn how far it is.
    pub fn new(
        store: Store,
        source: Source,
        sampling: watch::Receiver<Arc<Sampling>>,
        config: &Config,
    ) -> (Self, watch::Receiver<u64>) {
        let (written, progress) = watch::channel(0);
        let selection = Selection::new(&sampling.borrow().policies);
        let refused_dir = config.queue_dir().join("refused");
        let writer = Self {
            store,
            owner: Uuid::new_v4(),
            reader: Reader::default(),
            slots: source.slots(),
            filter: None,
            filter_bytes_max: config.ingest.dedup_bytes_max / source.share(),
            newest_start_ns: 0,
            sampling,
            selection,
            positions: Positions::default(),
            appetite: Appetite {
                spans_max: config.ingest.batch_spans_max,
                patience: PATIENCE,
                linger: Duration::from_millis(config.ingest.linger_ms),
            },
            dimensions: Dimensions::default(),
            pairs: Pairs::default(),
            counters: Counters::default(),
            days: HashSet::new(),
            written,
            careful_to: 0,
            refuse: None,
            refused_dir: source.name().map_or(refused_dir.clone(), |name| refused_dir.join(name)),
            source,
        };
        (writer, progress)
    }

    /// Writes until `close` is cancelled and the queue is drained, or does not drain in time.
    pub async fn run(mut self, close: CancellationToken) {
        let mut pause = PAUSE_MIN;
        loop {
            let position = self.positions.written_to;
            let outcome = tokio::select! {
                outcome = self.drain(&close) => outcome,
                () = overdue(&close) => {
                    tracing::warn!("the queue is not drained; what is left in it is written after the next start");
                    return;
                }
            };
            let Err(error) = outcome else { return };
            metrics::counter!("spanloom_write_errors_total").increment(1);
            // Whatever failed, the database may not be the one that the caches remember.
            self.dimensions.clear();
            self.pairs.clear();
            self.counters.clear();
            self.days.clear();
            if !refused::is_transient(&error) {
                self.narrow(&error);
                continue;
            }
            if self.positions.written_to > position {
                pause = PAUSE_MIN;
            }
            tracing::warn!("spans wait in the queue, they cannot be written now: {error:#}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The database refuses something in the batch: a fault of ours. One request must not cost the
    /// others, nor stop the queue: find it and put it aside.
    fn narrow(&mut self, error: &anyhow::Error) {
        let at = self.positions.counted_to;
        if at < self.careful_to {
            tracing::error!(position = at, "a request is refused by the database: {error:#}");
            self.refuse = Some(at);
        } else {
            tracing::error!("a batch is refused by the database, looking for the request: {error:#}");
            self.careful_to = at + self.appetite.spans_max as u64;
        }
    }

    /// Whether it is time to end, and others write what is queued.
    fn leaves_rest(&self, close: &CancellationToken) -> bool {
        close.is_cancelled() && self.source.is_shared()
    }

    async fn drain(&mut self, close: &CancellationToken) -> anyhow::Result<()> {
        if self.leaves_rest(close) {
            return Ok(());
        }
        self.recover().await?;
        loop {
            let mut appetite = self.appetite;
            if self.positions.counted_to < self.careful_to {
                appetite.spans_max = 1;
            }
            if self.leaves_rest(close) {
                return Ok(());
            }
            if close.is_cancelled() {
                appetite.patience = Duration::ZERO;
            }
            let batch = tokio::select! {
                batch = self.source.next(appetite) => batch?,
                // Do not wait out the patience. What was read meanwhile is read again.
                () = close.cancelled(), if !close.is_cancelled() => {
                    self.source.seek(self.positions.counted_to);
                    continue;
                }
            };
            if batch.records.is_empty() {
                if close.is_cancelled() {
                    return Ok(());
                }
                if !self.selection.is_waiting() {
                    continue;
                }
            }
            let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, self.write(batch)).await;
            // A commit that happened all the same is seen in the positions.
            attempt.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()))?;
        }
    }

    /// Goes back to what the database knows.
    async fn recover(&mut self) -> anyhow::Result<()> {
        let mut connection = self.store.writers.acquire().await?;
        self.positions = progress::recover(&mut connection, &mut self.source).await?;
        self.source.done(self.positions.written_to).await;
        self.reader = Reader::default();
        self.written.send_replace(self.positions.written_to);
        // What waited for its decision is read again; what was decided is learned from the database,
        // as for any span that may be known.
        self.selection = Selection::new(&self.sampling.borrow_and_update().policies);
        self.filter = None;
        Ok(())
    }

    /// One transaction.
    async fn write(&mut self, mut batch: Batch) -> anyhow::Result<()> {
        let started = Instant::now();
        let end = batch.records.last().map_or(self.positions.counted_to, |record| record.position + 1);
        let accepted_ns = batch.records.first().map_or(batch.now_ns, |record| record.time_ns);
        let received: usize = batch.records.iter().map(|record| record.spans.len()).sum();
        let refuse = self.refuse == Some(self.positions.counted_to);

        let store = self.store.clone();
        let mut transaction = begin(&store.writers).await?;
        progress::lock_slots(&mut transaction, &self.slots).await?;
        self.claim(&mut transaction).await?;
        let counted =
            progress::already_counted(&mut transaction, &self.source, &batch.records, self.positions)
                .await?;
        let logs = logs::take_new(&mut transaction, &self.source, &mut batch.records, &counted)
            .await
            .context("looking for stored log records")?;
        let records = self
            .without_duplicates(&mut transaction, batch.records)
            .await
            .context("looking for duplicates")?;
        let spans = || records.iter().flat_map(|record| &record.spans);
        self.newest_start_ns = spans().map(|span| span.start_ns).fold(self.newest_start_ns, i64::max);
        let new = spans().count();

        let mut bytes = 0;
        // After a restart without policies, what had waited for a decision is counted already.
        let is_counted_once = self.update_policies() && counted.is_empty();
        if !is_counted_once && !refuse {
            let uncounted = records.iter().filter(|record| !counted.contains(&record.position));
            let uncounted: Vec<&Span> = uncounted.flat_map(|record| &record.spans).collect();
            bytes += self.count(&mut transaction, &uncounted).await?;
        }
        let selected = self.selection.select(records, batch.now_ns);
        if refuse {
            refused::keep(&self.refused_dir, self.positions.counted_to, &selected.kept, &logs);
        } else {
            bytes += self.add_logs(&mut transaction, &logs).await?;
            bytes += self.add(&mut transaction, &selected, is_counted_once).await?;
        }
        let written_to = self.selection.oldest_held_position().unwrap_or(end);
        let positions = Positions { written_to, counted_to: end };
        progress::save_slots(&mut transaction, &self.slots, self.owner, self.newest_start_ns).await?;
        progress::save(&mut transaction, &self.source, self.positions, positions, &counted).await?;
        transaction.commit().await?;

        self.reader.is_known = true;
        self.positions = positions;
        self.source.done(positions.written_to).await;
        self.written.send_replace(positions.written_to);
        let (written, dropped) = (selected.kept.len(), selected.dropped_spans());
        let logs = logs.len();
        tell(&Told { started, accepted_ns, received, new, written, dropped, logs, bytes });
        Ok(())
    }

    /// Makes sure that what the filter calls new is new: if somebody else wrote since, it starts
    /// afresh above everything that was ever written.
    async fn claim(&mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        progress::claim_queue(connection, &self.source, &self.reader).await?;
        let (is_ours, newest_start_ns, epoch, pairs_floor) =
            progress::read_slots(connection, &self.slots, self.owner).await?;
        self.pairs.set_floor(pairs_floor);
        self.counters.custom.refresh(connection, epoch).await.context("custom metrics")?;
        if !is_ours {
            self.filter = None;
        }
        self.newest_start_ns = self.newest_start_ns.max(newest_start_ns);
        if self.filter.is_none() {
            self.filter = Some(Filter::new(self.filter_bytes_max, newest_start_ns));
        }
        Ok(())
    }

    /// The records without spans that are known: stored, dropped by sampling, waiting for its decision,
    /// or in the batch a second time.
    async fn without_duplicates(
        &mut self,
        connection: &mut PgConnection,
        mut records: Vec<Record>,
    ) -> anyhow::Result<Vec<Record>> {
        let Some(filter) = &mut self.filter else { return Ok(records) };
        let spans = || records.iter().flat_map(|record| &record.spans);
        let is_suspect: Vec<bool> = spans().map(|span| !filter.insert(span)).collect();
        let suspects: Vec<&Span> =
            spans().zip(&is_suspect).filter_map(|(span, suspect)| suspect.then_some(span)).collect();
        if suspects.is_empty() {
            return Ok(records);
        }
        metrics::counter!("spanloom_spans_looked_up_total").increment(suspects.len() as u64);
        let suspect_keys: HashSet<Key> = suspects.iter().map(|span| key(span)).collect();
        let mut seen = lookup::stored_keys(connection, self.store.flavour, &suspects).await?;
        let dropped = sampled_out::keys(connection, &suspects).await?;
        if !self.selection.is_pass_through() {
            let kept = lookup::kept_weights(connection, &suspects).await?;
            self.selection.remember(kept, dropped.iter().map(|key| key.0));
        }
        seen.extend(dropped);
        seen.extend(suspect_keys.iter().filter(|key| self.selection.holds(key)));
        // A suspect may be the second of this batch.
        let certain = spans().zip(&is_suspect).filter(|(_, suspect)| !**suspect);
        let certain: Vec<Key> =
            certain.map(|(span, _)| key(span)).filter(|key| suspect_keys.contains(key)).collect();
        seen.extend(certain);
        let mut suspect = is_suspect.into_iter();
        for record in &mut records {
            record.spans.retain(|span| !suspect.next().unwrap_or_default() || seen.insert(key(span)));
        }
        Ok(records)
    }

    /// Takes over policies that were changed; whether everything is kept.
    fn update_policies(&mut self) -> bool {
        if self.sampling.has_changed().unwrap_or_default() {
            self.selection.set_policies(&self.sampling.borrow_and_update().policies);
        }
        self.selection.is_pass_through()
    }

    /// Adds spans to the metrics alone: what becomes of them is decided later.
    async fn count(&mut self, connection: &mut PgConnection, spans: &[&Span]) -> anyhow::Result<usize> {
        if spans.is_empty() {
            return Ok(0);
        }
        let ids = self.dimensions.resolve(&self.store.writers, spans).await?;
        self.ensure_partitions(starts(spans)).await.context("partitions")?;
        let weights = spans.iter().map(|span| span_weight(span, 1.0));
        let rows: Vec<Row> = spans
            .iter()
            .zip(ids)
            .zip(weights)
            .map(|((span, ids), weight)| Row { span, ids, weight })
            .collect();
        self.counters.copy(&self.store.writers, connection, &rows).await
    }

    /// Adds spans and their traces, and if `count` their metrics; notes what was dropped. Returns how
    /// many bytes went to the database.
    async fn add(
        &mut self,
        connection: &mut PgConnection,
        selected: &Selected,
        count: bool,
    ) -> anyhow::Result<usize> {
        let mut bytes = 0;
        if !selected.dropped.is_empty() {
            let dropped: Vec<&Span> = selected.dropped.iter().flat_map(|(_, spans)| spans).collect();
            self.ensure_partitions(starts(&dropped)).await.context("partitions")?;
            bytes +=
                sampled_out::copy(connection, &selected.dropped).await.context("noting dropped spans")?;
        }
        if selected.kept.is_empty() {
            return Ok(bytes);
        }
        let spans: Vec<&Span> = selected.kept.iter().collect();
        let ids = self.dimensions.resolve(&self.store.writers, &spans).await?;
        let numbers = self.pairs.resolve(&self.store.writers, &spans).await?;
        self.ensure_partitions(starts(&spans)).await.context("partitions")?;
        let rows: Vec<Row> = spans
            .iter()
            .zip(ids)
            .zip(&selected.weights)
            .map(|((span, ids), &weight)| Row { span, ids, weight })
            .collect();

        let direct = self.begin_direct_compress(connection, rows.len()).await?;
        bytes += batch::copy_spans(connection, &rows, &numbers).await.context("adding spans")?;
        end_direct_compress(connection, direct).await?;
        bytes += batch::copy_traces(connection, &rows).await.context("adding traces")?;
        bytes += self.counters.copy_stored(&self.store.writers, connection, &rows, count).await?;
        Ok(bytes)
    }

    /// Sends what follows straight into the columnstore, if it is enough; whether it is.
    async fn begin_direct_compress(
        &self,
        connection: &mut PgConnection,
        rows: usize,
    ) -> sqlx::Result<bool> {
        let direct = self.store.flavour == Flavour::Timescale && rows >= DIRECT_COMPRESS_SPANS_MIN;
        if direct {
            sqlx::query(DIRECT_COMPRESS_ON).execute(connection).await?;
        }
        Ok(direct)
    }

    /// Makes sure that the day of every time, in nanoseconds since the epoch, has its partitions.
    async fn ensure_partitions(&mut self, times_ns: impl Iterator<Item = i64>) -> sqlx::Result<()> {
        let days: BTreeSet<NaiveDate> = times_ns.map(|time_ns| time_us(time_ns).date_naive()).collect();
        for day in days {
            if self.days.contains(&day) {
                continue;
            }
            let noon = day.and_time(chrono::NaiveTime::MIN).and_utc() + chrono::TimeDelta::hours(12);
            sqlx::query("SELECT ensure_partitions($1, $1)").bind(noon).execute(&self.store.writers).await?;
            self.days.insert(day);
        }
        Ok(())
    }
}

/// The few rows of other tables would make columnstore batches of a handful each.
async fn end_direct_compress(connection: &mut PgConnection, direct: bool) -> sqlx::Result<()> {
    if direct {
        sqlx::query("SET LOCAL timescaledb.enable_direct_compress_copy = off").execute(connection).await?;
    }
    Ok(())
}

/// When spans start, nanoseconds since the epoch.
fn starts(spans: &[&Span]) -> impl Iterator<Item = i64> {
    spans.iter().map(|span| span.start_ns)
}

/// Returns when the time to drain is over.
async fn overdue(close: &CancellationToken) {
    close.cancelled().await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}

/// What the metrics tell of a batch.
struct Told {
    started: Instant,
    accepted_ns: i64,
    received: usize,
    new: usize,
    written: usize,
    dropped: usize,
    logs: usize,
    bytes: usize,
}

fn tell(told: &Told) {
    let age_ns = Utc::now().timestamp_nanos_opt().unwrap_or(0) - told.accepted_ns;
    metrics::histogram!("spanloom_write_duration_seconds").record(told.started.elapsed().as_secs_f64());
    metrics::gauge!("spanloom_queue_age_seconds").set(age_ns.max(0) as f64 / 1e9);
    metrics::counter!("spanloom_spans_written_total").increment(told.written as u64);
    metrics::counter!("spanloom_spans_duplicate_total").increment((told.received - told.new) as u64);
    metrics::counter!("spanloom_spans_sampled_out_total").increment(told.dropped as u64);
    metrics::counter!("spanloom_log_records_written_total").increment(told.logs as u64);
    metrics::counter!("spanloom_written_bytes_total").increment(told.bytes as u64);
}
