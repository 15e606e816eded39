//! The writer: batches of spans, each in one transaction.
//!
//! One transaction at a time writes spans, over all servers of a database: a lock in PostgreSQL
//! orders them, so that looking for duplicates and adding spans cannot interleave. A span is a
//! duplicate if trace id, span id, start and kind are equal: a resent span is. Two different spans
//! that share an id by mistake are both kept, and the trace view warns about them.

mod batch;
mod copy;
mod dimensions;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use spanloom_model::{Span, SpanId, SpanKind, TraceId};
use sqlx::PgConnection;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::queue::{Submission, SubmitError};
use crate::config::Config;
use crate::store::{Flavour, Store};
use dimensions::{Dimensions, Ids};

/// The lock that orders writers: any number that nobody else takes.
const WRITER_LOCK: i64 = 0x5350_414e_4c4f_4f4d;

/// Batches of this size go straight into TimescaleDB's columnstore.
const DIRECT_COMPRESS_SPANS_MIN: usize = 5_000;

/// How long a batch is retried while the database is away. Clients wait meanwhile; longer, and
/// they time out without having been told to come again.
const RETRY_FOR: Duration = Duration::from_secs(3);

/// An attempt that takes longer has lost its database without noticing.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes per COPY message.
const COPY_CHUNK_BYTES: usize = 1 << 20;

/// The end of the queue that talks to the database.
pub struct Writer {
    store: Store,
    batch_spans_max: usize,
    dimensions: Dimensions,
    /// Days (UTC) whose partitions are known to exist.
    days: HashSet<NaiveDate>,
}

type Key = (TraceId, SpanId, i64, SpanKind);

fn key(span: &Span) -> Key {
    (span.trace_id, span.span_id, span.start_ns, span.kind)
}

impl Writer {
    /// A writer that knows nothing of the database yet.
    pub fn new(store: Store, config: &Config) -> Self {
        Self {
            store,
            batch_spans_max: config.ingest.batch_spans_max,
            dimensions: Dimensions::default(),
            days: HashSet::new(),
        }
    }

    /// Writes until every [`super::Collector`] is gone, or `close` is cancelled, and the queue is
    /// empty. After `close` nothing more is let in: a connection that never ends must not keep the
    /// server from stopping.
    pub async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Submission>, close: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                first = queue.recv() => first,
                () = close.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
            };
            let Some(first) = first else { return };
            let mut spans = first.spans.len();
            let mut submissions = vec![first];
            while spans < self.batch_spans_max {
                let Ok(next) = queue.try_recv() else { break };
                spans += next.spans.len();
                submissions.push(next);
            }
            self.write(submissions).await;
        }
    }

    /// Writes a batch and tells everybody who waits for it.
    async fn write(&mut self, submissions: Vec<Submission>) {
        let spans: Vec<&Span> = submissions.iter().flat_map(|submission| &submission.spans).collect();
        let mut outcome = self.write_with_retries(&spans).await;
        if outcome == Err(SubmitError::Refused) && submissions.len() > 1 {
            // One request must not cost the others: find it.
            for submission in submissions {
                let spans: Vec<&Span> = submission.spans.iter().collect();
                outcome = self.write_with_retries(&spans).await;
                answer(submission, outcome);
            }
            return;
        }
        for submission in submissions {
            answer(submission, outcome.clone());
        }
    }

    async fn write_with_retries(&mut self, spans: &[&Span]) -> Result<(), SubmitError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let attempt = Instant::now();
            let outcome = tokio::time::timeout(ATTEMPT_TIMEOUT, self.try_write(spans)).await;
            // A commit that happened all the same is found as duplicates the next time.
            let timed_out = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into());
            let error = match outcome.unwrap_or_else(timed_out) {
                Ok(written) => {
                    metrics::histogram!("spanloom_write_duration_seconds")
                        .record(attempt.elapsed().as_secs_f64());
                    metrics::counter!("spanloom_spans_written_total").increment(written as u64);
                    metrics::counter!("spanloom_spans_duplicate_total")
                        .increment((spans.len() - written) as u64);
                    return Ok(());
                }
                Err(error) => error,
            };
            metrics::counter!("spanloom_write_errors_total").increment(1);
            // Whatever failed, the database may not be the one that the caches remember.
            self.dimensions.clear();
            self.days.clear();
            if !is_transient(&error) {
                tracing::error!(spans = spans.len(), "spans refused by the database: {error:#}");
                return Err(SubmitError::Refused);
            }
            if started.elapsed() + pause > RETRY_FOR {
                tracing::warn!(spans = spans.len(), "spans not written, clients will retry: {error:#}");
                return Err(SubmitError::Unavailable);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// One transaction. Repeating it does no harm: what is stored already is left out. Returns how
    /// many spans were new.
    async fn try_write(&mut self, spans: &[&Span]) -> anyhow::Result<usize> {
        let ids = self.dimensions.resolve(&self.store.writers, spans).await?;
        self.ensure_partitions(spans).await.context("partitions")?;

        let mut transaction = self.store.writers.begin().await?;
        // Somebody who holds the lock and hangs must not hold everybody.
        sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *transaction).await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(WRITER_LOCK)
            .execute(&mut *transaction)
            .await?;
        let mut seen = stored_keys(&mut transaction, spans).await.context("looking for duplicates")?;
        let new: Vec<(&Span, Ids)> =
            spans.iter().copied().zip(ids).filter(|(span, _)| seen.insert(key(span))).collect();
        if new.is_empty() {
            transaction.rollback().await?;
            return Ok(0);
        }
        let rows = tokio::task::block_in_place(|| batch::encode(&new))?;
        let direct = self.store.flavour == Flavour::Timescale && new.len() >= DIRECT_COMPRESS_SPANS_MIN;
        if direct {
            sqlx::query("SET LOCAL timescaledb.enable_direct_compress_copy = on")
                .execute(&mut *transaction)
                .await?;
        }
        copy(&mut transaction, batch::COPY_SPANS, &rows.spans).await.context("adding spans")?;
        if direct {
            // The few rows of the other tables would make columnstore batches of a handful each.
            sqlx::query("SET LOCAL timescaledb.enable_direct_compress_copy = off")
                .execute(&mut *transaction)
                .await?;
        }
        copy(&mut transaction, batch::COPY_TRACES, &rows.traces).await.context("adding traces")?;
        copy(&mut transaction, batch::COPY_METRICS, &rows.metrics).await.context("adding metrics")?;
        transaction.commit().await?;
        let bytes = rows.spans.len() + rows.traces.len() + rows.metrics.len();
        metrics::counter!("spanloom_written_bytes_total").increment(bytes as u64);
        Ok(new.len())
    }

    /// Makes sure that every span's day has its partitions.
    async fn ensure_partitions(&mut self, spans: &[&Span]) -> sqlx::Result<()> {
        let days: BTreeSet<NaiveDate> =
            spans.iter().map(|span| time_us(span.start_ns).date_naive()).collect();
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

fn answer(submission: Submission, outcome: Result<(), SubmitError>) {
    // A client that went away does not want to know; its spans are stored all the same.
    let _ = submission.done.send(outcome);
}

fn time_us(unix_ns: i64) -> DateTime<Utc> {
    // Microseconds of an i64 of nanoseconds are always within chrono's range.
    DateTime::from_timestamp_micros(batch::split_ns(unix_ns).0).unwrap_or_default()
}

/// Which of the spans are stored already, as keys.
///
/// One look per hour of start times: a single straggler would otherwise stretch the range over
/// everything between, and a columnstore has no index that would make up for it.
async fn stored_keys(connection: &mut PgConnection, spans: &[&Span]) -> anyhow::Result<HashSet<Key>> {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let mut hours: BTreeMap<i64, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        hours.entry(span.start_ns.div_euclid(HOUR_NS)).or_default().push(span);
    }
    let mut keys = HashSet::new();
    for spans in hours.values() {
        keys.extend(stored_keys_within(connection, spans).await?);
    }
    Ok(keys)
}

async fn stored_keys_within(connection: &mut PgConnection, spans: &[&Span]) -> anyhow::Result<Vec<Key>> {
    let traces: HashSet<Uuid> = spans.iter().map(|span| Uuid::from_u128(span.trace_id.get())).collect();
    let traces: Vec<Uuid> = traces.into_iter().collect();
    let span_ids: Vec<i64> = spans.iter().map(|span| span.span_id.to_i64()).collect();
    let starts = spans.iter().map(|span| span.start_ns);
    let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else {
        return Ok(Vec::new());
    };
    // The bounds let PostgreSQL skip all other partitions.
    let rows: Vec<(Uuid, i64, DateTime<Utc>, i16, i16)> = sqlx::query_as(
        "SELECT trace_id, span_id, start_time, start_sub_ns, kind FROM spans
         WHERE trace_id = ANY($1) AND span_id = ANY($2) AND start_time BETWEEN $3 AND $4",
    )
    .bind(traces)
    .bind(span_ids)
    .bind(time_us(first))
    .bind(time_us(last))
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(trace, span, start, sub_ns, kind)| {
            let start_ns = start.timestamp_micros() * 1_000 + i64::from(sub_ns);
            let kind = SpanKind::from_number(i32::from(kind));
            Ok((TraceId::new(trace.as_u128())?, SpanId::from_i64(span)?, start_ns, kind))
        })
        .collect()
}

async fn copy(connection: &mut PgConnection, statement: &str, rows: &[u8]) -> sqlx::Result<()> {
    let mut sink = connection.copy_in_raw(statement).await?;
    for chunk in rows.chunks(COPY_CHUNK_BYTES) {
        if let Err(error) = sink.send(chunk).await {
            sink.abort("the connection failed").await?;
            return Err(error);
        }
    }
    sink.finish().await?;
    Ok(())
}

/// Whether the same spans may be accepted later. Only what the database says of the data itself is
/// final: a read-only standby, a lost password, a full disk pass.
fn is_transient(error: &anyhow::Error) -> bool {
    let Some(error) = error.downcast_ref::<sqlx::Error>() else {
        return false;
    };
    let sqlx::Error::Database(database) = error else {
        return matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        );
    };
    // Classes of SQLSTATE: data exception, integrity constraint, program limit. A partition that
    // was dropped under us is a check violation too, and is made again by the next attempt.
    let code = database.code().unwrap_or_default();
    let is_final = ["22", "23", "54"].iter().any(|class| code.starts_with(class));
    !is_final || (code == "23514" && database.message().contains("no partition"))
}
