//! The schema comes up from nothing, once, whoever asks for it.

use spanloom::config::Config;
use spanloom::store::retention::{self, Limits, RetentionConfig, Signal, SignalLimits};
use spanloom::store::{Store, migrate, upkeep};
use sqlx::Connection;

use super::harness;

/// Catches a migration that is not safe from two servers at once, or not without effect twice.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_migrate_an_empty_database_at_once() {
    let options = harness::empty_database().await;
    let storage = Config::default().storage;
    let (one, two) =
        tokio::join!(Store::open(options.clone(), &storage), Store::open(options.clone(), &storage));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.flavour, two.flavour);
    assert!(migrate::is_current(&one.pool, one.flavour).await.unwrap());
    let tables = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'";
    let before: i64 = sqlx::query_scalar(tables).fetch_one(&one.pool).await.unwrap();
    Store::open(options, &storage).await.unwrap();
    let after: i64 = sqlx::query_scalar(tables).fetch_one(&one.pool).await.unwrap();
    assert_eq!(before, after, "the third time changes nothing");
}

/// Catches an old program that would write into a schema it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_the_future_is_refused() {
    let options = harness::database().await;
    let mut connection = sqlx::PgConnection::connect_with(&options).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99999999999999, 'from the future', true, '', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let error = Store::open(options, &Config::default().storage).await.unwrap_err();
    assert!(format!("{error:#}").contains("99999999999999"), "{error:#}");
}

/// Catches a roll-up that loses or doubles counts, at any level, before or after it ran, and before or after
/// minutes went to hours and days: of the second round all but the open minutes are late.
#[tokio::test(flavor = "multi_thread")]
async fn roll_ups_equal_the_spans() {
    let server = harness::Spanloom::start().await;
    let mut expected = 0.0;
    for round in 0..3_i64 {
        let spans: Vec<_> = (0..50_i64)
            .map(|index| {
                serde_json::json!({
                    "traceId": format!("{:032x}", round * 100 + index + 1), "spanId": "00f067aa0ba902b7",
                    "name": format!("op{}", index % 3), "serviceName": "shop",
                    "startTime": harness::now_us() - index * 120_000_000, "duration": index * 1_000,
                    "status": if index % 5 == 0 { "error" } else { "ok" }
                })
            })
            .collect();
        server.ingest(&spans.into()).await;
        expected += 50.0;
        assert_counts(&server, expected).await;
        upkeep::roll_up(&mut server.pool().acquire().await.unwrap()).await.unwrap();
        assert_counts(&server, expected).await;
        if round != 1 {
            let fold = "SELECT fold_metrics(date_trunc('minute', spanloom_now()) + interval '1 minute')";
            sqlx::query(fold).execute(server.pool()).await.unwrap();
            assert_counts(&server, expected).await;
        }
    }
    if server.server.store.flavour == spanloom::store::Flavour::Timescale {
        return; // Its aggregates are compared in e2e/timescale.
    }
    for (level, unit) in [("metrics_1m", "minute"), ("metrics_1h", "hour"), ("metrics_1d", "day")] {
        let differing: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT count(*) FROM (
                 SELECT time, service_id, operation_id, status, sum(span_count)::bigint, sum(duration_ns_sum)::bigint
                 FROM {level} WHERE operation_id <> 0 GROUP BY 1, 2, 3, 4
             ) a FULL JOIN (
                 SELECT date_trunc('{unit}', start_time, 'UTC'), service_id, operation_id, status, count(*),
                        sum(duration_ns)::bigint
                 FROM spans GROUP BY 1, 2, 3, 4
             ) b ON a = b WHERE a IS NULL OR b IS NULL"
        )))
        .fetch_one(server.pool())
        .await
        .unwrap();
        assert_eq!(differing, 0, "{level}");
    }
}

/// Catches roll-ups that stop for ever because retention took the hours' partition of minutes that are not in it
/// yet.
#[tokio::test(flavor = "multi_thread")]
async fn minutes_reach_hours_whose_partition_went() {
    let server = harness::Spanloom::start().await;
    if server.server.store.flavour == spanloom::store::Flavour::Timescale {
        return; // It folds by itself.
    }
    let span = serde_json::json!([{
        "traceId": format!("{:032x}", 1), "spanId": "00f067aa0ba902b7", "name": "op", "serviceName": "shop",
        "startTime": harness::now_us(), "duration": 1
    }]);
    server.ingest(&span).await;
    upkeep::roll_up(&mut server.pool().acquire().await.unwrap()).await.unwrap();
    let partitions: Vec<String> = sqlx::query_scalar(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'packed_metrics_1h'::regclass",
    )
    .fetch_all(server.pool())
    .await
    .unwrap();
    assert!(!partitions.is_empty());
    for partition in partitions {
        let drop = format!("DROP TABLE {partition}");
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(server.pool()).await.unwrap();
    }
    let fold = "SELECT fold_metrics(date_trunc('minute', spanloom_now()) + interval '2 minutes')";
    sqlx::query(fold).execute(server.pool()).await.unwrap();
    let hours: f64 = sqlx::query_scalar("SELECT sum(span_count) FROM metrics_1h WHERE operation_id <> 0")
        .fetch_one(server.pool())
        .await
        .unwrap();
    assert!((hours - 1.0).abs() < 1e-9, "{hours}");
}

async fn assert_counts(server: &harness::Spanloom, expected: f64) {
    for view in ["metrics_minute", "metrics_hour", "metrics_day", "service_metrics_hour"] {
        let count = format!("SELECT sum(span_count) FROM {view}");
        let count: f64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(server.pool()).await.unwrap();
        assert!((count - expected).abs() < 1e-9, "{view} counts {count} of {expected}");
    }
}

/// Catches names that fit no index entry: one request would fail, or every roll-up from then on;
/// and roll-ups that stop for ever because retention was faster.
#[tokio::test(flavor = "multi_thread")]
async fn long_names_and_dropped_days_do_not_stop_the_roll_ups() {
    use rand::distr::{Alphanumeric, SampleString as _};
    let server = harness::Spanloom::start().await;
    let long = || Alphanumeric.sample_string(&mut rand::rng(), 20_000);
    let start_us = harness::now_us() - 3 * 86_400_000_000;
    let spans = serde_json::json!([{
        "traceId": format!("{:032x}", 1), "spanId": "00f067aa0ba902b7", "name": long(), "serviceName": long(),
        "startTime": start_us, "duration": 1
    }]);
    server.ingest(&spans).await;
    server.ingest(&spans).await;
    assert_eq!(server.stored_spans().await, 1, "the long names are found again");
    let mut connection = server.pool().acquire().await.unwrap();
    let day = SignalLimits { days: 1, bytes_max: None };
    let retention = RetentionConfig::default().with(Signal::Traces, day).with(Signal::Metrics, day);
    let limits = Limits { retention, bytes_max: None };
    assert!(!retention::enforce(&mut connection, chrono::Utc::now(), &limits).await.unwrap().is_empty());
    upkeep::roll_up(&mut connection).await.unwrap();
}
