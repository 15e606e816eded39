//! `cargo xtask`: builds, runs and tests Spanloom.

mod bench;
mod exec;
mod install;
mod needs;
mod openapi;
mod project;
mod server;
mod test;
mod tidy;
mod up;
mod wasm;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, runs and tests Spanloom.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and run Spanloom with a private PostgreSQL and demo traffic, until Ctrl-C
    Up(up::UpArgs),
    /// Run all checks and tests, or some parts
    Test(test::TestArgs),
    /// Run all checks and tests as continuous integration does
    Ci(test::TestArgs),
    /// Build the browser application into frontend/dist
    Web(web::WebArgs),
    /// Write openapi/openapi.json
    Openapi,
    /// Check the rules of the repository: layers, file sizes, white space
    Tidy,
    /// Measure the server, built for release
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up(args) => up::run(&args),
        Command::Test(args) => return test::run(&args, false),
        Command::Ci(args) => return test::run(&args, true),
        Command::Web(args) => web::run(&args),
        Command::Openapi => openapi::write(),
        Command::Tidy => tidy::run(),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
