//! What is stored and counted, against a set: resends, other formats, restarts, other servers, clocks
//! that run ahead or behind, and sampling.

use std::collections::{BTreeMap, HashMap, HashSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use spanloom_model::api::Role;

use super::harness::{Spanloom, ago_ns, database};

/// Trace, span, start, kind: what makes a span the same span.
type Key = (u64, u64, u64, i32);

fn otlp(spans: &[Key]) -> Vec<u8> {
    let spans = spans
        .iter()
        .map(|&(trace, id, start, kind)| Span {
            trace_id: u128::from(trace).to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            name: "op".to_owned(),
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: start + 1_000,
            ..Span::default()
        })
        .collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

async fn send(server: &Spanloom, spans: &[Key], as_json: bool) {
    let mut request = server.client.post(server.url("/v1/traces"));
    request = if as_json {
        let message = ExportTraceServiceRequest::decode(&otlp(spans)[..]).unwrap();
        request.header("Content-Type", "application/json").body(serde_json::to_vec(&message).unwrap())
    } else {
        request.header("Content-Type", "application/x-protobuf").body(otlp(spans))
    };
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

async fn stored(server: &Spanloom) -> Vec<Key> {
    let rows: Vec<(String, i64, i64, i16, i16)> = sqlx::query_as(
        "SELECT trace_id::text, span_id, (extract(epoch FROM start_time) * 1e6)::bigint, start_sub_ns, kind FROM spans",
    )
    .fetch_all(server.pool())
    .await
    .unwrap();
    rows.into_iter()
        .map(|(trace, id, start_us, sub_ns, kind)| {
            let trace = u128::from_str_radix(&trace.replace('-', ""), 16).unwrap() as u64;
            (trace, id as u64, (start_us * 1_000 + i64::from(sub_ns)) as u64, i32::from(kind))
        })
        .collect()
}

async fn counted(server: &Spanloom) -> f64 {
    sqlx::query_scalar("SELECT coalesce(sum(span_count), 0) FROM metrics_minute")
        .fetch_one(server.pool())
        .await
        .unwrap()
}

/// Catches any span that is stored or counted twice, or is taken for another: whatever was sent how
/// often, in whatever order, to whichever of two servers, which stop and start in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_the_set_of_what_was_sent() {
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let database = database().await;
        let small = |config: &mut spanloom::config::Config| {
            // A filter that forgets, and batches that do not hold everything.
            config.ingest.dedup_bytes_max = 1;
            config.ingest.batch_spans_max = 40;
            config.queue.memory_bytes_max = 2_000;
        };
        let mut servers =
            vec![Spanloom::start_on(&database, small).await, Spanloom::start_on(&database, small).await];
        let mut sent: Vec<Key> = Vec::new();
        for _ in 0..40 {
            let mut spans = Vec::new();
            for _ in 0..random.random_range(1..30) {
                if !sent.is_empty() && random.random_bool(0.4) {
                    spans.push(sent[random.random_range(0..sent.len())]);
                    continue;
                }
                // Most clocks are right; some run nine minutes ahead, some are days late.
                let age_s = match random.random_range(0..10) {
                    0 => -random.random_range(1..540),
                    1 => random.random_range(0..5 * 86_400),
                    _ => random.random_range(0..5),
                };
                let start = ago_ns(age_s) + random.random_range(0..3);
                let trace = random.random_range(1..20);
                spans.push((trace, random.random_range(1..40), start, random.random_range(0..3)));
            }
            let which = random.random_range(0..servers.len());
            send(&servers[which], &spans, random.random_bool(0.3)).await;
            sent.extend(spans);
            if random.random_bool(0.1) {
                let server = servers.swap_remove(which);
                let data_dir = server.config.storage.data_dir.clone();
                server.server.stop().await.unwrap();
                let again = |config: &mut spanloom::config::Config| {
                    small(config);
                    config.storage.data_dir = data_dir;
                };
                servers.push(Spanloom::start_on(&database, again).await);
            }
        }
        for server in &servers {
            server.server.settled().await;
        }
        let expected: HashSet<Key> = sent.into_iter().collect();
        let stored = stored(&servers[0]).await;
        assert_eq!(stored.len(), expected.len(), "seed {seed}: doubled or lost");
        assert_eq!(stored.into_iter().collect::<HashSet<_>>(), expected, "seed {seed}");
        let counted = counted(&servers[0]).await;
        assert!((counted - expected.len() as f64).abs() < 1e-6, "seed {seed}: {counted} counted");
    }
}

/// Traces of the test of sampling.
const TRACES: u64 = 800;

/// One trace of three spans, of which the last fails if `error`.
fn trace(number: u64, error: bool) -> Vec<Span> {
    let start = ago_ns(1) + number;
    // Random ids: what is kept is decided by the low 56 bits.
    let id = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (1..=3)
        .map(|index| Span {
            trace_id: id.to_be_bytes().to_vec(),
            span_id: (number * 3 + index).to_be_bytes().to_vec(),
            name: "op".to_owned(),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: start + 1_000,
            status: Some(Status { code: if error && index == 3 { 2 } else { 0 }, ..Status::default() }),
            ..Span::default()
        })
        .collect()
}

async fn send_spans(server: &Spanloom, spans: Vec<Span>) {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let request =
        server.client.post(server.url("/v1/traces")).header("Content-Type", "application/x-protobuf");
    assert_eq!(request.body(body).send().await.unwrap().status(), StatusCode::OK);
}

/// Sampled spans of traces, and their weights.
async fn weights(server: &Spanloom) -> BTreeMap<i64, f32> {
    let rows: Vec<(i64, f32)> =
        sqlx::query_as("SELECT span_id, weight FROM spans").fetch_all(server.pool()).await.unwrap();
    let count = rows.len();
    let weights: BTreeMap<i64, f32> = rows.into_iter().collect();
    assert_eq!(weights.len(), count, "a span is stored twice");
    weights
}

/// Catches metrics that sampling, a resend or a restart falsifies; errors that are lost; weights that
/// do not add up; a trace that is decided differently after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn sampling_leaves_the_counts_exact_and_survives_a_restart() {
    let database = database().await;
    let server = Spanloom::start_on(&database, |_| {}).await;
    let editor = server.login(Role::Editor).await;
    let settings: Value = json!({"version": 0, "settings": {"decisionWaitMs": 1500, "policies": [
        {"name": "errors", "rule": {"type": "status_code", "statusCodes": ["error"]}},
        {"name": "some", "rule": {"type": "probabilistic", "samplingPercentage": 25.0}},
    ]}});
    let saved = editor.request(Method::PUT, "/api/v1/sampling").json(&settings).send().await.unwrap();
    assert_eq!(saved.status(), StatusCode::OK);
    server.server.sampling_reaches(1).await;

    let traces: HashMap<u64, Vec<Span>> =
        (1..=TRACES).map(|number| (number, trace(number, number % 20 == 0))).collect();
    let first_two = |number: u64| traces[&number][..2].to_vec();
    for number in 1..=TRACES {
        // The second half of each trace comes with the next request, some of it twice.
        let mut spans = first_two(number);
        if number > 1 {
            spans.push(traces[&(number - 1)][2].clone());
            spans.extend(first_two(number - 1));
        }
        send_spans(&server, spans).await;
    }
    // A restart while most traces wait for their decision: the queue is read again.
    let data_dir = server.config.storage.data_dir.clone();
    server.server.stop().await.unwrap();
    let server = Spanloom::start_on(&database, |config| config.storage.data_dir = data_dir).await;
    send_spans(&server, traces[&TRACES][2..].to_vec()).await;
    server.server.settled().await;

    let expected = (TRACES * 3) as f64;
    let counted_once = counted(&server).await;
    assert!((counted_once - expected).abs() < 1e-6, "{counted_once} counted, {expected} sent");
    let kept = weights(&server).await;
    for number in (20..=TRACES).step_by(20) {
        for index in 1..=3 {
            assert_eq!(
                kept.get(&((number * 3 + index) as i64)),
                Some(&1.0),
                "an error is kept whole and weighs 1"
            );
        }
    }
    for number in 1..=TRACES {
        let of_trace = (1..=3).filter(|index| kept.contains_key(&((number * 3 + index) as i64))).count();
        assert!(of_trace == 0 || of_trace == 3, "trace {number} is kept in part: {of_trace}");
    }
    assert!((kept.len() as f64) < expected / 2.0, "{} kept", kept.len());
    // 760 traces at 25%: six standard deviations of the estimate are about 6 * sqrt(760 * 3) * 3 spans.
    let estimated: f32 = kept.values().sum();
    assert!((f64::from(estimated) - expected).abs() < 860.0, "{estimated} estimated, {expected} sent");

    // Everything once more: what was dropped is known too, and nothing is counted again.
    for number in 1..=TRACES {
        send_spans(&server, traces[&number].clone()).await;
    }
    server.server.settled().await;
    assert!((counted(&server).await - expected).abs() < 1e-6, "resent spans are counted");
    assert_eq!(weights(&server).await.len(), kept.len(), "a dropped trace came back");
}
