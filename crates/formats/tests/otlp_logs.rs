//! Log records as `prost` writes them, read by our own decoder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord as ProtoRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use prost::Message as _;
use spanloom_formats::logs::{DecodedLogs, LogBounds, RECORDS_PER_REQUEST_MAX};
use spanloom_formats::{Rejection, TimeBounds, otlp};
use spanloom_model::{AttrValue, Attributes, LogRecord, SpanId, TraceId};

const BOUNDS: LogBounds = LogBounds { times: TimeBounds::ANY, received_ns: 77 };

fn value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: &str) -> AnyValue {
    value(Value::StringValue(text.to_owned()))
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn request(log_records: Vec<ProtoRecord>) -> Vec<u8> {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(ProtoResource {
                attributes: vec![pair("service.name", text("shop"))],
                ..ProtoResource::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope { name: "app".to_owned(), ..Default::default() }),
                log_records,
                schema_url: "https://scope".to_owned(),
            }],
            schema_url: "https://resource".to_owned(),
        }],
    }
    .encode_to_vec()
}

fn decode(records: Vec<ProtoRecord>) -> DecodedLogs {
    otlp::decode_logs(&request(records), BOUNDS).unwrap()
}

fn full() -> ProtoRecord {
    ProtoRecord {
        time_unix_nano: 1_795_600_000_000_000_001,
        observed_time_unix_nano: 1_795_600_000_500_000_000,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        body: Some(value(Value::KvlistValue(KeyValueList {
            values: vec![pair("what", text("sold\0out")), pair("left", value(Value::IntValue(-1)))],
        }))),
        attributes: vec![pair("z", text("1")), pair("a", value(Value::BoolValue(true)))],
        dropped_attributes_count: 3,
        flags: 1,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        event_name: "order.failed".to_owned(),
    }
}

/// Catches a field that is read from the wrong place, or not at all.
#[test]
fn every_field_is_read() {
    let decoded = decode(vec![full()]);
    assert_eq!(decoded.rejected.total(), 0);
    let log = &decoded.logs[0];
    let map = |entries: &[(&str, AttrValue)]| {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Attributes>()
    };
    let expected = LogRecord {
        time_ns: 1_795_600_000_000_000_001,
        observed_ns: 1_795_600_000_500_000_000,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        event_name: "order.failed".to_owned(),
        body: AttrValue::Map(map(&[
            ("what", AttrValue::from("sold\u{fffd}out")),
            ("left", AttrValue::Int(-1)),
        ])),
        attributes: map(&[("a", AttrValue::Bool(true)), ("z", AttrValue::from("1"))]),
        dropped_attributes_count: 3,
        trace_id: TraceId::from_bytes(&[1; 16]).ok(),
        span_id: SpanId::from_bytes(&[2; 8]).ok(),
        flags: 1,
        resource: Arc::clone(&log.resource),
        scope: Arc::clone(&log.scope),
    };
    assert_eq!(*log, expected);
    assert_eq!(log.resource.service_name(), "shop");
    assert_eq!(log.resource.schema_url, "https://resource");
    assert_eq!((log.scope.name.as_str(), log.scope.schema_url.as_str()), ("app", "https://scope"));
}

/// Catches attributes that end up in the body or the reverse, whatever comes first on the wire.
#[test]
fn the_order_of_fields_does_not_matter() {
    // Protobuf merges messages that follow one another: the record arrives in two parts.
    let attributes = ProtoRecord { attributes: full().attributes, ..ProtoRecord::default() };
    let rest = ProtoRecord { attributes: Vec::new(), ..full() };
    let joined = [attributes.encode_to_vec(), rest.encode_to_vec()].concat();
    // ExportLogsServiceRequest.resource_logs.scope_logs.log_records
    let mut body = joined;
    for field in [2_u8, 2, 1] {
        let mut outer = vec![field << 3 | 2];
        prost::encoding::encode_varint(body.len() as u64, &mut outer);
        outer.extend(body);
        body = outer;
    }
    let decoded = otlp::decode_logs(&body, BOUNDS).unwrap();
    let expected = decode(vec![full()]);
    assert_eq!(decoded.logs[0].body, expected.logs[0].body);
    assert_eq!(decoded.logs[0].attributes, expected.logs[0].attributes);
}

/// Catches a record that is refused for what the specification lets be left out.
#[test]
fn what_is_not_told_costs_nothing() {
    let empty = ProtoRecord::default();
    let observed = ProtoRecord { observed_time_unix_nano: 5, ..ProtoRecord::default() };
    let odd_ids = ProtoRecord { trace_id: vec![1; 3], span_id: vec![2; 8], severity_number: -4, ..full() };
    let no_span = ProtoRecord { span_id: vec![0; 8], severity_number: 25, ..full() };
    let decoded = decode(vec![empty, observed, odd_ids, no_span]);
    assert_eq!(decoded.rejected.total(), 0);
    let [empty, observed, odd_ids, no_span] = &decoded.logs[..] else { panic!("{decoded:?}") };
    assert_eq!((empty.time_ns, empty.observed_ns, &empty.body), (77, 77, &AttrValue::Null));
    assert_eq!((observed.time_ns, observed.observed_ns), (5, 5));
    assert_eq!((odd_ids.trace_id, odd_ids.span_id, odd_ids.severity_number), (None, None, 0));
    assert!(no_span.trace_id.is_some());
    assert_eq!((no_span.span_id, no_span.severity_number), (None, 0));
}

#[test]
fn records_of_other_times_are_rejected_and_told() {
    let bounds = LogBounds { times: TimeBounds { oldest_ns: 100, newest_ns: 200 }, received_ns: 150 };
    let at = |time_unix_nano| ProtoRecord { time_unix_nano, ..ProtoRecord::default() };
    let body = request(vec![at(99), at(100), at(200), at(201), at(u64::MAX)]);
    let decoded = otlp::decode_logs(&body, bounds).unwrap();
    assert_eq!(decoded.logs.iter().map(|log| log.time_ns).collect::<Vec<_>>(), [100, 200]);
    let rejected: Vec<_> = decoded.rejected.iter().collect();
    assert_eq!(rejected, [(Rejection::TooOld, 1), (Rejection::InFuture, 2)]);
}

/// Catches a request of a few bytes that takes gigabytes of memory.
#[test]
fn records_of_a_request_are_bounded() {
    let decoded = decode(vec![ProtoRecord::default(); RECORDS_PER_REQUEST_MAX + 2]);
    assert_eq!(decoded.logs.len(), RECORDS_PER_REQUEST_MAX);
    assert_eq!(decoded.rejected.iter().collect::<Vec<_>>(), [(Rejection::TooMany, 2)]);
}

#[test]
fn what_is_written_is_read_again() {
    let logs = decode(vec![full(), ProtoRecord::default(), full()]).logs;
    let written = otlp::encode_logs(&logs);
    assert_eq!(otlp::decode_logs(&written, LogBounds::ANY).unwrap().logs, logs);
    let theirs = ExportLogsServiceRequest::decode(&written[..]).unwrap();
    assert_eq!(theirs.resource_logs[0].scope_logs[0].log_records.len(), 3, "grouped");
}

#[test]
fn what_is_no_protobuf_is_refused() {
    for body in [&b"{}"[..], &[0x0a, 0x05], &request(vec![full()])[..40]] {
        assert!(otlp::decode_logs(body, BOUNDS).is_err());
    }
    assert!(otlp::decode_logs(&[], BOUNDS).unwrap().logs.is_empty(), "an empty request is valid");
}
