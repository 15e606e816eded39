//! The PostgreSQL of another process: reaching it while it runs, removing what it leaves.

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

    /// Removes the database in `data_dir`, wherever it is kept.
    ///
    /// # Errors
    /// If a server uses it, or a file cannot be removed.
    pub fn remove(data_dir: &Path) -> anyhow::Result<()> {
        let base = data_dir.join("pg");
        if !base.exists() {
            return Ok(());
        }
        anyhow::ensure!(!leftover::is_locked(&base)?, "the database in {} is in use", data_dir.display());
        place::remove(&base)
    }
}
