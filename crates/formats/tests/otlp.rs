//! OTLP in both encodings, compared with `prost` and with itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

#[path = "arbitrary/mod.rs"]
mod arbitrary;
#[path = "oracle/mod.rs"]
mod oracle;
#[path = "tape/mod.rs"]
mod tape;

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message as _;
use spanloom_formats::{Decoded, TimeBounds, otlp, otlp_json};
use spanloom_model::{AttrValue, Attributes, Resource, Span, SpanId, TraceId};

/// Around the times that the tape writes, so that some of them are out of bounds.
const BOUNDS: TimeBounds = TimeBounds { oldest_ns: 20, newest_ns: 230 };

/// In any order, and with NaN equal to itself.
fn sorted(spans: &[Span]) -> Vec<String> {
    let mut spans: Vec<String> = spans.iter().map(|span| format!("{span:?}")).collect();
    spans.sort();
    spans
}

fn shown(decoded: &Decoded) -> String {
    format!("{decoded:?}")
}

proptest! {
    // Catches a field, a merge, an order of fields or an unknown field that is read otherwise than
    // protobuf defines.
    #[test]
    fn we_read_what_prost_reads(tape in proptest::collection::vec(any::<u8>(), 0..600)) {
        let body = tape::request(&tape);
        let theirs = oracle::decode(&body, BOUNDS).unwrap();
        let ours = otlp::decode(&body, BOUNDS);
        prop_assert_eq!(ours.as_ref().map(shown), Ok(shown(&theirs)));
    }

    // Catches damage that goes unnoticed, and damage that is seen where there is none. The one
    // difference is deliberate: we do not read `EntityRef`s, which the model has no place for.
    #[test]
    fn we_refuse_what_prost_refuses(
        tape in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut body = tape::request(&tape);
        prop_assume!(!body.is_empty());
        for (place, byte) in changes {
            *place.get_mut(&mut body) = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        match (otlp::decode(&body, BOUNDS), oracle::decode(&body, BOUNDS)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(shown(&ours), shown(&theirs)),
            (Err(ours), Err(_)) => prop_assert!(ours.offset <= body.len()),
            (Ok(_), Err(theirs)) => prop_assert!(theirs.to_string().contains("entity_refs"), "{}", theirs),
            (Err(ours), Ok(_)) => prop_assert!(false, "only we refuse: {}", ours),
        }
    }

    // Catches anything that the encoder loses, groups wrongly, or writes in a way that only we read.
    #[test]
    fn protobuf_keeps_all_that_the_model_holds(spans in arbitrary::spans()) {
        let body = otlp::encode(&spans);
        let decoded = otlp::decode(&body, TimeBounds::ANY).unwrap();
        prop_assert_eq!(decoded.rejected.total(), 0);
        prop_assert_eq!(sorted(&decoded.spans), sorted(&spans));
        let theirs = oracle::decode(&body, TimeBounds::ANY).unwrap();
        prop_assert_eq!(shown(&decoded), shown(&theirs));
    }

    // The same for JSON.
    #[test]
    fn json_keeps_all_that_the_model_holds(spans in arbitrary::spans()) {
        let body = otlp_json::encode(&spans);
        let decoded = otlp_json::decode(body.as_bytes(), TimeBounds::ANY).unwrap();
        prop_assert_eq!(decoded.rejected.total(), 0);
        prop_assert_eq!(sorted(&decoded.spans), sorted(&spans));
    }
}

fn span(id: u64, resource: &Arc<Resource>) -> Span {
    Span {
        trace_id: TraceId::new(1).unwrap(),
        span_id: SpanId::new(id).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "op".into(),
        kind: spanloom_model::SpanKind::Server,
        start_ns: 1_544_712_660_000_000_001,
        duration_ns: 1,
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: vec![],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        status: spanloom_model::SpanStatus::Unset,
        status_message: String::new(),
        resource: Arc::clone(resource),
        scope: Arc::default(),
    }
}

fn process(name: &str) -> Arc<Resource> {
    let attributes = [("service.name".to_owned(), AttrValue::from(name))].into_iter().collect();
    Arc::new(Resource { attributes, ..Resource::default() })
}

// Catches a process that is sent again for each of its spans.
#[test]
fn spans_are_grouped_by_address_and_by_content() {
    let (a, b, same_as_a) = (process("a"), process("b"), process("a"));
    let other_schema = Arc::new(Resource { schema_url: "x".into(), ..Resource::clone(&a) });
    let spans = [span(1, &a), span(2, &b), span(3, &a), span(4, &same_as_a), span(5, &other_schema)];
    let request = ExportTraceServiceRequest::decode(&otlp::encode(&spans)[..]).unwrap();
    let ids = request.resource_spans.iter().map(|resource| {
        assert_eq!(resource.scope_spans.len(), 1);
        resource.scope_spans[0].spans.iter().map(|span| span.span_id[7]).collect::<Vec<_>>()
    });
    assert_eq!(ids.collect::<Vec<_>>(), [vec![1, 3, 4], vec![2], vec![5]]);
}

// Catches an attribute that makes a whole request unreadable once it is written.
#[test]
fn what_is_nested_too_deep_is_written_as_its_json() {
    let mut array = AttrValue::Array(vec![]);
    let mut map = AttrValue::Map(Attributes::default());
    for _ in 0..150 {
        array = AttrValue::Array(vec![array]);
        map = AttrValue::Map([("k".to_owned(), map)].into_iter().collect());
    }
    let entries = vec![("array".to_owned(), array), ("map".to_owned(), map)];
    let mut deep = span(1, &process("a"));
    deep.events.push(spanloom_model::Event {
        time_ns: 1,
        name: "deep".into(),
        attributes: Attributes::from_entries(entries),
        dropped_attributes_count: 0,
    });
    let binary = otlp::decode(&otlp::encode([&deep]), TimeBounds::ANY).unwrap();
    let json = otlp_json::decode(otlp_json::encode([&deep]).as_bytes(), TimeBounds::ANY).unwrap();
    assert_eq!(sorted(&binary.spans), sorted(&json.spans));
    let mut value = binary.spans[0].events[0].attributes.get("array").unwrap();
    while let AttrValue::Array(values) = value {
        value = &values[0];
    }
    assert!(matches!(value, AttrValue::String(text) if text.starts_with("[[[")), "{value:?}");
}

// Catches JSON that other readers of OTLP do not take: numbers as numbers, ids in base64.
#[test]
fn json_is_as_the_specification_writes_it() {
    let mut span = span(0xabc, &process("a"));
    let values = vec![
        ("int".to_owned(), AttrValue::Int(-9_007_199_254_740_993)),
        ("double".to_owned(), AttrValue::Double(1.0)),
        ("bytes".to_owned(), AttrValue::Bytes(vec![0, 255])),
        ("none".to_owned(), AttrValue::Null),
        ("list".to_owned(), AttrValue::Array(vec![AttrValue::Bool(true), AttrValue::Null])),
    ];
    span.attributes = Attributes::from_entries(values);
    let body = otlp_json::encode([&span]);
    let expected = serde_json::json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]},
        "scopeSpans": [{"scope": {}, "spans": [{
            "traceId": "00000000000000000000000000000001", "spanId": "0000000000000abc", "name": "op", "kind": 2,
            "startTimeUnixNano": "1544712660000000001", "endTimeUnixNano": "1544712660000000002",
            "attributes": [
                {"key": "bytes", "value": {"bytesValue": "AP8="}},
                {"key": "double", "value": {"doubleValue": 1.0}},
                {"key": "int", "value": {"intValue": "-9007199254740993"}},
                {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": true}, {}]}}},
                {"key": "none", "value": {}},
            ],
            "status": {},
        }]}],
    }]});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), expected);
}
