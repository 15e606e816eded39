//! `cargo xtask bench`: a release build of the server measures itself.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;
use clap::Args;

use crate::needs::Need;
use crate::server::{self, Profile};
use crate::{install, project};

const EXPLANATION: &str = "\
cargo xtask bench ingest     spans per second, CPU, memory and disk, against the ceiling of a raw COPY
cargo xtask bench overload   twice as much as the server sustains: memory, answers, what is stored
cargo xtask bench rollup     what counting costs, how large and late it is, questions over days

All build the server for release, start one with a database of its own, and remove it again.
`cargo xtask bench ingest --help` lists the options: size, shape, protocol, rate, another database.

How to read the numbers of `ingest`:
- Compare ratios within a run, never spans per second of two machines or two days. With --repeat
  the last column is the median; differences below the spread of the runs mean nothing.
- queryable: from the first request until the database finds all spans. acknowledged: until the
  last answer. Where a queue lies between, the first is what the server sustains.
- throughput / ceiling: the ceiling copies the same rows over one connection into a table without
  indexes, which is the most that PostgreSQL can do with them. Server, PostgreSQL and generator
  share the cores, so the rest is CPU of the server, indexes, and waiting.
- CPU per million spans hardly depends on what else the machine does. The generator's should be
  small beside the server's: it sends prepared bytes.
- on disk: growth of the whole database, all tables and indexes, before and after what time does
  to it: TimescaleDB compresses its chunks, PostgreSQL vacuums.
- A run fails if the database does not hold exactly what was acknowledged, or the metrics count
  something else.
- `rollup`: the three lines below `ingest` are parts of it; the goal is that together they are at
  most a quarter of the rest. Times of questions are the median of five.

docs/performance.md has measured numbers and tells how to profile.";

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// `ingest`, `overload` or `rollup`, and their options; without, how to read the numbers
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WHAT AND OPTIONS")]
    words: Vec<String>,
}

/// Builds, then becomes the benchmark, so that Ctrl-C reaches it and nothing else.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if args.words.is_empty() {
        println!("{EXPLANATION}");
        return Ok(());
    }
    install::ensure(&[Need::PostgresServer])?;
    let spanloom = server::build(Profile::Release)?;
    let mut command = Command::new(spanloom);
    command.arg("bench").args(&args.words);
    if !args.words.iter().any(|word| word == "--dir" || word.starts_with("--dir=")) {
        command.arg("--dir").arg(project::target_dir()?.join("bench"));
    }
    Err(command.exec()).context("starting the benchmark")
}
