//! One trace, services, operations and completion through the API.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::harness::{Reader, Spanloom, ago_ns, now_us};

/// Sends OTLP given as JSON.
async fn send(server: &Spanloom, body: &Value) {
    let request: ExportTraceServiceRequest = serde_json::from_value(body.clone()).unwrap();
    let post =
        server.client.post(server.url("/v1/traces")).header("Content-Type", "application/x-protobuf");
    let response = post.body(request.encode_to_vec()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.unwrap().is_empty(), "a span was rejected");
    server.server.settled().await;
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn resource(service: &str, spans: &Value) -> Value {
    json!({
        "resource": {"attributes": [text("service.name", service)], "droppedAttributesCount": 1},
        "scopeSpans": [{
            "scope": {"name": "lib", "version": "1.2", "attributes": [], "droppedAttributesCount": 0},
            "spans": spans,
            "schemaUrl": "https://example.com/scope"
        }],
        "schemaUrl": "https://example.com/resource"
    })
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn status_of(reader: &Reader<'_>, path: &str) -> u16 {
    reader.response(path).await.status().as_u16()
}

/// Catches anything of a span that is lost or changed between OTLP and the API.
#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_back_as_it_was_sent() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_ns = ago_ns(60) / 1000 * 1000 + 123;
    let at = |offset_ns: u64| (start_ns + offset_ns).to_string();
    let client = json!([{
        "traceId": TRACE, "spanId": "ffffffffffffff01", "name": "GET /", "kind": 3, "flags": 257,
        "traceState": "a=b",
        "startTimeUnixNano": at(0), "endTimeUnixNano": at(5_000_001),
        "attributes": [
            {"key": "int", "value": {"intValue": "9007199254740993"}},
            {"key": "double", "value": {"doubleValue": 2.0}},
            {"key": "bool", "value": {"boolValue": true}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": "1"}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [text("$k", "v")]}}}
        ],
        "droppedAttributesCount": 3,
        "events": [{"timeUnixNano": at(1_000), "name": "exception",
                    "attributes": [text("exception.message", "no\u{1}\"way\"")], "droppedAttributesCount": 4}],
        "droppedEventsCount": 5,
        "links": [{"traceId": "00000000000000000000000000000abc", "spanId": "0000000000000abc",
                   "traceState": "l=1", "attributes": [text("why", "batch")], "droppedAttributesCount": 6,
                   "flags": 1}],
        "droppedLinksCount": 7,
        "status": {"code": 2, "message": "failed"}
    }]);
    // Its clock is an hour behind; it arrives in another batch.
    let behind_ns = 3_600_000_000_000_u64;
    let server_span = json!([{
        "traceId": TRACE, "spanId": "0000000000000002", "parentSpanId": "ffffffffffffff01",
        "name": "handle", "kind": 2,
        "startTimeUnixNano": (start_ns - behind_ns).to_string(),
        "endTimeUnixNano": (start_ns - behind_ns + 1_000_001).to_string(),
        "status": {}
    }, {
        "traceId": TRACE, "spanId": "0000000000000003", "parentSpanId": "00000000000000aa",
        "name": "orphan", "kind": 1, "startTimeUnixNano": at(9), "endTimeUnixNano": at(10), "status": {}
    }]);
    send(&server, &json!({"resourceSpans": [resource("shop", &server_span)]})).await;
    send(&server, &json!({"resourceSpans": [resource("web", &client)]})).await;

    let trace = reader.get(&format!("/api/v1/traces/{TRACE}")).await;
    assert_eq!(trace["traceId"], TRACE);
    let start = chrono::DateTime::parse_from_rfc3339(trace["startTime"].as_str().unwrap()).unwrap();
    assert_eq!(start.timestamp_nanos_opt().unwrap() as u64, start_ns, "nanoseconds survive");
    assert_eq!(trace["durationNs"], 5_000_001);
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(
        spans.iter().map(|s| s["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["GET /", "orphan", "handle"]
    );
    let web = trace["resources"].as_array().unwrap().iter().position(|r| r["service"] == "web").unwrap();
    assert_eq!(
        spans[0],
        json!({
            "spanId": "ffffffffffffff01", "name": "GET /", "kind": "client", "resource": web, "scope": 0,
            "startOffsetNs": 0, "durationNs": 5_000_001, "status": "error", "statusMessage": "failed",
            "attributes": {"bool": true, "double": 2.0, "int": 9_007_199_254_740_993_i64,
                           "list": ["x", 1], "map": {"$map": {"$k": "v"}}},
            "events": [{"name": "exception", "offsetNs": 1_000,
                        "attributes": {"exception.message": "no\u{1}\"way\""}, "droppedAttributesCount": 4}],
            "links": [{"traceId": "00000000000000000000000000000abc", "spanId": "0000000000000abc",
                       "traceState": "l=1", "attributes": {"why": "batch"}, "droppedAttributesCount": 6,
                       "flags": 1}],
            "traceState": "a=b", "flags": 257,
            "droppedAttributesCount": 3, "droppedEventsCount": 5, "droppedLinksCount": 7
        })
    );
    assert_eq!(spans[2]["skewNs"], behind_ns + 2_000_000, "in the middle of its caller");
    assert_eq!(spans[2]["startOffsetNs"], 2_000_000);
    assert_eq!(
        trace["resources"][web],
        json!({"service": "web", "attributes": {"service.name": "web"}, "droppedAttributesCount": 1,
               "schemaUrl": "https://example.com/resource"})
    );
    assert_eq!(
        trace["scopes"],
        json!([{"name": "lib", "version": "1.2", "attributes": {}, "droppedAttributesCount": 0,
                "schemaUrl": "https://example.com/scope"}])
    );
    let warnings: Vec<(&str, u64)> = trace["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["kind"].as_str().unwrap(), w["span"].as_u64().unwrap()))
        .collect();
    assert_eq!(warnings, [("missing_parent", 1), ("clock_skew", 2)]);
}

/// Catches 404 and 400 mixed up, and a big trace that is cut without a word.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_malformed_and_truncated_traces() {
    let server = Spanloom::start_with(|config| config.query.trace_spans_max = 2).await;
    let reader = server.reader().await;
    assert_eq!(status_of(&reader, &format!("/api/v1/traces/{TRACE}")).await, 404);
    for malformed in ["xyz", "00000000000000000000000000000000", "4bf92f3577b34da6"] {
        let response = reader.response(&format!("/api/v1/traces/{malformed}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{malformed}");
        assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["field"], "traceId");
    }
    let base_us = now_us() - 60_000_000;
    let span = |id: i64| {
        json!({"traceId": TRACE, "spanId": format!("{id:016x}"), "name": format!("op {id}"),
               "serviceName": "shop", "startTime": base_us + id, "duration": 5})
    };
    server.ingest(&json!([span(3), span(1)])).await;
    server.ingest(&json!([span(2)])).await;
    let trace = reader.get(&format!("/api/v1/traces/{}", TRACE.to_uppercase())).await;
    let names: Vec<&str> =
        trace["spans"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["op 1", "op 2"], "the later ones are missing");
    assert_eq!(trace["warnings"][0]["kind"], "truncated");
}

/// Catches numbers that count the wrong spans, the wrong window or twice after the roll-up.
#[tokio::test(flavor = "multi_thread")]
async fn services_and_operations_tell_rate_errors_and_duration() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let minute_us = 60_000_000;
    let start_us = now_us() / minute_us * minute_us - 30 * minute_us;
    let mut spans = Vec::new();
    let mut add = |service: &str, name: &str, kind: &str, at_us: i64, duration_us: i64, status: &str| {
        let id = spans.len() + 1;
        spans.push(json!({
            "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": name,
            "serviceName": service, "kind": kind, "startTime": at_us, "duration": duration_us,
            "status": status
        }));
    };
    for index in 0..100 {
        let status = if index < 25 { "error" } else { "unset" };
        add("shop", "GET /", "server", start_us + index * 1_000_000, 1_000 * (index + 1), status);
        add("shop", "SELECT", "client", start_us + index, 900_000_000, "error");
    }
    add("cron", "run", "internal", start_us + 1, 50_000, "ok");
    add("shop", "GET /", "server", start_us - 1, 5, "unset");
    add("late", "GET /", "server", start_us + 10 * minute_us, 5, "unset");
    server.ingest(&spans.into()).await;

    // Not on a minute: the window is rounded outwards.
    let window = format!("startTime={}&endTime={}", start_us + 7, start_us + 9 * minute_us + 1);
    for rolled_up in [false, true] {
        if rolled_up {
            sqlx::query("SELECT roll_up_metrics()").execute(server.pool()).await.unwrap();
        }
        let answer = reader.get(&format!("/api/v1/services?{window}")).await;
        let services = answer["services"].as_array().unwrap();
        let names: Vec<&str> = services.iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["cron", "shop"]);
        assert_eq!(services[0]["count"], 1.0, "a service without entry points counts all its spans");
        let shop = &services[1];
        assert_eq!(shop["count"], 100.0, "only entry points of the window");
        assert_eq!(shop["errorRate"], 0.25);
        let rate = shop["ratePerSecond"].as_f64().unwrap();
        assert!((rate - 100.0 / 600.0).abs() < 1e-9, "{rate}");
        for (quantile, exact_ns) in [("p50Ns", 50e6), ("p95Ns", 95e6), ("p99Ns", 99e6)] {
            let ns = shop[quantile].as_f64().unwrap();
            assert!((ns / exact_ns - 1.0).abs() < 0.05, "{quantile} {ns}");
        }

        let answer = reader.get(&format!("/api/v1/services/shop/operations?{window}")).await;
        let operations: Vec<(&str, &str, f64)> = answer["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| {
                (o["name"].as_str().unwrap(), o["kind"].as_str().unwrap(), o["errorRate"].as_f64().unwrap())
            })
            .collect();
        assert_eq!(operations, [("GET /", "server", 0.25), ("SELECT", "client", 1.0)]);
    }
    assert_eq!(reader.get("/api/v1/services/nobody%2Fhere/operations").await["operations"], json!([]));
    assert_eq!(status_of(&reader, "/api/v1/services?startTime=2&endTime=1").await, 400);
    assert_eq!(status_of(&reader, "/api/v1/services/shop/operations?limit=1").await, 400);
}

/// Catches completion that offers what is not there, hides what is, or looks beyond its window.
#[tokio::test(flavor = "multi_thread")]
async fn tags_are_completed_from_the_newest_spans() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let now_us = now_us();
    let span = |id: i64, service: &str, seconds_ago: i64, tags: Value| {
        json!({"traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "op", "tags": tags,
               "serviceName": service, "startTime": now_us - seconds_ago * 1_000_000, "duration": 5})
    };
    let mut spans: Vec<Value> = (1..=2_100)
        .map(|id| span(id, "shop", 600 + id, json!({"k8s.io/zone": "a", "n": id % 150})))
        .collect();
    spans.push(span(5_000, "cart", 3_000, json!({"cart.size": 3, "ok": true})));
    spans.push(span(5_001, "shop", 1, json!({"newest": "1e3"})));
    spans.push(span(5_002, "shop", 2 * 3600, json!({"too.old": 1})));
    server.ingest(&spans.into()).await;

    let answer = reader.get("/api/v1/tags").await;
    assert_eq!(answer["sampledSpans"], 2_000);
    let keys: Vec<(&str, u64)> = answer["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| (k["key"].as_str().unwrap(), k["spans"].as_u64().unwrap()))
        .filter(|(key, _)| !key.starts_with("service."))
        .collect();
    assert_eq!(keys, [("k8s.io/zone", 1_999), ("n", 1_999), ("newest", 1)]);

    let answer = reader.get("/api/v1/tags?serviceName=cart&prefix=c").await;
    assert_eq!(answer, json!({"keys": [{"key": "cart.size", "spans": 1}], "sampledSpans": 1}));
    assert_eq!(reader.get("/api/v1/tags?serviceName=nobody").await, json!({"keys": [], "sampledSpans": 0}));

    let answer = reader.get("/api/v1/tags/k8s.io%2Fzone/values").await;
    assert_eq!(answer["values"], json!([{"value": "a", "type": "string", "spans": 1_999}]));
    let answer = reader.get("/api/v1/tags/n/values").await;
    assert_eq!(answer["values"].as_array().unwrap().len(), 100, "bounded");
    let answer = reader.get("/api/v1/tags/n/values?prefix=14").await;
    assert_eq!(answer["values"].as_array().unwrap().len(), 11, "14 and 140 to 149");
    assert_eq!(answer["values"][0]["type"], "int");
    assert_eq!(reader.get("/api/v1/tags/nothing/values").await["values"], json!([]));
    assert_eq!(status_of(&reader, "/api/v1/tags?startTime=x").await, 400);
}
