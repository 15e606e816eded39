//! The search against a model: what the pages of the API return is what looking at every span in
//! memory returns.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::harness::{Reader, Spanloom, ago_ns, now_us};

const MINUTE_NS: u64 = 60_000_000_000;
const STATUSES: [&str; 3] = ["unset", "ok", "error"];

#[derive(Debug, Clone)]
struct Span {
    trace: u128,
    id: u64,
    is_root: bool,
    start_ns: u64,
    duration_ns: u64,
    service: u8,
    zone: &'static str,
    operation: u8,
    status: usize,
    tags: Vec<(&'static str, Any)>,
}

fn service_name(service: u8) -> String {
    format!("service-{service}")
}

fn operation_name(operation: u8) -> String {
    format!("operation \"{operation}\"")
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Sends the spans as one request, which makes one piece of each trace in it.
async fn send(server: &Spanloom, spans: &[Span]) {
    let resource_spans = spans
        .iter()
        .map(|span| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![
                    attribute("service.name", Any::StringValue(service_name(span.service))),
                    attribute("zone", Any::StringValue(span.zone.into())),
                ],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans { spans: vec![otlp(span)], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        })
        .collect();
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let request =
        server.client.post(server.url("/v1/traces")).header("Content-Type", "application/x-protobuf");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.unwrap().is_empty(), "a span was rejected");
}

fn otlp(span: &Span) -> OtlpSpan {
    OtlpSpan {
        trace_id: span.trace.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: if span.is_root { Vec::new() } else { 77_u64.to_be_bytes().to_vec() },
        name: operation_name(span.operation),
        start_time_unix_nano: span.start_ns,
        end_time_unix_nano: span.start_ns + span.duration_ns,
        attributes: span.tags.iter().map(|(key, value)| attribute(key, value.clone())).collect(),
        status: Some(Status { code: span.status as i32, ..Status::default() }),
        ..OtlpSpan::default()
    }
}

/// Traces around `base_ns`: starts that coincide, traces longer than the ranges that are asked for,
/// gaps, and spans that arrive in any batch.
fn random_batches(rng: &mut StdRng, base_ns: u64) -> Vec<Vec<Span>> {
    let mut batches = vec![Vec::new(); 6];
    for trace in 1..=80_u128 {
        // Ids whose order has nothing to do with the order of starts, and that use the top bit.
        let trace = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut start_ns = base_ns + rng.random_range(0..40) * MINUTE_NS / 2 + rng.random_range(0..2);
        let has_root = rng.random_bool(0.8);
        for index in 0..rng.random_range(1..6) {
            let span = Span {
                trace,
                id: u64::MAX - index,
                is_root: has_root && index == 0,
                start_ns,
                duration_ns: [0, 1_500, 3_000_000, 2_000_000_000, 10 * MINUTE_NS][rng.random_range(0..5)],
                service: rng.random_range(0..4),
                zone: ["a", "b"][rng.random_range(0..2)],
                operation: rng.random_range(0..3),
                status: rng.random_range(0..3),
                tags: random_tags(rng),
            };
            batches[rng.random_range(0..6)].push(span);
            start_ns += [0, 999, 7_000_000, MINUTE_NS, 9 * MINUTE_NS][rng.random_range(0..5)];
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

fn random_tags(rng: &mut StdRng) -> Vec<(&'static str, Any)> {
    let mut tags = Vec::new();
    match rng.random_range(0..4) {
        0 => {}
        1 => tags.push(("n", Any::StringValue(rng.random_range(0..3).to_string()))),
        _ => tags.push(("n", Any::IntValue(rng.random_range(0..3)))),
    }
    if rng.random_bool(0.5) {
        tags.push(("quote\"d", Any::BoolValue(rng.random_bool(0.5))));
    }
    if rng.random_bool(0.5) {
        tags.push(("size", Any::DoubleValue([0.5, 1.0, 1e21][rng.random_range(0..3)])));
    }
    // Shadows nothing: the span's own zone differs from its process' on purpose.
    if rng.random_bool(0.1) {
        tags.push(("zone", Any::StringValue("c".into())));
    }
    tags
}

#[derive(Debug, Default, Clone)]
struct Search {
    start_ns: u64,
    end_ns: u64,
    service: Option<u8>,
    operation: Option<u8>,
    status: Option<usize>,
    tags: Vec<(&'static str, &'static str)>,
    min_us: Option<u64>,
    max_us: Option<u64>,
    by_duration: bool,
    limit: usize,
}

fn random_search(rng: &mut StdRng, base_ns: u64) -> Search {
    let start_ns = base_ns + rng.random_range(0..25) * MINUTE_NS;
    let mut search = Search {
        start_ns: start_ns + rng.random_range(0..2),
        // Now and then the range ends between two nanoseconds at which traces start.
        end_ns: start_ns + rng.random_range(0..25) * MINUTE_NS + rng.random_range(1..3),
        by_duration: rng.random_bool(0.3),
        limit: rng.random_range(2..16),
        ..Search::default()
    };
    let mut maybe = |p: f64| rng.random_bool(p);
    let (service, operation, status) = (maybe(0.5), maybe(0.25), maybe(0.4));
    let (tag, second_tag, min, max) = (maybe(0.3), maybe(0.1), maybe(0.2), maybe(0.2));
    search.service = service.then(|| rng.random_range(0..4));
    search.operation = operation.then(|| rng.random_range(0..3));
    search.status = status.then(|| rng.random_range(0..3));
    let tags = [
        ("n", "1"),
        ("n", "2"),
        ("quote\"d", "true"),
        ("size", "0.5"),
        ("size", "1.0"),
        ("size", "1e21"),
        ("zone", "a"),
        ("zone", "c"),
        ("n", "true"),
    ];
    for _ in 0..usize::from(tag) + usize::from(second_tag) {
        search.tags.push(tags[rng.random_range(0..tags.len())]);
    }
    search.min_us = min.then(|| rng.random_range(0..900_000_000));
    search.max_us = max.then(|| rng.random_range(0..900_000_000));
    if let (Some(min), Some(max)) = (search.min_us, search.max_us) {
        (search.min_us, search.max_us) = (Some(min.min(max)), Some(min.max(max)));
    }
    search
}

impl Search {
    fn query(&self) -> Vec<(String, String)> {
        let time = |ns: u64| chrono::DateTime::from_timestamp_nanos(ns as i64).to_rfc3339();
        let mut query = vec![
            ("startTime", time(self.start_ns)),
            ("endTime", time(self.end_ns)),
            ("limit", self.limit.to_string()),
            ("order", if self.by_duration { "duration" } else { "start" }.to_owned()),
        ];
        query.extend(self.service.map(|service| ("serviceName", service_name(service))));
        query.extend(self.operation.map(|operation| ("operation", operation_name(operation))));
        query.extend(self.status.map(|status| ("status", STATUSES[status].to_owned())));
        query.extend(self.tags.iter().map(|(key, value)| ("tag", format!("{key}={value}"))));
        query.extend(self.min_us.map(|us| ("duration", us.to_string())));
        query.extend(self.max_us.map(|us| ("maxDuration", format!("{us}us"))));
        query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn accepts(&self, span: &Span) -> bool {
        self.service.is_none_or(|service| span.service == service)
            && self.operation.is_none_or(|operation| span.operation == operation)
            && self.status.is_none_or(|status| span.status == status)
            && self.tags.iter().all(|(key, value)| {
                (*key == "zone" && span.zone == *value)
                    || span.tags.iter().any(|(k, v)| k == key && text(v) == *value)
            })
    }

    /// What the API must return, page breaks aside.
    fn expected(&self, spans: &[Span]) -> Vec<Summary> {
        let mut traces = BTreeMap::<u128, Vec<&Span>>::new();
        for span in spans {
            traces.entry(span.trace).or_default().push(span);
        }
        let mut summaries: Vec<Summary> = traces
            .values()
            .filter(|spans| spans.iter().any(|span| self.accepts(span)))
            .map(|spans| Summary::of(spans))
            .filter(|trace| (self.start_ns..self.end_ns).contains(&trace.start_ns))
            .filter(|trace| self.min_us.is_none_or(|us| trace.duration_ns >= us * 1000))
            .filter(|trace| self.max_us.is_none_or(|us| trace.duration_ns <= us * 1000))
            .collect();
        summaries.sort_by_key(|trace| {
            let key = if self.by_duration { trace.duration_ns } else { trace.start_ns };
            std::cmp::Reverse((key, trace.id.clone()))
        });
        summaries
    }
}

fn text(value: &Any) -> String {
    match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        Any::BoolValue(truth) => truth.to_string(),
        Any::DoubleValue(number) => json!(number).to_string().replace("e+", "e"),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Summary {
    id: String,
    start_ns: u64,
    duration_ns: u64,
    has_root: bool,
    /// None where two spans start first.
    root: Option<(String, String)>,
    /// Spans and errors by service.
    services: BTreeMap<String, (u64, u64)>,
}

impl Summary {
    fn of(spans: &[&Span]) -> Self {
        let start_ns = spans.iter().map(|span| span.start_ns).min().unwrap();
        let end_ns = spans.iter().map(|span| span.start_ns + span.duration_ns).max().unwrap();
        let root = spans.iter().find(|span| span.is_root);
        let firsts: Vec<_> = spans.iter().filter(|span| span.start_ns == start_ns).collect();
        let shown = root.or_else(|| firsts.first().copied().filter(|_| firsts.len() == 1));
        let mut services = BTreeMap::<String, (u64, u64)>::new();
        for span in spans {
            let counts = services.entry(service_name(span.service)).or_default();
            counts.0 += 1;
            counts.1 += u64::from(span.status == 2);
        }
        Self {
            id: format!("{:032x}", spans[0].trace),
            start_ns,
            duration_ns: end_ns - start_ns,
            has_root: root.is_some(),
            root: shown.map(|span| (service_name(span.service), operation_name(span.operation))),
            services,
        }
    }

    fn read(trace: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let start = chrono::DateTime::parse_from_rfc3339(trace["startTime"].as_str().unwrap()).unwrap();
        let services: BTreeMap<String, (u64, u64)> = trace["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|service| {
                let counts =
                    (service["spanCount"].as_u64().unwrap(), service["errorCount"].as_u64().unwrap());
                (text(&service["name"]), counts)
            })
            .collect();
        assert_eq!(trace["spanCount"], services.values().map(|counts| counts.0).sum::<u64>());
        assert_eq!(trace["errorCount"], services.values().map(|counts| counts.1).sum::<u64>());
        Self {
            id: text(&trace["traceId"]),
            start_ns: start.timestamp_nanos_opt().unwrap() as u64,
            duration_ns: trace["durationNs"].as_u64().unwrap(),
            has_root: trace["hasRoot"].as_bool().unwrap(),
            root: Some((text(&trace["root"]["service"]), text(&trace["root"]["operation"]))),
            services,
        }
    }
}

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
        for _ in 0..100 {
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

    let day = chrono::DateTime::from_timestamp_nanos(noon_ns(3) as i64).format("%Y%m%d");
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
