//! The results of `spanloom bench ingest`: a table for people, JSON for programs.
#![expect(clippy::print_stdout, reason = "the table is what the command is for")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::args::IngestArgs;
use super::ingest::Measured;
use super::load::Supply;

const MIB: f64 = 1_048_576.0;

/// Runs and what they have in common.
#[derive(Serialize)]
pub struct Report {
    /// Version of this program.
    spanloom: &'static str,
    measured_at: String,
    cores: usize,
    shape: &'static str,
    protocol: &'static str,
    connections: u32,
    in_flight: u32,
    rate_spans_per_s: Option<f64>,
    request_spans: f64,
    trace_spans: f64,
    wire_bytes_per_span: f64,
    postgres: String,
    timescaledb: Option<String>,
    /// In the order in which they were made.
    pub runs: Vec<Run>,
}

/// Copying rows in.
pub struct Ceiling {
    /// Rows.
    pub spans: u64,
    /// From the first byte to the commit.
    pub seconds: f64,
    /// CPU seconds of PostgreSQL.
    pub postgres_cpu_s: Option<f64>,
}

/// One run. Absent is what cannot be seen from this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    spans: u64,
    seconds_until_acknowledged: f64,
    seconds_until_queryable: f64,
    acknowledged_spans_per_s: f64,
    queryable_spans_per_s: f64,
    acknowledge_p50_ms: f64,
    acknowledge_p99_ms: f64,
    sent_again_requests: u64,
    behind_schedule_ms: f64,
    server_cpu_s_per_million: Option<f64>,
    postgres_cpu_s_per_million: Option<f64>,
    generator_cpu_s_per_million: Option<f64>,
    server_memory_peak_mib: Option<f64>,
    postgres_private_memory_peak_mib: Option<f64>,
    disk_bytes_per_span: f64,
    compacted_bytes_per_span: f64,
    wal_bytes_per_span: f64,
    ceiling_spans_per_s: f64,
    ceiling_postgres_cpu_s_per_million: Option<f64>,
    /// Queryable spans per second as a share of the ceiling's.
    throughput_ratio: f64,
    /// CPU of PostgreSQL per span as a multiple of the ceiling's.
    postgres_cpu_ratio: Option<f64>,
    /// CPU of server and PostgreSQL per span as a multiple of the ceiling's.
    cpu_ratio: Option<f64>,
}

impl Run {
    /// Per span, per second, and against the ceiling.
    pub fn new(measured: &Measured) -> Self {
        let Measured { load, queryable_s, used, ceiling, .. } = measured;
        let spans = load.spans_accepted as f64;
        let per_million = |seconds: Option<f64>| Some(seconds? * 1e6 / spans);
        let mib = |bytes: Option<u64>| Some(bytes? as f64 / MIB);
        let server_cpu_s_per_million = per_million(used.server_cpu_s);
        let postgres_cpu_s_per_million = per_million(used.postgres_cpu_s);
        let ceiling_cpu = ceiling.postgres_cpu_s.map(|seconds| seconds * 1e6 / ceiling.spans as f64);
        let ratio = |of: Option<f64>| Some(of? / ceiling_cpu?);
        let both = server_cpu_s_per_million.zip(postgres_cpu_s_per_million).map(|(one, other)| one + other);
        let ceiling_spans_per_s = ceiling.spans as f64 / ceiling.seconds;
        Self {
            spans: load.spans_accepted,
            seconds_until_acknowledged: load.elapsed.as_secs_f64(),
            seconds_until_queryable: *queryable_s,
            acknowledged_spans_per_s: spans / load.elapsed.as_secs_f64(),
            queryable_spans_per_s: spans / queryable_s,
            acknowledge_p50_ms: load.latency_ms(0.5),
            acknowledge_p99_ms: load.latency_ms(0.99),
            sent_again_requests: load.retries,
            behind_schedule_ms: load.late.as_secs_f64() * 1e3,
            server_cpu_s_per_million,
            postgres_cpu_s_per_million,
            generator_cpu_s_per_million: per_million(used.generator_cpu_s),
            server_memory_peak_mib: mib(measured.server_memory_peak_bytes),
            postgres_private_memory_peak_mib: mib(measured.postgres_memory_peak_bytes),
            disk_bytes_per_span: measured.span_disk_bytes,
            compacted_bytes_per_span: measured.span_compacted_bytes,
            wal_bytes_per_span: used.wal_bytes as f64 / spans,
            ceiling_spans_per_s,
            ceiling_postgres_cpu_s_per_million: ceiling_cpu,
            throughput_ratio: spans / queryable_s / ceiling_spans_per_s,
            postgres_cpu_ratio: ratio(postgres_cpu_s_per_million),
            cpu_ratio: ratio(both),
        }
    }
}

/// A line of the table: words, number, digits after the point.
type Line = (&'static str, fn(&Run) -> Option<f64>, usize);

const LINES: &[Line] = &[
    ("spans", |run| Some(run.spans as f64), 0),
    ("queryable, spans/s", |run| Some(run.queryable_spans_per_s), 0),
    ("acknowledged, spans/s", |run| Some(run.acknowledged_spans_per_s), 0),
    ("acknowledge p50, ms", |run| Some(run.acknowledge_p50_ms), 1),
    ("acknowledge p99, ms", |run| Some(run.acknowledge_p99_ms), 1),
    ("requests sent again", |run| Some(run.sent_again_requests as f64), 0),
    ("behind schedule at most, ms", |run| Some(run.behind_schedule_ms), 1),
    ("server CPU, s per million", |run| run.server_cpu_s_per_million, 2),
    ("PostgreSQL CPU, s per million", |run| run.postgres_cpu_s_per_million, 2),
    ("generator CPU, s per million", |run| run.generator_cpu_s_per_million, 2),
    ("server memory, peak MiB", |run| run.server_memory_peak_mib, 0),
    ("PostgreSQL private memory, peak MiB", |run| run.postgres_private_memory_peak_mib, 0),
    ("on disk, B per span", |run| Some(run.disk_bytes_per_span), 0),
    ("on disk compacted, B per span", |run| Some(run.compacted_bytes_per_span), 0),
    ("WAL, B per span", |run| Some(run.wal_bytes_per_span), 0),
    ("ceiling (COPY), spans/s", |run| Some(run.ceiling_spans_per_s), 0),
    ("ceiling PostgreSQL CPU, s per million", |run| run.ceiling_postgres_cpu_s_per_million, 2),
    ("throughput / ceiling", |run| Some(run.throughput_ratio), 2),
    ("PostgreSQL CPU / ceiling", |run| run.postgres_cpu_ratio, 2),
    ("server + PostgreSQL CPU / ceiling", |run| run.cpu_ratio, 2),
];

impl Report {
    /// Without runs yet.
    pub fn new(args: &IngestArgs) -> Self {
        Self {
            spanloom: env!("CARGO_PKG_VERSION"),
            measured_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            shape: args.load.shape.name(),
            protocol: args.load.protocol.name(),
            connections: args.load.connections,
            in_flight: args.in_flight,
            rate_spans_per_s: args.rate,
            request_spans: 0.0,
            trace_spans: 0.0,
            wire_bytes_per_span: 0.0,
            postgres: String::new(),
            timescaledb: None,
            runs: Vec::new(),
        }
    }

    /// What is sent.
    pub fn describe_load(&mut self, supply: &Supply) {
        self.request_spans = supply.request_spans();
        self.trace_spans = supply.trace_spans();
        self.wire_bytes_per_span = supply.span_bytes();
    }

    /// Versions of PostgreSQL and TimescaleDB.
    pub fn describe_database(&mut self, (postgres, timescaledb): (String, Option<String>)) {
        self.postgres = postgres;
        self.timescaledb = timescaledb;
    }

    /// Prints the table.
    pub fn print(&self) {
        println!("{}", self.head());
        print!("{}", self.table());
    }

    fn head(&self) -> String {
        let timescaledb = self.timescaledb.as_ref().map(|version| format!(", TimescaleDB {version}"));
        let rate = match self.rate_spans_per_s {
            Some(rate) => format!("{rate:.0} spans/s"),
            None => "as fast as acknowledged".to_owned(),
        };
        format!(
            "shape {}: {:.1} spans a trace, {:.0} B a span, {:.0} spans a request; {}, {rate}, {} connections, \
             {} requests in flight\n{} cores, PostgreSQL {}{}, Spanloom {}",
            self.shape,
            self.trace_spans,
            self.wire_bytes_per_span,
            self.request_spans,
            self.protocol,
            self.connections,
            self.in_flight,
            self.cores,
            self.postgres,
            timescaledb.unwrap_or_default(),
            self.spanloom
        )
    }

    /// A column for each run, and the median if there are several.
    fn table(&self) -> String {
        let mut text = String::new();
        for (words, value, digits) in LINES {
            let mut values: Vec<Option<f64>> = self.runs.iter().map(value).collect();
            if values.len() > 1 {
                values.push(median(&values));
            }
            let cells = values.iter().map(|value| match value {
                Some(value) => format!("{value:>12.digits$}"),
                None => format!("{:>12}", "unknown"),
            });
            let _ = writeln!(text, "{words:<38}{}", cells.collect::<String>());
        }
        text
    }

    /// Writes the JSON.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("written to {}", file.display());
        Ok(())
    }
}

/// The value in the middle, or the mean of the two; none if one is missing.
fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().copied().collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], upper) } else { upper })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ingest::Used;
    use super::super::load::Load;
    use super::*;

    /// Catches a ratio that is upside down, or divides by the wrong number of spans.
    #[test]
    fn numbers_are_per_span_and_against_the_ceiling() {
        let run = Run::new(&Measured {
            load: Load { spans_accepted: 500_000, elapsed: Duration::from_secs(4), ..Load::default() },
            queryable_s: 5.0,
            used: Used {
                server_cpu_s: Some(4.0),
                postgres_cpu_s: Some(3.0),
                generator_cpu_s: None,
                wal_bytes: 50_000_000,
            },
            server_memory_peak_bytes: Some(256 << 20),
            postgres_memory_peak_bytes: None,
            span_disk_bytes: 600.0,
            span_compacted_bytes: 100.0,
            ceiling: Ceiling { spans: 1_000_000, seconds: 5.0, postgres_cpu_s: Some(2.0) },
        });
        let close = |value: f64, expected: f64| (value - expected).abs() < 1e-9;
        assert!(close(run.acknowledged_spans_per_s, 125_000.0), "{run:?}");
        assert!(close(run.queryable_spans_per_s, 100_000.0), "{run:?}");
        assert!(close(run.throughput_ratio, 0.5), "{run:?}");
        assert!(close(run.server_cpu_s_per_million.unwrap(), 8.0), "{run:?}");
        assert!(close(run.postgres_cpu_ratio.unwrap(), 3.0), "{run:?}");
        assert!(close(run.cpu_ratio.unwrap(), 7.0), "{run:?}");
        assert!(close(run.wal_bytes_per_span, 100.0), "{run:?}");
        assert!(run.generator_cpu_s_per_million.is_none(), "{run:?}");
    }

    #[test]
    fn the_median_of_few() {
        assert_eq!(median(&[Some(3.0), Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[Some(3.0), Some(1.0)]), Some(2.0));
        assert_eq!(median(&[Some(3.0), None]), None);
        assert_eq!(median(&[]), None);
    }
}
