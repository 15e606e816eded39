//! Jaeger's format, field by field. Through protobuf; `clients.rs` shows that Thrift says the same.

use prost::Message;
use spanloom_formats::jaeger_proto::{
    Batch, KeyValue, Log, PostSpansRequest, Process, Span, SpanRef, Time,
};
use spanloom_formats::jaeger_thrift::{self, Protocol};
use spanloom_formats::{Decoded, Rejection, jaeger_proto};
use spanloom_model::{self as model, AttrValue, SpanKind, SpanStatus};

use super::BOUNDS;

const SECONDS: i64 = 1_795_400_000;

fn base() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        operation_name: "op".into(),
        start_time: Some(Time { seconds: SECONDS, nanos: 5 }),
        duration: Some(Time { seconds: 1, nanos: -7 }),
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.into(), v_str: value.into(), ..KeyValue::default() }
}

fn truth(key: &str, value: bool) -> KeyValue {
    KeyValue { key: key.into(), v_type: 1, v_bool: value, ..KeyValue::default() }
}

fn decode(spans: &[Span], process: Option<Process>) -> Decoded {
    let spans = spans.iter().map(Message::encode_to_vec).collect();
    let request = PostSpansRequest { batch: Some(Batch { spans, process }) };
    jaeger_proto::decode(&request.encode_to_vec(), BOUNDS).unwrap()
}

fn one(span: Span) -> model::Span {
    let decoded = decode(&[span], None);
    assert_eq!(decoded.rejected.total(), 0);
    decoded.spans.into_iter().next().unwrap()
}

fn reference(kind: i32, trace: u8, span: u8) -> SpanRef {
    SpanRef { trace_id: vec![trace; 16], span_id: vec![span; 8], ref_type: kind }
}

/// Catches a parent in another trace, and references that vanish.
#[test]
fn references_are_the_parent_or_links() {
    let check = |references: &[SpanRef], parent: Option<u8>, links: &[(u8, &str)]| {
        let span = one(Span { references: references.to_vec(), ..base() });
        assert_eq!(span.parent_span_id.map(|id| id.get() as u8), parent);
        let found: Vec<_> = span
            .links
            .iter()
            .map(|l| (l.span_id.get() as u8, l.attributes.get_str("opentracing.ref_type").unwrap()))
            .collect();
        assert_eq!(found, links);
    };
    check(&[], None, &[]);
    check(&[reference(0, 1, 7)], Some(7), &[]);
    check(&[reference(1, 1, 6), reference(0, 1, 7)], Some(7), &[(6, "follows_from")]);
    check(&[reference(0, 1, 7), reference(0, 1, 8)], Some(7), &[(8, "child_of")]);
    check(&[reference(0, 9, 7)], None, &[(7, "child_of")]);
    // Shown where it belongs in Jaeger, too.
    check(&[reference(1, 9, 5), reference(1, 1, 6)], Some(6), &[(5, "follows_from"), (6, "follows_from")]);
    let broken = SpanRef { trace_id: vec![1; 3], ..reference(1, 1, 6) };
    assert_eq!(one(Span { references: vec![broken], ..base() }).dropped_links_count, 1);
}

#[test]
fn tags_with_a_meaning_become_fields() {
    let kinds = [
        ("client", SpanKind::Client),
        ("server", SpanKind::Server),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
        ("internal", SpanKind::Internal),
    ];
    for (word, kind) in kinds {
        let span = one(Span { tags: vec![text("span.kind", word)], ..base() });
        assert_eq!((span.kind, span.attributes.len()), (kind, 0));
    }
    let odd = one(Span { tags: vec![text("span.kind", "sideways")], ..base() });
    assert_eq!((odd.kind, odd.attributes.len()), (SpanKind::Unspecified, 1));

    let status = |tags: Vec<KeyValue>| {
        let span = one(Span { tags, ..base() });
        (span.status, span.status_message, span.attributes.len())
    };
    assert_eq!(status(vec![truth("error", true)]), (SpanStatus::Error, String::new(), 0));
    assert_eq!(status(vec![text("error", "true")]), (SpanStatus::Error, String::new(), 0));
    assert_eq!(status(vec![truth("error", false)]), (SpanStatus::Unset, String::new(), 1));
    let told = vec![text("otel.status_code", "ERROR"), text("otel.status_description", "why")];
    assert_eq!(status(told), (SpanStatus::Error, "why".into(), 0));
    assert_eq!(
        status(vec![text("otel.status_code", "OK"), truth("error", true)]),
        (SpanStatus::Error, String::new(), 0),
        "the error tag decides"
    );
    let span = one(Span {
        tags: vec![text("w3c.tracestate", "a=b"), text("internal.span.format", "proto")],
        ..base()
    });
    assert_eq!((span.trace_state.as_str(), span.attributes.len()), ("a=b", 1));
}

#[test]
fn every_type_of_value_is_kept() {
    let number = KeyValue { key: "int".into(), v_type: 2, v_int64: i64::MIN, ..KeyValue::default() };
    let double = KeyValue { key: "double".into(), v_type: 3, v_float64: 0.1, ..KeyValue::default() };
    let bytes = KeyValue { key: "bytes".into(), v_type: 4, v_binary: vec![0, 255], ..KeyValue::default() };
    let later = KeyValue { key: "later".into(), v_type: 9, ..KeyValue::default() };
    let tags = vec![text("text", "a\0b"), truth("truth", true), number, double, bytes, later];
    let expected = [
        ("bytes", AttrValue::Bytes(vec![0, 255])),
        ("double", AttrValue::Double(0.1)),
        ("int", AttrValue::Int(i64::MIN)),
        ("later", AttrValue::Null),
        ("text", "a\u{fffd}b".into()),
        ("truth", true.into()),
    ];
    let span = one(Span { tags, ..base() });
    assert!(span.attributes.iter().eq(expected.iter().map(|(k, v)| (*k, v))), "{:?}", span.attributes);
}

#[test]
fn logs_become_events_with_a_name() {
    let log = |fields| Log { timestamp: Some(Time { seconds: SECONDS, nanos: 9 }), fields };
    let count = KeyValue {
        key: "otel.event.dropped_attributes_count".into(),
        v_type: 2,
        v_int64: 4,
        ..KeyValue::default()
    };
    let logs = vec![
        log(vec![text("message", "details"), text("event", "retry"), count]),
        log(vec![text("message", "only this")]),
        log(vec![text("other", "x")]),
    ];
    let events = one(Span { logs, ..base() }).events;
    let seen: Vec<_> =
        events.iter().map(|e| (e.name.as_str(), e.attributes.len(), e.dropped_attributes_count)).collect();
    assert_eq!(seen, [("retry", 1, 4), ("only this", 0, 0), ("", 1, 0)]);
    assert_eq!(events[0].time_ns, SECONDS * 1_000_000_000 + 9);
}

/// Catches a span that is shown under the service of its batch instead of its own.
#[test]
fn a_process_of_its_own_goes_before_the_batch_s() {
    let process = |name: &str| Process { service_name: name.into(), tags: vec![text("hostname", "h")] };
    let own = Span {
        process: Some(process("own")),
        tags: vec![text("host.name", "h"), text("k", "v")],
        ..base()
    };
    let decoded = decode(&[base(), own.clone(), own], Some(process("batch")));
    let services: Vec<_> = decoded.spans.iter().map(|span| span.resource.service_name()).collect();
    assert_eq!(services, ["batch", "own", "own"]);
    assert!(std::sync::Arc::ptr_eq(&decoded.spans[1].resource, &decoded.spans[2].resource));
    assert_eq!(decoded.spans[1].resource.attributes.get_str("host.name"), Some("h"));
    // What the resource says need not be said twice.
    assert_eq!(decoded.spans[1].attributes.len(), 1);
    assert_eq!(one(base()).resource.service_name(), "unknown_service");
}

#[test]
fn flags_warnings_and_times_are_kept() {
    let span = one(Span { flags: 1, ..base() });
    assert_eq!((span.flags, span.attributes.len()), (1, 0));
    let span = one(Span { flags: 3, warnings: vec!["skewed".into()], ..base() });
    assert_eq!(span.flags, 1, "W3C gives the debug bit another meaning");
    assert_eq!(span.attributes.get("jaeger.flags"), Some(&AttrValue::Int(3)));
    assert_eq!(span.attributes.get("jaeger.warnings"), Some(&AttrValue::Array(vec!["skewed".into()])));
    assert_eq!((span.start_ns, span.duration_ns), (SECONDS * 1_000_000_000 + 5, 999_999_993));
}

#[test]
fn a_bad_span_does_not_poison_its_batch() {
    let at = |seconds| Some(Time { seconds, nanos: 0 });
    let spans = [
        base(),
        Span { trace_id: vec![0; 16], ..base() },
        Span { trace_id: vec![1; 8], ..base() },
        Span { span_id: vec![], ..base() },
        Span { start_time: at(i64::MIN), ..base() },
        Span { start_time: at(i64::MAX), ..base() },
        Span { duration: at(-1), ..base() },
        Span { duration: at(i64::MAX), ..base() },
    ];
    let decoded = decode(&spans, None);
    assert_eq!(decoded.spans.len(), 1);
    let expected = [
        (Rejection::TraceId, 2),
        (Rejection::SpanId, 1),
        (Rejection::NegativeDuration, 1),
        (Rejection::TooOld, 1),
        (Rejection::InFuture, 2),
    ];
    assert_eq!(decoded.rejected.iter().collect::<Vec<_>>(), expected);
    assert!(jaeger_proto::decode(b"\xff", BOUNDS).is_err());
    assert_eq!(jaeger_proto::decode(b"", BOUNDS).unwrap().spans.len(), 0);
}

/// Catches lengths that are believed: each of these would be gigabytes.
#[test]
fn thrift_that_announces_more_than_it_holds_is_refused() {
    let decode = |protocol, bytes: &[u8]| jaeger_thrift::decode(bytes, protocol, BOUNDS).unwrap_err();
    for (protocol, bytes, what) in [
        (Protocol::Binary, &b""[..], "it ends too early at byte 0"),
        (Protocol::Binary, b"\x00", "a batch without process or spans"),
        (Protocol::Binary, b"\x0f\x00\x02\x0c\x7f\xff\xff\xff\x00", "a length beyond the end"),
        (Protocol::Binary, b"\x0f\x00\x02\x0c\xff\xff\xff\xff\x00", "a length beyond the end"),
        (Protocol::Binary, b"\x0b\x00\x09\x7f\xff\xff\xff", "a length beyond the end"),
        (Protocol::Binary, b"\x0f\x00\x02\x0c\x00\x00\x00\x01\x00", "a span without trace id or start"),
        (Protocol::Binary, b"\x63\x00\x01", "an unknown type"),
        (Protocol::Compact, b"\x29\xfc\xff\xff\xff\xff\x07\x00", "a length beyond the end"),
        (Protocol::Compact, b"\x98\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "more than 64 bits"),
        (Protocol::Compact, b"\x2f", "an unknown type"),
    ] {
        let error = decode(protocol, bytes);
        assert!(error.contains(what), "{error}: {bytes:02x?}");
    }
    // A thousand lists within each other, in a field that nobody knows.
    let deep = [&b"\x0f\x00\x09"[..], &b"\x0f\x00\x00\x00\x01".repeat(1_000)].concat();
    assert!(decode(Protocol::Binary, &deep).contains("too many levels"));
    let deep = [&b"\x99"[..], &b"\x19".repeat(1_000)].concat();
    assert!(decode(Protocol::Compact, &deep).contains("too many levels"));
}
