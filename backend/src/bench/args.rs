//! The arguments of `spanloom bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::send::Protocol;
use super::shape::Shape;

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Spans per second, CPU, memory and disk, against the ceiling of a raw COPY
    Ingest(IngestArgs),
    /// Twice as much as the server sustains: memory, answers, and what is stored
    Overload(OverloadArgs),
    /// What counting costs, how large and how late it is, and questions over days against plain SQL
    Rollup(RollupArgs),
}

/// Which server.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Measure on this PostgreSQL, in a database made for it and removed again; without it on a
    /// private PostgreSQL
    #[arg(long, env = "SPANLOOM_BENCH_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// Where results go, and the data while it is needed
    #[arg(long, default_value = "target/bench", value_name = "DIR")]
    pub dir: PathBuf,
}

/// Which spans, and how they are sent.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// What the spans look like
    #[arg(long, value_enum, default_value_t = Shape::Wide)]
    pub shape: Shape,

    /// How they are sent
    #[arg(long, value_enum, default_value_t = Protocol::Grpc)]
    pub protocol: Protocol,

    /// Spans in a request, or a few more: traces are whole
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000),
          value_name = "N")]
    pub request_spans: u32,

    /// Connections of gRPC; with HTTP each request under way has its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000), value_name = "N")]
    pub connections: u32,

    /// Different requests that are prepared and sent in turn
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000),
          value_name = "N")]
    pub templates: u32,

    /// Another seed gives other spans of the same shape
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// Measures how much the server takes in and what it costs.
///
/// Starts this program as a server with a database of its own, sends prepared requests to it, and
/// compares with copying the same rows into a table without indexes. Read ratios within a run, not
/// numbers of different machines or days.
#[derive(Debug, Args)]
pub struct IngestArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show a comment as the title of all options")]
    pub server: ServerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show a comment as the title of all options")]
    pub load: LoadArgs,

    /// Spans to send in each run
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000),
          value_name = "N")]
    pub spans: u64,

    /// Spans per second; without it as fast as they are acknowledged
    #[arg(long, value_parser = parse_rate, value_name = "N")]
    pub rate: Option<f64>,

    /// Requests under way at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    pub in_flight: u32,

    /// Runs, each with a new database; the table shows all and their median
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20), value_name = "N")]
    pub repeat: u32,
}

/// Sends twice as much as the server sustains and checks what it does.
///
/// First the sustained rate is measured. Then as many spans as --factor times that are sent each
/// second, whatever the answers are. It fails if memory passes its bound, an answer cannot be
/// retried, the API does not answer in time, or the database does not hold exactly what was
/// acknowledged.
#[derive(Debug, Args)]
pub struct OverloadArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show a comment as the title of all options")]
    pub server: ServerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show a comment as the title of all options")]
    pub load: LoadArgs,

    /// Seconds of overload
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "N")]
    pub seconds: u64,

    /// How much more than the sustained rate
    #[arg(long, default_value_t = 2.0, value_parser = parse_factor, value_name = "N")]
    pub factor: f64,

    /// Requests under way at the same time
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    pub in_flight: u32,

    /// The server's bound for requests that it decodes (`ingest.memory_bytes_max`), MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=100_000), value_name = "MIB")]
    pub ingest_mib: u64,

    /// The server's bound for what waits on disk (`queue.bytes_max`), MiB; small, so that it is reached
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_000_000),
          value_name = "MIB")]
    pub queue_mib: u64,

    /// Resident memory that the server must not pass, MiB
    #[arg(long, default_value_t = 768, value_parser = clap::value_parser!(u64).range(1..=1_000_000),
          value_name = "MIB")]
    pub memory_mib: u64,

    /// Seconds within which the API has to answer
    #[arg(long, default_value_t = 2.0, value_parser = parse_factor, value_name = "N")]
    pub answer_seconds: f64,
}

impl OverloadArgs {
    /// How long the overload lasts.
    pub const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Measures what metrics and calls cost, and what they save.
///
/// Sends spans at a steady rate to a server without jobs and runs these beside it, on a connection whose CPU
/// is known. Then the spans are multiplied over seven days, and questions are put to the API and, in plain
/// SQL, to the spans.
#[derive(Debug, Args)]
pub struct RollupArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show a comment as the title of all options")]
    pub server: ServerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show a comment as the title of all options")]
    pub load: LoadArgs,

    /// Spans to send
    #[arg(long, default_value_t = 6_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000),
          value_name = "N")]
    pub spans: u64,

    /// Spans per second
    #[arg(long, default_value_t = 20_000.0, value_parser = parse_rate, value_name = "N")]
    pub rate: f64,

    /// Seconds between two runs of the jobs, as the server has it
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "N")]
    pub every_seconds: u64,

    /// Spans over seven days for the questions
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000),
          value_name = "N")]
    pub history: u64,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    parse_within(text, 1.0, 100_000_000.0)
}

fn parse_factor(text: &str) -> Result<f64, String> {
    parse_within(text, 0.1, 100.0)
}

fn parse_within(text: &str, min: f64, max: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from {min} to {max}")),
    }
}
