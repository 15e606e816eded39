//! Work on a schedule, on several servers.

use spanloom::config::Config;
use spanloom::jobs::{self, Job};
use spanloom::roles::Roles;
use spanloom::store::Store;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

use super::harness::{self, Spanloom, until};

async fn runs(pool: &PgPool, job: &str) -> i64 {
    sqlx::query_scalar("SELECT coalesce(sum(runs), 0)::bigint FROM job_runs WHERE job = $1")
        .bind(job)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Catches a job that each of several servers runs, and one that is not run again when it is due.
#[tokio::test(flavor = "multi_thread")]
async fn servers_run_a_job_once_per_period() {
    let storage = Config::default().storage;
    let store = Store::open(harness::database().await, &storage).await.unwrap();
    for period in 1..=2 {
        let turns: Vec<_> = (0..8)
            .map(|_| {
                let (store, limits) = (store.clone(), storage.limits());
                tokio::spawn(async move { jobs::turn(Job::RollUp, &store, &limits).await.unwrap() })
            })
            .collect();
        let mut ran = 0;
        for turn in turns {
            ran += usize::from(turn.await.unwrap());
        }
        assert_eq!((ran, runs(&store.pool, "roll up").await), (1, period));
        sqlx::query("UPDATE job_runs SET started_at = started_at - interval '20 seconds'")
            .execute(&store.pool)
            .await
            .unwrap();
    }
}

/// Catches a job that waits for its next period on the other servers when the one that runs it dies:
/// for retention that would be minutes, and longer than this test waits for other jobs.
#[tokio::test(flavor = "multi_thread")]
async fn when_a_server_dies_in_a_job_another_takes_over() {
    let database = harness::database().await;
    // A server in the middle of the job: it has the lock, and all that others may see of it.
    let mut dying = PgConnection::connect_with(&database).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut dying).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1, $2)")
        .bind(0x4a4f_4253_i32)
        .bind(Job::Partitions as i32)
        .execute(&mut dying)
        .await
        .unwrap();

    let server = Spanloom::start_on(&database, |config| {
        config.roles = Roles { receive: false, write: false, query: false, jobs: true };
    })
    .await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(database).await.unwrap();
    until("the other jobs run", async || runs(&pool, "roll up").await > 0).await;
    assert_eq!(runs(&pool, "partitions").await, 0, "somebody is at it");
    // What a `kill -9` does to its connections.
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&pool).await.unwrap();
    until("the job is taken over", async || runs(&pool, "partitions").await == 1).await;
    server.server.stop().await.unwrap();
}

/// Catches a transaction that stays open when whoever wanted it is gone: what others then write on the same
/// connection would never be committed. Without `store::begin` this fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_is_given_up_leaves_no_transaction() {
    let server = Spanloom::start().await;
    let options = (*server.pool().connect_options()).clone();
    // Without asking first whether the connection lives, BEGIN is the first thing to wait for.
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    let pool = pool.connect_with(options).await.unwrap();
    for polls in 1..40 {
        {
            let mut wanted = std::pin::pin!(spanloom::store::begin(&pool));
            for _ in 0..polls {
                if futures::poll!(&mut wanted).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let begun = "SELECT now()::text";
        let first: String = sqlx::query_scalar(begun).fetch_one(&pool).await.unwrap();
        let second: String = sqlx::query_scalar(begun).fetch_one(&pool).await.unwrap();
        assert_ne!(first, second, "both are in one transaction, given up after {polls} polls");
    }
}
