//! What stock clients really send; `fixtures/README.md` tells which.

use proptest::prelude::*;
use spanloom_formats::jaeger_thrift::Protocol;
use spanloom_formats::{Decoded, jaeger_proto, jaeger_thrift, zipkin_json, zipkin_proto};
use spanloom_model::{AttrValue, Span, SpanKind, SpanStatus};

use super::BOUNDS;

type Decode = fn(&[u8]) -> Result<Decoded, String>;

const ZIPKIN_JSON: Decode = |body| zipkin_json::decode(body, BOUNDS);
const ZIPKIN_PROTO: Decode = |body| zipkin_proto::decode(body, BOUNDS);
const JAEGER_BINARY: Decode = |body| jaeger_thrift::decode(body, Protocol::Binary, BOUNDS);
const JAEGER_COMPACT: Decode = |body| jaeger_thrift::decode(body, Protocol::Compact, BOUNDS);
const JAEGER_PROTO: Decode = |body| jaeger_proto::decode(body, BOUNDS);

/// A fixture, who sent it, and how it is read.
struct Sent(&'static str, &'static [u8], Decode);

const ZIPKIN_JS: Sent = Sent("zipkin-js", include_bytes!("../fixtures/zipkin-js.json"), ZIPKIN_JSON);
const JAEGER_NODE: Sent =
    Sent("jaeger-node", include_bytes!("../fixtures/jaeger-node.binary.thrift"), JAEGER_BINARY);

/// The same trace from OpenTelemetry's exporters: a root, a failed and a fine child.
const OTEL: [Sent; 6] = [
    Sent("python zipkin json", include_bytes!("../fixtures/otel-python-zipkin.json"), ZIPKIN_JSON),
    Sent("python zipkin protobuf", include_bytes!("../fixtures/otel-python-zipkin.pb"), ZIPKIN_PROTO),
    Sent("python binary", include_bytes!("../fixtures/otel-python-jaeger.binary.thrift"), JAEGER_BINARY),
    Sent("python compact", include_bytes!("../fixtures/otel-python-jaeger.compact.thrift"), JAEGER_COMPACT),
    Sent("python jaeger protobuf", include_bytes!("../fixtures/otel-python-jaeger.pb"), JAEGER_PROTO),
    Sent("node binary", include_bytes!("../fixtures/otel-node-jaeger.binary.thrift"), JAEGER_BINARY),
];

fn spans(Sent(who, body, decode): &Sent) -> Vec<Span> {
    let decoded = decode(body).unwrap_or_else(|error| panic!("{who}: {error}"));
    assert_eq!(decoded.rejected.total(), 0, "{who}: {}", decoded.rejected.message());
    decoded.spans
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}"));
    assert!(found.next().is_none(), "more than one {name}");
    span
}

/// Catches an exporter whose kinds, parents, errors, events or library do not arrive.
#[test]
fn otel_exporters_lose_nothing_that_they_send() {
    for sent in OTEL {
        let (who, spans) = (sent.0, spans(&sent));
        assert_eq!(spans.len(), 3, "{who}");
        let [root, failed, fine] = ["root", "failed", "fine"].map(|name| named(&spans, name));
        assert_eq!(
            (root.kind, root.parent_span_id, root.status),
            (SpanKind::Server, None, SpanStatus::Unset)
        );
        assert_eq!((fine.kind, fine.status), (SpanKind::Producer, SpanStatus::Ok), "{who}");
        assert_eq!((failed.kind, failed.status), (SpanKind::Client, SpanStatus::Error), "{who}");
        assert_eq!(failed.status_message, "no such customer", "{who}");
        assert_eq!(failed.events.len(), 1, "{who}");
        assert_eq!(failed.events[0].name, "retry", "{who}");
        assert_eq!(failed.events[0].attributes.len(), 1, "{who}");
        let attempt = failed.events[0].attributes.get("attempt").unwrap().to_string();
        assert!(attempt == "2" || attempt == "2.0", "{who}: {attempt}");
        for span in [failed, fine] {
            assert_eq!(span.parent_span_id, Some(root.span_id), "{who}");
            assert_eq!(span.trace_id, root.trace_id, "{who}");
        }
        for span in &spans {
            assert_eq!(span.resource.service_name(), "shop", "{who}");
            assert_eq!(span.resource.service_version(), "3.2.1", "{who}");
            assert!(span.scope.name.starts_with("e2e-"), "{who}: {:?}", span.scope);
            assert_eq!(span.scope.version, "0.9", "{who}");
            let has_field = |key: &str| {
                ["otel.", "service.version", "span.kind"].iter().any(|prefix| key.starts_with(prefix))
                    || key == "error"
            };
            let left: Vec<_> = span.attributes.iter().filter(|(key, _)| has_field(key)).collect();
            assert!(left.is_empty(), "{who}: {left:?} have fields of their own");
        }
        assert_eq!(root.attributes.get_str("text"), Some("hällo \"quoted\""), "{who}");
        let typed = AttrValue::Bool(true);
        let untyped = AttrValue::from("true");
        let expected = if who.contains("zipkin") { untyped } else { typed };
        assert_eq!(root.attributes.get("truth"), Some(&expected), "{who}");
    }
}

/// Catches a clock or a duration in another unit, and a trace id put together the wrong way around.
#[test]
fn python_exporters_keep_ids_and_times() {
    for sent in &OTEL[..5] {
        let (who, spans) = (sent.0, spans(sent));
        let [root, failed] = ["root", "failed"].map(|name| named(&spans, name));
        assert_eq!(root.trace_id.to_string(), "17bab3222b1c3295fcf243808c188cb7", "{who}");
        // The protobuf exporter goes through floating point.
        let close = |a: i64, b: i64| (a - b).abs() < 1_000;
        assert!(close(root.start_ns, 1_795_400_000_000_000_000), "{who}: {}", root.start_ns);
        assert!(close(root.duration_ns, 5_000_000), "{who}: {}", root.duration_ns);
        assert!(close(failed.events[0].time_ns, 1_795_400_000_001_500_000), "{who}");
        assert_eq!(root.flags, 1, "{who}");
        if !who.contains("zipkin") {
            let link = &failed.links[0];
            assert_eq!(link.trace_id.to_string(), "123456789abcdef0123456789abcdef0", "{who}");
            assert_eq!(link.span_id.to_string(), "fedcba9876543210", "{who}");
            assert_eq!(link.attributes.get_str("opentracing.ref_type"), Some("follows_from"), "{who}");
        }
    }
}

/// Catches a protocol that reads other values than the other one.
#[test]
fn binary_and_compact_are_the_same() {
    assert_eq!(spans(&OTEL[2]), spans(&OTEL[3]));
    let resource = &spans(&OTEL[3])[0].resource;
    assert_eq!(resource.attributes.get("raw"), Some(&AttrValue::Bytes(vec![0, 255])));
    assert_eq!(resource.attributes.get_str("host.name"), Some("host-1"));
}

/// Catches two halves of a call that end up as one span, or apart from each other.
#[test]
fn zipkin_s_own_library_shares_a_span() {
    let spans = spans(&ZIPKIN_JS);
    let of = |kind| spans.iter().find(|span| span.kind == kind).unwrap();
    let (client, server) = (of(SpanKind::Client), of(SpanKind::Server));
    let local = named(&spans, "read stock");
    assert_eq!((client.parent_span_id, server.parent_span_id), (None, Some(client.span_id)));
    assert_eq!(server.span_id, client.span_id.server_half());
    // Which half it belongs to is seen when the trace is read.
    assert_eq!(local.parent_span_id, Some(client.span_id));
    assert_eq!(
        (client.resource.service_name(), server.resource.service_name()),
        ("shop-caller", "shop-callee")
    );
    assert_eq!(client.attributes.get_str("peer.service"), Some("shop-callee"));
    assert_eq!(client.attributes.get("network.peer.port"), Some(&AttrValue::Int(8081)));
    assert_eq!(server.events[0].name, "cache miss");
    assert_eq!((local.status, local.status_message.as_str()), (SpanStatus::Error, "no such item"));
}

#[test]
fn jaeger_s_own_client_keeps_types_references_and_its_process() {
    let spans = spans(&JAEGER_NODE);
    let [root, failed, later] = ["root", "failed", "later"].map(|name| named(&spans, name));
    assert!(root.trace_id.get() >> 64 != 0, "both halves of a 128-bit id");
    assert_eq!(
        (root.kind, failed.kind, later.kind),
        (SpanKind::Server, SpanKind::Client, SpanKind::Consumer)
    );
    assert_eq!(root.attributes.get("int"), Some(&AttrValue::Double(42.0)), "the client has but one number");
    assert_eq!(root.attributes.get("truth"), Some(&AttrValue::Bool(true)));
    assert_eq!(root.attributes.get_str("sampler.type"), Some("const"));
    assert_eq!(failed.parent_span_id, Some(root.span_id));
    assert_eq!((failed.status, failed.events[0].name.as_str()), (SpanStatus::Error, "retry"));
    assert_eq!(later.links[0].span_id, failed.span_id);
    for (key, value) in [("host.name", "host-1"), ("ip", "10.0.0.7"), ("deployment.zone", "b")] {
        assert_eq!(root.resource.attributes.get_str(key), Some(value));
    }
}

proptest! {
    // Catches a decoder that panics or hangs on what a broken client or network makes of a request.
    #[test]
    fn damaged_bodies_are_answered(
        which in 0..8_usize,
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let Sent(_, body, decode) = match which {
            6 => ZIPKIN_JS,
            7 => JAEGER_NODE,
            at => Sent(OTEL[at].0, OTEL[at].1, OTEL[at].2),
        };
        let mut body = body.to_vec();
        for (at, byte) in damage {
            *at.get_mut(&mut body) = byte;
        }
        body.truncate(cut.index(body.len()) + 1);
        let _ = decode(&body);
    }
}
