//! Finding log records again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::Value;

use super::harness::{Reader, Spanloom, ago_ns};
use super::ingest::attribute;
use super::logs::{ingest, record, request, text};

/// Bodies of a page, in its order.
fn bodies(page: &Value) -> Vec<&str> {
    page["logs"].as_array().unwrap().iter().map(|log| log["body"].as_str().unwrap()).collect()
}

/// What a search finds.
async fn found(reader: &Reader<'_>, query: &str) -> Vec<String> {
    let page = reader.get(&format!("/api/v1/logs?{query}")).await;
    bodies(&page).into_iter().map(str::to_owned).collect()
}

fn at(seconds_ago: i64, body: &str, severity_number: i32) -> LogRecord {
    LogRecord { time_unix_nano: ago_ns(seconds_ago), severity_number, body: Some(text(body)), ..record("") }
}

/// Catches conditions that find too much or too little, and characters of a search that mean something.
#[tokio::test(flavor = "multi_thread")]
async fn each_condition_narrows_the_search() {
    let server = Spanloom::start().await;
    let declined = LogRecord {
        attributes: vec![attribute("order.id", "4711")],
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        ..at(30, "Card was DECLINED for 100%", 17)
    };
    let same_trace = LogRecord { trace_id: vec![7; 16], ..at(20, "retrying the card", 13) };
    ingest(&server, &request("payment", vec![declined, same_trace, at(10, "card 1000 charged", 9)])).await;
    ingest(&server, &request("cart", vec![at(5, "a_b added", 5), at(4, "axb added", 0)])).await;
    ingest(&server, &request("cart", vec![at(7_200, "two hours ago", 21)])).await;

    let reader = server.reader().await;
    let trace = "07".repeat(16);
    let cases: [(&str, &[&str]); 17] = [
        (
            "",
            &[
                "axb added",
                "a_b added",
                "card 1000 charged",
                "retrying the card",
                "Card was DECLINED for 100%",
            ],
        ),
        ("serviceName=cart", &["axb added", "a_b added"]),
        ("serviceName=cart&serviceName=payment&limit=1", &["axb added"]),
        ("serviceName=nobody", &[]),
        ("severity=warn", &["retrying the card", "Card was DECLINED for 100%"]),
        ("severity=error", &["Card was DECLINED for 100%"]),
        ("severity=fatal", &[]),
        (
            "severity=debug",
            &["a_b added", "card 1000 charged", "retrying the card", "Card was DECLINED for 100%"],
        ),
        ("text=declined%20CARD", &["Card was DECLINED for 100%"]),
        ("text=100%25", &["Card was DECLINED for 100%"]),
        ("text=a_b", &["a_b added"]),
        (
            "text=card&severity=warn&serviceName=payment",
            &["retrying the card", "Card was DECLINED for 100%"],
        ),
        ("tag=order.id%3D4711", &["Card was DECLINED for 100%"]),
        ("tag=order.id%3D471", &[]),
        ("tag=service.name%3Dcart", &["axb added", "a_b added"]),
        ("traceId=07070707070707070707070707070707", &["retrying the card", "Card was DECLINED for 100%"]),
        (
            "traceId=07070707070707070707070707070707&spanId=0808080808080808",
            &["Card was DECLINED for 100%"],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&reader, query).await, expected, "{query}");
    }
    let start_us = (ago_ns(3 * 3_600) / 1_000).to_string();
    let old = found(&reader, &format!("severity=fatal&startTime={start_us}")).await;
    assert_eq!(old, ["two hours ago"], "the default is the last hour");

    let of_trace = reader.get(&format!("/api/v1/traces/{trace}/logs")).await;
    assert_eq!(bodies(&of_trace), ["Card was DECLINED for 100%", "retrying the card"], "the oldest first");
    assert_eq!(of_trace["truncated"], false);
    let of_trace = reader.get(&format!("/api/v1/traces/{trace}/logs?limit=1")).await;
    assert_eq!((bodies(&of_trace).len(), &of_trace["truncated"]), (1, &Value::Bool(true)));
    let none = reader.get(&format!("/api/v1/traces/{}/logs", "09".repeat(16))).await;
    assert!(bodies(&none).is_empty());
}

/// Catches pages that repeat or leave out records of the same time, and a search that claims to be
/// complete when it is not.
#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_record_once_in_order() {
    let server = Spanloom::start().await;
    let time = ago_ns(60);
    // Many of one nanosecond, others of one microsecond, in several batches.
    for batch in 0..5_u64 {
        let logs = (0..40_u64).map(|number| {
            let time_unix_nano = time + [0, 1, 999, 1_000][number as usize % 4];
            LogRecord { time_unix_nano, ..record(&format!("{batch}-{number}")) }
        });
        ingest(&server, &request("shop", logs.collect())).await;
    }
    let reader = server.reader().await;
    let mut seen: Vec<(DateTime<Utc>, String)> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = reader.get(&format!("/api/v1/logs?limit=7{cursor}")).await;
        assert_eq!(page["searched"]["complete"], true);
        let logs = page["logs"].as_array().unwrap();
        let text = |log: &Value, field: &str| log[field].as_str().unwrap().to_owned();
        seen.extend(logs.iter().map(|log| (text(log, "time").parse().unwrap(), text(log, "body"))));
        assert!(seen.len() <= 200, "it never ends");
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let distinct: BTreeSet<&String> = seen.iter().map(|(_, body)| body).collect();
    assert_eq!((seen.len(), distinct.len()), (200, 200));
    assert!(seen.is_sorted_by(|a, b| a.0 >= b.0), "the newest first");
    let of_batch: Vec<&String> = seen
        .iter()
        .filter(|(time, body)| time == &seen[199].0 && body.starts_with("3-"))
        .map(|(_, b)| b)
        .collect();
    assert_eq!(of_batch, ["3-36", "3-32", "3-28", "3-24", "3-20", "3-16", "3-12", "3-8", "3-4", "3-0"]);
}

/// Catches a chart that does not tell what the list tells.
#[tokio::test(flavor = "multi_thread")]
async fn the_histogram_counts_what_the_search_finds() {
    let server = Spanloom::start().await;
    let logs: Vec<LogRecord> =
        (0..300).map(|number| at(number * 11, &format!("number {number}"), (number % 25) as i32)).collect();
    ingest(&server, &request("shop", logs)).await;
    let reader = server.reader().await;
    for query in
        ["", "severity=warn", "text=1", "serviceName=nobody", "serviceName=shop&severity=error&text=2"]
    {
        let histogram = reader.get(&format!("/api/v1/logs/histogram?{query}")).await;
        assert_eq!(histogram["searched"]["complete"], true);
        assert_eq!(histogram["stepSeconds"], 60);
        let mut counted = 0;
        for bucket in histogram["buckets"].as_array().unwrap() {
            counted +=
                bucket["counts"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
        }
        let page = reader.get(&format!("/api/v1/logs?limit=1000&{query}")).await;
        assert_eq!(counted, bodies(&page).len() as u64, "{query}");
    }
    let whole = reader.get("/api/v1/logs/histogram?buckets=1").await;
    let of_level = |level: &str| {
        let buckets = whole["buckets"].as_array().unwrap();
        buckets.iter().map(|bucket| bucket["counts"][level].as_u64().unwrap()).sum::<u64>()
    };
    // Numbers 17 to 20 of 0 to 24, twelve times each.
    assert_eq!([of_level("unset"), of_level("error"), of_level("fatal")], [12, 48, 48]);
}

/// Catches an error that names no field, or a parameter that is silently ignored.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_told() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    for (query, field) in [
        ("severity=loud", "severity"),
        ("spanId=0808080808080808", "spanId"),
        ("limit=0", "limit"),
        ("cursor=abc", "cursor"),
        ("service=typo", "service"),
        ("startTime=2&endTime=1", "startTime"),
    ] {
        let response = reader.response(&format!("/api/v1/logs?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], field);
    }
    assert_eq!(reader.response("/api/v1/traces/xyz/logs").await.status(), 400);
}
