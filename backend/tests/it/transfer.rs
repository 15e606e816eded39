//! `spanloom import` and `spanloom export`: the real commands against real servers.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use spanloom_model::api::KeyScope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::harness::{Reader, Spanloom, ago_ns};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "00000000000000000000000000000abc";

/// Runs the command with `stdin` at its standard input.
async fn spanloom(args: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanloom"));
    command.args(args).env_remove("SPANLOOM_API_KEY").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A command that has seen enough closes its end.
    let _ = pipe.write_all(stdin).await;
    drop(pipe);
    child.wait_with_output().await.unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Imports into `server` and expects every span to be accepted.
async fn import(server: &Spanloom, args: &[&str], stdin: &[u8]) -> String {
    let endpoint = server.url("");
    let output = spanloom(&[&["import", "--endpoint", &endpoint], args].concat(), stdin).await;
    assert!(output.status.success(), "{}", stderr(&output));
    server.server.settled().await;
    stderr(&output)
}

/// What an import that fails says.
async fn failed_import(server: &Spanloom, args: &[&str], stdin: &[u8]) -> String {
    let endpoint = server.url("");
    let output = spanloom(&[&["import", "--endpoint", &endpoint], args].concat(), stdin).await;
    assert!(!output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

async fn export(server: &Spanloom, args: &[&str]) -> Output {
    let key = server.key(&[KeyScope::Read]).await;
    let endpoint = server.url("");
    spanloom(&[&["export", "--endpoint", &endpoint, "--key", &key], args].concat(), b"").await
}

/// Two processes, every type of value, times below the microsecond.
fn full_trace(trace_id: &str, start_ns: u64) -> Value {
    let at = |offset_ns: u64| (start_ns + offset_ns).to_string();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "web")], "droppedAttributesCount": 1},
        "scopeSpans": [{
            "scope": {"name": "lib", "version": "1.2", "attributes": [text("s", "1")], "droppedAttributesCount": 2},
            "spans": [{
                "traceId": trace_id, "spanId": "ffffffffffffff01", "name": "GET /", "kind": 3, "flags": 257,
                "traceState": "a=b", "startTimeUnixNano": at(7), "endTimeUnixNano": at(5_000_008),
                "attributes": [
                    {"key": "int", "value": {"intValue": "9007199254740993"}},
                    {"key": "double", "value": {"doubleValue": 2.0}},
                    {"key": "nan", "value": {"doubleValue": "NaN"}},
                    {"key": "bool", "value": {"boolValue": true}},
                    {"key": "bytes", "value": {"bytesValue": "AP8="}},
                    {"key": "none", "value": {}},
                    {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": "1"}]}}},
                    {"key": "map", "value": {"kvlistValue": {"values": [text("$k", "v")]}}}
                ],
                "droppedAttributesCount": 3,
                "events": [{"timeUnixNano": at(1_001), "name": "exception", "droppedAttributesCount": 4,
                            "attributes": [text("exception.message", "no\u{1}\"way\"\n")]}],
                "droppedEventsCount": 5,
                "links": [{"traceId": OTHER, "spanId": "0000000000000abc", "traceState": "l=1",
                           "attributes": [text("why", "batch")], "droppedAttributesCount": 6, "flags": 1}],
                "droppedLinksCount": 7,
                "status": {"code": 2, "message": "failed"}
            }],
            "schemaUrl": "https://example.com/scope"
        }],
        "schemaUrl": "https://example.com/resource"
    }, {
        "resource": {"attributes": [text("service.name", "db")]},
        "scopeSpans": [{"spans": [{
            "traceId": trace_id, "spanId": "0000000000000002", "parentSpanId": "ffffffffffffff01",
            "name": "query", "kind": 2, "startTimeUnixNano": at(100), "endTimeUnixNano": at(200), "status": {}
        }]}]
    }]})
}

/// A trace as the API tells it, with what its indices refer to in their place: the order of
/// processes is each server's own.
async fn told(reader: &Reader<'_>, trace_id: &str) -> Value {
    let mut trace = reader.get(&format!("/api/v1/traces/{trace_id}")).await;
    for list in ["resource", "scope"] {
        let items = trace[format!("{list}s")].take();
        for span in trace["spans"].as_array_mut().unwrap() {
            span[list] = items[span[list].as_u64().unwrap() as usize].clone();
        }
    }
    trace
}

/// Catches anything of a span that is lost on the way into a file and back, and a file that other
/// readers of OTLP cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_into_a_fresh_server_gives_equal_traces() {
    let (old, new) = (Spanloom::start().await, Spanloom::start().await);
    let sent = full_trace(TRACE, ago_ns(60));
    let other = full_trace(OTHER, ago_ns(30));
    let lines = format!("{sent}\n{other}\n");
    let summary = import(&old, &[], lines.as_bytes()).await;
    assert!(summary.contains("4 spans read, 4 accepted, 0 refused"), "{summary}");

    let folder = tempfile::tempdir().unwrap();
    let (old_reader, new_reader) = (old.reader().await, new.reader().await);
    for name in ["a.jsonl", "b.jsonl.gz", "c.jsonl.zst"] {
        let file = folder.path().join(name);
        let file = file.to_str().unwrap();
        let output = export(&old, &[TRACE, OTHER, "--output", file]).await;
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains("2 traces"), "{}", stderr(&output));
        import(&new, &[file], b"").await;
    }
    assert_eq!(new.stored_spans().await, 4, "what comes again is left out");
    for id in [TRACE, OTHER] {
        assert_eq!(told(&new_reader, id).await, told(&old_reader, id).await);
        let otlp = format!("/api/v1/traces/{id}/otlp");
        let values = |document: &Value| sorted_spans(document).len();
        assert_eq!(values(&old_reader.get(&otlp).await), 2);
    }

    // An independent reader of OTLP JSON agrees with what was sent.
    let exported = old_reader.get(&format!("/api/v1/traces/{TRACE}/otlp")).await;
    let parsed = |document: &Value| {
        let mut document = document.clone();
        // opentelemetry-proto does not read names of numbers.
        remove_nan(&mut document);
        let request: ExportTraceServiceRequest = serde_json::from_value(document).unwrap();
        let mut spans: Vec<_> = request
            .resource_spans
            .into_iter()
            .flat_map(|r| r.scope_spans)
            .flat_map(|s| s.spans)
            .map(|mut span| {
                span.attributes.sort_by(|a, b| a.key.cmp(&b.key));
                span
            })
            .collect();
        spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
        spans
    };
    assert_eq!(parsed(&exported), parsed(&sent));
}

fn sorted_spans(document: &Value) -> Vec<&Value> {
    let resources = document["resourceSpans"].as_array().unwrap().iter();
    let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).collect()
}

fn remove_nan(value: &mut Value) {
    match value {
        Value::Array(values) => {
            values.retain(|value| value["key"] != "nan");
            values.iter_mut().for_each(remove_nan);
        }
        Value::Object(fields) => fields.values_mut().for_each(remove_nan),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_exported_up_to_its_limit_newest_first() {
    let server = Spanloom::start().await;
    let mut lines = String::new();
    for number in 1..=150_u64 {
        lines += &full_trace(&format!("{number:032x}"), ago_ns(200 - number as i64)).to_string();
        lines.push('\n');
    }
    import(&server, &["-"], lines.as_bytes()).await;
    let ids = async |args: &[&str]| -> Vec<u64> {
        let output = export(&server, args).await;
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| {
                let document: Value = serde_json::from_str(line).unwrap();
                let id = sorted_spans(&document)[0]["traceId"].as_str().unwrap().to_owned();
                u64::from_str_radix(&id[16..], 16).unwrap()
            })
            .collect()
    };
    let expected: Vec<u64> = (1..=150).rev().collect();
    assert_eq!(ids(&["--service", "db", "--limit", "1000"]).await, expected, "over several pages");
    assert_eq!(
        ids(&["--status", "error", "--tag", "int=9007199254740993", "--limit", "3"]).await,
        [150, 149, 148]
    );
    assert_eq!(ids(&["--min-duration", "1s"]).await, [0; 0]);

    let output = export(&server, &["--from", "yesterday", "--tag", "x"]).await;
    assert!(!output.status.success());
    let told = stderr(&output);
    assert!(told.contains("--from must be RFC 3339") && told.contains("--tag must be key=value"), "{told}");
}

/// Catches an endpoint that is not bounded, or does not say what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_exported_is_told() {
    let server = Spanloom::start_with(|config| config.query.trace_spans_max = 1).await;
    import(&server, &[], full_trace(TRACE, ago_ns(60)).to_string().as_bytes()).await;
    let reader = server.reader().await;
    let response = reader.response(&format!("/api/v1/traces/{TRACE}/otlp")).await;
    assert_eq!(response.headers()["spanloom-spans-omitted"], "1");
    assert_eq!(response.headers()["content-type"], "application/json");
    let output = export(&server, &[TRACE]).await;
    assert!(!output.status.success());
    assert!(stderr(&output).contains("1 traces are incomplete"), "{}", stderr(&output));

    let output = export(&server, &[OTHER]).await;
    assert!(!output.status.success());
    assert!(stderr(&output).contains(&format!("no such traces: {OTHER}")), "{}", stderr(&output));
    let missing = reader.response(&format!("/api/v1/traces/{OTHER}/otlp")).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(reader.response("/api/v1/traces/xyz/otlp").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        reader.response(&format!("/api/v1/traces/{TRACE}/otlp?x=1")).await.status(),
        StatusCode::BAD_REQUEST
    );

    let ingest = server.key(&[KeyScope::Ingest]).await;
    let endpoint = server.url("");
    let refused = spanloom(&["export", "--endpoint", &endpoint, "--key", &ingest, TRACE], b"").await;
    assert!(!refused.status.success());
    assert!(!stderr(&refused).contains(&ingest), "the key must not be shown");
    let nobody = spanloom(&["export", "--endpoint", &endpoint, TRACE], b"").await;
    assert!(stderr(&nobody).contains("SPANLOOM_API_KEY"), "{}", stderr(&nobody));
}

fn jaeger(start_us: u64) -> Value {
    json!({"data": [{
        "traceID": "abc",
        "spans": [
            {"traceID": "abc", "spanID": "1", "operationName": "root", "references": [], "flags": 1,
             "startTime": start_us, "duration": 2_000, "processID": "p1", "warnings": null,
             "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
             "logs": [{"timestamp": start_us + 10, "fields": [{"key": "event", "type": "string", "value": "x"}]}]},
            {"traceID": "abc", "spanID": "2", "operationName": "child", "processID": "p2",
             "references": [{"refType": "CHILD_OF", "traceID": "abc", "spanID": "1"}],
             "startTime": start_us + 100, "duration": 50, "tags": [{"key": "error", "type": "bool", "value": true}]}
        ],
        "processes": {"p1": {"serviceName": "frontend", "tags": []}, "p2": {"serviceName": "db"}},
        "warnings": null
    }], "total": 0, "errors": null})
}

/// Catches formats that read well and arrive wrong, and a shift that changes distances.
#[tokio::test(flavor = "multi_thread")]
async fn old_files_of_other_formats_are_refused_with_the_reason_or_moved_to_now() {
    let server = Spanloom::start().await;
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("jaeger.json");
    std::fs::write(&old, jaeger(1_500_000_000_000_000).to_string()).unwrap();
    let old = old.to_str().unwrap();
    let told = failed_import(&server, &[old], b"").await;
    assert!(told.contains("2 spans read, 0 accepted, 2 refused"), "{told}");
    assert!(told.contains("2: the span started before the retention period"), "{told}");
    assert!(told.contains("--shift-to-now"), "{told}");
    assert_eq!(server.stored_spans().await, 0);

    import(&server, &["--shift-to-now", "--format", "jaeger-json", old], b"").await;
    let reader = server.reader().await;
    let trace = reader.get(&format!("/api/v1/traces/{OTHER}")).await;
    assert_eq!(trace["durationNs"], 2_000_000);
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!((spans[0]["name"].as_str(), spans[0]["kind"].as_str()), (Some("root"), Some("server")));
    assert_eq!(spans[0]["events"][0]["offsetNs"], 10_000);
    assert_eq!(spans[1]["startOffsetNs"], 100_000);
    assert_eq!(
        (spans[1]["status"].as_str(), spans[1]["parentSpanId"].as_str()),
        (Some("error"), Some("0000000000000001"))
    );
    let start = chrono::DateTime::parse_from_rfc3339(trace["startTime"].as_str().unwrap()).unwrap();
    let age = chrono::Utc::now() - start.to_utc();
    assert!(age < chrono::TimeDelta::minutes(5), "{age}");

    let zipkin = json!([[{"traceId": "def", "id": "1", "name": "get", "kind": "SERVER", "timestamp": 1_500_000_000_000_000_u64,
                          "duration": 9, "localEndpoint": {"serviceName": "cart"}, "tags": {"error": "true"}}]]);
    import(&server, &["--shift-to-now"], zipkin.to_string().as_bytes()).await;
    let trace = reader.get(&format!("/api/v1/traces/{:032x}", 0xdef)).await;
    assert_eq!(
        (trace["durationNs"].as_i64(), trace["spans"][0]["status"].as_str()),
        (Some(9_000), Some("error"))
    );
    assert_eq!(trace["resources"][0]["service"], "cart");

    // Twice through a pipe needs a file in between.
    let shifted = import(
        &server,
        &["--shift-to-now"],
        full_trace(TRACE, 1_500_000_000_000_000_000).to_string().as_bytes(),
    )
    .await;
    assert!(shifted.contains("2 accepted"), "{shifted}");
}

/// A file as the Collector writes it in protobuf, and one message alone.
#[tokio::test(flavor = "multi_thread")]
async fn protobuf_comes_with_and_without_lengths_and_compressed() {
    let server = Spanloom::start().await;
    let message = |trace_id: &str| {
        let mut document = full_trace(trace_id, ago_ns(60));
        remove_nan(&mut document);
        serde_json::from_value::<ExportTraceServiceRequest>(document).unwrap().encode_to_vec()
    };
    let framed = |message: Vec<u8>| [&(message.len() as u32).to_be_bytes()[..], &message].concat();
    import(&server, &[], &message(&format!("{:032x}", 1))).await;
    import(
        &server,
        &["--format", "otlp"],
        &[framed(message(&format!("{:032x}", 2))), framed(message(&format!("{:032x}", 3)))].concat(),
    )
    .await;
    let compressed = framed(zstd::encode_all(&message(&format!("{:032x}", 4))[..], 1).unwrap());
    import(&server, &[], &compressed).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&message(&format!("{:032x}", 5))).unwrap();
    import(&server, &[], &gzip.finish().unwrap()).await;
    assert_eq!(server.stored_spans().await, 10);
}

/// Catches damage that costs what comes before it, and errors without a place.
#[tokio::test(flavor = "multi_thread")]
async fn damage_names_the_file_and_the_line_and_what_came_before_is_sent() {
    let server = Spanloom::start().await;
    let folder = tempfile::tempdir().unwrap();
    let good = full_trace(TRACE, ago_ns(60)).to_string();
    let path = folder.path().join("spans.jsonl");
    std::fs::write(&path, format!("{good}\n{{\"resourceSpans\": [{{\"schemaUrl\": 5}}]}}\n")).unwrap();
    let file = path.to_str().unwrap();
    let told = failed_import(&server, &[file], b"").await;
    assert!(told.contains(&format!("error: {file}: line 2, column ")), "{told}");
    assert!(told.contains("expected a list of resourceSpans: invalid type: integer `5`"), "{told}");
    assert_eq!(server.stored_spans().await, 2);

    let told = failed_import(&server, &["/nowhere/spans.json", file], b"").await;
    assert!(told.contains("/nowhere/spans.json"), "{told}");
    let mut damaged = zstd::encode_all(good.repeat(50).as_bytes(), 1).unwrap();
    damaged.truncate(damaged.len() - 20);
    let told = failed_import(&server, &[], &damaged).await;
    assert!(told.contains("standard input: "), "{told}");
}

/// A server of OTLP that is busy first: it answers one connection after the other.
async fn busy_server(answers: &'static [&'static str]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let count = connection.read(&mut chunk).await.unwrap();
                request.extend_from_slice(&chunk[..count]);
                if is_whole(&request) {
                    break;
                }
                assert!(count > 0, "a broken request");
            }
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap();
    let body_at = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    request.len() - body_at == length.parse::<usize>().unwrap()
}

/// Catches a client that gives up on a busy server, or never gives up on one that refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again_and_a_refusal_is_final() {
    let spans = full_trace(TRACE, ago_ns(60)).to_string();
    let send = async |endpoint: &str| spanloom(&["import", "--endpoint", endpoint], spans.as_bytes()).await;
    let busy = busy_server(&[
        "503 Service Unavailable\r\nRetry-After: 0",
        "429 Too Many Requests\r\nRetry-After: 0",
        "200 OK",
    ])
    .await;
    let output = send(&busy).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("2 accepted"), "{}", stderr(&output));

    let strict = Spanloom::start_with(|config| config.ingest.loopback_without_key = false).await;
    let output = send(&strict.url("")).await;
    assert!(!output.status.success());
    assert!(stderr(&output).contains("SPANLOOM_API_KEY"), "{}", stderr(&output));
    let key = strict.key(&[KeyScope::Ingest]).await;
    import(&strict, &["--key", &key], spans.as_bytes()).await;

    let elsewhere = busy_server(&["404 Not Found"]).await;
    assert!(stderr(&send(&elsewhere).await).contains("is this its address?"));
    let nowhere = send("http://127.0.0.1:1").await;
    assert!(stderr(&nowhere).contains("no server answers at http://127.0.0.1:1"), "{}", stderr(&nowhere));
}

/// Requests are bounded, so that a file of any size passes a server's limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_sent_in_bounded_requests() {
    let server = Spanloom::start_with(|config| config.ingest.body_bytes_max = 9 << 20).await;
    let wide = "x".repeat(2_000);
    let spans: Vec<Value> = (1..=10_000_u64)
        .map(|number| {
            json!({"traceId": TRACE, "spanId": format!("{number:016x}"), "name": wide,
                   "startTimeUnixNano": ago_ns(60).to_string(), "endTimeUnixNano": ago_ns(59).to_string()})
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("large.json");
    let document = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]});
    std::fs::write(path, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
    let summary = import(&server, &[path.to_str().unwrap()], b"").await;
    assert!(summary.contains("10000 spans read, 10000 accepted"), "{summary}");
    assert_eq!(server.stored_spans().await, 10_000);
}
