//! The PostgreSQL of another process: reaching it while it runs, removing what it leaves.

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
        let base = data_dir.join("pg");
        for _ in 0..leftover::MOMENTS {
            if !leftover::is_locked(&base)? {
                return Ok(None);
            }
            if let Some(socket) = place::socket_in_use(&base) {
                return Ok(Some(connect_options(&socket, "spanloom", DATABASE)));
            }
            std::thread::sleep(leftover::MOMENT);
        }
        anyhow::bail!("the server on {} is still starting: try again", data_dir.display())
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
        // Held until nothing is found here any more, so that no server starts with half of it.
        let _lock = leftover::lock(&base)?;
        place::remove(&base)
    }
}
