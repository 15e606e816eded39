//! Reaching the PostgreSQL of a server that runs already, for commands beside it.

use std::path::Path;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;

use super::{DATABASE, EmbeddedPostgres, connect_options, leftover, place};

impl EmbeddedPostgres {
    /// How to connect to the PostgreSQL that another process has started in `data_dir`; none if no
    /// process has.
    ///
    /// # Errors
    /// If the data directory is in use but nothing can be reached in it.
    pub fn running_options(data_dir: &Path) -> anyhow::Result<Option<PgConnectOptions>> {
        let base = data_dir.join("pg");
        if !leftover::is_locked(&base)? {
            return Ok(None);
        }
        let socket = place::socket_in_use(&base).with_context(|| {
            format!("the server on {} is still starting: try again", data_dir.display())
        })?;
        Ok(Some(connect_options(&socket, "spanloom", DATABASE)))
    }
}
