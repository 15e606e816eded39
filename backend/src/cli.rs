//! The commands of the `spanloom` binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use spanloom_model::api::{KeyScope, Role};
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::args::BenchCommand;
use crate::config::{Config, Listen};
use crate::demo::DemoArgs;
use crate::roles::ServerRole;
use crate::startup::Server;
use crate::store::embedded::EmbeddedPostgres;
use crate::store::{self, Store};
use crate::transfer::export::{self, ExportArgs};
use crate::transfer::import::{self, ImportArgs};
use crate::{bench, demo, identity, telemetry, web};

/// Presets the password of the first admin.
const ADMIN_PASSWORD: &str = "SPANLOOM_ADMIN_PASSWORD";

/// The password for `spanloom user`.
const USER_PASSWORD: &str = "SPANLOOM_PASSWORD";

/// Distributed tracing on PostgreSQL.
#[derive(Parser)]
#[command(name = "spanloom", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Receive, store and show traces
    Serve(ServeArgs),
    /// Bring the database up to date and exit
    Migrate(DatabaseArgs),
    /// Send the traffic of a demo shop to a server
    Demo(DemoArgs),
    /// Send traces from files to a server
    Import(ImportArgs),
    /// Write traces of a server into a file
    Export(ExportArgs),
    /// Manage people
    #[command(subcommand)]
    User(UserCommand),
    /// Manage API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Measure a server of its own: see `cargo xtask bench`
    #[command(subcommand, hide = true)]
    Bench(BenchCommand),
}

#[derive(Args)]
struct DatabaseArgs {
    /// Configuration file (TOML)
    #[arg(long, env = "SPANLOOM_CONFIG")]
    config: Option<PathBuf>,
    /// Directory of the private PostgreSQL [default: .spanloom]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Use this database instead of a private PostgreSQL
    #[arg(long)]
    database_url: Option<String>,
}

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Browser, API and everything received over HTTP [default: 127.0.0.1:8080]
    #[arg(long)]
    http: Option<SocketAddr>,
    /// OTLP over gRPC, or "off" [default: 127.0.0.1:4317]
    #[arg(long)]
    otlp_grpc: Option<Listen>,
    /// OTLP over HTTP, or "off" [default: 127.0.0.1:4318]
    #[arg(long)]
    otlp_http: Option<Listen>,
    /// What this server does, of receive, write, query, jobs [default: all of it]
    #[arg(long, value_delimiter = ',', value_parser = parse_word::<ServerRole>)]
    roles: Option<Vec<ServerRole>>,
    /// Zipkin, or "off" [default: 127.0.0.1:9411]
    #[arg(long)]
    zipkin: Option<Listen>,
    /// Jaeger's Thrift over HTTP, or "off" [default: 127.0.0.1:14268]
    #[arg(long)]
    jaeger_http: Option<Listen>,
    /// Jaeger over gRPC, or "off" [default: 127.0.0.1:14250]
    #[arg(long)]
    jaeger_grpc: Option<Listen>,
    /// Jaeger remote sampling, or "off" [default: 127.0.0.1:5778]
    #[arg(long)]
    jaeger_sampling: Option<Listen>,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a person; the password comes from `SPANLOOM_PASSWORD` or is generated and printed
    Add {
        /// The account's name
        name: String,
        /// viewer, editor or admin
        #[arg(long, default_value = "viewer", value_parser = parse_word::<Role>)]
        role: Role,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Set a person's password, from `SPANLOOM_PASSWORD` or generated and printed; ends their sessions
    Password {
        /// The account's name
        name: String,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make a key and print it, alone, on standard output
    Add {
        /// What the key is for
        name: String,
        /// ingest, read, or both
        #[arg(long, value_delimiter = ',', required = true, value_parser = parse_word::<KeyScope>)]
        scope: Vec<KeyScope>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check the configuration and print it, without secrets
    Check(DatabaseArgs),
}

fn parse_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(json!(word)).map_err(|error| error.to_string())
}

impl DatabaseArgs {
    fn load(&self, mut overrides: Vec<(&str, Value)>) -> anyhow::Result<Config> {
        if let Some(data) = &self.data {
            overrides.push(("storage.data_dir", json!(data)));
        }
        if let Some(url) = &self.database_url {
            overrides.push(("storage.database_url", json!(url)));
        }
        Config::load(self.config.as_deref(), &overrides)
    }
}

impl ServeArgs {
    fn load(&self) -> anyhow::Result<Config> {
        let mut overrides = Vec::new();
        if let Some(address) = self.http {
            overrides.push(("listen.http", json!(address)));
        }
        let listeners = [
            ("listen.otlp_grpc", self.otlp_grpc),
            ("listen.otlp_http", self.otlp_http),
            ("listen.zipkin", self.zipkin),
            ("listen.jaeger_http", self.jaeger_http),
            ("listen.jaeger_grpc", self.jaeger_grpc),
        ];
        for (key, listen) in listeners {
            overrides.extend(listen.map(|listen| (key, json!(listen))));
        }
        if let Some(listen) = self.jaeger_sampling {
            overrides.push(("listen.jaeger_sampling", json!(listen)));
        }
        if let Some(roles) = &self.roles {
            overrides.push(("roles", json!(roles)));
        }
        self.database.load(overrides)
    }
}

/// Runs the command line; errors are told here and nowhere else.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(execute(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve(&args.load()?).await,
        Command::Migrate(args) => {
            let config = args.load(Vec::new())?;
            let _telemetry = telemetry::init(&config)?;
            with_store(&config, async |_| Ok(())).await
        }
        Command::Demo(args) => demo::run(args).await,
        Command::Bench(command) => bench::run(command).await,
        Command::Import(args) => import::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::User(UserCommand::Add { name, role, database }) => {
            let (password, generated) = password();
            with_store(&database.load(Vec::new())?, async |store| {
                identity::add_user(&store, &name, role, &password).await?;
                Ok(())
            })
            .await?;
            tell_password(&name, generated.then_some(&password));
            Ok(())
        }
        Command::User(UserCommand::Password { name, database }) => {
            let (password, generated) = password();
            with_store(&database.load(Vec::new())?, async |store| {
                Ok(identity::set_password(&store, &name, &password).await?)
            })
            .await?;
            tell_password(&name, generated.then_some(&password));
            Ok(())
        }
        Command::Key(KeyCommand::Add { name, scope, database }) => {
            let mut secret = String::new();
            with_store(&database.load(Vec::new())?, async |store| {
                secret = identity::add_key(&store, &name, &scope).await?;
                Ok(())
            })
            .await?;
            println!("{secret}");
            Ok(())
        }
        Command::Config(ConfigCommand::Check(args)) => {
            println!("{}", serde_json::to_string_pretty(&args.load(Vec::new())?.without_secrets())?);
            Ok(())
        }
        Command::Openapi => {
            print!("{}", web::openapi::document_text()?);
            Ok(())
        }
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    // Before anything that takes time, so that an early Ctrl-C is not lost.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let telemetry = telemetry::init(config)?;
    let admin_password = std::env::var(ADMIN_PASSWORD).ok();
    let server = Server::start(config, admin_password.as_deref()).await?;
    let address = |address: Option<SocketAddr>| address.map_or("off".to_owned(), |a| a.to_string());
    tracing::info!(
        http = %server.http,
        otlp_grpc = address(server.otlp_grpc),
        otlp_http = address(server.otlp_http),
        zipkin = address(server.zipkin),
        jaeger_http = address(server.jaeger_http),
        jaeger_grpc = address(server.jaeger_grpc),
        jaeger_sampling = address(server.jaeger_sampling),
        "Spanloom is ready at http://{}", server.http
    );
    let ended = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        how = server.database_ended() => Some(how),
    };
    tracing::info!("stopping");
    // Spans about ourselves are sent while somebody receives them.
    tokio::task::spawn_blocking(move || drop(telemetry)).await?;
    server.stop().await?;
    // Whoever supervises the process starts it again, and PostgreSQL recovers.
    ended.map_or(Ok(()), |how| Err(anyhow::anyhow!("PostgreSQL ended: {how}")))
}

/// Runs `work` on a migrated database: the configured one, or the private PostgreSQL, which is
/// started for it unless a server has it running already.
async fn with_store(
    config: &Config,
    work: impl AsyncFnOnce(Store) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut embedded = None;
    let options = if let Some(url) = &config.storage.database_url {
        store::parse_url(url)?
    } else if let Some(running) = EmbeddedPostgres::running_options(&config.storage.data_dir)? {
        running
    } else {
        embedded.insert(EmbeddedPostgres::start(&config.storage.data_dir).await?).options()
    };
    let outcome = async {
        let store = Store::open(options, &config.storage).await?;
        let outcome = work(store.clone()).await;
        store.close().await;
        outcome
    }
    .await;
    if let Some(embedded) = embedded {
        embedded.stop().await?;
    }
    outcome
}

/// The password to set, and whether it was generated.
fn password() -> (String, bool) {
    match std::env::var(USER_PASSWORD) {
        Ok(password) => (password, false),
        Err(_) => (identity::password::generate(), true),
    }
}

fn tell_password(name: &str, generated: Option<&String>) {
    match generated {
        Some(password) => println!("{name}: {password}"),
        None => println!("{name}: the password of {USER_PASSWORD}"),
    }
}
