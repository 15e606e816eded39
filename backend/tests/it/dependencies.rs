//! Who calls whom: from spans in any order, however often they come, to the answers of the API.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::Role;

use super::harness::{Reader, Spanloom, ago_ns};

/// A span and the service that made it.
#[derive(Clone)]
pub struct Sent {
    service: &'static str,
    pub span: Span,
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// A span of 10 ms; parent 0 is none.
pub fn sent(service: &'static str, trace: u64, id: u64, parent: u64, kind: SpanKind) -> Sent {
    let start = ago_ns(120);
    let span = Span {
        trace_id: trace_id(trace),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: "op".to_owned(),
        kind: kind as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 10_000_000,
        ..Span::default()
    };
    Sent { service, span }
}

pub fn trace_id(trace: u64) -> Vec<u8> {
    // What is kept of a trace is decided by the lower bits: spread them.
    u128::from(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes().to_vec()
}

impl Sent {
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.span.attributes.push(text(key, value));
        self
    }

    pub fn failed(mut self) -> Self {
        self.span.status = Some(Status { code: 2, ..Status::default() });
        self
    }

    pub fn lasting_ms(mut self, ms: u64) -> Self {
        self.span.end_time_unix_nano = self.span.start_time_unix_nano + ms * 1_000_000;
        self
    }

    pub fn linked_to(mut self, trace: u64, id: u64) -> Self {
        let link =
            Link { trace_id: trace_id(trace), span_id: id.to_be_bytes().to_vec(), ..Link::default() };
        self.span.links.push(link);
        self
    }
}

/// A call from one service to another: the client's span `id` and the server's, `id + 1`.
pub fn call(from: &'static str, to: &'static str, trace: u64, id: u64) -> [Sent; 2] {
    [
        sent(from, trace, id, 0, SpanKind::Client).with("server.address", to),
        sent(to, trace, id + 1, id, SpanKind::Server),
    ]
}

/// Sends the spans as one batch and waits until they are written.
pub async fn send(server: &Spanloom, spans: &[Sent]) {
    let resource_spans = spans
        .iter()
        .map(|sent| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![text("service.name", sent.service)],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans { spans: vec![sent.span.clone()], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        })
        .collect();
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let request =
        server.client.post(server.url("/v1/traces")).header("Content-Type", "application/x-protobuf");
    assert_eq!(request.body(body).send().await.unwrap().status(), StatusCode::OK);
    server.server.settled().await;
}

/// One turn of the job, in which halves that waited so many minutes end.
pub async fn pair(server: &Spanloom, wait_minutes: i32) {
    sqlx::query("SELECT pair_edges(make_interval(mins => $1))")
        .bind(wait_minutes)
        .execute(server.pool())
        .await
        .unwrap();
}

async fn halves(server: &Spanloom) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM edge_halves").fetch_one(server.pool()).await.unwrap()
}

/// Edges as `caller callee kind count`, without the word "service".
fn edges_of(answer: &Value) -> Vec<String> {
    let edge = |edge: &Value| {
        let text = |field: &str| edge[field].as_str().unwrap().trim_start_matches("service:").to_owned();
        format!("{} {} {} {}", text("caller"), text("callee"), text("kind"), edge["count"])
    };
    answer["edges"].as_array().unwrap().iter().map(edge).collect()
}

async fn edges(reader: &Reader<'_>, query: &str) -> Vec<String> {
    edges_of(&reader.get(&format!("/api/v1/dependencies?{query}")).await)
}

/// Catches calls that are lost or doubled when both ends come together, calls of oneself that are missing
/// or invented, and numbers of the wrong end.
#[tokio::test(flavor = "multi_thread")]
async fn both_ends_in_one_batch_are_a_call() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let mut spans = Vec::new();
    for trace in 1..=4 {
        spans.extend([
            sent("web", trace, 1, 0, SpanKind::Client).lasting_ms(500),
            sent("shop", trace, 2, 1, SpanKind::Server).with("rpc.system", "grpc").lasting_ms(100),
            sent("shop", trace, 3, 2, SpanKind::Client),
            sent("shop", trace, 4, 3, SpanKind::Server),
            // Below a span of the same service: work, not a call.
            sent("shop", trace, 5, 2, SpanKind::Server),
            sent("shop", trace, 6, 2, SpanKind::Internal),
            // The client in between sends no spans.
            sent("stock", trace, 7, 6, SpanKind::Server),
        ]);
    }
    spans[1] = spans[1].clone().failed();
    send(&server, &spans).await;
    let expected = ["shop shop http 4.0", "shop stock http 4.0", "web shop rpc 4.0"];
    assert_eq!(edges(&reader, "").await, expected);
    assert_eq!(halves(&server).await, 0, "nothing is left over");
    pair(&server, 0).await;

    let answer = reader.get("/api/v1/dependencies").await;
    assert_eq!(edges_of(&answer), expected, "moving counts changes nothing");
    let edge = &answer["edges"][2];
    assert_eq!(edge["errorRate"], 0.25);
    assert!((edge["p50Ns"].as_f64().unwrap() / 1e8 - 1.0).abs() < 0.05, "the callee's duration: {edge}");
    assert!((edge["ratePerSecond"].as_f64().unwrap() - 4.0 / 3_660.0).abs() < 1e-4, "{edge}");
    let shop = &answer["nodes"][0];
    assert_eq!((&shop["id"], &shop["count"]), (&json!("service:shop"), &json!(8.0)));
}

/// Catches ends that do not find each other across batches, in either order or late, and spans that are
/// sent again and counted again.
#[tokio::test(flavor = "multi_thread")]
async fn ends_find_each_other_across_batches_in_any_order() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    for (trace, first) in [(1, 0), (2, 1)] {
        let spans = call("web", "shop", trace, 1);
        send(&server, &spans[first..=first]).await;
        pair(&server, 10).await;
        send(&server, &spans[1 - first..=1 - first]).await;
        // Both once more, together and alone.
        send(&server, &spans).await;
        send(&server, &spans[1..]).await;
    }
    pair(&server, 10).await;
    assert_eq!(edges(&reader, "").await, ["web shop http 2.0"]);
    // A second answer, from another instance that the client tried again.
    send(&server, &[sent("shop", 1, 9, 1, SpanKind::Server)]).await;
    pair(&server, 0).await;
    assert_eq!(edges(&reader, "").await, ["web shop http 3.0"], "an answered client is no external call");
    assert_eq!(halves(&server).await, 0);
    pair(&server, 0).await;
    assert_eq!(edges(&reader, "").await, ["web shop http 3.0"], "once more changes nothing");
}

/// Catches databases and hosts that are missing, that appear before a service could answer, and callees
/// whose caller was no client.
#[tokio::test(flavor = "multi_thread")]
async fn what_sends_no_spans_is_a_node() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let shop = |id| sent("shop", 1, id, 0, SpanKind::Client);
    send(
        &server,
        &[
            shop(1).with("db.system.name", "postgresql").with("db.namespace", "shop").failed(),
            shop(2).with("db.system", "redis").with("server.address", "cache"),
            shop(3).with("url.full", "https://pay.example:443/charge"),
            shop(4),
            sent("shop", 1, 5, 0, SpanKind::Internal),
        ],
    )
    .await;
    let databases =
        ["shop database:postgresql/shop database 1.0", "shop database:redis/cache database 1.0"];
    assert_eq!(edges(&reader, "").await, databases);
    // Its caller is stored, but was no client's span.
    send(&server, &[sent("stock", 1, 6, 5, SpanKind::Server), sent("lost", 1, 7, 99, SpanKind::Server)])
        .await;
    pair(&server, 10).await;
    assert_eq!(edges(&reader, "").await, databases, "a service may still answer");
    pair(&server, 0).await;
    let all = edges(&reader, "").await;
    assert_eq!(all[..2], databases);
    assert_eq!(all[2..], ["shop external:pay.example external 1.0", "shop stock http 1.0"]);
    let focus = edges(&reader, "service=database:postgresql/shop").await;
    assert_eq!(focus, databases[..1], "a database has callers too, and none in common with the other");
}

/// Catches messages that are lost between traces, counted twice, or that reach one consumer only.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_followed_through_links() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let publish = sent("shop", 1, 1, 0, SpanKind::Producer)
        .with("messaging.system", "kafka")
        .with("messaging.destination.name", "orders");
    let consume =
        |service, trace| sent(service, trace, 10, 0, SpanKind::Consumer).linked_to(1, 1).linked_to(1, 1);
    send(&server, &[consume("early", 2)]).await;
    send(&server, &[publish, sent("same", 1, 2, 1, SpanKind::Consumer).linked_to(1, 1)]).await;
    send(&server, &[consume("late", 3)]).await;
    pair(&server, 10).await;
    let expected = [
        "shop messaging:kafka/orders messaging 1.0",
        "shop early messaging 1.0",
        "shop late messaging 1.0",
        "shop same messaging 1.0",
    ];
    assert_eq!(edges(&reader, "").await, expected);
    // The producer no longer waits; it is found where it is stored.
    pair(&server, 0).await;
    send(&server, &[consume("later", 4)]).await;
    pair(&server, 0).await;
    let mut all = expected.to_vec();
    all.insert(3, "shop later messaging 1.0");
    assert_eq!(edges(&reader, "").await, all);
}

/// A graph with a cycle: web → shop ⇄ stock → db, shop → pay, shop → shop, other → pay.
async fn cyclic(server: &Spanloom) {
    let mut spans = Vec::new();
    let mut trace = 0;
    let mut add = |count: u64, from, to| {
        for _ in 0..count {
            trace += 1;
            spans.extend(call(from, to, trace, 1));
        }
    };
    add(4, "web", "shop");
    add(3, "shop", "stock");
    add(2, "stock", "shop");
    add(1, "shop", "pay");
    add(5, "shop", "shop");
    add(1, "other", "pay");
    let query = |id| {
        sent("stock", 1_000, id, 0, SpanKind::Client).with("db.system", "postgresql").with("db.name", "db")
    };
    spans.extend([query(1), query(2)]);
    send(server, &spans).await;
}

/// Catches a walk that goes round for ever, the wrong way, too far or not far enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_seen_with_what_is_around_it() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    cyclic(&server).await;
    let db = "stock database:postgresql/db database 2.0";
    let (other, pay, own) = ("other pay http 1.0", "shop pay http 1.0", "shop shop http 5.0");
    let (stock, back, web) = ("shop stock http 3.0", "stock shop http 2.0", "web shop http 4.0");
    let cases: [(&str, &[&str]); 8] = [
        ("", &[other, pay, own, stock, db, back, web]),
        ("service=web&direction=down&depth=1", &[web]),
        ("service=web&direction=down&depth=2", &[pay, own, stock, web]),
        ("service=service:web&direction=down&depth=16", &[pay, own, stock, db, back, web]),
        ("service=web&direction=up", &[]),
        ("service=pay&direction=up&depth=16", &[other, pay, own, stock, back, web]),
        ("service=shop&depth=1", &[pay, own, stock, back, web]),
        ("service=nobody", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(edges(&reader, query).await, expected, "{query}");
    }
    let earlier = format!("startTime={}&endTime={}", ago_ns(7_200) / 1_000, ago_ns(3_600) / 1_000);
    assert!(edges(&reader, &earlier).await.is_empty(), "nothing was called then");
}

/// Catches paths that visit a node twice, that are missing, or too long, and shares of the wrong calls.
#[tokio::test(flavor = "multi_thread")]
async fn paths_and_impact_follow_the_calls() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    cyclic(&server).await;
    let paths = async |query: &str| {
        let answer = reader.get(&format!("/api/v1/dependencies/paths?{query}")).await;
        assert_eq!(answer["isTruncated"], false);
        answer
    };
    let (web, shop, stock) = ("service:web", "service:shop", "service:stock");
    let found = paths("from=web&to=database:postgresql/db").await;
    assert_eq!(found["paths"], json!([[web, shop, stock, "database:postgresql/db"]]));
    assert_eq!(found["edges"].as_array().unwrap().len(), 3);
    assert_eq!(paths("from=web&to=database:postgresql/db&depth=2").await["paths"], json!([]));
    assert_eq!(paths("from=shop&to=shop").await["paths"], json!([[shop, shop], [shop, stock, shop]]));
    assert_eq!(paths("from=pay&to=web").await["paths"], json!([]));
    assert_eq!(paths("from=nobody&to=web").await["paths"], json!([]));

    let impact = async |node: &str| -> Vec<(String, i64, f64, f64)> {
        let answer = reader.get(&format!("/api/v1/dependencies/impact?service={node}")).await;
        let service = |it: &Value| {
            let share = it["share"].as_f64().unwrap();
            assert!(
                (share - it["callsTowards"].as_f64().unwrap() / it["calls"].as_f64().unwrap()).abs() < 1e-9
            );
            (
                it["name"].as_str().unwrap().to_owned(),
                it["distance"].as_i64().unwrap(),
                it["calls"].as_f64().unwrap(),
                share,
            )
        };
        answer["services"].as_array().unwrap().iter().map(service).collect()
    };
    let named = |name: &str, distance, calls, share| (name.to_owned(), distance, calls, share);
    // Calls of shop: 3 to stock, which calls shop, and 1 to pay. Of stock: 2 of 4 go to shop.
    assert_eq!(
        impact("pay").await,
        [
            named("shop", 1, 4.0, 1.0),
            named("web", 2, 4.0, 1.0),
            named("other", 1, 1.0, 1.0),
            named("stock", 2, 4.0, 0.5),
        ]
    );
    assert_eq!(
        impact("database:postgresql/db").await,
        [named("stock", 1, 4.0, 1.0), named("web", 3, 4.0, 1.0), named("shop", 2, 4.0, 0.75)]
    );
    assert!(impact("web").await.is_empty());
}

/// Catches calls that are counted from what is stored: sampling drops everything here, and what is
/// dropped comes a second time.
#[tokio::test(flavor = "multi_thread")]
async fn sampling_leaves_the_calls_exact() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let settings: Value = json!({"version": 0, "settings": {"decisionWaitMs": 500, "policies": [
        {"name": "errors", "rule": {"type": "status_code", "statusCodes": ["error"]}},
    ]}});
    let saved = editor.request(Method::PUT, "/api/v1/sampling").json(&settings).send().await.unwrap();
    assert_eq!(saved.status(), StatusCode::OK);
    server.server.sampling_reaches(1).await;
    for trace in 1..=20 {
        let spans = call("web", "shop", trace, 1);
        if trace % 2 == 0 {
            send(&server, &spans).await;
        } else {
            send(&server, &spans[1..]).await;
            send(&server, &spans[..1]).await;
        }
        send(&server, &spans).await;
    }
    assert_eq!(server.stored_spans().await, 0);
    pair(&server, 0).await;
    assert_eq!(edges(&server.reader().await, "").await, ["web shop http 20.0"]);
}

/// Catches calls that are lost, or counted again, when a server stops between the two ends of a call.
#[tokio::test(flavor = "multi_thread")]
async fn ends_wait_through_a_restart() {
    let database = super::harness::database().await;
    let server = Spanloom::start_on(&database, |_| {}).await;
    let spans = call("web", "shop", 1, 1);
    send(&server, &spans[..1]).await;
    let data_dir = server.config.storage.data_dir.clone();
    server.server.stop().await.unwrap();
    let server = Spanloom::start_on(&database, |config| config.storage.data_dir = data_dir).await;
    send(&server, &spans).await;
    pair(&server, 0).await;
    assert_eq!(edges(&server.reader().await, "").await, ["web shop http 1.0"]);
}

/// Catches parameters that are ignored, and a graph that is open to everybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_by_name() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    for (path, field) in [
        ("?direction=up", "direction"),
        ("?depth=2", "depth"),
        ("?service=a&depth=17", "depth"),
        ("?service=a&direction=left", "direction"),
        ("?service=a&servce=b", "servce"),
        ("/paths?from=a", "to"),
        ("/paths?from=a&to=b&depth=9", "depth"),
        ("/impact", "service"),
    ] {
        let response = reader.response(&format!("/api/v1/dependencies{path}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
    }
    for path in ["", "/paths?from=a&to=b", "/impact?service=a"] {
        let url = server.url(&format!("/api/v1/dependencies{path}"));
        let response = server.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

/// Catches an answer without a bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_is_too_large_is_refused() {
    let server = Spanloom::start().await;
    sqlx::query("INSERT INTO services (name) SELECT 'service ' || n FROM generate_series(1, 2001) n")
        .execute(server.pool())
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO edge_parts SELECT date_trunc('minute', now()) - interval '5 minutes', a.id, b.id, '', 1, false,
                '{10}', '{0}', '{1}', '{1}'
         FROM services a JOIN services b ON b.name = 'service 1'",
    )
    .execute(server.pool())
    .await
    .unwrap();
    let reader = server.reader().await;
    let response = reader.response("/api/v1/dependencies").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem: Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("more than 2000 edges"), "{problem}");
    let one = edges(&reader, "service=service%207&depth=1").await;
    assert_eq!(one, ["service 7 service 1 http 1.0"]);
}
