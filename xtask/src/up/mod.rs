//! `cargo xtask up`: from a clone to a running Spanloom with traffic in it.

mod account;
mod children;
mod earlier;
mod http;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use crate::needs::Need;
use crate::server::{self, Profile};
use crate::{exec, install, project, wasm, web};

use children::{Children, Event};

/// Recovery after a crash and large migrations take long; the server tells what it does.
const READY_TIMEOUT: Duration = Duration::from_mins(15);
const READY_POLL: Duration = Duration::from_millis(200);
/// The demo's first run fills the past hours, so that the first search finds something.
const BACKFILL: &str = "2h";
/// The server flushes its queue and PostgreSQL writes its buffers.
const SERVER_PATIENCE: Duration = Duration::from_secs(90);
const LOG_VARIABLE: &str = "SPANLOOM__TELEMETRY__LOG";
const DEMO_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Send no demo traffic
    #[arg(long)]
    no_demo: bool,
    /// The port of the browser application and the API
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port of OTLP over gRPC
    #[arg(long, default_value_t = 4317)]
    otlp_grpc_port: u16,
    /// The port of OTLP over HTTP
    #[arg(long, default_value_t = 4318)]
    otlp_http_port: u16,
    /// The port of Zipkin's format
    #[arg(long, default_value_t = 9411)]
    zipkin_port: u16,
    /// The port of Jaeger's Thrift over HTTP
    #[arg(long, default_value_t = 14268)]
    jaeger_http_port: u16,
    /// The port of Jaeger's gRPC
    #[arg(long, default_value_t = 14250)]
    jaeger_grpc_port: u16,
    /// The port of Jaeger remote sampling
    #[arg(long, default_value_t = 5778)]
    jaeger_sampling_port: u16,
    /// The data directory [default: .spanloom in the repository]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Use this database instead of a private PostgreSQL
    #[arg(long)]
    database_url: Option<String>,
    /// Compile the server for speed; takes several minutes longer the first time
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Compile the server quickly (the default)
    #[arg(long)]
    debug: bool,
}

impl UpArgs {
    fn profile(&self) -> Profile {
        if self.release { Profile::Release } else { Profile::Debug }
    }

    fn data_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.data {
            Some(data) => std::path::absolute(data).context("the data directory"),
            None => Ok(project::root().join(".spanloom")),
        }
    }
}

/// Numbered steps, so that a person sees how far it is.
struct Steps {
    number: usize,
    count: usize,
}

impl Steps {
    fn next(&mut self, what: &str) {
        self.number += 1;
        println!("[{}/{}] {what}", self.number, self.count);
    }
}

/// Runs until Ctrl-C, SIGTERM or the server's end.
pub fn run(args: &UpArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let data = args.data_dir()?;
    let mut steps = Steps { number: 0, count: if args.no_demo { 5 } else { 6 } };

    steps.next("Data directory and ports");
    println!("    {}", data.display());
    let run = earlier::begin(&data)?;
    check_ports(args)?;

    steps.next("Tools");
    if args.database_url.is_none() {
        install::ensure(&[Need::PostgresServer])?;
    }
    let compiler = wasm::ensure()?;

    steps.next("Browser application");
    web::build_if_changed(&compiler)?;

    steps.next("Server");
    let spanloom = server::build(args.profile())?;

    steps.next("Database and start");
    let account = account::Admin::prepare(&data, args.database_url.as_deref())?;
    // From here on Ctrl-C means: stop the children, in order.
    let children = Children::new()?;
    let server = children.start("server", &mut serve_command(args, &spanloom, &data, &account))?;
    run.remember(server)?;
    let outcome = serve(args, &mut steps, &children, &account, &data, &spanloom, started);

    println!("\nstopping");
    children.stop("demo", DEMO_PATIENCE);
    children.stop("server", SERVER_PATIENCE);
    run.end();
    outcome?;
    println!("stopped");
    Ok(())
}

/// From the server's start to the wish to stop.
fn serve(
    args: &UpArgs,
    steps: &mut Steps,
    children: &Children,
    account: &account::Admin,
    data: &Path,
    spanloom: &Path,
    started: Instant,
) -> anyhow::Result<()> {
    if !is_ready(args.port, children)? {
        return Ok(());
    }
    let is_first_run = account.is_first_run();
    announce(args, account, data, spanloom, started.elapsed())?;
    if !args.no_demo {
        steps.next("Demo traffic");
        children.start("demo", &mut demo_command(args, spanloom, is_first_run))?;
    }
    wait_for_the_end(children)
}

fn check_ports(args: &UpArgs) -> anyhow::Result<()> {
    let ports = [
        ("--port", args.port),
        ("--otlp-grpc-port", args.otlp_grpc_port),
        ("--otlp-http-port", args.otlp_http_port),
        ("--zipkin-port", args.zipkin_port),
        ("--jaeger-http-port", args.jaeger_http_port),
        ("--jaeger-grpc-port", args.jaeger_grpc_port),
        ("--jaeger-sampling-port", args.jaeger_sampling_port),
    ];
    for (flag, port) in ports {
        TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
            anyhow::anyhow!(
                "port {port} cannot be used ({error}): stop what listens there, or choose another with {flag}"
            )
        })?;
    }
    Ok(())
}

fn serve_command(args: &UpArgs, spanloom: &Path, data: &Path, account: &account::Admin) -> Command {
    let mut command = Command::new(spanloom);
    command.arg("serve").arg("--data").arg(data);
    command.arg("--http").arg(format!("127.0.0.1:{}", args.port));
    command.arg("--otlp-grpc").arg(format!("127.0.0.1:{}", args.otlp_grpc_port));
    command.arg("--otlp-http").arg(format!("127.0.0.1:{}", args.otlp_http_port));
    command.arg("--zipkin").arg(format!("127.0.0.1:{}", args.zipkin_port));
    command.arg("--jaeger-http").arg(format!("127.0.0.1:{}", args.jaeger_http_port));
    command.arg("--jaeger-grpc").arg(format!("127.0.0.1:{}", args.jaeger_grpc_port));
    command.arg("--jaeger-sampling").arg(format!("127.0.0.1:{}", args.jaeger_sampling_port));
    if let Some(url) = &args.database_url {
        // Not on the command line, where every user of the machine could read the password.
        command.env("SPANLOOM__STORAGE__DATABASE_URL", url);
    }
    if std::env::var_os(LOG_VARIABLE).is_none() {
        // A line per worker says nothing to somebody who waits for the address.
        command.env(LOG_VARIABLE, "info,actix_server=warn,sqlx=warn");
    }
    account.preset(&mut command);
    command
}

fn demo_command(args: &UpArgs, spanloom: &Path, is_first_run: bool) -> Command {
    let mut command = Command::new(spanloom);
    command.arg("demo").arg("--endpoint").arg(format!("http://127.0.0.1:{}", args.otlp_grpc_port));
    if is_first_run {
        command.args(["--backfill", BACKFILL]);
    }
    command
}

/// Waits until the server is ready; false when a person does not want to wait.
fn is_ready(port: u16, children: &Children) -> anyhow::Result<bool> {
    let started = Instant::now();
    loop {
        match children.next_event(READY_POLL) {
            Some(Event::Interrupted) => return Ok(false),
            Some(Event::Ended { name, how }) => anyhow::bail!("the {name} ended at start: {how}"),
            None => {}
        }
        if http::get(port, "/readyz").is_ok_and(|status| status == 200) {
            return Ok(true);
        }
        anyhow::ensure!(started.elapsed() < READY_TIMEOUT, "the server does not get ready");
    }
}

fn wait_for_the_end(children: &Children) -> anyhow::Result<()> {
    loop {
        match children.next_event(Duration::from_hours(1)) {
            Some(Event::Interrupted) => return Ok(()),
            Some(Event::Ended { name: "demo", how }) => {
                println!("the demo traffic ended: {how}. The server goes on; Ctrl-C stops it");
            }
            Some(Event::Ended { name, how }) => anyhow::bail!("the {name} ended: {how}"),
            None => {}
        }
    }
}

fn announce(
    args: &UpArgs,
    account: &account::Admin,
    data: &Path,
    spanloom: &Path,
    took: Duration,
) -> anyhow::Result<()> {
    let database = match &args.database_url {
        Some(_) => "--database-url URL".to_owned(),
        None => format!("--data {}", data.display()),
    };
    let reset = format!("{} user password {} {database}", spanloom.display(), account::NAME);
    let password = account.describe(args.port, &reset)?;
    println!();
    println!("  Spanloom is ready after {}", exec::show_duration(took));
    println!("  URL       http://127.0.0.1:{}", args.port);
    println!("  User      {}", account::NAME);
    println!("  Password  {password}");
    println!(
        "  OTLP      127.0.0.1:{} (gRPC), http://127.0.0.1:{} (HTTP)",
        args.otlp_grpc_port, args.otlp_http_port
    );
    println!("  Zipkin    http://127.0.0.1:{}/api/v2/spans", args.zipkin_port);
    println!(
        "  Jaeger    127.0.0.1:{} (gRPC), http://127.0.0.1:{}/api/traces (Thrift)",
        args.jaeger_grpc_port, args.jaeger_http_port
    );
    println!("  Ctrl-C stops everything; the data stays.");
    println!();
    Ok(())
}
