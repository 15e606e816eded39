//! `spanloom bench`: how much a server takes in, what it costs, and what it does under too much.
//!
//! The measured server is a child process; the benchmark is a client of it like any other, and of
//! its database. From top to bottom: [`shape`] makes requests, [`template`] serialises them once so
//! that sending costs nearly nothing, with [`ids`] that are new each time; [`send`] speaks OTLP,
//! [`load`] sends many; [`server`] starts and stops, [`process`] reads CPU and memory, [`store`]
//! asks the database, [`verify`] counts. [`ingest`], [`overload`] and [`rollup`] put them together.

pub mod args;
mod http1;
mod ids;
mod ingest;
pub mod load;
mod overload;
mod process;
mod report;
mod rollup;
mod rollup_report;
pub mod rollup_store;
pub mod send;
mod server;
pub mod shape;
pub mod store;
mod template;
pub mod verify;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use args::{BenchCommand, ServerArgs};
use server::MeasuredServer;
use store::Database;

/// A database that has not caught up by then will not.
const QUERYABLE_TIMEOUT: Duration = Duration::from_mins(10);
const POLL_MIN: Duration = Duration::from_millis(20);
/// The pause between two questions is so many times what the question took, so as not to disturb.
const POLL_PAUSE: u32 = 10;

/// Runs `spanloom bench`.
///
/// # Errors
/// If something cannot be measured, or is not as it should be: then the numbers mean nothing.
pub async fn run(command: BenchCommand) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        say("warning: this is a debug build, its numbers mean nothing; use `cargo xtask bench`");
    }
    let mut signals = Signals::catch()?;
    match command {
        BenchCommand::Ingest(args) => ingest::run(&args, &mut signals).await,
        BenchCommand::Overload(args) => overload::run(&args, &mut signals).await,
        BenchCommand::Rollup(args) => rollup::run(&args, &mut signals).await,
    }
}

/// Ctrl-C and SIGTERM, from when this is made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("catching signals");
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Starts a server, does `work` with it, and stops it, whatever came of the work.
async fn with_server<T>(
    args: &ServerArgs,
    settings: &[(&str, String)],
    signals: &mut Signals,
    work: impl AsyncFnOnce(&MeasuredServer) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    say("starting a server with a new database");
    let server = MeasuredServer::start(args, settings).await?;
    let outcome = tokio::select! {
        outcome = work(&server) => outcome,
        () = signals.received() => Err(anyhow::anyhow!("interrupted")),
    };
    say("stopping the server and removing its data");
    let stopped = server.stop().await;
    let outcome = outcome?;
    stopped?;
    Ok(outcome)
}

/// Waits until at least so many spans can be queried. Returns when that was so, late by at most
/// [`POLL_PAUSE`] times what asking takes.
async fn wait_until_queryable(database: &mut Database, spans: u64) -> anyhow::Result<Instant> {
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let found = database.queryable_spans().await?;
        if found >= spans {
            return Ok(asked);
        }
        if started.elapsed() > QUERYABLE_TIMEOUT {
            bail!("{} acknowledged spans do not become queryable", spans - found);
        }
        sleep((asked.elapsed() * POLL_PAUSE).max(POLL_MIN)).await;
    }
}

/// Tells a person how far it is; nobody listening is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "bench: {line}");
}
