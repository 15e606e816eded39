//! `spanloom bench ingest`: one run after the other, each on a new database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::args::IngestArgs;
use super::load::{self, Load, Plan, Supply};
use super::process::{self, Postgres};
use super::report::{Ceiling, Report, Run};
use super::send::{Protocol, Target};
use super::server::MeasuredServer;
use super::store::Database;
use super::verify::Stored;
use super::{Signals, say, wait_until_queryable, with_server};

/// Requests that are sent before the clock starts, as a share of all, and their bounds.
const WARM_UP_SHARE: u64 = 20;
const WARM_UP_REQUESTS: std::ops::RangeInclusive<u64> = 5..=100;
/// Rows that the ceiling is measured with; more would not change it.
const CEILING_SPANS_MAX: u64 = 1_000_000;
/// The ceiling is the best of these.
const CEILING_ROUNDS: usize = 2;
const MEMORY_INTERVAL: Duration = Duration::from_millis(250);

/// Measures, prints the table and writes the results.
pub async fn run(args: &IngestArgs, signals: &mut Signals) -> anyhow::Result<()> {
    let mut report = Report::new(args);
    for number in 1..=args.repeat {
        say(&format!("run {number} of {}", args.repeat));
        let work = async |server: &MeasuredServer| measure(args, server, &mut report).await;
        let run = with_server(&args.server, &[], signals, work).await?;
        report.runs.push(run);
    }
    report.print();
    report.write(&args.server.dir.join("ingest.json"))
}

async fn measure(args: &IngestArgs, server: &MeasuredServer, report: &mut Report) -> anyhow::Result<Run> {
    let load_args = &args.load;
    let supply = Arc::new(Supply::prepare(
        load_args.shape,
        load_args.seed,
        rand::random(),
        load_args.templates as usize,
        load_args.request_spans as usize,
    )?);
    report.describe_load(&supply);
    let mut database = server.database().await?;
    report.describe_database(database.versions().await?);
    let empty_bytes = database.size_bytes().await?;
    let address = match load_args.protocol {
        Protocol::Grpc => server.otlp_grpc,
        Protocol::Http => server.otlp_http,
    };
    let target = Target::connect(load_args.protocol, address, load_args.connections as usize).await?;

    let requests = (args.spans as f64 / supply.request_spans()).ceil() as u64;
    let plan =
        Plan { requests, time: None, rate: args.rate, in_flight: args.in_flight as usize, retry: true };
    let warm_up = (requests / WARM_UP_SHARE).clamp(*WARM_UP_REQUESTS.start(), *WARM_UP_REQUESTS.end());
    say(&format!("warming up with {warm_up} requests, then {requests} requests"));
    let warm = load::run(&target, &supply, Plan { requests: warm_up, ..plan }).await?;
    wait_until_queryable(&mut database, warm.spans_accepted).await?;

    let memory = PostgresMemory::watch(database.postgres);
    let before = Reading::take(server, &mut database).await?;
    let load = load::run(&target, &supply, plan).await?;
    let all_spans = warm.spans_accepted + load.spans_accepted;
    let queryable = wait_until_queryable(&mut database, all_spans).await?;
    let after = Reading::take(server, &mut database).await?;
    let postgres_memory_peak_bytes = memory.end().await;
    let server_memory_peak_bytes = process::peak_bytes(server.pid()?);

    say("counting what is stored");
    let outcomes: Vec<_> = warm.outcomes.iter().chain(&load.outcomes).copied().collect();
    let stored = Stored::count(&mut database, &supply, &outcomes).await?;
    stored.ensure_exact()?;
    ensure!(stored.spans == all_spans, "{} spans are stored, but {all_spans} were sent", stored.spans);
    let metrics_spans = database.metrics_spans().await?;
    ensure!(metrics_spans == all_spans, "the metrics count {metrics_spans} of {all_spans} spans");

    say("compacting");
    let grown_bytes = database.size_bytes().await?.saturating_sub(empty_bytes);
    database.compact().await?;
    let compacted_bytes = database.size_bytes().await?.saturating_sub(empty_bytes);

    say("measuring the ceiling: the same rows into a table without indexes");
    let ceiling_spans = all_spans.min(CEILING_SPANS_MAX);
    let ceiling = measure_ceiling(&mut database, &server.file("ceiling.copy"), ceiling_spans).await?;

    let used = after.since(&before);
    Ok(Run::new(&Measured {
        load,
        queryable_s: (queryable - before.at).as_secs_f64(),
        used,
        server_memory_peak_bytes,
        postgres_memory_peak_bytes,
        span_disk_bytes: grown_bytes as f64 / all_spans as f64,
        span_compacted_bytes: compacted_bytes as f64 / all_spans as f64,
        ceiling,
    }))
}

/// Everything that a run has found out.
pub struct Measured {
    pub load: Load,
    /// From the first request until everything could be queried.
    pub queryable_s: f64,
    /// Meanwhile.
    pub used: Used,
    pub server_memory_peak_bytes: Option<u64>,
    pub postgres_memory_peak_bytes: Option<u64>,
    pub span_disk_bytes: f64,
    pub span_compacted_bytes: f64,
    pub ceiling: Ceiling,
}

/// Counters at a moment.
pub struct Reading {
    /// When.
    pub at: Instant,
    server_cpu_s: Option<f64>,
    postgres_cpu_s: Option<f64>,
    generator_cpu_s: Option<f64>,
    wal_bytes: u64,
}

/// What was used between two moments.
pub struct Used {
    pub server_cpu_s: Option<f64>,
    pub postgres_cpu_s: Option<f64>,
    pub generator_cpu_s: Option<f64>,
    pub wal_bytes: u64,
}

impl Reading {
    /// Reads them.
    pub async fn take(server: &MeasuredServer, database: &mut Database) -> anyhow::Result<Self> {
        let wal_bytes = database.wal_bytes().await?;
        Ok(Self {
            server_cpu_s: process::cpu_s(server.pid()?),
            postgres_cpu_s: database.postgres.and_then(Postgres::cpu_s),
            generator_cpu_s: process::own_cpu_s(),
            wal_bytes,
            at: Instant::now(),
        })
    }

    /// What was used since an earlier reading.
    pub fn since(&self, before: &Self) -> Used {
        let difference = |after: Option<f64>, before: Option<f64>| Some(after? - before?);
        Used {
            server_cpu_s: difference(self.server_cpu_s, before.server_cpu_s),
            postgres_cpu_s: difference(self.postgres_cpu_s, before.postgres_cpu_s),
            generator_cpu_s: difference(self.generator_cpu_s, before.generator_cpu_s),
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}

async fn measure_ceiling(database: &mut Database, file: &Path, spans: u64) -> anyhow::Result<Ceiling> {
    database.prepare_ceiling(file, spans).await.context("copying rows out")?;
    let mut best: Option<Ceiling> = None;
    for _ in 0..CEILING_ROUNDS {
        let before_s = database.postgres.and_then(Postgres::cpu_s);
        let seconds = database.copy_ceiling(file).await.context("copying rows in")?;
        let after_s = database.postgres.and_then(Postgres::cpu_s);
        let postgres_cpu_s = after_s.zip(before_s).map(|(after, before)| after - before);
        if best.as_ref().is_none_or(|best| seconds < best.seconds) {
            best = Some(Ceiling { spans, seconds, postgres_cpu_s });
        }
    }
    database.end_ceiling().await?;
    best.context("the ceiling was not measured")
}

/// The largest private memory of PostgreSQL, looked at now and then.
struct PostgresMemory {
    task: JoinSet<()>,
    peak: tokio::sync::watch::Receiver<Option<u64>>,
}

impl PostgresMemory {
    fn watch(postgres: Option<Postgres>) -> Self {
        let (sender, peak) = tokio::sync::watch::channel(None);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut turns = interval(MEMORY_INTERVAL);
            loop {
                turns.tick().await;
                let now = postgres.and_then(Postgres::private_bytes);
                sender.send_modify(|peak| *peak = now.max(*peak));
            }
        });
        Self { task, peak }
    }

    async fn end(mut self) -> Option<u64> {
        self.task.shutdown().await;
        *self.peak.borrow()
    }
}
