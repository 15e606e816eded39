//! Reaching the PostgreSQL of a server that runs already, for commands beside it.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;

use super::{DATABASE, EmbeddedPostgres, connect_options, leftover, place};

impl EmbeddedPostgres {
    /// How to connect to the PostgreSQL that another process has started in `data_dir`; none if no
    /// process has.
    ///
    /// # Errors
    /// If the data directory is in use but nothing can be reached in it.
    pub fn running_options(data_dir: &Path) -> anyhow::Result<Option<PgConnectOptions>> {
        let base = place::create_base(data_dir)?;
        let Err(in_use) = leftover::lock(&base) else { return Ok(None) };
        match place::socket_in_use(&base) {
            Some(socket) => Ok(Some(connect_options(&socket, "spanloom", DATABASE))),
            None => Err(in_use),
        }
    }
}
