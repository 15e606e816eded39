//! `spanloom bench overload`: more than the server sustains, for a while.
#![expect(clippy::print_stdout, reason = "the findings are what the command is for")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use super::args::OverloadArgs;
use super::http1::Connection;
use super::load::{self, Load, Plan, Supply};
use super::process;
use super::send::{Protocol, Target};
use super::server::MeasuredServer;
use super::verify::Stored;
use super::{Signals, say, wait_until_queryable, with_server};

/// How the sustained rate is found.
const CALIBRATION: Duration = Duration::from_secs(10);
const CALIBRATION_IN_FLIGHT: usize = 32;
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// An answer that takes longer is none.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
const INGEST_BYTES: &str = "SPANLOOM__INGEST__MEMORY_BYTES_MAX";
const QUEUE_BYTES: &str = "SPANLOOM__QUEUE__BYTES_MAX";
const MIB: u64 = 1 << 20;

/// Drives, checks and tells. An error says which checks failed.
pub async fn run(args: &OverloadArgs, signals: &mut Signals) -> anyhow::Result<()> {
    let bytes = |mib: u64| (mib * MIB).to_string();
    let settings = [(INGEST_BYTES, bytes(args.ingest_mib)), (QUEUE_BYTES, bytes(args.queue_mib))];
    let work = async |server: &MeasuredServer| drive(args, server).await;
    let findings = with_server(&args.server, &settings, signals, work).await?;
    println!("{}", findings.describe());
    findings.judge(args)
}

async fn drive(args: &OverloadArgs, server: &MeasuredServer) -> anyhow::Result<Findings> {
    let load_args = &args.load;
    let supply = Arc::new(Supply::prepare(
        load_args.shape,
        load_args.seed,
        rand::random(),
        load_args.templates as usize,
        load_args.request_spans as usize,
    )?);
    let mut database = server.database().await?;
    let key = server.read_key()?;
    let address = match load_args.protocol {
        Protocol::Grpc => server.otlp_grpc,
        Protocol::Http => server.otlp_http,
    };
    let target = Target::connect(load_args.protocol, address, load_args.connections as usize).await?;

    say(&format!("finding the sustained rate: sending for {} s", CALIBRATION.as_secs()));
    let plan = Plan {
        requests: u64::from(u32::MAX),
        time: Some(CALIBRATION),
        rate: None,
        in_flight: CALIBRATION_IN_FLIGHT,
        retry: true,
    };
    let started = Instant::now();
    let calm = load::run(&target, &supply, plan).await?;
    // What is acknowledged may wait in a queue: only what was written counts as sustained.
    let queryable = wait_until_queryable(&mut database, calm.spans_accepted).await?;
    let sustained = calm.spans_accepted as f64 / (queryable - started).as_secs_f64();
    let rate = sustained * args.factor;
    say(&format!("{sustained:.0} spans/s; sending {rate:.0} spans/s for {} s", args.seconds));

    let watch = Watch::start(server.pid()?, server.http, key);
    let plan = Plan {
        time: Some(args.duration()),
        rate: Some(rate),
        in_flight: args.in_flight as usize,
        retry: false,
        ..plan
    };
    let load = load::run(&target, &supply, plan).await?;
    let seen = watch.end().await;

    say("counting what is stored");
    wait_until_queryable(&mut database, calm.spans_accepted + load.spans_accepted).await?;
    let outcomes: Vec<_> = calm.outcomes.iter().chain(&load.outcomes).copied().collect();
    let stored = Stored::count(&mut database, &supply, &outcomes).await?;
    Ok(Findings { sustained, rate, load, seen, stored })
}

struct Findings {
    sustained: f64,
    rate: f64,
    load: Load,
    seen: Seen,
    stored: Stored,
}

impl Findings {
    fn describe(&self) -> String {
        let Self { sustained, rate, load, seen, stored } = self;
        let requests = load.outcomes.len() as u64;
        let accepted = load.spans_accepted as f64 / load.elapsed.as_secs_f64();
        format!(
            "sustained            {sustained:.0} spans/s\n\
             sent                 {rate:.0} spans/s asked for, {requests} requests in {:.1} s, behind by {:.1} s at most\n\
             acknowledged         {accepted:.0} spans/s, p50 {:.0} ms, p99 {:.0} ms\n\
             refused              {} requests, first: {}\n\
             server memory        {} MiB at most\n\
             API                  {} answers, slowest {:.2} s; {} failed\n\
             stored               {} spans; missing {}, twice {}, unexpected {}",
            load.elapsed.as_secs_f64(),
            load.late.as_secs_f64(),
            load.latency_ms(0.5),
            load.latency_ms(0.99),
            load.failed,
            load.failure.as_deref().unwrap_or("none"),
            seen.memory_peak_bytes / MIB,
            seen.answers,
            seen.slowest.as_secs_f64(),
            seen.failed,
            stored.spans,
            stored.missing,
            stored.duplicates,
            stored.unexpected
        )
    }

    fn judge(&self, args: &OverloadArgs) -> anyhow::Result<()> {
        let memory_mib = self.seen.memory_peak_bytes / MIB;
        ensure!(memory_mib <= args.memory_mib, "memory passed {} MiB: {memory_mib} MiB", args.memory_mib);
        ensure!(self.seen.failed == 0, "the API failed {} times", self.seen.failed);
        ensure!(self.seen.answers > 0, "the API was never asked");
        ensure!(
            self.seen.slowest.as_secs_f64() <= args.answer_seconds,
            "the API took longer than {} s",
            args.answer_seconds
        );
        self.stored.ensure_exact()
    }
}

/// What was seen of the server meanwhile.
#[derive(Debug, Clone, Default)]
struct Seen {
    memory_peak_bytes: u64,
    answers: u64,
    failed: u64,
    slowest: Duration,
}

/// Looks at memory and asks the API until it ends.
struct Watch {
    tasks: JoinSet<()>,
    seen: Arc<Mutex<Seen>>,
}

impl Watch {
    fn start(pid: i32, http: std::net::SocketAddr, key: String) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_memory(pid, Arc::clone(&seen)));
        tasks.spawn(ask(Connection::new(http), key, Arc::clone(&seen)));
        Self { tasks, seen }
    }

    async fn end(mut self) -> Seen {
        self.tasks.shutdown().await;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn watch_memory(pid: i32, seen: Arc<Mutex<Seen>>) {
    let mut turns = interval(MEMORY_INTERVAL);
    loop {
        turns.tick().await;
        let now_bytes = process::resident_bytes(pid).unwrap_or_default();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.memory_peak_bytes = seen.memory_peak_bytes.max(now_bytes);
    }
}

async fn ask(mut connection: Connection, key: String, seen: Arc<Mutex<Seen>>) {
    loop {
        let asked = Instant::now();
        let answer = timeout(ASK_TIMEOUT, connection.get("/api/v1/services", Some(&key))).await;
        let is_good = matches!(&answer, Ok(Ok(response)) if response.status == 200);
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.slowest = seen.slowest.max(asked.elapsed());
            seen.answers += u64::from(is_good);
            seen.failed += u64::from(!is_good);
        }
        sleep(ASK_INTERVAL).await;
    }
}
