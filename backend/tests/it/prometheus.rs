//! What Prometheus scrapes: by a real one, from several servers, with sampling, beyond the limit.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom::custom::exposed_store::exposed;
use spanloom::store::upkeep;
use spanloom_model::api::{KeyScope, Role};
use spanloom_model::histogram::{PROMETHEUS_BOUNDS_NS, prometheus_bound_of};

use super::dependencies::{Sent, call, send, sent};
use super::harness::{self, Spanloom, until};
use super::prometheus_server::Prometheus;

const PATH: &str = "/api/v1/metrics/prometheus";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

async fn scrape(server: &Spanloom, accept: &str) -> String {
    let key = server.key(&[KeyScope::Read]).await;
    let request = server.client.get(server.url(PATH)).bearer_auth(key).header("Accept", accept);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let is_open = accept.contains("openmetrics");
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), is_open);
    let text = response.text().await.unwrap();
    assert_eq!(text.ends_with("# EOF\n"), is_open);
    text
}

/// Samples by name and labels, without exemplars.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (name, rest) = line.split_once("} ").unwrap();
        (format!("{name}}}"), rest.split(' ').next().unwrap().parse().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

/// Adds up all that the writers left.
async fn add_up(server: &Spanloom) {
    let mut connection = server.pool().acquire().await.unwrap();
    upkeep::roll_up(&mut connection).await.unwrap();
    upkeep::pair_edges(&mut connection).await.unwrap();
}

/// Calls of `web` to `shop` of 1 to `calls` milliseconds, every fifth failed, each with a query.
fn calls(first_trace: u64, calls: u64) -> Vec<Sent> {
    let mut spans = Vec::new();
    for trace in first_trace..first_trace + calls {
        let ms = trace - first_trace + 1;
        let [client, server] = call("web", "shop", trace, 1);
        let server = server.lasting_ms(ms);
        spans.push(client.lasting_ms(ms + 1));
        spans.push(if ms.is_multiple_of(5) { server.failed() } else { server });
        let query = sent("shop", trace, 3, 2, SpanKind::Client);
        spans.push(query.with("db.system.name", "postgresql").with("db.namespace", "orders").lasting_ms(1));
    }
    spans
}

/// Catches a format that Prometheus does not read, names and labels that dashboards do not know, rates and
/// quantiles that are not those of our own API, and exemplars that are lost or name no trace of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_sees_what_the_api_tells() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let prometheus = Prometheus::scraping(&server, &server.key(&[KeyScope::Read]).await).await;
    let served = "service=\"shop\",span_name=\"op\",span_kind=\"SPAN_KIND_SERVER\"";
    let total = format!("sum(traces_spanmetrics_calls_total{{{served}}})");
    let mut sent = 0;
    for (first_trace, count) in [(1, 40), (1_000, 200)] {
        send(&server, &calls(first_trace, count)).await;
        sent += count;
        until("the calls are scraped", async || prometheus.value(&total).await == Some(sent as f64)).await;
    }
    // A rate needs two scrapes with the new number.
    let rate = format!("sum(rate(traces_spanmetrics_calls_total{{{served}}}[1m]))");
    until("there is a rate", async || prometheus.value(&rate).await.is_some_and(|rate| rate > 0.0)).await;

    let ours = reader
        .get("/api/v1/metrics?metric=count&metric=error_rate&metric=p50&service=shop&kind=server")
        .await;
    let ours = |name: &str| {
        let all = ours["series"].as_array().unwrap();
        all.iter().find(|it| it["metric"] == name).unwrap()["total"].as_f64().unwrap()
    };
    assert!((ours("count") - sent as f64).abs() < 1e-9);
    let failed = format!("{served},status_code=\"STATUS_CODE_ERROR\"");
    let failed = format!("sum(traces_spanmetrics_calls_total{{{failed}}}) / {total}");
    let error_rate = prometheus.value(&failed).await.unwrap();
    assert!((error_rate - ours("error_rate")).abs() < 1e-9, "{error_rate}");

    let buckets = format!("sum by (le) (traces_spanmetrics_latency_bucket{{{served}}})");
    let p50_s = prometheus.value(&format!("histogram_quantile(0.5, {buckets})")).await.unwrap();
    // As exact as buckets of twice the width are: within the same one.
    let bound = |ns: f64| prometheus_bound_of(ns as i64);
    assert_eq!(bound(p50_s * 1e9), bound(ours("p50")), "{p50_s} s, ours {} ns", ours("p50"));
    // The second batch alone lies between the two scrapes: its median is higher than that of both.
    let rates = format!("sum by (le) (rate(traces_spanmetrics_latency_bucket{{{served}}}[1m]))");
    let p50_s = prometheus.value(&format!("histogram_quantile(0.5, {rates})")).await.unwrap();
    assert_eq!(bound(p50_s * 1e9), bound(100e6), "{p50_s} s");

    let edge = "client=\"web\",server=\"shop\",connection_type=\"\"";
    let graph = |name: &str, labels: &str| format!("traces_service_graph_request_{name}{{{labels}}}");
    for (expression, expected) in [
        (graph("total", edge), sent as f64),
        (graph("failed_total", edge), sent as f64 / 5.0),
        (graph("server_seconds_count", edge), sent as f64),
        (
            graph("total", "client=\"shop\",server=\"postgresql/orders\",connection_type=\"database\""),
            sent as f64,
        ),
    ] {
        until(&expression, async || prometheus.value(&expression).await == Some(expected)).await;
    }

    let end_s = (harness::now_us() / 1_000_000 + 60).to_string();
    let start_s = (harness::now_us() / 1_000_000 - 3_600).to_string();
    for name in ["traces_spanmetrics_latency_bucket", "traces_service_graph_request_server_seconds_bucket"]
    {
        let parameters = [("query", name), ("start", &start_s), ("end", &end_s)];
        let found = prometheus.get("/api/v1/query_exemplars", &parameters).await;
        let exemplars: Vec<&Value> =
            found.as_array().unwrap().iter().flat_map(|it| it["exemplars"].as_array().unwrap()).collect();
        assert!(exemplars.len() > 3, "{name}: {found}");
        for exemplar in exemplars {
            let label = |name: &str| exemplar["labels"][name].as_str().unwrap().to_owned();
            let trace = reader.get(&format!("/api/v1/traces/{}", label("trace_id"))).await;
            let spans = trace["spans"].as_array().unwrap();
            let span = spans.iter().find(|span| span["spanId"] == json!(label("span_id")));
            let span = span.unwrap_or_else(|| panic!("{exemplar} is not in {trace}"));
            let seconds: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
            let lasted_ns = span["durationNs"].as_f64().unwrap();
            assert!((seconds * 1e9 - lasted_ns).abs() < 1.0, "{exemplar}, {span}");
        }
    }
}

/// Catches custom metrics that Prometheus does not get, under another type or label than documented, in
/// another unit, with numbers that are not the API's, or without a bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_sees_custom_metrics() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let prometheus = Prometheus::scraping(&server, &server.key(&[KeyScope::Read]).await).await;
    let attribute = |key: &str| json!({"type": "attribute", "key": key});
    let by_tier = json!([attribute("customer.tier")]);
    let metric = |name: &str, value: Value, aggregation: &str, group_by: &Value| {
        let aggregation = match aggregation {
            "p90" => json!({"type": "quantile", "q": 0.9}),
            other => json!({"type": other}),
        };
        json!({"name": name, "value": value, "aggregation": aggregation, "groupBy": group_by})
    };
    for definition in [
        metric("orders", json!({"type": "span"}), "count", &by_tier),
        metric("paid", attribute("total"), "sum", &by_tier),
        metric("slow", json!({"type": "duration"}), "p90", &json!([])),
        metric("carts", attribute("cart"), "distinct", &json!([])),
        // Its counter would be called as the first one's.
        metric("orders_total", attribute("total"), "max", &json!([])),
    ] {
        let request = editor.request(Method::POST, "/api/v1/custom-metrics").json(&definition);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED, "{definition}");
    }
    let spans: Vec<Value> = (1..=100)
        .map(|id: u64| {
            json!({
                "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"), "name": "POST /cart",
                "serviceName": "shop", "kind": "server", "duration": id * 10_000,
                "startTime": harness::now_us() - 2_000_000,
                "tags": {
                    "customer.tier": if id.is_multiple_of(4) { "gold" } else { "none" }, "total": id,
                    "cart": format!("cart {}", id % 10)
                }
            })
        })
        .collect();
    // Until then new spans are left to the back-fill, which counters do not tell.
    let reader = server.reader().await;
    until("writers count", async || {
        let metrics = reader.get("/api/v1/custom-metrics").await;
        metrics["metrics"].as_array().unwrap().iter().all(|it| it["backfill"]["state"] == "done")
    })
    .await;
    let (first, rest) = spans.split_at(60);
    server.ingest(&json!(first)).await;
    let mut db = server.pool().acquire().await.unwrap();
    sqlx::query("SELECT move_custom_metrics()").execute(&mut *db).await.unwrap();
    server.ingest(&json!(rest)).await;

    let total: u64 = (1..=100).sum();
    let gold: u64 = (1..=100).filter(|id: &u64| id.is_multiple_of(4)).sum();
    for (expression, expected) in [
        ("spanloom_custom_orders_total{customer_tier=\"gold\"}", 25.0),
        ("sum(spanloom_custom_orders_total)", 100.0),
        ("sum(spanloom_custom_paid_sum)", total as f64),
        ("spanloom_custom_paid_sum{customer_tier=\"gold\"}", gold as f64),
        ("spanloom_custom_paid_count{customer_tier=\"none\"}", 75.0),
        ("spanloom_custom_slow_count", 100.0),
        ("spanloom_custom_orders_total_", 100.0),
        ("spanloom_exposition_series{metrics=\"spanloom_custom\"}", 7.0),
    ] {
        until(expression, async || {
            prometheus.value(expression).await.is_some_and(|value| (value - expected).abs() < 1e-9)
        })
        .await;
    }
    let p90_s = prometheus.value("spanloom_custom_slow{quantile=\"0.9\"}").await.unwrap();
    assert!((p90_s / 0.9 - 1.0).abs() < 0.04, "{p90_s} s");
    let carts = prometheus.value("spanloom_custom_carts").await.unwrap();
    assert!((carts - 10.0).abs() < 0.5, "{carts}");

    let bounded = exposed(&mut db, 1).await.unwrap();
    let told: usize = bounded.metrics.iter().map(|metric| metric.series.len()).sum();
    assert_eq!((told, bounded.left_out), (1, 6));
}

/// Catches counters that go down, differ between servers, or lose or double spans: when parts are added up,
/// at a restart, with weights that are no whole numbers, for resent and late spans.
#[tokio::test(flavor = "multi_thread")]
async fn counters_are_the_same_everywhere_and_never_go_down() {
    let database = harness::database().await;
    let (one, mut two) =
        (Spanloom::start_on(&database, |_| {}).await, Spanloom::start_on(&database, |_| {}).await);
    let mut before = BTreeMap::new();
    for round in 0..6_u64 {
        let mut spans = calls(round * 100 + 1, 17);
        for (index, sent) in spans.iter_mut().enumerate() {
            // Of these traces a client kept three of four, or two of three: they count 1.33 or 1.5.
            sent.span.trace_state = ["", "ot=th:4", "ot=th:5555"][index % 3].to_owned();
            if round == 3 {
                sent.span.start_time_unix_nano -= 7_200_000_000_000;
                sent.span.end_time_unix_nano -= 7_200_000_000_000;
            }
        }
        send(if round % 2 == 0 { &one } else { &two }, &spans).await;
        send(&one, &spans[..5]).await;
        for step in 0..3 {
            match step {
                1 => add_up(&one).await,
                2 if round == 2 => {
                    two.server.stop().await.unwrap();
                    two = Spanloom::start_on(&database, |_| {}).await;
                }
                _ => {}
            }
            let now = samples(&scrape(&one, "text/plain").await);
            assert_eq!(now, samples(&scrape(&two, OPEN_METRICS).await), "round {round}, step {step}");
            for (name, value) in &before {
                assert!(now[name] >= *value, "{name}: {} after {value}, round {round}", now[name]);
            }
            before = now;
        }
    }
    let exact: Vec<(String, i16, i16, f64, f64)> = sqlx::query_as(
        "SELECT v.name, kind, status, sum(weight::float8), sum(duration_ns * weight::float8) / 1e9
         FROM spans s JOIN services v ON v.id = s.service_id GROUP BY 1, 2, 3",
    )
    .fetch_all(one.pool())
    .await
    .unwrap();
    assert!(exact.iter().any(|row| row.3.fract() > 0.01), "weights are no whole numbers: {exact:?}");
    for (service, kind, status, count, seconds) in exact {
        let kind = ["", "", "SERVER", "CLIENT"][kind as usize];
        let status = ["UNSET", "OK", "ERROR"][status as usize];
        let labels = format!(
            "{{service=\"{service}\",span_name=\"op\",span_kind=\"SPAN_KIND_{kind}\",status_code=\"STATUS_CODE_{status}\"}}"
        );
        for (name, expected) in [("calls_total", count), ("latency_count", count), ("latency_sum", seconds)]
        {
            let found = before[&format!("traces_spanmetrics_{name}{labels}")];
            // Each batch rounds to thousandths of a span and to microseconds.
            assert!((found / expected - 1.0).abs() < 1e-3, "{name}{labels}: {found}, not {expected}");
        }
    }
    let calls: f64 =
        sqlx::query_scalar("SELECT sum(call_count) FROM edges_minute").fetch_one(one.pool()).await.unwrap();
    let told: f64 = before
        .iter()
        .filter(|(name, _)| name.starts_with("traces_service_graph_request_total"))
        .map(|(_, value)| value)
        .sum();
    assert!((told / calls - 1.0).abs() < 1e-3, "{told}, not {calls}");
}

/// Catches calls whose ends are in different batches and that lose their bucket or example.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_paired_later_are_told_too() {
    let server = Spanloom::start().await;
    let [client, called] = call("web", "shop", 1, 1);
    send(&server, &[called.lasting_ms(30)]).await;
    send(&server, &[client]).await;
    add_up(&server).await;
    let text = scrape(&server, OPEN_METRICS).await;
    let edge = "client=\"web\",server=\"shop\",connection_type=\"\"";
    let found = samples(&text);
    let bucket = |le: &str| {
        found[&format!("traces_service_graph_request_server_seconds_bucket{{{edge},le=\"{le}\"}}")]
    };
    assert_eq!((bucket("0.016"), bucket("0.032")), (0.0, 1.0));
    let start = format!("traces_service_graph_request_server_seconds_bucket{{{edge},le=\"0.032\"}} 1 # ");
    let line = text.lines().find(|line| line.starts_with(&start));
    assert!(line.is_some_and(|line| line.contains("span_id=\"0000000000000001\"} 0.03 ")), "{text}");
}

/// Catches bounds that the database and the server do not share.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_knows_the_bounds() {
    let server = Spanloom::start().await;
    let durations: Vec<i64> = PROMETHEUS_BOUNDS_NS
        .iter()
        .flat_map(|bound| [bound - 1, *bound, bound + 1])
        .chain([0, 1, i64::MAX])
        .collect();
    let found: Vec<i16> = sqlx::query_scalar(
        "SELECT latency_bound(d) FROM unnest($1::bigint[]) WITH ORDINALITY u (d, n) ORDER BY n",
    )
    .bind(&durations)
    .fetch_all(server.pool())
    .await
    .unwrap();
    assert_eq!(found, durations.iter().map(|ns| prometheus_bound_of(*ns)).collect::<Vec<i16>>());
}

/// Catches examples of traces that sampling dropped, and counts that sampling changes.
#[tokio::test(flavor = "multi_thread")]
async fn with_sampling_everything_counts_and_examples_are_of_what_is_kept() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let errors = json!({"name": "errors", "rule": {"type": "status_code", "statusCodes": ["error"]}});
    let settings = json!({"decisionWaitMs": 100, "policies": [errors]});
    let save = editor.request(Method::PUT, "/api/v1/sampling");
    let saved = save.json(&json!({"version": 0, "settings": settings})).send().await.unwrap();
    assert_eq!(saved.status(), StatusCode::OK);
    server.server.sampling_reaches(1).await;
    send(&server, &calls(1, 20)).await;
    until("the failed calls are stored", async || server.stored_spans().await == 4 * 3).await;
    let text = scrape(&server, OPEN_METRICS).await;
    let total: f64 = samples(&text)
        .iter()
        .filter(|(name, _)| name.starts_with("traces_spanmetrics_calls_total"))
        .map(|(_, value)| value)
        .sum();
    assert!((total - 60.0).abs() < 1e-9, "{total}");
    let ids: Vec<&str> = text.split("trace_id=\"").skip(1).map(|rest| &rest[..32]).collect();
    assert!(!ids.is_empty());
    let reader = server.reader().await;
    for id in ids {
        reader.get(&format!("/api/v1/traces/{id}")).await;
    }
}

/// Catches an answer of any size, a limit that makes known series come and go, and one that nobody sees.
#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_the_newest_series_are_left_out_and_counted() {
    let server = Spanloom::start().await;
    send(&server, &calls(1, 1)).await;
    add_up(&server).await;
    let count = |text: &str| {
        text.lines().filter(|line| line.starts_with("traces_spanmetrics_calls_total{")).count()
    };
    let left_out = |text: &str, what: &str| {
        samples(text)[&format!("spanloom_exposition_series_left_out{{metrics=\"traces_{what}\"}}")]
    };
    let text = scrape(&server, "").await;
    assert_eq!((count(&text), left_out(&text, "spanmetrics")), (3, 0.0));
    for statement in [
        "INSERT INTO operations (service_id, name) SELECT min(id), 'many ' || n FROM services, generate_series(1, 4100) n GROUP BY n",
        "INSERT INTO span_totals SELECT service_id, id, 2, 0, 3, 1000, 5000, NULL, now() + interval '1 minute',
         CASE WHEN name = 'many 7' THEN now() - interval '2 days' ELSE now() END
         FROM operations WHERE name LIKE 'many %'",
        "INSERT INTO edge_totals SELECT 1, 0, 'host ' || n, 5, 3, 1000, 0, 5000, NULL, now() + interval '1 minute', now()
         FROM generate_series(1, 2100) n",
    ] {
        sqlx::query(statement).execute(server.pool()).await.unwrap();
    }
    let text = scrape(&server, "").await;
    assert_eq!((count(&text), left_out(&text, "spanmetrics")), (4_000, 102.0), "one is idle");
    assert!((left_out(&text, "service_graph") - 102.0).abs() < 1e-9);
    assert!(text.contains("service=\"web\",span_name=\"op\""), "the oldest stay");
}
