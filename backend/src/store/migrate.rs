//! Brings the schema up to date: the common migrations and those of the database's flavour, in one
//! order by their numbers.

use std::collections::HashSet;

use anyhow::Context;
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use super::Flavour;

static COMMON: Migrator = sqlx::migrate!("../migrations/common");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
static TIMESCALE: Migrator = sqlx::migrate!("../migrations/timescale");

/// Whoever holds it migrates; others wait and then find nothing to do.
const MIGRATION_LOCK: i64 = 0x5350_414e_4d49_4752;

/// Applies what is missing. Safe from several servers at once; without effect the second time.
///
/// # Errors
/// If a migration fails, or if the database was migrated by a newer version of the program.
pub async fn run(pool: &PgPool, chunk_hours: Option<u32>) -> anyhow::Result<Flavour> {
    // Detached, so that the lock is given back with the connection whatever happens.
    let mut connection = pool.acquire().await.context("connecting to the database")?.detach();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut connection).await?;
    let flavour = Flavour::detect(&mut connection).await?;
    let before = applied(&mut connection).await?;
    let mut migrator = migrator(flavour);
    // Our own lock covers the choice of the flavour too.
    migrator.set_locking(false);
    migrator.run(&mut connection).await.context("migrating the database")?;
    set_chunk_hours(&mut connection, flavour, chunk_hours).await.context("setting the chunk interval")?;
    let new = migrator.iter().filter(|migration| !before.contains(&migration.version)).count();
    tracing::info!(flavour = flavour.name(), applied = new, "database is up to date");
    sqlx::Connection::close(connection).await?;
    Ok(flavour)
}

/// Sets what new chunks and partitions cover; those that exist stay as they are.
async fn set_chunk_hours(
    connection: &mut sqlx::PgConnection,
    flavour: Flavour,
    hours: Option<u32>,
) -> sqlx::Result<()> {
    let (statement, default_hours) = match flavour {
        Flavour::Timescale => ("SELECT set_chunk_time_interval('spans', make_interval(hours => $1))", 1),
        // A partition more costs each search without a time 25 µs: hours would cost a week's search
        // 9 ms, days would leave a bound on bytes nothing to choose from.
        Flavour::Postgres => ("UPDATE retained_tables SET partition_hours = $1 WHERE signal = 'traces'", 6),
    };
    let hours = hours.and_then(|hours| i32::try_from(hours).ok()).unwrap_or(default_hours);
    sqlx::query(statement).bind(hours).execute(connection).await?;
    Ok(())
}

/// Whether the database has every migration of this program.
///
/// # Errors
/// If the database cannot be asked.
pub async fn is_current(pool: &PgPool, flavour: Flavour) -> anyhow::Result<bool> {
    let mut connection = pool.acquire().await?;
    let applied = applied(&mut connection).await?;
    Ok(migrator(flavour).iter().all(|migration| applied.contains(&migration.version)))
}

fn migrator(flavour: Flavour) -> Migrator {
    let own = match flavour {
        Flavour::Timescale => &TIMESCALE,
        Flavour::Postgres => &POSTGRES,
    };
    Migrator::with_migrations(COMMON.iter().chain(own.iter()).cloned().collect())
}

async fn applied(connection: &mut sqlx::PgConnection) -> sqlx::Result<HashSet<i64>> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(HashSet::new());
    }
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await?;
    Ok(versions.into_iter().collect())
}
