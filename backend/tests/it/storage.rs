//! Retention drops whole partitions and nothing else; the storage page's numbers are the database's.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use spanloom::config::Config;
use spanloom::store::Flavour;
use spanloom::store::retention::{self, Limits, Partition, Reason, Signal, SignalLimits};
use sqlx::AssertSqlSafe;

use super::harness::{Spanloom, now_us};

const DAY_US: i64 = 86_400_000_000;

/// The default limits, other ones for traces.
fn limits(days: u32, bytes_max: Option<u64>) -> Limits {
    let retention = Config::default().storage.retention;
    Limits { retention: retention.with(Signal::Traces, SignalLimits { days, bytes_max }), bytes_max: None }
}

/// One turn of the job.
async fn enforce(server: &Spanloom, limits: &Limits) -> anyhow::Result<Vec<(Partition, Reason)>> {
    let mut tx = server.pool().begin().await?;
    let dropped = retention::enforce(&mut tx, Utc::now(), limits).await?;
    tx.commit().await?;
    Ok(dropped)
}

/// `count` spans of a trace each, which start that long ago.
fn spans(first: i64, count: i64, service: &str, ago_us: i64, payload_bytes: usize) -> Value {
    let span = |id: i64| {
        json!({
            "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "op",
            "serviceName": service, "startTime": now_us() - ago_us, "duration": 1,
            "tags": {"payload": "x".repeat(payload_bytes)}
        })
    };
    (first..first + count).map(span).collect::<Vec<_>>().into()
}

async fn count(server: &Spanloom, table: &str, before: DateTime<Utc>) -> i64 {
    let time = if table == "spans" { "start_time" } else { "first_start" };
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {time} < $1")))
        .bind(before)
        .fetch_one(server.pool())
        .await
        .unwrap()
}

async fn partitions(server: &Spanloom) -> Vec<Partition> {
    let mut connection = server.pool().acquire().await.unwrap();
    let all = retention::partitions(&mut connection).await.unwrap();
    all.into_iter().filter(|it| it.signal == Signal::Traces).collect()
}

fn bytes(partitions: &[Partition]) -> u64 {
    partitions.iter().map(Partition::bytes).sum()
}

/// Catches retention that drops too much or too little, and days that cannot be written again.
#[tokio::test(flavor = "multi_thread")]
async fn age_drops_only_what_has_passed_wholly() {
    let server = Spanloom::start().await;
    for days in [0, 3, 6] {
        server.ingest(&spans(days + 1, 1, "shop", days * DAY_US, 10)).await;
    }
    assert!(enforce(&server, &limits(7, None)).await.unwrap().is_empty(), "nothing is older than 7 days");
    let dropped = enforce(&server, &limits(4, None)).await.unwrap();
    let cut = Utc::now() - TimeDelta::days(4);
    assert!(
        !dropped.is_empty()
            && dropped.iter().all(|(it, reason)| it.to_time <= cut && *reason == Reason::Age)
    );
    assert_eq!(server.stored_spans().await, 2);
    enforce(&server, &limits(1, None)).await.unwrap();
    assert_eq!(server.stored_spans().await, 1);
    // A partition that is gone must not stay "known" for ever.
    server.ingest(&spans(9, 1, "shop", 3 * DAY_US, 10)).await;
    assert_eq!(server.stored_spans().await, 2);
}

/// Catches a bound that is missed or overshot, an order other than by age, rows left behind in another
/// table of the signal, and the loss of what is being written.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_drop_the_oldest_first_and_stop() {
    let server = Spanloom::start().await;
    for slot in 0..12 {
        server.ingest(&spans(slot * 100 + 1, 40, "shop", slot * DAY_US / 4, 2_000)).await;
    }
    let before = partitions(&server).await;
    let bytes_max = bytes(&before) * 2 / 3;
    let dropped: Vec<Partition> = enforce(&server, &limits(7, Some(bytes_max)))
        .await
        .unwrap()
        .into_iter()
        .map(|(it, _)| it)
        .collect();
    let kept = partitions(&server).await;
    assert_eq!(kept.len() + dropped.len(), before.len());
    assert!(bytes(&kept) <= bytes_max, "{} are left of {bytes_max}", bytes(&kept));
    let last = dropped.iter().map(|it| it.to_time).max().unwrap();
    assert!(kept.iter().all(|it| it.to_time > last), "something older was kept");
    let last_group: Vec<Partition> = dropped.iter().filter(|it| it.to_time == last).cloned().collect();
    assert!(bytes(&kept) + bytes(&last_group) > bytes_max, "it did not stop in time");
    for table in ["spans", "traces"] {
        let reach = dropped.iter().filter(|it| it.table == table).map(|it| it.to_time).max().unwrap();
        assert_eq!(count(&server, table, reach).await, 0, "{table}");
    }
    // Twelve times forty: what is not older than what went is all there.
    let slots_kept = (0..12).filter(|slot| now_us() - slot * DAY_US / 4 >= last.timestamp_micros()).count();
    assert_eq!(server.stored_spans().await, slots_kept as i64 * 40);

    enforce(&server, &limits(7, Some(1))).await.unwrap();
    let left = partitions(&server).await;
    assert!(left.iter().all(|it| it.to_time > Utc::now()), "only what is open is left");
    assert!(server.stored_spans().await >= 40, "the open one is");

    let answer = server.reader().await.get("/api/v1/storage").await;
    let events = answer["events"].as_array().unwrap();
    assert!(events.len() >= dropped.len());
    for event in events {
        assert_eq!((&event["reason"], &event["signal"]), (&json!("bytes"), &json!("traces")), "{event}");
    }
    let noted: BTreeSet<&str> = events.iter().map(|event| event["partition"].as_str().unwrap()).collect();
    assert!(dropped.iter().all(|it| noted.contains(it.name.as_str())), "{noted:?}");
    assert_eq!(answer["signals"][0]["lastReason"], "bytes");
}

/// Catches retention that loses what arrives meanwhile, or that a writer can keep from its work.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_loses_nothing_newer_while_partitions_go() {
    const ROUNDS: i64 = 40;
    let server = Spanloom::start().await;
    let write = async {
        for round in 0..ROUNDS {
            server.ingest(&spans(round * 1000 + 1, 25, "shop", 0, 100)).await;
            server.ingest(&spans(round * 1000 + 501, 25, "shop", 3 * DAY_US, 100)).await;
        }
    };
    tokio::pin!(write);
    let limits = limits(1, None);
    let mut drops = 0;
    loop {
        tokio::select! {
            () = &mut write => break,
            // It gives up where a writer is in its way; the job then tries again.
            dropped = enforce(&server, &limits) => drops += dropped.map_or(0, |dropped| dropped.len()),
        }
    }
    assert!(drops > 0, "nothing was dropped while the writer wrote");
    let day_ago = Utc::now() - TimeDelta::days(1);
    let newer = server.stored_spans().await - count(&server, "spans", day_ago).await;
    assert_eq!(newer, ROUNDS * 25);
    enforce(&server, &limits).await.unwrap();
    for table in ["spans", "traces"] {
        assert_eq!(count(&server, table, day_ago - TimeDelta::hours(6)).await, 0, "{table}");
    }
}

/// Catches partitions that overlap, leave a gap, or cannot be made, when their length is changed.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_different_length_live_side_by_side() {
    let database = super::harness::database().await;
    for hours in [24, 1, 6, 5] {
        let server = Spanloom::start_on(&database, |config| config.storage.chunk_hours = Some(hours)).await;
        for days in [0, 1, i64::from(hours) % 5 + 2] {
            let first = i64::from(hours) * 1000 + days * 100 + 1;
            server.ingest(&spans(first, 5, "shop", days * DAY_US, 10)).await;
        }
        if server.server.store.flavour == Flavour::Postgres {
            let all = partitions(&server).await;
            for pair in all.windows(2).filter(|pair| pair[0].table == pair[1].table) {
                assert!(pair[0].to_time <= pair[1].from_time, "{pair:?}");
            }
            let longest = all.iter().map(|it| it.to_time - it.from_time).max().unwrap();
            assert!(longest <= TimeDelta::days(1));
        }
        server.server.stop().await.unwrap();
    }
    let server = Spanloom::start_on(&database, |_| {}).await;
    assert_eq!(server.stored_spans().await, 4 * 3 * 5);
}

/// Catches numbers that are not those of the database's files.
#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_those_of_the_files() {
    let server = Spanloom::start().await;
    server.ingest(&spans(1, 200, "shop", 0, 3_000)).await;
    sqlx::query("SELECT roll_up_metrics()").execute(server.pool()).await.unwrap();
    let answer = server.reader().await.get("/api/v1/storage").await;
    let tables = answer["tables"].as_array().unwrap();
    let names: Vec<&str> = tables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(["spans", "traces", "span_metrics", "services", "users"].iter().all(|it| names.contains(it)));
    for table in tables {
        let parts = ["heapBytes", "indexBytes", "toastBytes"].map(|key| table[key].as_u64().unwrap());
        assert_eq!(parts.iter().sum::<u64>(), table["bytes"].as_u64().unwrap(), "{table}");
    }
    if server.server.store.flavour == Flavour::Postgres {
        // The others may be written by the requests themselves.
        for table in tables.iter().filter(|it| it["signal"].is_string() || it["name"] == "resources") {
            let exact: i64 = sqlx::query_scalar(
                "SELECT (pg_total_relation_size($1::regclass) + coalesce(sum(pg_total_relation_size(relid)), 0))::bigint
                 FROM pg_partition_tree($1::regclass) WHERE isleaf",
            )
            .bind(table["name"].as_str())
            .fetch_one(server.pool())
            .await
            .unwrap();
            assert_eq!(table["bytes"], exact, "{table}");
        }
        let toast = tables.iter().find(|it| it["name"] == "spans").unwrap()["toastBytes"].as_u64().unwrap();
        assert!(toast > 0);
    }
    let listed: u64 = tables.iter().map(|it| it["bytes"].as_u64().unwrap()).sum();
    assert!(answer["databaseBytes"].as_u64().unwrap() > listed);
    let count = answer["partitionCount"].as_u64().unwrap();
    assert_eq!(answer["partitions"].as_array().unwrap().len() as u64, count);
    assert_eq!(answer["signals"][0]["daysMax"], 7);
}

/// Catches bytes given to the wrong day or the wrong service.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_told_by_day_table_and_service() {
    let server = Spanloom::start().await;
    server.ingest(&spans(1, 300, "shop", 0, 900)).await;
    server.ingest(&spans(1_001, 100, "cart", 0, 900)).await;
    server.ingest(&spans(2_001, 200, "cart", 2 * DAY_US, 900)).await;
    let reader = server.reader().await;
    let answer = reader.get("/api/v1/storage?days=3").await;
    assert_eq!(answer["servicesComplete"], true);
    let days = answer["days"].as_array().unwrap();
    assert_eq!(days.len(), 3);
    assert_eq!(days[2]["day"], Utc::now().date_naive().to_string());
    let of = |list: &Value, name: &str| {
        let found = list.as_array().unwrap().iter().find(|it| it["name"] == name);
        found.map_or(0, |it| it["bytes"].as_u64().unwrap())
    };
    let spans_bytes = |day: usize| of(&days[day]["tables"], "spans");
    assert!(spans_bytes(2) > 400 * 900 && spans_bytes(0) > 200 * 900, "{days:?}");
    // Partitions of a day may be there, but hold nothing.
    assert!(spans_bytes(1) < 100 * 900, "{:?}", days[1]);
    let total = |day: usize| days[day]["bytes"].as_u64().unwrap();
    let sum: u64 =
        days[2]["tables"].as_array().unwrap().iter().map(|it| it["bytes"].as_u64().unwrap()).sum();
    assert!(sum.abs_diff(total(2)) < 10);
    // Metrics and indexes are of other proportions than spans, but few.
    let shop = of(&days[2]["services"], "shop") as f64 / total(2) as f64;
    assert!((0.6..0.8).contains(&shop), "{shop}");
    // Partitions without rows are nobody's.
    let empty: u64 = ["logs", "error_counts", "custom_metric_points"]
        .map(|table| of(&days[0]["tables"], table))
        .iter()
        .sum();
    let told_of = total(0) - empty;
    assert!(of(&days[0]["services"], "cart").abs_diff(told_of) < told_of / 10, "{:?}", days[0]);
    assert_eq!(of(&days[0]["services"], "shop"), 0);
    let services = answer["services"].as_array().unwrap();
    assert_eq!(services.len(), 2);
    let told: u64 = services.iter().map(|it| of(&it["tables"], "spans")).sum();
    assert!(told.abs_diff(spans_bytes(0) + spans_bytes(2)) < 10, "{services:?}");
    for wrong in ["days=0", "days=91", "days=x", "day=1"] {
        let response = reader.response(&format!("/api/v1/storage?{wrong}")).await;
        assert_eq!(response.status(), 400, "{wrong}");
    }
}
