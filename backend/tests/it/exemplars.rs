//! Exemplars of metrics: stored spans, compared with plain SQL over all of them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::Role;

use super::harness::{Reader, Spanloom, now_us, until};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// A span of the service `shop` unless changed.
struct Sent {
    service: &'static str,
    id: u64,
    operation: &'static str,
    version: &'static str,
    kind: u8,
    failed: bool,
    start_us: i64,
    duration_ns: i64,
}

fn sent(id: u64, start_us: i64, duration_ms: i64) -> Sent {
    Sent {
        service: "shop",
        id,
        operation: "GET /cart",
        version: "1.0",
        kind: 2,
        failed: false,
        start_us,
        duration_ns: duration_ms * 1_000_000,
    }
}

impl Sent {
    /// What is kept of a trace is decided by the lower bits: they are spread.
    fn trace_id(&self) -> String {
        format!("{:032x}", u128::from(self.id.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn json(&self) -> Value {
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        // Nanoseconds below the microsecond, too.
        let start_ns = self.start_us * 1_000 + self.id as i64 % 1_000;
        json!({
            "resource": {"attributes": [text("service.name", self.service), text("service.version", self.version)]},
            "scopeSpans": [{"spans": [{
                "traceId": self.trace_id(), "spanId": format!("{:016x}", self.id),
                "name": self.operation, "kind": self.kind,
                "startTimeUnixNano": start_ns.to_string(),
                "endTimeUnixNano": (start_ns + self.duration_ns).to_string(),
                "status": {"code": if self.failed { 2 } else { 0 }},
            }]}],
        })
    }
}

async fn send(server: &Spanloom, spans: &[Sent]) {
    let body = json!({"resourceSpans": spans.iter().map(Sent::json).collect::<Vec<_>>()});
    let response = server.client.post(server.url("/v1/traces")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    server.server.settled().await;
}

/// Spans of two services without any regularity, the same at every call.
fn many(start_us: i64, hours: i64, count: u64) -> Vec<Sent> {
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (1..=count)
        .map(|id| Sent {
            service: ["shop", "stock"][usize::from(random(4) == 0)],
            operation: ["GET /cart", "POST /order", "GET /"][random(3) as usize],
            version: ["1.0", "1.0\"rc", "2.0"][random(3) as usize],
            kind: [2, 3][random(2) as usize],
            failed: random(12) == 0,
            start_us: start_us + (random(hours as u64 * 3_600) * 1_000_000 + random(1_000_000)) as i64,
            duration_ns: (10_000 + random(1_000) * random(1_000) * random(1_000)) as i64,
            ..sent(id, 0, 0)
        })
        .collect()
}

fn query_of(filters: &[(&str, &str)]) -> String {
    let encoded = |text: &str| text.bytes().fold(String::new(), |url, byte| format!("{url}%{byte:02X}"));
    filters.iter().fold(String::new(), |query, (name, value)| format!("{query}&{name}={}", encoded(value)))
}

async fn ask(reader: &Reader<'_>, query: &str) -> Value {
    reader.get(&format!("/api/v1/metrics/exemplars?{query}")).await
}

/// A step as plain SQL tells it.
#[derive(Debug, Default, Clone)]
struct Exact {
    durations_ns: Vec<i64>,
    failed: usize,
}

impl Exact {
    /// The value that the share `q` of the spans does not exceed.
    fn quantile(&self, q: f64) -> f64 {
        let rank = (q * self.durations_ns.len() as f64).ceil().max(1.0) as usize;
        self.durations_ns[rank - 1] as f64
    }
}

fn time_us(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros()
}

/// Checks the answer to a filter against all spans that satisfy it.
async fn compare(
    server: &Spanloom,
    reader: &Reader<'_>,
    filters: &[(&str, &str)],
    range: &str,
    step_s: i64,
) {
    let answer = ask(reader, &format!("{range}&step={step_s}{}", query_of(filters))).await;
    assert_eq!(answer["stepSeconds"].as_i64().unwrap() % step_s, 0);
    let (start_us, step_us) =
        (time_us(&answer["startTime"]), answer["stepSeconds"].as_i64().unwrap() * 1_000_000);
    assert!(time_us(&answer["endTime"]) - start_us <= 50 * step_us);
    let rows: Vec<Value> = sqlx::query_scalar(
        "SELECT jsonb_build_object('service', v.name, 'operation', o.name, 'traceId', replace(trace_id::text, '-', ''),
             'spanId', lpad(to_hex(span_id), 16, '0'), 'durationNs', duration_ns,
             'kind', CASE kind WHEN 2 THEN 'server' ELSE 'client' END,
             'status', CASE status WHEN 2 THEN 'error' ELSE 'unset' END,
             'version', r.attributes::jsonb ->> 'service.version', 'subNs', start_sub_ns,
             'us', (extract(epoch FROM start_time) * 1000000)::bigint)
         FROM spans s JOIN services v ON v.id = s.service_id JOIN operations o ON o.id = s.operation_id
         JOIN resources r ON r.id = s.resource_id ORDER BY duration_ns",
    )
    .fetch_all(server.pool())
    .await
    .unwrap();
    let fits = |row: &&Value| filters.iter().all(|(name, value)| row[*name] == *value);
    let rows: Vec<&Value> = rows.iter().filter(fits).collect();
    let step_of = |us: i64| (us - start_us).div_euclid(step_us);
    let mut exact = BTreeMap::<i64, Exact>::new();
    for row in &rows {
        let step = exact.entry(step_of(row["us"].as_i64().unwrap())).or_default();
        step.durations_ns.push(row["durationNs"].as_i64().unwrap());
        step.failed += usize::from(row["status"] == "error");
    }

    let mut told = BTreeMap::<i64, Vec<&Value>>::new();
    let mut ids = BTreeSet::new();
    for exemplar in answer["exemplars"].as_array().unwrap() {
        assert!(ids.insert(exemplar["traceId"].to_string()), "twice: {exemplar}");
        let row = rows.iter().find(|row| row["traceId"] == exemplar["traceId"]);
        let row = row.unwrap_or_else(|| panic!("{exemplar} does not satisfy {filters:?}"));
        for field in ["spanId", "durationNs", "status", "operation", "kind", "version"] {
            assert_eq!(exemplar[field], row[field], "{field}");
        }
        let start =
            exemplar["startTime"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        let start_ns = start.timestamp_nanos_opt().unwrap();
        assert_eq!(start_ns, row["us"].as_i64().unwrap() * 1_000 + row["subNs"].as_i64().unwrap());
        let step = step_of(start.timestamp_micros());
        let duration_ns = exemplar["durationNs"].as_i64().unwrap() as f64;
        // A histogram knows where a span is to a bucket, 5%.
        match exemplar["reason"].as_str().unwrap() {
            "slow" => assert!(duration_ns >= exact[&step].quantile(0.95) / 1.051, "{exemplar}"),
            "typical" => {
                let (low, high) = (exact[&step].quantile(0.45), exact[&step].quantile(0.55));
                assert!(
                    duration_ns >= low / 1.051 && duration_ns <= high * 1.051,
                    "{exemplar}: {low} to {high}"
                );
            }
            _ => assert_eq!(exemplar["status"], "error"),
        }
        told.entry(step).or_default().push(exemplar);
    }
    assert_eq!(
        told.keys().collect::<Vec<_>>(),
        exact.keys().collect::<Vec<_>>(),
        "steps with spans: {filters:?}"
    );
    for (step, exemplars) in told {
        let exact = &exact[&step];
        assert!(exemplars.len() <= 4, "{exemplars:?}");
        // So few are slow that the slowest is always among those that are looked at.
        let longest = exact.durations_ns.last().unwrap();
        assert!(exemplars.iter().any(|it| it["durationNs"] == *longest), "{longest}: {exemplars:?}");
        let has_failed = exemplars.iter().any(|it| it["status"] == "error");
        assert_eq!(has_failed, exact.failed > 0, "{exemplars:?}");
    }
}

/// Catches spans that nobody stored or that do not fit the filters, the step or what they are said to be
/// examples of, steps without any, failures that are passed over, and links that lead nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn every_exemplar_is_a_stored_span_that_explains_its_step() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_us = now_us() / HOUR_US * HOUR_US - 2 * HOUR_US;
    send(&server, &many(start_us, 2, 1_000)).await;
    let range = format!("startTime={start_us}&endTime={}", start_us + 2 * HOUR_US);
    for filters in [
        &[("service", "shop")][..],
        &[("service", "stock"), ("kind", "server")],
        &[("service", "shop"), ("status", "error")],
        &[("service", "shop"), ("status", "unset"), ("kind", "client")],
        &[("service", "shop"), ("operation", "GET /"), ("version", "2.0")],
        &[("service", "shop"), ("version", "1.0\"rc"), ("kind", "server")],
    ] {
        for step_s in [60, 900, 3_600] {
            compare(&server, &reader, filters, &range, step_s).await;
        }
    }
    let answer = ask(&reader, &format!("{range}&service=shop")).await;
    for exemplar in answer["exemplars"].as_array().unwrap().iter().take(5) {
        let trace = reader.get(&format!("/api/v1/traces/{}", exemplar["traceId"].as_str().unwrap())).await;
        assert_eq!(trace["spans"][0]["spanId"], exemplar["spanId"]);
    }
    // A version that others begin with.
    let none = ask(&reader, &format!("{range}&service=shop&version=1")).await;
    assert_eq!(none["exemplars"], json!([]));
}

/// Catches an exemplar whose trace cannot be opened, and a failure that is not found because those of the
/// worst minute were dropped.
#[tokio::test(flavor = "multi_thread")]
async fn what_sampling_dropped_is_never_told() {
    let server = Spanloom::start().await;
    let editor = server.login(Role::Editor).await;
    let settings = json!({"version": 0, "settings": {"decisionWaitMs": 100, "policies": [
        {"name": "slow", "rule": {"type": "latency", "thresholdMs": 1_000}},
    ]}});
    let saved = editor.request(Method::PUT, "/api/v1/sampling").json(&settings).send().await.unwrap();
    assert_eq!(saved.status(), StatusCode::OK, "{}", saved.text().await.unwrap());
    server.server.sampling_reaches(1).await;
    let start_us = now_us() / HOUR_US * HOUR_US - HOUR_US;
    let failed = |id, minute: i64, duration_ms| Sent {
        failed: true,
        ..sent(id, start_us + minute * MINUTE_US, duration_ms)
    };
    // The first ten minutes: most failures, all fast, are in the third; the one of the sixth is slow, but not
    // among the two that are told as slow.
    let mut spans: Vec<Sent> = (1..=5).map(|id| failed(id, 3, 10)).collect();
    spans.push(failed(6, 6, 1_500));
    spans.extend((7..=40).map(|id| sent(id, start_us + 2 * MINUTE_US, 5_000)));
    // The next ten: nothing is kept.
    spans.extend((41..=60).map(|id| sent(id, start_us + 12 * MINUTE_US, 10)));
    let (count, kept) = (spans.len() as i64, 35);
    send(&server, &spans).await;
    until("all are decided", async || {
        let dropped: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sampled_out").fetch_one(server.pool()).await.unwrap();
        dropped == count - kept
    })
    .await;
    let reader = server.reader().await;
    let range = format!("service=shop&step=600&startTime={start_us}&endTime={}", start_us + 20 * MINUTE_US);
    let metrics = reader.get(&format!("/api/v1/metrics?metric=count&{range}")).await;
    assert_eq!(metrics["series"][0]["points"], json!([40.0, 20.0]), "sampling does not change the numbers");
    let answer = ask(&reader, &range).await;
    let found: Vec<(&str, u64)> = answer["exemplars"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["reason"].as_str().unwrap(),
                u64::from_str_radix(it["spanId"].as_str().unwrap(), 16).unwrap(),
            )
        })
        .collect();
    assert!(found.iter().all(|(_, id)| (6..=40).contains(id)), "{found:?}");
    assert!(found.contains(&("error", 6)), "{found:?}");
    assert_eq!(found.iter().filter(|(reason, _)| *reason == "slow").count(), 2);
}

/// Catches answers of any size, parameters that are ignored, and a service that is made up.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_bounded_and_faults_told_by_name() {
    let server = Spanloom::start().await;
    let reader = server.reader().await;
    let start_us = now_us() / HOUR_US * HOUR_US - 3 * HOUR_US;
    send(&server, &many(start_us, 3, 2_000)).await;
    let range = format!("startTime={}&endTime={}", start_us + 1, start_us + 3 * HOUR_US);
    let answer = ask(&reader, &format!("service=shop&step=60&{range}")).await;
    let count = answer["exemplars"].as_array().unwrap().len();
    assert!((100..=200).contains(&count), "{count}");
    assert_eq!(answer["stepSeconds"], 240);
    let year = format!("startTime={}&step=60", start_us - 365 * 24 * HOUR_US);
    let answer = ask(&reader, &format!("service=shop&{year}")).await;
    assert!((1..=4).contains(&answer["exemplars"].as_array().unwrap().len()));
    assert_eq!(ask(&reader, "service=nobody").await["exemplars"], json!([]));
    assert_eq!(ask(&reader, &format!("service=shop&operation=none&{range}")).await["exemplars"], json!([]));

    for (query, field) in [
        ("", "service"),
        ("service=shop&step=61", "step"),
        ("service=shop&kind=boss", "kind"),
        ("service=shop&callee=stock", "callee"),
        ("service=shop&groupBy=kind", "groupBy"),
        ("service=shop&startTime=2&endTime=1", "startTime"),
    ] {
        let response = reader.response(&format!("/api/v1/metrics/exemplars?{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
}

/// Catches a search for spans that goes on for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_too_long_is_ended() {
    let server = Spanloom::start_with(|config| config.query.statement_seconds_max = 1).await;
    let reader = server.reader().await;
    send(&server, &[sent(1, now_us() - 5 * MINUTE_US, 10)]).await;
    let mut holding = server.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE spans IN ACCESS EXCLUSIVE MODE").execute(&mut *holding).await.unwrap();
    let response = reader.response("/api/v1/metrics/exemplars?service=shop").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "unavailable", "{problem}");
    holding.rollback().await.unwrap();
    assert_eq!(ask(&reader, "service=shop").await["exemplars"].as_array().unwrap().len(), 1);
}
