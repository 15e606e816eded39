//! Zipkin's and Jaeger's formats through real sockets, and back through the API. What the formats mean
//! is tested where they are decoded.

use std::io::Write as _;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use prost::Message as _;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use spanloom::config::Listen;
use spanloom_formats::jaeger_proto::{Batch, PostSpansRequest, Process, Span, Time};
use spanloom_formats::zipkin_proto;
use spanloom_model::api::KeyScope;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};

use super::harness::{Spanloom, now_us};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
const THRIFT: &str = "application/x-thrift";
const TRACE_ID: &str = "17bab3222b1c3295fcf243808c188cb7";

/// When the traces start: a moment ago.
fn start_us() -> i64 {
    now_us() - 1_000_000
}

async fn post(
    server: &Spanloom,
    url: String,
    content_type: &str,
    encoding: Option<&str>,
    body: Vec<u8>,
) -> Response {
    let mut request = server.client.post(url).header("Content-Type", content_type).body(body);
    if let Some(encoding) = encoding {
        request = request.header("Content-Encoding", encoding);
    }
    request.send().await.unwrap()
}

fn zipkin(address: SocketAddr) -> String {
    format!("http://{address}/api/v2/spans")
}

fn jaeger(address: SocketAddr) -> String {
    format!("http://{address}/api/traces?format=jaeger.thrift")
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// What the client is told in words.
async fn told(response: Response, status: StatusCode) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    response.text().await.unwrap()
}

/// A call between two services with a shared span, and the server's work.
fn call(start_us: i64) -> Value {
    json!([
        {"traceId": TRACE_ID, "parentId": "2", "id": "6", "name": "read stock", "timestamp": start_us + 200,
            "duration": 100, "localEndpoint": {"serviceName": "stock"}, "tags": {"error": "no such item"}},
        {"traceId": TRACE_ID, "parentId": "1", "id": "2", "name": "get /stock", "kind": "SERVER", "shared": true,
            "timestamp": start_us + 100, "duration": 500, "localEndpoint": {"serviceName": "stock"},
            "annotations": [{"timestamp": start_us + 150, "value": "cache miss"}]},
        {"traceId": TRACE_ID, "parentId": "1", "id": "2", "name": "get /stock", "kind": "CLIENT",
            "timestamp": start_us + 50, "duration": 700, "localEndpoint": {"serviceName": "shop"},
            "remoteEndpoint": {"serviceName": "stock", "ipv4": "10.0.0.8", "port": 8081}},
        {"traceId": TRACE_ID, "id": "1", "name": "checkout", "timestamp": start_us, "duration": 1000,
            "localEndpoint": {"serviceName": "shop"}, "tags": {"customer": "7"}},
    ])
}

async fn trace(server: &Spanloom, trace_id: &str) -> Value {
    server.reader().await.get(&format!("/api/v1/traces/{trace_id}")).await
}

fn only<'a>(trace: &'a Value, name: &str, kind: &str) -> &'a Value {
    let spans = trace["spans"].as_array().unwrap();
    let mut found = spans.iter().filter(|span| span["name"] == name && span["kind"] == kind);
    let span = found.next().unwrap_or_else(|| panic!("no {kind} {name} in {trace}"));
    assert!(found.next().is_none(), "more than one {kind} {name}");
    span
}

fn service<'a>(trace: &'a Value, span: &Value) -> &'a str {
    let resource = span["resource"].as_u64().unwrap() as usize;
    trace["resources"][resource]["service"].as_str().unwrap()
}

/// Catches a shared span whose halves are merged, doubled by a resend, or torn from their children.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_zipkin_clients_becomes_one_tree() {
    let server = Spanloom::start().await;
    let (port, list) = (server.server.zipkin.unwrap(), call(start_us()));
    // The server's work comes first, each span in a request of its own; then everything once more,
    // compressed, to the main port.
    for span in list.as_array().unwrap() {
        let response =
            post(&server, zipkin(port), JSON, None, serde_json::to_vec(&json!([span])).unwrap()).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.text().await.unwrap(), "");
    }
    let body = gzip(&serde_json::to_vec(&list).unwrap());
    let response = post(&server, server.url("/api/v2/spans"), JSON, Some("gzip"), body).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(server.stored_spans().await, 4);

    let trace = trace(&server, TRACE_ID).await;
    assert_eq!(trace["warnings"], json!([]));
    let root = only(&trace, "checkout", "unspecified");
    let client = only(&trace, "get /stock", "client");
    let handler = only(&trace, "get /stock", "server");
    let work = only(&trace, "read stock", "unspecified");
    assert_eq!(root["parentSpanId"], Value::Null);
    assert_eq!(client["parentSpanId"], root["spanId"]);
    assert_eq!(handler["parentSpanId"], client["spanId"]);
    assert_eq!(work["parentSpanId"], handler["spanId"]);
    assert_eq!((service(&trace, client), service(&trace, handler)), ("shop", "stock"));
    assert_eq!((&work["status"], &work["statusMessage"]), (&json!("error"), &json!("no such item")));
    assert_eq!(handler["events"][0]["name"], "cache miss");
    assert_eq!(handler["events"][0]["offsetNs"], 150_000);
    assert_eq!(root["attributes"]["customer"], "7");
    assert_eq!(client["attributes"]["peer.service"], "stock");
    assert_eq!(client["attributes"]["network.peer.address"], "10.0.0.8");
    assert_eq!(client["attributes"]["network.peer.port"], 8081);
}

#[tokio::test(flavor = "multi_thread")]
async fn zipkin_protobuf_is_the_same_as_json() {
    let server = Spanloom::start().await;
    let start_us = start_us();
    let span = zipkin_proto::Span {
        trace_id: u128::from_str_radix(TRACE_ID, 16).unwrap().to_be_bytes().to_vec(),
        id: 1_u64.to_be_bytes().to_vec(),
        name: "checkout".into(),
        timestamp: start_us as u64,
        duration: 1000,
        local_endpoint: Some(zipkin_proto::Endpoint {
            service_name: "shop".into(),
            ..zipkin_proto::Endpoint::default()
        }),
        tags: vec![zipkin_proto::Tag { key: "customer".into(), value: "7".into() }],
        ..zipkin_proto::Span::default()
    };
    let list = zipkin_proto::ListOfSpans { spans: vec![span.encode_to_vec()] }.encode_to_vec();
    let port = server.server.zipkin.unwrap();
    for (encoding, body) in [(None, list.clone()), (Some("gzip"), gzip(&list))] {
        let response = post(&server, zipkin(port), PROTOBUF, encoding, body).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
    }
    let json = serde_json::to_vec(&call(start_us)).unwrap();
    assert_eq!(post(&server, zipkin(port), JSON, None, json).await.status(), StatusCode::ACCEPTED);
    assert_eq!(server.stored_spans().await, 4, "the root came three times");
    let trace = trace(&server, TRACE_ID).await;
    assert_eq!(only(&trace, "checkout", "unspecified")["attributes"], json!({"customer": "7"}));
}

/// When the trace in the fixtures starts, microseconds since the epoch.
const FIXTURE_US: i64 = 1_795_400_000_000_000;

/// The fixture with its times moved to now; they are of one length in either protocol.
fn moved(fixture: &[u8], encode: fn(i64) -> Vec<u8>, start_us: i64) -> Vec<u8> {
    let mut bytes = fixture.to_vec();
    for offset_us in [0, 1_000, 1_500, 2_000] {
        let (from, to) = (encode(FIXTURE_US + offset_us), encode(start_us + offset_us));
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(&from)).collect();
        assert!(!places.is_empty() && from.len() == to.len());
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(&to);
        }
    }
    bytes
}

fn fixed(number: i64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// A varint of twice the number: it is not negative.
fn zigzag(number: i64) -> Vec<u8> {
    let mut rest = number as u64 * 2;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

const BINARY: &[u8] =
    include_bytes!("../../../crates/formats/tests/fixtures/otel-python-jaeger.binary.thrift");
const COMPACT: &[u8] =
    include_bytes!("../../../crates/formats/tests/fixtures/otel-python-jaeger.compact.thrift");

/// Catches a protocol or an encoding that does not lead to the same stored trace.
#[tokio::test(flavor = "multi_thread")]
async fn jaeger_thrift_is_stored_whichever_way_it_comes() {
    let server = Spanloom::start().await;
    let (port, start_us) = (server.server.jaeger_http.unwrap(), start_us());
    let binary = moved(BINARY, fixed, start_us);
    let compact = moved(COMPACT, zigzag, start_us);
    let main = server.url("/api/traces");
    for (url, content_type, encoding, body) in [
        (jaeger(port), THRIFT, None, binary.clone()),
        (jaeger(port), "application/vnd.apache.thrift.binary; charset=x", Some("gzip"), gzip(&binary)),
        (main, "application/vnd.apache.thrift.compact", None, compact),
    ] {
        let response = post(&server, url, content_type, encoding, body).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{content_type}");
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(server.stored_spans().await, 3, "{content_type}");
    }
    let trace = trace(&server, TRACE_ID).await;
    assert_eq!(trace["warnings"], json!([]));
    assert_eq!(trace["durationNs"], 5_000_000);
    let root = only(&trace, "root", "server");
    let failed = only(&trace, "failed", "client");
    assert_eq!(service(&trace, root), "shop");
    assert_eq!(failed["parentSpanId"], root["spanId"]);
    assert_eq!(
        (&failed["status"], &failed["statusMessage"]),
        (&json!("error"), &json!("no such customer"))
    );
    let retry = &failed["events"][0];
    assert_eq!((&retry["name"], &retry["offsetNs"]), (&json!("retry"), &json!(1_500_000)));
    assert_eq!(retry["attributes"], json!({"attempt": 2}));
    assert_eq!(failed["links"][0]["attributes"]["opentracing.ref_type"], "follows_from");
    let attributes = json!({"text": "hällo \"quoted\"", "truth": true, "int": 42, "double": 0.5});
    assert_eq!(root["attributes"], attributes);
    assert_eq!(only(&trace, "fine", "producer")["status"], "ok");
}

fn batch(trace_id: [u8; 16]) -> PostSpansRequest {
    let start_us = start_us();
    let start = Time { seconds: start_us / 1_000_000, nanos: (start_us % 1_000_000 * 1_000) as i32 };
    let span = Span {
        trace_id: trace_id.to_vec(),
        span_id: vec![2; 8],
        operation_name: "op".into(),
        start_time: Some(start),
        duration: Some(Time { seconds: 0, nanos: 1_234_567 }),
        ..Span::default()
    };
    let process = Some(Process { service_name: "shop".into(), tags: Vec::new() });
    PostSpansRequest { batch: Some(Batch { spans: vec![span.encode_to_vec()], process }) }
}

/// Messages as bytes: the test says what is on the wire.
#[derive(Clone, Copy)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, wire: &mut EncodeBuf<'_>) -> Result<(), Status> {
        wire.put_slice(&message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}

struct Call<'a> {
    method: &'static str,
    key: Option<&'a str>,
    compressed: bool,
}

const POST_SPANS: Call =
    Call { method: "/jaeger.api_v2.CollectorService/PostSpans", key: None, compressed: false };

async fn grpc(server: &Spanloom, call: Call<'_>, message: Vec<u8>) -> Result<Bytes, Status> {
    let endpoint = format!("http://{}", server.server.jaeger_grpc.unwrap());
    let channel = tonic::transport::Endpoint::from_shared(endpoint).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    if call.compressed {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(message);
    if let Some(key) = call.key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    let path = PathAndQuery::from_static(call.method);
    client.unary(request, path, BytesCodec).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn jaeger_grpc_is_stored_and_answered_in_its_own_terms() {
    let server = Spanloom::start().await;
    for (trace, compressed) in [(1, false), (2, true)] {
        let call = Call { compressed, ..POST_SPANS };
        let answer = grpc(&server, call, batch([trace; 16]).encode_to_vec()).await.unwrap();
        assert!(answer.is_empty(), "a PostSpansResponse has no fields");
    }
    assert_eq!(server.stored_spans().await, 2);
    let trace = trace(&server, &"01".repeat(16)).await;
    assert_eq!(only(&trace, "op", "unspecified")["durationNs"], 1_234_567);
    assert_eq!(trace["resources"][0]["service"], "shop");

    grpc(&server, POST_SPANS, Vec::new()).await.unwrap();
    let code = async |call, message| grpc(&server, call, message).await.unwrap_err().code();
    assert_eq!(code(POST_SPANS, b"\xff".to_vec()).await, Code::InvalidArgument);
    // Nothing of it can be kept: the client should hear of it.
    assert_eq!(code(POST_SPANS, batch([0; 16]).encode_to_vec()).await, Code::InvalidArgument);
    let other = Call { method: "/jaeger.api_v2.CollectorService/Other", ..POST_SPANS };
    assert_eq!(code(other, Vec::new()).await, Code::Unimplemented);
    let bomb = Call { compressed: true, ..POST_SPANS };
    let code = code(bomb, vec![0; 8 << 20]).await;
    assert!(matches!(code, Code::OutOfRange | Code::ResourceExhausted), "{code:?}");
}

/// Catches a full queue that clients take for a final answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_told_in_each_format_s_terms() {
    let server = Spanloom::start_with(|config| config.queue.bytes_max = 1).await;
    let status = grpc(&server, POST_SPANS, batch([3; 16]).encode_to_vec()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let body = serde_json::to_vec(&call(start_us())).unwrap();
    let response = post(&server, zipkin(server.server.zipkin.unwrap()), JSON, None, body).await;
    assert!(response.headers().contains_key("retry-after"));
    told(response, StatusCode::SERVICE_UNAVAILABLE).await;
}

/// Catches errors in another format's manner, and a request that is stored in part.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_in_plain_text() {
    let server = Spanloom::start_with(|config| config.ingest.body_bytes_max = 10_000).await;
    let (zipkin, jaeger) =
        (zipkin(server.server.zipkin.unwrap()), jaeger(server.server.jaeger_http.unwrap()));
    let mut list = call(start_us());
    list[3]["id"] = json!("nope");
    let body = serde_json::to_vec(&list).unwrap();
    let text = told(post(&server, zipkin.clone(), JSON, None, body).await, StatusCode::BAD_REQUEST).await;
    assert!(text.contains("[3].id must be 1 to 16 hexadecimal digits"), "{text}");
    let old = serde_json::to_vec(&call(1_000_000)).unwrap();
    let text = told(post(&server, zipkin.clone(), JSON, None, old).await, StatusCode::BAD_REQUEST).await;
    assert!(text.contains("4 spans: the span started before the retention period"), "{text}");

    let answer = async |url: &str, content_type, encoding, body: &[u8], status| {
        told(post(&server, url.to_owned(), content_type, encoding, body.to_vec()).await, status).await
    };
    let (bad, large) = (StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE);
    answer(&zipkin, PROTOBUF, None, b"\xff", bad).await;
    answer(&zipkin, JSON, Some("gzip"), b"no gzip", bad).await;
    answer(&zipkin, JSON, Some("gzip"), &gzip(&vec![b' '; 1 << 20]), large).await;
    answer(&zipkin, JSON, Some("lzma"), b"", StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    answer(&jaeger, THRIFT, None, &BINARY[..BINARY.len() / 2], bad).await;
    answer(&jaeger, THRIFT, None, COMPACT, bad).await;
    let text = answer(&jaeger, JSON, None, b"{}", bad).await;
    assert_eq!(text, "Unsupported content type: application/json");
    assert_eq!(server.stored_spans().await, 0);
    // Nothing is no fault.
    assert_eq!(
        post(&server, zipkin.clone(), JSON, None, b"[]".to_vec()).await.status(),
        StatusCode::ACCEPTED
    );
}

/// Catches a port that is open to the world, or open although it is turned off.
#[tokio::test(flavor = "multi_thread")]
async fn the_ports_ask_for_a_key_and_can_be_turned_off() {
    let server = Spanloom::start_with(|config| config.ingest.loopback_without_key = false).await;
    let (ingest, read) = (server.key(&[KeyScope::Ingest]).await, server.key(&[KeyScope::Read]).await);
    let body = serde_json::to_vec(&call(start_us())).unwrap();
    for url in [zipkin(server.server.zipkin.unwrap()), jaeger(server.server.jaeger_http.unwrap())] {
        let (content_type, body, success) = if url.ends_with("spans") {
            (JSON, body.clone(), StatusCode::ACCEPTED)
        } else {
            (THRIFT, Vec::new(), StatusCode::BAD_REQUEST)
        };
        let send = async |key: &str| {
            let request = server.client.post(&url).header("Content-Type", content_type).body(body.clone());
            request.bearer_auth(key).send().await.unwrap()
        };
        told(post(&server, url.clone(), content_type, None, body.clone()).await, StatusCode::UNAUTHORIZED)
            .await;
        told(send(&read).await, StatusCode::FORBIDDEN).await;
        assert_eq!(send(&ingest).await.status(), success);
    }
    let message = batch([1; 16]).encode_to_vec();
    let code = async |key| {
        grpc(&server, Call { key, ..POST_SPANS }, message.clone())
            .await
            .map_or_else(|s| s.code(), |_| Code::Ok)
    };
    assert_eq!(code(None).await, Code::Unauthenticated);
    assert_eq!(code(Some(&*read)).await, Code::PermissionDenied);
    assert_eq!(code(Some(&*ingest)).await, Code::Ok);
    assert_eq!(server.stored_spans().await, 5);

    let quiet = Spanloom::start_with(|config| {
        config.listen.zipkin = Listen::Off;
        config.listen.jaeger_http = Listen::Off;
        config.listen.jaeger_grpc = Listen::Off;
    })
    .await;
    let server = &quiet.server;
    assert_eq!([server.zipkin, server.jaeger_http, server.jaeger_grpc], [None; 3]);
}
