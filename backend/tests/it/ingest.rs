//! Receiving and writing, through real sockets.

use std::io::{Read as _, Write as _};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use spanloom_model::api::KeyScope;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_types::StatusExt as _;

use super::harness::{self, Spanloom, ago_ns, now_us};

pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

pub fn span(trace: u8, span: u8) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![span; 8],
        name: "op".into(),
        kind: 2,
        start_time_unix_nano: ago_ns(1),
        end_time_unix_nano: ago_ns(0),
        ..Span::default()
    }
}

pub fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource =
        Some(Resource { attributes: vec![attribute("service.name", "shop")], ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}

pub async fn grpc(server: &Spanloom) -> TraceServiceClient<tonic::transport::Channel> {
    let endpoint = format!("http://{}", server.server.otlp_grpc.unwrap());
    TraceServiceClient::connect(endpoint).await.unwrap()
}

pub async fn post(
    server: &Spanloom,
    content_type: &str,
    encoding: Option<&str>,
    body: Vec<u8>,
) -> reqwest::Response {
    let url = format!("http://{}/v1/traces", server.server.otlp_http.unwrap());
    let mut request = server.client.post(url).header("Content-Type", content_type).body(body);
    if let Some(encoding) = encoding {
        request = request.header("Content-Encoding", encoding);
    }
    request.send().await.unwrap()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Catches a transport or an encoding that does not lead to the same stored span.
#[tokio::test(flavor = "multi_thread")]
async fn every_otlp_transport_and_encoding_stores_the_span() {
    let server = Spanloom::start().await;
    let mut client = grpc(&server).await;
    client.export(request(vec![span(1, 1)])).await.unwrap();
    let mut client = grpc(&server).await.send_compressed(CompressionEncoding::Gzip);
    client.export(request(vec![span(2, 1)])).await.unwrap();
    let mut client = grpc(&server).await.send_compressed(CompressionEncoding::Zstd);
    client.export(request(vec![span(3, 1)])).await.unwrap();

    let protobuf = "application/x-protobuf";
    for (trace, encoding) in [(4, None), (5, Some("gzip")), (6, Some("zstd"))] {
        let plain = request(vec![span(trace, 1)]).encode_to_vec();
        let body = match encoding {
            Some("gzip") => gzip(&plain),
            Some(_) => zstd::encode_all(&plain[..], 1).unwrap(),
            None => plain,
        };
        let response = post(&server, protobuf, encoding, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], protobuf);
        let answer = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
        assert_eq!(answer.partial_success, None);
    }
    let body = serde_json::to_vec(&request(vec![span(7, 1)])).unwrap();
    let response = post(&server, "application/json; charset=utf-8", Some("gzip"), gzip(&body)).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.json::<Value>().await.unwrap(), json!({}));
    // The main port takes OTLP too.
    let response = server.client.post(server.url("/v1/traces")).header("Content-Type", protobuf);
    assert_eq!(
        response.body(request(vec![span(8, 1)]).encode_to_vec()).send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(server.stored_spans().await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_succeeds() {
    let server = Spanloom::start().await;
    grpc(&server).await.export(ExportTraceServiceRequest::default()).await.unwrap();
    assert_eq!(post(&server, "application/x-protobuf", None, vec![]).await.status(), StatusCode::OK);
    assert_eq!(post(&server, "application/json", None, b"{}".to_vec()).await.status(), StatusCode::OK);
}

/// Catches a bad span that costs its batch, or that is dropped without a word.
#[tokio::test(flavor = "multi_thread")]
async fn bad_spans_are_counted_and_explained_and_the_others_are_stored() {
    let server = Spanloom::start().await;
    let zero = Span { span_id: vec![0; 8], ..span(1, 1) };
    let old = Span { start_time_unix_nano: ago_ns(8 * 86_400), ..span(1, 2) };
    let future =
        Span { start_time_unix_nano: ago_ns(-3_600), end_time_unix_nano: ago_ns(-3_601), ..span(1, 3) };
    let backwards = Span { end_time_unix_nano: ago_ns(60), ..span(1, 4) };
    let response =
        grpc(&server).await.export(request(vec![zero, old, span(1, 5), future, backwards])).await.unwrap();
    let partial = response.into_inner().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 4);
    for word in ["span id", "retention", "future", "ends before it starts"] {
        assert!(partial.error_message.contains(word), "{word}: {}", partial.error_message);
    }
    assert_eq!(server.stored_spans().await, 1);
}

/// Catches errors in a form that OTLP clients do not understand.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_can_succeed_is_400_in_the_requests_own_encoding() {
    let server = Spanloom::start_with(|config| config.ingest.body_bytes_max = 10_000).await;
    let roomy = Spanloom::start().await;
    let response = post(&server, "application/x-protobuf", None, b"\xff\xff".to_vec()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let status = tonic_types::Status::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(status.code, Code::InvalidArgument as i32);

    let response = post(&server, "application/json", None, b"{".to_vec()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let status: Value = response.json().await.unwrap();
    assert_eq!(status["code"], 3);
    assert!(status["message"].as_str().unwrap().contains("line 1"));

    // Small on the wire, large in memory: a gigabyte of it would show in any memory limit.
    let bomb = zstd::encode_all(std::io::repeat(0).take(1 << 30), 3).unwrap();
    assert!(bomb.len() < 100_000);
    let response = post(&roomy, "application/json", Some("zstd"), bomb).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let bomb = gzip(&vec![b' '; 1 << 20]);
    assert!(bomb.len() < 10_000);
    assert_eq!(
        post(&server, "application/json", Some("gzip"), bomb).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let bomb = request(vec![Span { name: "a".repeat(1 << 20), ..span(1, 1) }]);
    let mut client = grpc(&server).await.send_compressed(CompressionEncoding::Gzip);
    let status = client.export(bomb).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");

    assert_eq!(
        post(&server, "text/plain", None, vec![]).await.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let response = post(&server, "application/json", Some("lzma"), vec![]).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        post(&server, "application/json", Some("gzip"), b"no gzip".to_vec()).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(server.stored_spans().await, 0);
}

/// Catches a resent span that is stored or counted twice: in one request, in two, over two
/// protocols, over two servers at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_resent_span_is_stored_and_counted_once() {
    let one = Spanloom::start().await;
    let two = Spanloom::start_on(&one.pool().connect_options(), |_| {}).await;
    let spans: Vec<Span> = (1..=100).map(|id| span(9, id)).collect();
    let mut doubled = spans.clone();
    doubled.extend(spans.clone());
    let (a, b) = (grpc(&one).await, grpc(&two).await);
    let sends = (0..8).map(|turn| {
        let mut client = if turn % 2 == 0 { a.clone() } else { b.clone() };
        let spans = doubled.clone();
        async move { client.export(request(spans)).await.unwrap() }
    });
    futures::future::join_all(sends).await;
    post(&one, "application/x-protobuf", None, request(spans.clone()).encode_to_vec()).await;
    assert_eq!(one.stored_spans().await, 100);
    let counted: f64 = sqlx::query_scalar("SELECT sum(span_count) FROM metrics_minute")
        .fetch_one(one.pool())
        .await
        .unwrap();
    assert!((counted - 100.0).abs() < 1e-9, "{counted}");
    let pieces: i64 =
        sqlx::query_scalar("SELECT sum(span_count) FROM traces").fetch_one(one.pool()).await.unwrap();
    assert_eq!(pieces, 100);
    // The same id at another time is another span.
    let other = Span { start_time_unix_nano: spans[0].start_time_unix_nano + 1, ..spans[0].clone() };
    grpc(&one).await.export(request(vec![other])).await.unwrap();
    assert_eq!(one.stored_spans().await, 101);
}

/// Catches spans that only fit if they come in order, or on the day they belong to.
#[tokio::test(flavor = "multi_thread")]
async fn spans_may_come_in_any_order_and_any_time_late() {
    let server = Spanloom::start().await;
    for days in [6, 0, 3, 6, 1] {
        let start = ago_ns(days * 86_400 + 60);
        let late = Span {
            start_time_unix_nano: start,
            end_time_unix_nano: start + 5,
            span_id: vec![days as u8 + 1; 8],
            ..span(1, 1)
        };
        let answer = grpc(&server).await.export(request(vec![late])).await.unwrap().into_inner();
        assert_eq!(answer.partial_success, None);
    }
    // The second one of day 6 starts at another moment.
    assert_eq!(server.stored_spans().await, 5);
}

/// Catches text that PostgreSQL cannot hold and that would fail the batch.
#[tokio::test(flavor = "multi_thread")]
async fn nul_bytes_do_not_poison_the_batch() {
    let server = Spanloom::start().await;
    let nul = Span {
        name: "a\0b".into(),
        attributes: vec![attribute("k\0", "v\0")],
        trace_state: "\0".into(),
        ..span(1, 1)
    };
    grpc(&server).await.export(request(vec![nul, span(1, 2)])).await.unwrap();
    server.server.settled().await;
    let valid: i64 = sqlx::query_scalar("SELECT count(attributes::jsonb) FROM spans")
        .fetch_one(server.pool())
        .await
        .unwrap();
    assert_eq!(valid, 2);
}

/// Catches spans that are refused because the database is away, a queue that never catches up, and
/// keys that nobody can check meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_spans_are_accepted_and_stored_later() {
    let server = Spanloom::start_with(|config| config.ingest.loopback_without_key = false).await;
    let key = server.key(&[KeyScope::Ingest]).await;
    let send = async |trace| {
        let mut message = tonic::Request::new(request(vec![span(trace, 1)]));
        message.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        grpc(&server).await.export(message).await.unwrap();
    };
    send(1).await;
    assert_eq!(server.stored_spans().await, 1);
    harness::allow_connections(&server, false).await;
    for trace in 2..=20 {
        send(trace).await;
    }
    harness::allow_connections(&server, true).await;
    assert_eq!(server.stored_spans().await, 20);
}

/// Catches a queue without a bound, and a refusal that clients take as final.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_pushes_back_until_there_is_room() {
    let server = Spanloom::start_with(|config| {
        config.queue.bytes_max = 40_000;
        config.queue.segment_bytes = 8_000;
    })
    .await;
    harness::allow_connections(&server, false).await;
    let large = |trace| request(vec![Span { name: "x".repeat(4_000), ..span(trace, 1) }]);
    let mut accepted = 0;
    let status = loop {
        match grpc(&server).await.export(large(accepted + 1)).await {
            Ok(_) => accepted += 1,
            Err(status) => break status,
        }
        assert!(accepted < 10, "40,000 bytes hold no more");
    };
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some(), "clients retry only when told to");
    let response = post(&server, "application/x-protobuf", None, large(100).encode_to_vec()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let native = json!([{"traceId": "1".repeat(32), "spanId": "1".repeat(16), "name": "x".repeat(4_000), "startTime": now_us(), "duration": 1}]);
    let response = server.client.post(server.url("/api/v1/spans")).json(&native).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    harness::allow_connections(&server, true).await;
    assert_eq!(server.stored_spans().await, i64::from(accepted), "what was accepted is stored");
    grpc(&server).await.export(large(100)).await.unwrap();
    assert_eq!(server.stored_spans().await, i64::from(accepted) + 1);
}

/// Catches a request that the database refuses and that stops the queue, costs other requests, or
/// vanishes without a trace.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_database_refuses_is_put_aside() {
    let seven = span(7, 1);
    let server = Spanloom::start().await;
    // Today's partition, to which the constraint goes too.
    grpc(&server).await.export(request(vec![span(99, 1)])).await.unwrap();
    assert_eq!(server.stored_spans().await, 1);
    sqlx::query("ALTER TABLE spans ADD CHECK (duration_ns <> 666)").execute(server.pool()).await.unwrap();
    let refused = Span { end_time_unix_nano: seven.start_time_unix_nano + 666, ..seven };
    harness::allow_connections(&server, false).await;
    for trace in 1..=12 {
        let sent = if trace == 7 { refused.clone() } else { span(trace, 1) };
        grpc(&server).await.export(request(vec![sent])).await.unwrap();
    }
    harness::allow_connections(&server, true).await;
    assert_eq!(server.stored_spans().await, 12);
    let aside: Vec<_> = std::fs::read_dir(server.config.queue_dir().join("refused")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    let bytes = std::fs::read(aside[0].as_ref().unwrap().path()).unwrap();
    let kept = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
    assert_eq!(kept.resource_spans[0].scope_spans[0].spans[0].trace_id, refused.trace_id);
}

/// Catches an ingest port that is open to the world.
#[tokio::test(flavor = "multi_thread")]
async fn keys_open_the_ports_to_those_who_have_one() {
    let server = Spanloom::start_with(|config| config.ingest.loopback_without_key = false).await;
    let (ingest, read) = (server.key(&[KeyScope::Ingest]).await, server.key(&[KeyScope::Read]).await);
    let send = async |key: Option<&str>| {
        let mut request = tonic::Request::new(request(vec![span(1, 1)]));
        if let Some(key) = key {
            request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        grpc(&server).await.export(request).await.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    assert_eq!(send(None).await, Code::Unauthenticated);
    assert_eq!(send(Some("slk_wrong")).await, Code::Unauthenticated);
    assert_eq!(send(Some(&read)).await, Code::PermissionDenied);
    assert_eq!(send(Some(&ingest)).await, Code::Ok);
    assert_eq!(server.stored_spans().await, 1);
}

/// Catches a native request that is stored in part.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_request_is_stored_whole_or_not_at_all() {
    let server = Spanloom::start().await;
    let good = json!({
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "GET /cart",
        "startTime": now_us(), "duration": 1500, "tags": {"http.request.method": "GET"}, "serviceName": "cart"
    });
    let mut bad = good.clone();
    bad["spanId"] = json!("nope");
    let response =
        server.client.post(server.url("/api/v1/spans")).json(&json!([good, bad])).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "[1].spanId");
    assert_eq!(server.stored_spans().await, 0);
    server.ingest(&json!([good])).await;
    assert_eq!(server.stored_spans().await, 1);
    let too_many = vec![good; server.config.ingest.spans_per_request_max + 1];
    let response = server.client.post(server.url("/api/v1/spans")).json(&too_many).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

/// Catches a database that refuses for a while and is taken for one that refuses these spans.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_is_worth_another_try() {
    let server = Spanloom::start().await;
    let set = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    sqlx::query(set).execute(server.pool()).await.unwrap();
    harness::end_connections(&server).await;
    grpc(&server).await.export(request(vec![span(1, 1)])).await.unwrap();
    let reset = "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$; COMMIT";
    sqlx::raw_sql(reset).execute(server.pool()).await.unwrap();
    harness::end_connections(&server).await;
    assert_eq!(server.stored_spans().await, 1);
}
