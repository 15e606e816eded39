//! The two ways of storing: TimescaleDB hypertables or native partitions.

use anyhow::Context;
use sqlx::PgConnection;

/// The oldest TimescaleDB with everything that the schema uses.
const TIMESCALE_MIN: (u32, u32) = (2, 22);

/// How spans are stored. Both have the same tables, views and query results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Hypertables, columnstore and continuous aggregates; needs TimescaleDB with the TSL licence.
    Timescale,
    /// Native range partitions and our own roll-ups.
    Postgres,
}

impl Flavour {
    /// The name in migrations and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timescale => "timescale",
            Self::Postgres => "postgres",
        }
    }

    /// What the database is, or, if it is new, what it can be. A database never changes its flavour.
    pub(super) async fn detect(connection: &mut PgConnection) -> anyhow::Result<Self> {
        let kind: Option<String> =
            sqlx::query_scalar("SELECT relkind::text FROM pg_class WHERE oid = to_regclass('spans')")
                .fetch_optional(&mut *connection)
                .await?;
        match kind.as_deref() {
            // A natively partitioned table, and the plain table under a hypertable.
            Some("p") => Ok(Self::Postgres),
            Some(_) => Ok(Self::Timescale),
            None => probe(connection).await,
        }
    }
}

/// Turns TimescaleDB on where the server offers it. Whatever is missing leads to plain PostgreSQL,
/// with the reason in the log.
async fn probe(connection: &mut PgConnection) -> anyhow::Result<Flavour> {
    let offered: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')",
    )
    .fetch_one(&mut *connection)
    .await
    .context("looking for TimescaleDB")?;
    if !offered {
        return Ok(Flavour::Postgres);
    }
    // Its loader defines the setting. Without the loader the statement below would not only fail,
    // it would end the connection.
    let loaded: bool =
        sqlx::query_scalar("SELECT current_setting('timescaledb.disable_load', true) IS NOT NULL")
            .fetch_one(&mut *connection)
            .await?;
    if !loaded {
        tracing::warn!(
            "TimescaleDB is installed but not in shared_preload_libraries, storing in plain PostgreSQL"
        );
        return Ok(Flavour::Postgres);
    }
    if let Err(error) =
        sqlx::query("CREATE EXTENSION IF NOT EXISTS timescaledb").execute(&mut *connection).await
    {
        tracing::warn!("TimescaleDB is offered but cannot be used, storing in plain PostgreSQL: {error}");
        return Ok(Flavour::Postgres);
    }
    let licence: String = sqlx::query_scalar("SELECT current_setting('timescaledb.license', true)")
        .fetch_one(&mut *connection)
        .await?;
    if licence != "timescale" {
        tracing::warn!(
            licence,
            "TimescaleDB lacks compression and aggregates, storing in plain PostgreSQL"
        );
        return Ok(Flavour::Postgres);
    }
    let version: String =
        sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
            .fetch_one(connection)
            .await?;
    if parse_version(&version).is_none_or(|found| found < TIMESCALE_MIN) {
        let (major, minor) = TIMESCALE_MIN;
        tracing::warn!(version, "TimescaleDB is older than {major}.{minor}, storing in plain PostgreSQL");
        return Ok(Flavour::Postgres);
    }
    Ok(Flavour::Timescale)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("2.28.3"), Some((2, 28)));
        assert_eq!(parse_version("2.9.0-dev"), Some((2, 9)));
        assert_eq!(parse_version("dev"), None);
        assert!(parse_version("2.9.0").unwrap() < TIMESCALE_MIN, "9 is less than 22");
    }
}
