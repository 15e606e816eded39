//! `spanloom demo`: a shop that sends realistic traffic over OTLP/gRPC: spans, and what was logged
//! during them.
//!
//! It is a client like any other and knows nothing of the server but its endpoint. From top to
//! bottom: [`shop`] describes services and what they do in the words of [`model`], [`world`] says
//! what is broken when, [`generate`] walks a request through the shop and makes its spans,
//! [`traffic`] decides how many requests come in each second, [`plan`] follows the clock and
//! [`send`] delivers. All but the last two are pure and follow from the seed and the time alone.

mod args;
mod attributes;
mod batch;
mod customer;
mod failure;
mod generate;
mod huge;
mod leaf;
mod library;
mod logs;
mod model;
mod plan;
mod progress;
#[cfg(test)]
mod receiver_test;
mod resource;
#[cfg(test)]
mod scenario_test;
mod semantics;
mod send;
mod shop;
mod span;
mod stack;
#[cfg(test)]
mod testing;
mod traffic;
mod walk;
mod world;
#[cfg(test)]
mod world_test;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rand::SeedableRng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use args::DemoArgs;

use batch::Batch;
use generate::huge_trace;
use model::{DemoRng, SECOND_NS, mix};
use plan::{Plan, flush, follow, now_ns};
use progress::{Counters, Reporter, say};
use send::{Patience, Sender};
use shop::SERVICES;
use traffic::arrivals;

/// How long a stopped demo tries to send the rest.
const GOODBYE: Duration = Duration::from_secs(5);

/// `count` export requests of `spans` spans or a few more, each of whole traces, for whoever needs the
/// shop's spans and not its traffic. The same seed gives the same requests.
pub(crate) fn sample_requests(seed: u64, count: usize, spans: usize) -> Vec<ExportTraceServiceRequest> {
    // Any second will do, as long as it is always the same.
    const SECOND: u64 = 1_767_225_600;
    const RATE: f64 = 20.0;
    let mut requests = Vec::with_capacity(count);
    let mut batch = Batch::default();
    for second in SECOND.. {
        for trace in arrivals(seed, RATE, second) {
            trace.spans.into_iter().for_each(|span| batch.push(span));
            if batch.spans_count() < spans {
                continue;
            }
            requests.extend(batch.take().map(|export| export.request));
            if requests.len() >= count {
                return requests;
            }
        }
    }
    requests
}

/// Runs `spanloom demo` until its end, Ctrl-C or SIGTERM; the latter two are no errors.
///
/// Errors: the endpoint is malformed, the server refuses the key or does not speak OTLP/gRPC, or
/// spans had to be dropped because it did not accept them in time.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let _signals = stop_on_signals(&stop)?;
    let counters = Arc::new(Counters::default());
    let sender = Sender::start(
        &args.endpoint,
        args.key.as_ref(),
        Patience::default(),
        Arc::clone(&counters),
        stop.clone(),
    )?;
    let work = async {
        match args.huge {
            Some(spans_count) => send_huge(args.seed, spans_count, sender, &counters).await,
            None => send_traffic(&args, sender, &counters, &stop).await,
        }
    };
    tokio::select! {
        result = work => result?,
        () = goodbye(&stop) => say("demo: the server did not take the rest in time"),
    }
    say(&format!("demo: {}", counters.summary()));
    let dropped = counters.spans_dropped.load(Ordering::Relaxed);
    if dropped > 0 && !stop.is_cancelled() {
        bail!("{dropped} spans could not be sent");
    }
    Ok(())
}

async fn send_traffic(
    args: &DemoArgs,
    sender: Sender,
    counters: &Arc<Counters>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let live_s = now_ns() / SECOND_NS;
    let plan = Plan {
        seed: args.seed,
        rate: args.rate,
        start_s: live_s.saturating_sub(args.backfill.as_secs()),
        live_s,
        end_s: args.duration.map(|duration| live_s + duration.as_secs()),
    };
    let (services, rate, endpoint) = (SERVICES.len(), args.rate, &args.endpoint);
    say(&format!("demo: {services} services send about {rate} traces/s to {endpoint}, Ctrl-C ends"));
    let _reporter = Reporter::start(plan, Arc::clone(counters));
    follow(plan, &sender, counters, stop).await;
    sender.finish().await
}

async fn send_huge(
    seed: u64,
    spans_count: u32,
    sender: Sender,
    counters: &Arc<Counters>,
) -> anyhow::Result<()> {
    let now_ns = now_ns();
    // The time is part of the seed: each run makes another trace.
    let request = huge_trace(&mut DemoRng::seed_from_u64(mix(seed, now_ns)), now_ns, spans_count as usize);
    let trace_id = hex::encode(&request.spans[0].span.trace_id);
    let mut batch = Batch::default();
    for span in request.spans {
        batch.push(span);
        if batch.is_full() && !flush(&mut batch, &sender).await {
            break;
        }
    }
    flush(&mut batch, &sender).await;
    sender.finish().await?;
    counters.traces.fetch_add(1, Ordering::Relaxed);
    writeln!(std::io::stdout(), "{trace_id}").context("standard output is closed")
}

/// Cancels `stop` at the first Ctrl-C or SIGTERM.
fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<JoinSet<()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let stop = stop.clone();
    let mut task = JoinSet::new();
    task.spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    });
    Ok(task)
}

async fn goodbye(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GOODBYE).await;
}
