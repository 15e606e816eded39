//! `spanloom bench rollup`: what counting spans and calls costs beside storing them, how large and how late
//! the counts are, and how long questions over days take.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use spanloom_formats::{TimeBounds, otlp};
use spanloom_model::Span;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::args::RollupArgs;
use super::http1::Connection;
use super::ingest::Reading;
use super::load::{self, Load, Plan, Supply};
use super::process;
use super::rollup_report::{Answer, Findings};
use super::rollup_store::{CopyCost, Worker};
use super::send::{Protocol, Target};
use super::server::MeasuredServer;
use super::{Signals, say, wait_until_queryable, with_server};
use crate::collect::write::counting::Counting;
use crate::collect::write::exemplars::Due;
use crate::config::Config;

/// The server leaves the jobs to us.
const ROLES: (&str, &str) = ("SPANLOOM__ROLES", r#"["receive","write","query"]"#);

/// CPU is told in hundredths of a second: what takes less is done until it takes longer.
const COUNTING_CPU_S_MIN: f64 = 1.0;

/// A question is put so often; the median counts.
const ASKED: usize = 5;
const ASK_TIMEOUT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(5);
const COUNTED_TIMEOUT: Duration = Duration::from_mins(5);

/// Measures, prints and writes the results.
pub async fn run(args: &RollupArgs, signals: &mut Signals) -> anyhow::Result<()> {
    let settings = [(ROLES.0, ROLES.1.to_owned())];
    let work = async |server: &MeasuredServer| measure(args, server).await;
    let findings = with_server(&args.server, &settings, signals, work).await?;
    findings.print();
    findings.write(&args.server.dir.join("rollup.json"))
}

async fn measure(args: &RollupArgs, server: &MeasuredServer) -> anyhow::Result<Findings> {
    let load_args = &args.load;
    let supply = Arc::new(Supply::prepare(
        load_args.shape,
        load_args.seed,
        rand::random(),
        load_args.templates as usize,
        load_args.request_spans as usize,
    )?);
    let mut database = server.database().await?;
    let versions = database.versions().await?;
    let options = server.database_options()?;
    let mut asking = Worker::connect(&options).await?;

    say(&format!("sending {} spans at {:.0} a second", args.spans, args.rate));
    let before = Reading::take(server, &mut database).await?;
    let jobs = Jobs::start(Worker::connect(&options).await?, Duration::from_secs(args.every_seconds));
    let load = send(args, server, &supply).await?;
    let acknowledged = Instant::now();
    let counted = wait_until_counted(&mut asking, load.spans_accepted).await?;
    wait_until_queryable(&mut database, load.spans_accepted).await?;
    let after = Reading::take(server, &mut database).await?;
    let mut jobs = jobs.end().await?;
    let used = after.since(&before);

    say("measuring what counting costs in the process");
    let [metrics, others] = jobs.copied;
    jobs.roll_up().await?;
    jobs.fold().await?;
    let counting_cpu_s = counting_cpu_s(&supply)?;
    let sizes = jobs.worker.sizes().await?;

    say(&format!("multiplying them to {} spans over seven days", args.history));
    jobs.worker.make_history(args.history).await?;
    database.compact().await?;
    let answers = questions(server, &mut asking).await?;

    let per_million = |cpu_s: f64, spans: f64| cpu_s * 1e6 / spans;
    let of_copy = |cost: CopyCost| per_million(cost.cpu_s, cost.spans.max(1.0));
    let accepted = load.spans_accepted as f64;
    Ok(Findings {
        shape: load_args.shape.name(),
        postgres: versions.0,
        timescaledb: versions.1,
        spans: load.spans_accepted,
        history_spans: args.history,
        ingest_cpu_s_per_million: used
            .server_cpu_s
            .zip(used.postgres_cpu_s)
            .map(|(server, postgres)| per_million(server + postgres - jobs.copying_cpu_s, accepted)),
        counting_cpu_s_per_million: counting_cpu_s,
        copy_cpu_s_per_million: of_copy(metrics) + of_copy(others),
        jobs_cpu_s_per_million: per_million(jobs.cpu_s, accepted),
        job_runs: jobs.runs,
        counted_after_ms: (counted - acknowledged).as_secs_f64() * 1e3,
        sizes,
        answers,
    })
}

async fn send(args: &RollupArgs, server: &MeasuredServer, supply: &Arc<Supply>) -> anyhow::Result<Load> {
    let address = match args.load.protocol {
        Protocol::Grpc => server.otlp_grpc,
        Protocol::Http => server.otlp_http,
    };
    let target = Target::connect(args.load.protocol, address, args.load.connections as usize).await?;
    let requests = (args.spans as f64 / supply.request_spans()).ceil() as u64;
    let plan = Plan { requests, time: None, rate: Some(args.rate), in_flight: 32, retry: true };
    load::run(&target, supply, plan).await
}

/// The jobs, run as the server would run them.
struct Jobs {
    worker: Worker,
    runs: u32,
    /// Of the runs alone.
    cpu_s: f64,
    /// What COPY cost of what the first run found.
    copied: [CopyCost; 2],
    /// What finding that out cost.
    copying_cpu_s: f64,
}

/// The jobs on their schedule.
struct Schedule {
    task: JoinSet<anyhow::Result<Jobs>>,
    stop: tokio_util::sync::CancellationToken,
}

impl Jobs {
    fn start(worker: Worker, every: Duration) -> Schedule {
        let mut jobs =
            Self { worker, runs: 0, cpu_s: 0.0, copied: [CopyCost::default(); 2], copying_cpu_s: 0.0 };
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut turns = interval(every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first comes at once, and has nothing to do.
            turns.tick().await;
            let mut is_first = true;
            while stopped.run_until_cancelled(turns.tick()).await.is_some() {
                if std::mem::take(&mut is_first) {
                    jobs.copy_parts().await?;
                }
                jobs.roll_up().await?;
            }
            ensure!(
                jobs.runs > 0,
                "the spans were sent before the jobs ran once: send more, or run them more often"
            );
            Ok(jobs)
        });
        Schedule { task, stop }
    }

    async fn copy_parts(&mut self) -> anyhow::Result<()> {
        let before_s = self.worker.cpu_s();
        self.copied = self.worker.copy_parts().await?;
        self.copying_cpu_s =
            self.worker.cpu_s().zip(before_s).map_or(0.0, |(after, before)| after - before);
        Ok(())
    }

    async fn roll_up(&mut self) -> anyhow::Result<()> {
        let before_s = self.worker.cpu_s();
        self.worker.roll_up().await?;
        self.runs += 1;
        self.count_cpu(before_s);
        Ok(())
    }

    async fn fold(&mut self) -> anyhow::Result<()> {
        let before_s = self.worker.cpu_s();
        self.worker.fold().await?;
        self.count_cpu(before_s);
        Ok(())
    }

    fn count_cpu(&mut self, before_s: Option<f64>) {
        self.cpu_s += self.worker.cpu_s().zip(before_s).map_or(0.0, |(after, before)| after - before);
    }
}

impl Schedule {
    async fn end(mut self) -> anyhow::Result<Jobs> {
        self.stop.cancel();
        self.task.join_next().await.context("the jobs have ended")?.context("running the jobs")?
    }
}

async fn wait_until_counted(worker: &mut Worker, spans: u64) -> anyhow::Result<Instant> {
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        if worker.counted_spans().await? >= spans {
            return Ok(asked);
        }
        ensure!(started.elapsed() < COUNTED_TIMEOUT, "the metrics do not count {spans} spans");
        sleep(POLL).await;
    }
}

/// CPU seconds per million spans for counting batches of the writer's size in the process.
fn counting_cpu_s(supply: &Supply) -> anyhow::Result<f64> {
    let batch = Config::default().ingest.batch_spans_max;
    let mut spans: Vec<Span> = Vec::new();
    let mut request = 0;
    while spans.len() < batch {
        let bytes = supply.template(request).stamp(supply.ids(), request, 1_800_000_000_000_000_000);
        spans.extend(otlp::decode(&bytes, TimeBounds::ANY)?.spans);
        request += 1;
    }
    let counting = Counting::prepare(&spans);
    let mut due = Due::default();
    let before_s = process::own_cpu_s().context("CPU is not known here")?;
    let mut counted = 0;
    loop {
        std::hint::black_box(counting.run(&mut due));
        counted += spans.len();
        let cpu_s = process::own_cpu_s().context("CPU is not known here")? - before_s;
        if cpu_s >= COUNTING_CPU_S_MIN {
            return Ok(cpu_s * 1e6 / counted as f64);
        }
    }
}

/// Questions to the API, and to the spans.
async fn questions(server: &MeasuredServer, worker: &mut Worker) -> anyhow::Result<Vec<Answer>> {
    let key = server.read_key()?;
    let service = worker.busiest_service().await?;
    let now_us = chrono::Utc::now().timestamp_micros();
    let since = |days: i64| format!("startTime={}&endTime={now_us}", now_us - days * 86_400_000_000);
    let of_service = format!("metric=p99&groupBy=operation&service={service}&{}", since(7));
    let services = format!("/api/v1/services?{}", since(1));
    let operations = format!("/api/v1/metrics?{of_service}&step=86400");
    let charted = format!("/api/v1/metrics?{of_service}&step=7200");
    let (services_exact, operations_exact) =
        (worker.time_services().await?, worker.time_operations(&service).await?);
    let mut answers = Vec::new();
    for (question, path, exact) in [
        ("all services over 24 hours", services, services_exact),
        ("p99 of a service's operations over 7 days, by day", operations, operations_exact),
        ("the same by two hours", charted, operations_exact),
    ] {
        let rollup = ask(server, &path, &key).await?;
        answers.push(Answer::new(question, rollup, exact));
    }
    Ok(answers)
}

async fn ask(server: &MeasuredServer, path: &str, key: &str) -> anyhow::Result<Duration> {
    let mut connection = Connection::new(server.http);
    let mut times = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let started = Instant::now();
        let response =
            timeout(ASK_TIMEOUT, connection.get(path, Some(key))).await.context(path.to_owned())??;
        let answer = String::from_utf8_lossy(&response.body);
        ensure!(response.status == 200, "{path}: {} {answer}", response.status);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[ASKED / 2])
}
