//! Zipkin's format, field by field.

use prost::Message;
use serde_json::{Value, json};
use spanloom_formats::{Decoded, Rejection, zipkin_json, zipkin_proto};
use spanloom_model::{AttrValue, Span, SpanKind, SpanStatus};

use super::BOUNDS;

const START_US: i64 = 1_795_400_000_000_000;

fn base() -> Value {
    json!({"traceId": "463ac35c9f6413ad48485a3953bb6124", "id": "a2fb4a1d1a96d312", "name": "get /", "timestamp": START_US, "duration": 1500})
}

/// The base with other fields.
fn with(fields: Value) -> Value {
    let (Value::Object(mut span), Value::Object(fields)) = (base(), fields) else { panic!("objects") };
    span.extend(fields);
    Value::Object(span)
}

fn decode(list: &Value) -> Result<Decoded, String> {
    zipkin_json::decode(&serde_json::to_vec(list).unwrap(), BOUNDS)
}

fn one(fields: Value) -> Span {
    let decoded = decode(&json!([with(fields)])).unwrap();
    assert_eq!(decoded.rejected.total(), 0);
    decoded.spans.into_iter().next().unwrap()
}

#[test]
fn endpoints_become_resource_and_attributes() {
    let span = one(json!({
        "kind": "SERVER",
        "localEndpoint": {"serviceName": "shop", "ipv4": "10.0.0.7", "ipv6": "2001:db8::7", "port": 8080},
        "remoteEndpoint": {"serviceName": "browser", "ipv4": "10.0.0.9", "ipv6": "2001:db8::9", "port": 50_000},
        "tags": {"network.peer.port": "1"}
    }));
    let ips = AttrValue::Array(vec!["10.0.0.7".into(), "2001:db8::7".into()]);
    assert_eq!(span.resource.attributes.get("host.ip"), Some(&ips));
    assert_eq!(span.resource.service_name(), "shop");
    let expected = [
        ("network.local.port", AttrValue::Int(8080)),
        ("network.peer.address", "10.0.0.9".into()),
        // What the client itself says stays.
        ("network.peer.port", "1".into()),
        ("peer.service", "browser".into()),
        ("zipkin.remoteEndpoint.ipv6", "2001:db8::9".into()),
    ];
    assert!(
        span.attributes.iter().eq(expected.iter().map(|(key, value)| (*key, value))),
        "{:?}",
        span.attributes
    );
    assert_eq!(one(json!({})).resource.service_name(), "unknown_service");
}

/// Catches tags of clients without an SDK that move to the resource, and resources for each span.
#[test]
fn only_an_sdk_s_tags_describe_the_process() {
    let tags = json!({"service.version": "1", "host.name": "h", "custom": "c"});
    let plain = one(json!({"tags": tags}));
    assert_eq!((plain.attributes.len(), plain.resource.attributes.len()), (3, 0));
    let mut tags = tags;
    tags["telemetry.sdk.name"] = json!("opentelemetry");
    let decoded =
        decode(&json!([with(json!({"tags": tags})), with(json!({"id": "2", "tags": tags}))])).unwrap();
    let [a, b] = &decoded.spans[..] else { panic!("two spans") };
    assert_eq!((a.attributes.len(), a.resource.attributes.len()), (1, 3));
    assert!(std::sync::Arc::ptr_eq(&a.resource, &b.resource) && std::sync::Arc::ptr_eq(&a.scope, &b.scope));
}

#[test]
fn an_error_tag_is_an_error_unless_it_says_false() {
    let check = |tags: Value, status, message: &str, left| {
        let span = one(json!({"tags": tags}));
        assert_eq!(
            (span.status, span.status_message.as_str(), span.attributes.len()),
            (status, message, left)
        );
    };
    check(json!({"error": "timeout"}), SpanStatus::Error, "timeout", 0);
    check(json!({"error": ""}), SpanStatus::Error, "", 0);
    check(json!({"error": "true"}), SpanStatus::Error, "", 0);
    check(json!({"error": "false"}), SpanStatus::Unset, "", 1);
    check(json!({"otel.status_code": "ERROR"}), SpanStatus::Error, "", 0);
    check(json!({"otel.status_code": "ERROR", "error": "why"}), SpanStatus::Error, "why", 0);
    check(json!({"error": "true", "otel.status_description": "why"}), SpanStatus::Error, "why", 0);
    check(json!({"otel.status_code": "OK"}), SpanStatus::Ok, "", 0);
}

#[test]
fn start_and_duration_are_derived_where_they_are_absent() {
    let annotations = json!([
        {"timestamp": START_US + 300, "value": "b"}, {"timestamp": START_US + 100, "value": "a"}, {"value": "never"}
    ]);
    // Told by its annotations.
    let span = one(json!({"timestamp": null, "duration": null, "annotations": annotations}));
    assert_eq!((span.start_ns, span.duration_ns), ((START_US + 100) * 1_000, 200_000));
    assert_eq!(span.attributes.get("otel.zipkin.absentField.startTime"), Some(&AttrValue::Bool(true)));
    assert_eq!(span.events[2].time_ns, span.start_ns, "an event without a time is at the start");
    // A duration that is told holds.
    assert_eq!(one(json!({"annotations": annotations})).duration_ns, 1_500_000);
    assert_eq!(one(json!({"duration": 0, "annotations": annotations})).duration_ns, 300_000);
    assert_eq!(one(json!({"duration": 0})).duration_ns, 0);
    // Told by its trace, or by nobody: the same answer whenever it is sent again.
    let late = with(json!({"timestamp": 0, "id": "2"}));
    let other = with(json!({"traceId": "1", "timestamp": START_US - 9}));
    let decoded = decode(&json!([late, base(), other])).unwrap();
    assert_eq!(decoded.spans[0].start_ns, START_US * 1_000);
    let decoded = decode(&json!([late, other])).unwrap();
    assert_eq!(decoded.rejected.iter().collect::<Vec<_>>(), [(Rejection::NoStart, 1)]);
    assert_eq!(decoded.spans.len(), 1);
}

/// Catches times in JSON's or the clock's far ends that overflow.
#[test]
fn impossible_times_are_rejected_alone() {
    let fields = [
        (json!({"timestamp": u64::MAX}), Rejection::InFuture),
        (json!({"duration": u64::MAX}), Rejection::InFuture),
        (json!({"timestamp": 1}), Rejection::TooOld),
        (json!({"timestamp": 1e300}), Rejection::InFuture),
    ];
    for (fields, expected) in fields {
        let decoded = decode(&json!([base(), with(fields)])).unwrap();
        assert_eq!(decoded.spans.len(), 1);
        assert_eq!(decoded.rejected.iter().collect::<Vec<_>>(), [(expected, 1)]);
    }
}

#[test]
fn the_server_s_half_of_a_shared_span_is_a_child_of_the_client_s() {
    let parent = json!({"parentId": "1", "shared": true, "kind": "SERVER"});
    let span = one(parent);
    let shared = "a2fb4a1d1a96d312".parse::<spanloom_model::SpanId>().unwrap();
    assert_eq!((span.span_id, span.parent_span_id), (shared.server_half(), Some(shared)));
    assert_eq!(span.attributes.get_str(Span::SHARED_PARENT), Some("0000000000000001"));
    // Nonsense, which must not tear the client from its parent.
    let client = one(json!({"parentId": "1", "shared": true, "kind": "CLIENT"}));
    assert_eq!((client.span_id, client.parent_span_id.unwrap().get()), (shared, 1));
}

/// Catches a client that is refused for what Zipkin's server takes.
#[test]
fn sloppy_clients_are_understood() {
    let span = one(json!({
        "traceId": "48485A3953BB6124", "id": "1", "parentId": "0000000000000000", "kind": "client",
        "timestamp": START_US.to_string(), "duration": 1500.0, "debug": true, "shared": null, "unknown": [{}],
        "localEndpoint": null, "annotations": null, "name": null,
        "tags": {"n": 1, "truth": true, "none": null, "double": 0.5, "nul\u{0}": "\u{0}"}
    }));
    assert_eq!(span.trace_id.to_string(), "000000000000000048485a3953bb6124");
    assert_eq!((span.span_id.get(), span.parent_span_id, span.kind), (1, None, SpanKind::Client));
    assert_eq!((span.start_ns, span.duration_ns), (START_US * 1_000, 1_500_000));
    assert_eq!((span.flags, span.name.as_str()), (1, ""));
    let expected = [("double", "0.5"), ("n", "1"), ("nul\u{fffd}", "\u{fffd}"), ("truth", "true")];
    assert!(
        span.attributes
            .iter()
            .eq(expected.map(|(k, v)| (k, AttrValue::from(v))).iter().map(|(k, v)| (*k, v)))
    );
    // A span that names itself as its parent is a root in Zipkin.
    assert_eq!(one(json!({"parentId": "a2fb4a1d1a96d312"})).parent_span_id, None);
    assert_eq!(zipkin_json::decode(b"", BOUNDS).unwrap().spans.len(), 0);
    assert_eq!(zipkin_json::decode(b"[]", BOUNDS).unwrap().spans.len(), 0);
}

#[test]
fn faults_name_their_place() {
    let cases = [
        (json!({"traceId": "x"}), "[1].traceId must be 1 to 32 hexadecimal digits"),
        (json!({"traceId": "+1"}), "[1].traceId must be 1 to 32 hexadecimal digits"),
        (json!({"traceId": "0"}), "[1].traceId must not be all zeros"),
        (json!({"id": null}), "[1].id must be 1 to 16 hexadecimal digits"),
        (json!({"id": "1".repeat(17)}), "[1].id must be 1 to 16 hexadecimal digits"),
        (json!({"parentId": "é"}), "[1].parentId must be 1 to 16 hexadecimal digits"),
        (json!({"kind": "LOCAL"}), "[1].kind must be CLIENT, SERVER, PRODUCER or CONSUMER"),
        (json!({"timestamp": "soon"}), "[1].timestamp must be a whole number"),
        (json!({"localEndpoint": {"port": 65_536}}), "[1].port must be at most 65535"),
        (json!({"tags": {"a": []}}), "expected text or a number"),
        (json!({"annotations": [{}]}), "missing field `value`"),
    ];
    for (fields, expected) in cases {
        let error = decode(&json!([base(), with(fields)])).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(zipkin_json::decode(b"{}", BOUNDS).unwrap_err().contains("expected a list of Zipkin v2 spans"));
    // The first is enough: a list of nothing is not read to its end.
    let nothing = format!("[{}{{}}]", "{},".repeat(1_000_000));
    assert!(zipkin_json::decode(nothing.as_bytes(), BOUNDS).unwrap_err().contains("[0].traceId"));
}

#[test]
fn protobuf_ids_have_their_length() {
    let base = zipkin_proto::Span {
        trace_id: vec![1; 8],
        id: vec![2; 8],
        timestamp: START_US as u64,
        parent_id: vec![0; 8],
        local_endpoint: Some(zipkin_proto::Endpoint {
            ipv4: vec![10, 0, 0, 7],
            ipv6: vec![0; 16],
            ..zipkin_proto::Endpoint::default()
        }),
        ..zipkin_proto::Span::default()
    };
    let decode = |span: &zipkin_proto::Span| {
        let list = zipkin_proto::ListOfSpans { spans: vec![span.encode_to_vec()] };
        zipkin_proto::decode(&list.encode_to_vec(), BOUNDS)
    };
    let span = &decode(&base).unwrap().spans[0];
    assert_eq!(span.trace_id.to_string(), "00000000000000000101010101010101");
    assert_eq!(span.parent_span_id, None);
    assert_eq!(
        span.resource.attributes.get("host.ip"),
        Some(&AttrValue::Array(vec!["10.0.0.7".into(), "::".into()]))
    );
    let bad = [
        zipkin_proto::Span { trace_id: vec![1; 9], ..base.clone() },
        zipkin_proto::Span { trace_id: vec![0; 16], ..base.clone() },
        zipkin_proto::Span { id: vec![], ..base.clone() },
        zipkin_proto::Span { parent_id: vec![1; 7], ..base.clone() },
    ];
    for span in bad {
        assert!(decode(&span).unwrap_err().starts_with("spans[0]: "));
    }
}
