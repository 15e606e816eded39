//! Beginning a transaction in a way that may be cancelled.
//!
//! A future of sqlx 0.9 that is dropped while `BEGIN` is on its way leaves the connection in the pool with an
//! open transaction, which whoever gets it next is in without knowing
//! (<https://github.com/launchbadge/sqlx/issues/4385>; with a release that has #4394 this can go). Clients
//! hang up and jobs are stopped at any moment, so here a task of its own begins, and what nobody waits for any
//! more is rolled back.

use sqlx::{PgPool, Postgres, Transaction};
use tokio::task::JoinHandle;

/// Begins a transaction on a connection of the pool.
///
/// # Errors
/// As `Pool::begin`.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    finish(tokio::spawn(async move { pool.begin().await })).await
}

/// Begins a transaction with a statement of its own, such as `BEGIN READ ONLY`.
///
/// # Errors
/// As `Pool::begin_with`.
pub async fn begin_with(
    pool: &PgPool,
    statement: &'static str,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    finish(tokio::spawn(async move { pool.begin_with(statement).await })).await
}

async fn finish(
    task: JoinHandle<sqlx::Result<Transaction<'static, Postgres>>>,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    match task.await {
        Ok(begun) => begun,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        },
    }
}
