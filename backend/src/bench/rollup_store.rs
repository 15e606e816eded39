//! What `spanloom bench rollup` asks the database: running the jobs, what COPY of counts costs, sizes, and
//! spans over seven days.

use std::time::Duration;

use anyhow::Context;
use futures::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::Instant;

use super::process;
use crate::store::upkeep;

/// Rows that COPY is measured with, at most, per table.
const SAMPLE_ROWS_MAX: u32 = 2_000_000;

/// The continuous aggregates, and how often their policies refresh them.
const REFRESHED: [(&str, Duration); 3] = [
    ("metrics_1m", Duration::from_mins(1)),
    ("metrics_1h", Duration::from_mins(10)),
    ("metrics_1d", Duration::from_hours(1)),
];

/// Days over which the history is spread.
const HISTORY_DAYS: i32 = 7;

/// Different spans that the history is made of.
const SAMPLE_SPANS_MAX: u32 = 1_000_000;

/// $2 spans of the day that began $1 + 1 days ago.
const ADD_A_DAY: &str = "WITH added AS (
    INSERT INTO spans (start_time, duration_ns, span_id, parent_span_id, trace_id, service_id, operation_id,
        resource_id, scope_id, weight, flags, kind, status, start_sub_ns, status_message, trace_state,
        attributes, attribute_ids, events, links)
    SELECT now() - make_interval(days => $1) - random() * interval '1 day', duration_ns,
           (random() * 9e18)::bigint, (random() * 9e18)::bigint, gen_random_uuid(), service_id, operation_id,
           resource_id, scope_id, weight, flags, kind, status, start_sub_ns, status_message, trace_state,
           attributes, attribute_ids, events, links
    FROM generate_series(1, 1 + $2 / (SELECT count(*) FROM bench_sample)), bench_sample LIMIT $2
    RETURNING start_time, service_id, operation_id, kind, status, duration_ns, weight
), cells AS (
    SELECT date_trunc('minute', start_time) AS minute, service_id, operation_id, kind, status,
           CASE WHEN duration_ns = 0 THEN -1 ELSE floor(ln(duration_ns) / ln(1.05)) END::smallint AS bucket,
           latency_bound(duration_ns) AS bound, sum(weight::float8) AS span_count,
           sum(duration_ns * weight::float8) AS duration_ns_sum
    FROM added GROUP BY 1, 2, 3, 4, 5, 6, 7
)
INSERT INTO span_metrics
SELECT minute, service_id, operation_id, kind, status, '1.0', array_agg(bucket), array_agg(bound),
       array_agg(span_count), array_agg(duration_ns_sum)
FROM cells GROUP BY 1, 2, 3, 4, 5";

/// A connection and the CPU that its process has used.
pub struct Worker {
    connection: PgConnection,
    pid: i32,
    has_policies: bool,
    /// When each of [`REFRESHED`] was last.
    refreshed: [Instant; REFRESHED.len()],
}

/// Rows that wait to be moved by the jobs, copied once more.
#[derive(Debug, Default, Clone, Copy)]
pub struct CopyCost {
    /// CPU seconds.
    pub cpu_s: f64,
    /// Spans that these rows count.
    pub spans: f64,
}

impl Worker {
    /// Connects; with TimescaleDB, puts its own schedule off: this runs the refreshes.
    pub async fn connect(options: &PgConnectOptions) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect_with(options).await.context("connecting")?;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let has_policies: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')")
                .fetch_one(&mut connection)
                .await?;
        if has_policies {
            let off = "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs
                       WHERE proc_name = 'policy_refresh_continuous_aggregate'";
            connection.execute(off).await.context("putting the schedule off")?;
        }
        Ok(Self { connection, pid, has_policies, refreshed: [Instant::now(); REFRESHED.len()] })
    }

    /// CPU seconds that this connection has cost; none where the database is elsewhere.
    pub fn cpu_s(&self) -> Option<f64> {
        process::cpu_s(self.pid)
    }

    /// Does what the jobs do, in as many transactions.
    pub async fn roll_up(&mut self) -> anyhow::Result<()> {
        let mut transaction = self.connection.begin().await?;
        upkeep::roll_up(&mut transaction).await.context("rolling metrics up")?;
        transaction.commit().await?;
        let mut transaction = self.connection.begin().await?;
        upkeep::pair_edges(&mut transaction).await.context("pairing calls")?;
        transaction.commit().await?;
        if self.has_policies {
            for (at, (level, every)) in REFRESHED.into_iter().enumerate() {
                if self.refreshed[at].elapsed() >= every {
                    self.refresh(level).await?;
                    self.refreshed[at] = Instant::now();
                }
            }
        }
        Ok(())
    }

    /// Brings all levels up to date, sooner than the schedule would.
    pub async fn fold(&mut self) -> anyhow::Result<()> {
        if self.has_policies {
            for (level, _) in REFRESHED {
                self.refresh(level).await?;
            }
        }
        let fold = "SELECT fold_metrics(date_trunc('minute', now()) + interval '1 minute')";
        self.connection.execute(fold).await.context("folding minutes into hours and days")?;
        Ok(())
    }

    async fn refresh(&mut self, level: &str) -> anyhow::Result<()> {
        let refresh = format!("CALL refresh_continuous_aggregate('{level}', NULL, NULL)");
        sqlx::raw_sql(AssertSqlSafe(refresh)).execute(&mut self.connection).await.context("refreshing")?;
        Ok(())
    }

    /// Copies what waits for the jobs into tables of the same shape: the metrics, then what counts calls.
    pub async fn copy_parts(&mut self) -> anyhow::Result<[CopyCost; 2]> {
        let metrics =
            self.copy_again("span_metrics", "sum((SELECT sum(c) FROM unnest(span_counts) c))").await?;
        let mut others = CopyCost { spans: metrics.spans, ..CopyCost::default() };
        for table in ["span_exemplars", "edge_parts", "edge_exemplars", "edge_halves"] {
            others.cpu_s += self.copy_again(table, "0::float8").await?.cpu_s;
        }
        Ok([metrics, others])
    }

    async fn copy_again(&mut self, table: &str, spans: &str) -> anyhow::Result<CopyCost> {
        let copy = format!("bench_{table}");
        let make =
            format!("DROP TABLE IF EXISTS {copy}; CREATE TABLE {copy} (LIKE {table} INCLUDING INDEXES)");
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut self.connection).await?;
        let out = format!("COPY (SELECT * FROM {table} LIMIT {SAMPLE_ROWS_MAX}) TO STDOUT (FORMAT BINARY)");
        let chunks: Vec<_> = self.connection.copy_out_raw(&out).await?.try_collect().await?;
        let before_s = self.cpu_s().unwrap_or_default();
        let mut sink =
            self.connection.copy_in_raw(&format!("COPY {copy} FROM STDIN (FORMAT BINARY)")).await?;
        for chunk in chunks {
            sink.send(chunk).await?;
        }
        sink.finish().await?;
        let cpu_s = self.cpu_s().unwrap_or_default() - before_s;
        let count = format!("SELECT coalesce({spans}, 0) FROM {copy}");
        let spans = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut self.connection).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {copy}"))).execute(&mut self.connection).await?;
        Ok(CopyCost { cpu_s, spans })
    }

    /// Tables by what they are for, with their bytes: the spans, then everything that counts them.
    pub async fn sizes(&mut self) -> anyhow::Result<Vec<(String, u64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "WITH sizes AS (
                 SELECT table_name, sum(heap_bytes + index_bytes + toast_bytes) AS bytes
                 FROM storage_partitions() GROUP BY 1
                 UNION ALL
                 SELECT name, pg_total_relation_size(name::regclass)
                 FROM unnest(ARRAY['span_metrics', 'span_totals', 'span_exemplars', 'edge_totals', 'edge_parts', 'edge_exemplars']) name
                 WHERE name NOT IN (SELECT table_name FROM storage_partitions())
             )
             SELECT table_name, sum(bytes)::bigint FROM sizes
             WHERE table_name = 'spans' OR table_name ~ '^(span_|metrics_|packed_metrics_|service_edges|edge_)'
             GROUP BY 1 ORDER BY table_name <> 'spans', 2 DESC",
        )
        .fetch_all(&mut self.connection)
        .await?;
        Ok(rows.into_iter().map(|(name, bytes)| (name, bytes as u64)).collect())
    }

    /// Spans that the metrics count.
    pub async fn counted_spans(&mut self) -> anyhow::Result<u64> {
        let count: f64 =
            sqlx::query_scalar("SELECT coalesce(sum(span_count), 0)::float8 FROM metrics_minute")
                .fetch_one(&mut self.connection)
                .await?;
        Ok(count.round() as u64)
    }

    /// Multiplies the stored spans until `spans` more lie evenly over the last days, with metrics as the
    /// writer would add them, rolled up. Their ids and times are random, the rest is as it was.
    pub async fn make_history(&mut self, spans: u64) -> anyhow::Result<()> {
        let partitions = "SELECT ensure_partitions(now() - make_interval(days => $1), now())";
        sqlx::query(partitions).bind(HISTORY_DAYS).execute(&mut self.connection).await?;
        let sample = format!("CREATE TABLE bench_sample AS SELECT * FROM spans LIMIT {SAMPLE_SPANS_MAX}");
        sqlx::raw_sql(AssertSqlSafe(sample)).execute(&mut self.connection).await?;
        for day in 0..HISTORY_DAYS {
            sqlx::query(ADD_A_DAY)
                .bind(day)
                .bind(spans as i64 / i64::from(HISTORY_DAYS))
                .execute(&mut self.connection)
                .await
                .context("adding a day of spans")?;
            self.roll_up().await?;
        }
        self.fold().await?;
        self.connection.execute("DROP TABLE bench_sample").await?;
        Ok(())
    }

    /// The service with the most operations.
    pub async fn busiest_service(&mut self) -> anyhow::Result<String> {
        let name = "SELECT v.name FROM operations o JOIN services v ON v.id = o.service_id
                    GROUP BY v.id, v.name ORDER BY count(*) DESC, v.id LIMIT 1";
        Ok(sqlx::query_scalar(name).fetch_one(&mut self.connection).await?)
    }

    /// How long plain SQL over the spans takes for what the API tells of all services over a day.
    pub async fn time_services(&mut self) -> anyhow::Result<Duration> {
        let statement = "SELECT service_id, count(*), count(*) FILTER (WHERE status = 2),
                percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ns)
            FROM spans WHERE start_time >= now() - interval '24 hours' AND kind IN (2, 5) GROUP BY 1";
        let started = Instant::now();
        self.connection.execute(statement).await?;
        Ok(started.elapsed())
    }

    /// The same for p99 of each operation of a service over seven days.
    pub async fn time_operations(&mut self, service: &str) -> anyhow::Result<Duration> {
        let statement = "SELECT operation_id, percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_ns)
            FROM spans WHERE start_time >= now() - interval '7 days'
              AND service_id = (SELECT id FROM services WHERE name = $1) GROUP BY 1";
        let started = Instant::now();
        sqlx::query(statement).bind(service).execute(&mut self.connection).await?;
        Ok(started.elapsed())
    }
}
