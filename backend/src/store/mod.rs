//! Connections, schema and upkeep of the database.

mod begin;
pub mod embedded;
pub mod flavour;
pub mod migrate;
pub mod pair_numbers;
pub mod pairs;
pub mod retention;
pub mod upkeep;

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::config::StorageConfig;

pub use begin::{begin, begin_with};
pub use flavour::Flavour;
use pairs::PairCache;

/// How long a request waits for a connection. Shorter than OTLP clients' time-out of ten seconds,
/// so that they learn that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// For each writer: one transaction at a time, and room for the statements around it.
const WRITER_CONNECTIONS: u32 = 2;

/// The database: a pool and what kind of storage it is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// Connections of those who read and manage.
    pub pool: sqlx::PgPool,
    /// Connections of the writer: slow searches must not hold up acknowledgements.
    pub writers: sqlx::PgPool,
    /// How spans are stored.
    pub flavour: Flavour,
    /// Pairs of attributes that were read.
    pub pairs: PairCache,
}

impl Store {
    /// Connects, brings the schema up to date and finds out the flavour.
    ///
    /// # Errors
    /// If the database cannot be reached or a migration fails.
    pub async fn open(options: PgConnectOptions, config: &StorageConfig) -> anyhow::Result<Self> {
        let options = options
            .application_name("spanloom")
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(5));
        let pairs = PairCache::default();
        let remembered = pairs.clone();
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // The database may have been restored meanwhile and give numbers away again.
            .after_connect(move |_, _| {
                remembered.clear();
                Box::pin(std::future::ready(Ok(())))
            })
            .connect_with(options.clone())
            .await
            .context("connecting to the database")?;
        let writers = PgPoolOptions::new()
            .max_connections(WRITER_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        let flavour = migrate::run(&pool, config.chunk_hours).await?;
        Ok(Self { pool, writers, flavour, pairs })
    }

    /// The same with connections for so many writers.
    #[must_use]
    pub fn for_writers(self, writers: u32) -> Self {
        let writers = PgPoolOptions::new()
            .max_connections(WRITER_CONNECTIONS * writers.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with((*self.writers.connect_options()).clone());
        Self { writers, ..self }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.writers.close());
    }
}

/// Options from a `postgres://` URL.
///
/// # Errors
/// If the URL is malformed. The message does not repeat it, because it may hold a password.
pub fn parse_url(url: &str) -> anyhow::Result<PgConnectOptions> {
    PgConnectOptions::from_str(url).map_err(|_| anyhow::anyhow!("the database URL is malformed"))
}
