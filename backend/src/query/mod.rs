//! Finding spans and log records again.
//!
//! Each domain has an `http.rs` (parameters, documentation), a `store.rs` (SQL) and pure code
//! between the two. Every statement runs in a read-only transaction with a time limit.

pub mod dependencies;
pub mod errors;
pub mod exposition;
pub mod http;
pub mod logs;
pub mod metrics;
pub(crate) mod params;
pub mod services;
pub mod storage;
pub(crate) mod store;
mod tag_store;
pub mod tags;
pub mod traces;

pub use http::routes;

use std::time::Duration;

use crate::config::{Config, QueryConfig};
use crate::store::Store;
use crate::store::retention::Limits;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) store: Store,
    config: QueryConfig,
    limits: Limits,
}

impl Query {
    /// Reads from `store` within the limits of `config.query`.
    pub fn new(store: Store, config: &Config) -> Self {
        Self { store, config: config.query.clone(), limits: config.storage.limits() }
    }

    /// How long a search may take before it returns what it has.
    pub(crate) fn search_time(&self) -> Duration {
        Duration::from_secs(self.config.search_seconds_max)
    }

    /// How long one statement may take before it is cancelled.
    pub(crate) fn statement_time(&self) -> Duration {
        Duration::from_secs(self.config.statement_seconds_max)
    }
}
