//! The search against a model: what the pages of the API return is what looking at every span in
//! memory returns.

mod model;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::StatusCode;
use serde_json::{Value, json};

use self::model::{MINUTE_NS, Span, Summary, random_batches, random_search, send};
use super::harness::{Reader, Spanloom, ago_ns, now_us};

/// A path with a query string.
fn path(query: &[(String, String)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/api/v1/traces", query).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// All pages of a search.
async fn pages(reader: &Reader<'_>, query: &[(String, String)], limit: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = query.to_vec();
        query.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor)));
        let page = reader.get(&path(&query)).await;
        assert_eq!(page["searched"]["complete"], true);
        let traces = page["traces"].as_array().unwrap();
        assert!(traces.len() <= limit);
        found.extend_from_slice(traces);
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return found;
        }
        assert_eq!(traces.len(), limit, "a page before the last is full");
    }
}

/// Catches every trace that a search misses, invents, repeats or puts in the wrong place.
#[tokio::test(flavor = "multi_thread")]
async fn pages_equal_a_look_at_every_span() {
    for seed in 0..2 {
        let mut rng = StdRng::seed_from_u64(seed);
        let server = Spanloom::start().await;
        let reader = server.reader().await;
        let base_ns = ago_ns(3 * 3600) / MINUTE_NS * MINUTE_NS;
        let batches = random_batches(&mut rng, base_ns);
        for batch in &batches {
            send(&server, batch).await;
        }
        let spans: Vec<Span> = batches.into_iter().flatten().collect();
        let mut found = 0;
        for _ in 0..150 {
            let search = random_search(&mut rng, base_ns);
            let expected = search.expected(&spans);
            found += expected.len();
            let pages = pages(&reader, &search.query(), search.limit).await;
            let mut actual: Vec<Summary> = pages.iter().map(Summary::read).collect();
            for (actual, expected) in actual.iter_mut().zip(&expected) {
                if expected.root.is_none() {
                    actual.root = None;
                }
            }
            assert_eq!(actual, expected, "seed {seed}, {search:?}");
        }
        assert!(found > 250, "the searches find too little to prove anything: {found}");

        // By id the other conditions still hold.
        for _ in 0..30 {
            let mut search = random_search(&mut rng, base_ns);
            search.limit = 1;
            let trace = spans[rng.random_range(0..spans.len())].trace;
            let mut query = search.query();
            query.push(("traceId".to_owned(), format!("{trace:032x}")));
            let actual = pages_ids(&pages(&reader, &query, 1).await);
            let of_trace: Vec<Span> = spans.iter().filter(|span| span.trace == trace).cloned().collect();
            let expected: Vec<String> = search.expected(&of_trace).into_iter().map(|t| t.id).collect();
            assert_eq!(actual, expected, "seed {seed}, {search:?}");
        }
    }
}

fn pages_ids(traces: &[Value]) -> Vec<String> {
    traces.iter().map(|trace| trace["traceId"].as_str().unwrap().to_owned()).collect()
}

fn plain(trace: u128, start_ns: u64) -> Span {
    Span {
        trace,
        id: 1,
        is_root: true,
        start_ns,
        duration_ns: 1_000,
        service: 1,
        zone: "a",
        operation: 1,
        status: 0,
        kind: 0,
        tags: vec![("n", Any::IntValue(1))],
    }
}

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Catches an endless loop or a lost trace where more spans start at one microsecond than one
/// statement returns.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_traces_that_start_at_once_are_all_found_in_order() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_ns = ago_ns(1800) / 1000 * 1000;
    let spans: Vec<Span> = (1..=7_000).map(|trace| plain(trace, start_ns)).collect();
    for chunk in spans.chunks(3_500) {
        send(&server, chunk).await;
    }
    for filter in [vec![], vec![("serviceName", "service-1")], vec![("tag", "n=1")]] {
        let mut filter = query(&filter);
        filter.push(("limit".to_owned(), "1000".to_owned()));
        let ids = pages_ids(&pages(&reader, &filter, 1_000).await);
        let expected: Vec<String> = (1..=7_000_u128).rev().map(|trace| format!("{trace:032x}")).collect();
        assert!(ids == expected, "{} of 7000 traces, {:?}", ids.len(), filter);
    }
}

/// Catches a search that is cut off and does not say so, or that cannot be continued.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_runs_out_of_time_says_how_far_it_came_and_goes_on() {
    let server = Spanloom::start_with(|config| config.query.search_seconds_max = 1).await;
    if server.server.store.flavour == spanloom::store::Flavour::Timescale {
        return; // The test makes a partition slow by locking it: hypertables have other names.
    }
    let reader = server.reader().await;
    let noon_ns = |days: u64| ((ago_ns(0) / MINUTE_NS / 1440 - days) * 1440 + 720) * MINUTE_NS;
    send(&server, &[plain(1, noon_ns(3)), plain(2, noon_ns(2))]).await;

    let day = chrono::DateTime::from_timestamp_nanos(noon_ns(3) as i64).format("%Y%m%d_12");
    let mut lock = server.pool().begin().await.unwrap();
    let statement = format!("LOCK TABLE spans_{day} IN ACCESS EXCLUSIVE MODE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *lock).await.unwrap();

    let end = chrono::DateTime::from_timestamp_nanos((noon_ns(2) + 30 * MINUTE_NS) as i64).to_rfc3339();
    let start_us = (noon_ns(4) / 1000).to_string();
    let mut search = query(&[("startTime", &start_us), ("endTime", &end), ("tag", "n=1")]);
    let page = reader.get(&path(&search)).await;
    assert_eq!(pages_ids(page["traces"].as_array().unwrap()), [format!("{:032x}", 2)]);
    assert_eq!(page["searched"]["complete"], false);
    let complete_from = page["searched"]["completeFrom"].as_str().unwrap();
    let complete_from = chrono::DateTime::parse_from_rfc3339(complete_from).unwrap();
    let complete_from_ns = complete_from.timestamp_nanos_opt().unwrap() as u64;
    assert!((noon_ns(3) + 1..=noon_ns(2)).contains(&complete_from_ns), "{complete_from}");
    lock.rollback().await.unwrap();
    search.extend(query(&[("cursor", page["nextCursor"].as_str().unwrap())]));
    let rest = pages_ids(&pages_from(&reader, &search).await);
    assert_eq!(rest, [format!("{:032x}", 1)], "the next page goes on where the first stopped");
}

async fn pages_from(reader: &Reader<'_>, query: &[(String, String)]) -> Vec<Value> {
    let page = reader.get(&path(query)).await;
    assert_eq!(page["nextCursor"], Value::Null);
    page["traces"].as_array().unwrap().clone()
}

/// Catches a statement without a time limit, and a limit that is answered with 500.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_503() {
    let server = Spanloom::start_with(|config| config.query.statement_seconds_max = 1).await;
    let reader = server.reader().await;
    send(&server, &[plain(1, ago_ns(60))]).await;
    let mut lock = server.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE spans IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    for path in [format!("/api/v1/traces/{:032x}", 1), "/api/v1/traces?order=duration&tag=n%3D1".to_owned()]
    {
        let response = reader.response(&path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "unavailable");
    }
    lock.rollback().await.unwrap();
}

/// Catches a reversed range, a foreign cursor or any other mistake that is taken for an empty result,
/// and an unknown name that is taken for a mistake.
#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named_and_unknown_names_find_nothing() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    send(&server, &[plain(1, ago_ns(60)), plain(2, ago_ns(50))]).await;

    let response =
        reader.response("/api/v1/traces?startTime=2&endTime=1&limit=0&status=x&tag=a&foo=1").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    let fields: BTreeSet<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, BTreeSet::from(["foo", "limit", "startTime", "status", "tag"]));

    let page = reader.get("/api/v1/traces?limit=1").await;
    let cursor = page["nextCursor"].as_str().unwrap();
    let foreign = format!("/api/v1/traces?serviceName=service-1&cursor={cursor}");
    assert_eq!(reader.response(&foreign).await.status(), StatusCode::BAD_REQUEST);
    // The default range is "until now": the next page must not move on with the clock.
    send(&server, &[plain(3, (now_us() * 1000) as u64)]).await;
    let next = reader.get(&format!("/api/v1/traces?cursor={cursor}")).await;
    assert_eq!(pages_ids(next["traces"].as_array().unwrap()), [format!("{:032x}", 1)]);
    assert_eq!(next["searched"]["endTime"], page["searched"]["endTime"]);

    for unknown in [
        "serviceName=nobody",
        "operation=nothing",
        "tag=no.such=1",
        "traceId=000000000000000000000000000000ff",
    ] {
        let page = reader.get(&format!("/api/v1/traces?{unknown}")).await;
        assert_eq!(page["traces"], json!([]), "{unknown}");
        assert_eq!(page["searched"]["complete"], true);
        assert_eq!(page["searched"]["completeFrom"], page["searched"]["startTime"]);
    }
    // Text that would break a statement put together from strings.
    for hostile in [
        "serviceName=%27%3B--",
        "tag=a%27%22%5C=%27%22%5C%25",
        "tag=n=%7B%22",
        "tag=n=%5B1%5D",
        "tag=n=1e5",
    ] {
        assert_eq!(
            reader.get(&format!("/api/v1/traces?{hostile}")).await["traces"],
            json!([]),
            "{hostile}"
        );
    }
    assert_eq!(reader.response("/api/v1/traces?tag=n=%00").await.status(), StatusCode::BAD_REQUEST);
    let unauthorized = server.client.get(server.url("/api/v1/traces")).send().await.unwrap();
    assert_eq!(unauthorized.status(), StatusCode::UNAUTHORIZED);
}
