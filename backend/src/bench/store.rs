//! What the benchmark asks the database: counts, sizes, compaction and the ceiling.

use std::path::Path;

use anyhow::Context;
use futures::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::time::Instant;
use uuid::Uuid;

use super::process::Postgres;

/// Bytes per COPY message.
const CHUNK_BYTES: usize = 1 << 20;

/// A connection of the benchmark's own.
pub struct Database {
    connection: PgConnection,
    /// The server's processes, if they are on this machine.
    pub postgres: Option<Postgres>,
}

impl Database {
    /// Connects.
    pub async fn connect(options: &PgConnectOptions) -> anyhow::Result<Self> {
        let mut connection =
            PgConnection::connect_with(options).await.context("connecting to the database")?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok(Self { connection, postgres: Postgres::of_backend(backend) })
    }

    /// Version of PostgreSQL, and of TimescaleDB where this database uses it.
    pub async fn versions(&mut self) -> anyhow::Result<(String, Option<String>)> {
        let row = sqlx::query(
            "SELECT current_setting('server_version'),
                    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Spans that a search would find, cheaply: a hundredth of what counting them costs.
    pub async fn queryable_spans(&mut self) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar("SELECT coalesce(sum(span_count), 0)::bigint FROM traces")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(count as u64)
    }

    /// Every trace with its spans and its distinct span ids.
    pub async fn for_each_trace(&mut self, mut work: impl FnMut(u128, u64, u64)) -> anyhow::Result<()> {
        let mut rows = sqlx::query_as::<_, (Uuid, i64, i64)>(
            "SELECT trace_id, count(*), count(DISTINCT span_id) FROM spans GROUP BY trace_id",
        )
        .fetch(&mut self.connection);
        while let Some((trace, spans, distinct)) = rows.try_next().await? {
            work(trace.as_u128(), spans as u64, distinct as u64);
        }
        Ok(())
    }

    /// Spans in the metrics of every minute.
    pub async fn metrics_spans(&mut self) -> anyhow::Result<u64> {
        let count: f64 =
            sqlx::query_scalar("SELECT coalesce(sum(span_count), 0)::float8 FROM metrics_minute")
                .fetch_one(&mut self.connection)
                .await?;
        Ok(count.round() as u64)
    }

    /// The whole database on disk, bytes.
    pub async fn size_bytes(&mut self) -> anyhow::Result<u64> {
        let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(bytes as u64)
    }

    /// Bytes of write-ahead log since the server was made.
    pub async fn wal_bytes(&mut self) -> anyhow::Result<u64> {
        let bytes: i64 =
            sqlx::query_scalar("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
                .fetch_one(&mut self.connection)
                .await?;
        Ok(bytes as u64)
    }

    /// What happens to data as it ages, at once: metrics are rolled up, halves of calls wait no longer, chunks
    /// are compressed, free room is given back.
    pub async fn compact(&mut self) -> anyhow::Result<()> {
        self.connection.execute("SELECT roll_up_metrics()").await.context("rolling metrics up")?;
        self.connection.execute("SELECT pair_edges(interval '0')").await.context("pairing calls")?;
        for chunk in self.chunks().await? {
            sqlx::query("SELECT compress_chunk($1::regclass, if_not_compressed => true)")
                .bind(&chunk)
                .execute(&mut self.connection)
                .await
                .with_context(|| format!("compressing {chunk}"))?;
        }
        self.connection.execute("VACUUM (ANALYZE)").await.context("vacuuming")?;
        Ok(())
    }

    /// Chunks with a columnstore; none without TimescaleDB.
    async fn chunks(&mut self) -> anyhow::Result<Vec<String>> {
        if self.versions().await?.1.is_none() {
            return Ok(Vec::new());
        }
        Ok(sqlx::query_scalar(
            "SELECT format('%I.%I', c.chunk_schema, c.chunk_name)
             FROM timescaledb_information.chunks c
             JOIN timescaledb_information.hypertables h USING (hypertable_schema, hypertable_name)
             WHERE h.compression_enabled",
        )
        .fetch_all(&mut self.connection)
        .await?)
    }

    /// Writes up to `spans` stored spans into a file, as binary COPY has them, and makes an empty
    /// table of their shape without any index.
    pub async fn prepare_ceiling(&mut self, file: &Path, spans: u64) -> anyhow::Result<()> {
        self.connection.execute("DROP TABLE IF EXISTS bench_ceiling").await?;
        self.connection.execute("CREATE TABLE bench_ceiling (LIKE spans INCLUDING STORAGE)").await?;
        let statement = format!("COPY (SELECT * FROM spans LIMIT {spans}) TO STDOUT (FORMAT BINARY)");
        let mut rows = self.connection.copy_out_raw(&statement).await?;
        let mut file = BufWriter::with_capacity(CHUNK_BYTES, File::create(file).await?);
        while let Some(bytes) = rows.try_next().await? {
            file.write_all(&bytes).await?;
        }
        Ok(file.flush().await?)
    }

    /// Copies the file into the empty table, over this one connection. Returns the seconds that it
    /// took.
    pub async fn copy_ceiling(&mut self, file: &Path) -> anyhow::Result<f64> {
        self.connection.execute("TRUNCATE bench_ceiling").await?;
        let mut file = File::open(file).await?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let started = Instant::now();
        let mut sink = self.connection.copy_in_raw("COPY bench_ceiling FROM STDIN (FORMAT BINARY)").await?;
        loop {
            let read = file.read(&mut chunk).await?;
            if read == 0 {
                break;
            }
            sink.send(&chunk[..read]).await?;
        }
        sink.finish().await?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// Removes the table.
    pub async fn end_ceiling(&mut self) -> anyhow::Result<()> {
        self.connection.execute("DROP TABLE bench_ceiling").await?;
        Ok(())
    }
}

/// Makes a database on somebody's server.
pub async fn create_database(server: &PgConnectOptions, name: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(server).await.context("connecting to the database")?;
    let create = format!("CREATE DATABASE {name}");
    connection.execute(AssertSqlSafe(create)).await.context("making a database for the benchmark")?;
    Ok(connection.close().await?)
}

/// Removes it again, whoever is connected to it.
pub async fn drop_database(server: &PgConnectOptions, name: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(server).await.context("connecting to the database")?;
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    connection.execute(AssertSqlSafe(drop)).await.context("removing the benchmark's database")?;
    Ok(connection.close().await?)
}
