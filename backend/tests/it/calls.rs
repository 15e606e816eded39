//! The traces and the metrics of a call: both agree with the graph that shows it.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;

use super::dependencies::{Sent, call, pair, send, sent, trace_id};
use super::harness::{Reader, Spanloom};

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |url, byte| format!("{url}%{byte:02X}"))
}

/// The numbers of the traces found, as the test knows them.
async fn traces_of(reader: &Reader<'_>, query: &str, count: u64) -> Vec<u64> {
    let answer = reader.get(&format!("/api/v1/traces?limit=100&{query}")).await;
    let text = |trace| trace_id(trace).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let numbers: BTreeMap<String, u64> = (1..=count).map(|trace| (text(trace), trace)).collect();
    let traces = answer["traces"].as_array().unwrap().iter();
    let mut found: Vec<u64> = traces.map(|trace| numbers[trace["traceId"].as_str().unwrap()]).collect();
    found.sort_unstable();
    found
}

/// One trace for each way in which somebody is called; the first of each is the call's edge.
fn shapes() -> Vec<(&'static str, &'static str, Vec<Sent>)> {
    let client = |trace| sent("web", trace, 1, 0, SpanKind::Client);
    let long = "n".repeat(300);
    let cut = &*Box::leak(format!("database:oracle/{}", &long[..248]).into_boxed_str());
    vec![
        ("web", "service:shop", call("web", "shop", 1, 1).to_vec()),
        (
            "cron",
            "service:shop",
            vec![
                sent("cron", 2, 1, 0, SpanKind::Internal),
                sent("shop", 2, 2, 1, SpanKind::Server).failed(),
            ],
        ),
        (
            "shop",
            "service:shop",
            vec![
                sent("shop", 3, 1, 0, SpanKind::Client),
                sent("shop", 3, 2, 1, SpanKind::Server),
                sent("shop", 3, 3, 2, SpanKind::Server),
            ],
        ),
        (
            "web",
            "database:postgresql/shop",
            vec![client(4).with("db.system.name", "postgresql").with("db.namespace", "shop").failed()],
        ),
        (
            "web",
            "database:redis/cache",
            vec![client(5).with("db.system", "redis").with("db.name", "").with("server.address", "cache")],
        ),
        ("web", cut, vec![client(6).with("db.system", "oracle").with("db.namespace", &long)]),
        (
            "web",
            "messaging:kafka/orders",
            vec![
                sent("web", 7, 1, 0, SpanKind::Producer)
                    .with("messaging.system", "kafka")
                    .with("messaging.destination.name", "orders"),
            ],
        ),
        ("web", "service:mail", vec![sent("mail", 8, 2, 0, SpanKind::Consumer).linked_to(7, 1)]),
        ("web", "external:b.example", vec![client(9).with("url.full", "https://u:p@b.example:8443/x?y@z")]),
        ("web", "external:::1", vec![client(10).with("http.url", "http://[::1]:80/")]),
        (
            "web",
            "external:10.0.0.1",
            vec![client(11).with("url.full", "nonsense").with("network.peer.address", "10.0.0.1")],
        ),
        ("web", "external:say \"pay\"/v2", vec![client(12).with("peer.service", "say \"pay\"/v2")]),
    ]
}

/// Catches a call whose traces are not found, or found among others; a name that the search reads from a
/// span differently than the graph; and numbers over time that are not those of the edge.
#[tokio::test(flavor = "multi_thread")]
async fn every_edge_leads_to_exactly_its_traces() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let shapes = shapes();
    let count = shapes.len() as u64;
    for (_, _, spans) in &shapes {
        send(&server, spans).await;
    }
    pair(&server, 0).await;
    let graph = reader.get("/api/v1/dependencies").await;
    let edges = graph["edges"].as_array().unwrap();
    assert_eq!(edges.len(), shapes.len(), "{edges:#?}");
    for (trace, (caller, callee, _)) in (1..).zip(&shapes) {
        let is_it =
            |edge: &&Value| edge["caller"] == format!("service:{caller}") && edge["callee"] == *callee;
        let edge = edges.iter().find(is_it).unwrap_or_else(|| panic!("{caller} {callee}: {edges:#?}"));
        let query = format!("caller={}&callee={}", encoded(caller), encoded(callee));
        assert_eq!(traces_of(&reader, &query, count).await, [trace], "{caller} {callee}");
        let failed = traces_of(&reader, &format!("{query}&status=error"), count).await;
        assert_eq!(failed.is_empty(), edge["errorRate"] == 0.0, "{caller} {callee}");

        let metrics = format!("/api/v1/metrics?metric=count&metric=error_rate&metric=p95&{query}");
        let series = reader.get(&metrics).await["series"].clone();
        let totals: Vec<&Value> = series.as_array().unwrap().iter().map(|it| &it["total"]).collect();
        assert_eq!(totals, [&edge["count"], &edge["errorRate"], &edge["p95Ns"]], "{caller} {callee}");
    }
    assert_eq!(traces_of(&reader, "callee=shop", count).await, [1, 2, 3]);
    assert_eq!(traces_of(&reader, "callee=shop&caller=web&order=duration", count).await, [1]);
    assert_eq!(traces_of(&reader, "callee=database%3Apostgresql%2Fshop", count).await, [4]);
    assert!(traces_of(&reader, "callee=shop&caller=nobody", count).await.is_empty());
}

/// Catches parameters that are ignored where they cannot be answered.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_a_call_is_refused() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    for (path, field) in [
        ("traces?caller=web", "caller"),
        ("traces?caller=database%3Ax&callee=a", "caller"),
        ("metrics?metric=rate&caller=web", "caller"),
        ("metrics?metric=rate&callee=web&service=shop", "callee"),
        ("metrics?metric=rate&callee=web&groupBy=service", "callee"),
    ] {
        let response = reader.response(&format!("/api/v1/{path}")).await;
        assert_eq!(response.status(), 400, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
    }
}
