//! A request of log records in JSON.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::Error as _;
use spanloom_model::{AttrValue, LogRecord};

use super::decode::{any_value, attributes, resource, scope};
use super::message::{self, id, list, nullable, number};
use crate::logs::{DecodedLogs, LogBounds, RECORDS_PER_REQUEST_MAX, RawTimes, place, severity};
use crate::{Rejection, clean};

/// Reads a request. The error says where the JSON does not fit; records that cannot be kept are
/// counted.
pub fn decode_logs(body: &[u8], bounds: LogBounds) -> Result<DecodedLogs, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        // serde would read the struct from a list, and `[]` would pass as an empty request.
        return Err(serde_json::Error::custom("expected an object"));
    }
    let request: Request = serde_json::from_slice(body)?;
    let mut decoded = DecodedLogs::default();
    for group in request.resource_logs {
        let resource = Arc::new(resource(group.resource, group.schema_url));
        for group in group.scope_logs {
            let scope = Arc::new(scope(group.scope, group.schema_url));
            for sent in group.log_records {
                let times =
                    RawTimes { time_ns: sent.time_unix_nano, observed_ns: sent.observed_time_unix_nano };
                let checked = if decoded.logs.len() >= RECORDS_PER_REQUEST_MAX {
                    Err(Rejection::TooMany)
                } else {
                    bounds.check(times)
                };
                let (time_ns, observed_ns) = match checked {
                    Ok(times) => times,
                    Err(rejection) => {
                        decoded.rejected.add(rejection);
                        continue;
                    }
                };
                let (trace_id, span_id) = place(&sent.trace_id, &sent.span_id);
                decoded.logs.push(LogRecord {
                    time_ns,
                    observed_ns,
                    severity_number: severity(sent.severity_number),
                    severity_text: clean(sent.severity_text),
                    event_name: clean(sent.event_name),
                    body: sent.body.map_or(AttrValue::Null, any_value),
                    attributes: attributes(sent.attributes),
                    dropped_attributes_count: sent.dropped_attributes_count,
                    trace_id,
                    span_id,
                    flags: sent.flags,
                    resource: Arc::clone(&resource),
                    scope: Arc::clone(&scope),
                });
            }
        }
    }
    Ok(decoded)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default, deserialize_with = "list")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs {
    resource: Option<message::Resource>,
    #[serde(default, deserialize_with = "list")]
    scope_logs: Vec<ScopeLogs>,
    #[serde(default, deserialize_with = "nullable")]
    schema_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs {
    scope: Option<message::Scope>,
    #[serde(default, deserialize_with = "list")]
    log_records: Vec<Record>,
    #[serde(default, deserialize_with = "nullable")]
    schema_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default, deserialize_with = "number")]
    time_unix_nano: u64,
    #[serde(default, deserialize_with = "number")]
    observed_time_unix_nano: u64,
    #[serde(default, deserialize_with = "severity_number")]
    severity_number: i32,
    #[serde(default, deserialize_with = "nullable")]
    severity_text: String,
    #[serde(default, deserialize_with = "nullable")]
    event_name: String,
    body: Option<message::AnyValue>,
    #[serde(default, deserialize_with = "list")]
    attributes: Vec<message::KeyValue>,
    #[serde(default, deserialize_with = "number")]
    dropped_attributes_count: u32,
    #[serde(default, deserialize_with = "number")]
    flags: u32,
    #[serde(default, deserialize_with = "id")]
    trace_id: Vec<u8>,
    #[serde(default, deserialize_with = "id")]
    span_id: Vec<u8>,
}

/// Names of the severities in the order of their numbers.
const SEVERITIES: [&str; 25] = [
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

fn severity_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    message::enumeration(deserializer, &SEVERITIES)
}

#[cfg(test)]
mod tests {
    use spanloom_model::{Attributes, SpanId, TraceId};

    use super::*;

    const BOUNDS: LogBounds = LogBounds { received_ns: 77, ..LogBounds::ANY };

    fn logs(body: &str) -> Vec<LogRecord> {
        decode_logs(body.as_bytes(), BOUNDS).unwrap().logs
    }

    #[test]
    fn an_empty_request_is_valid() {
        assert!(logs("{}").is_empty());
        assert!(logs(r#"{"resourceLogs": null}"#).is_empty());
        assert!(decode_logs(b"[]", BOUNDS).is_err());
        assert!(decode_logs(b"", BOUNDS).is_err());
    }

    #[test]
    fn the_specifications_peculiarities_are_read() {
        let logs = logs(
            r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
                "scopeLogs":[{"scope":{"name":"app"},"logRecords":[
                {"timeUnixNano":"1544712660000000001","observedTimeUnixNano":1544712661000000000,
                 "severityNumber":17,"severityText":"ERROR","body":{"stringValue":"no\u0000stock"},
                 "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","flags":1,
                 "attributes":[{"key":"n","value":{"intValue":"3"}}],"droppedAttributesCount":2,
                 "eventName":"order.failed","unknownField":1},
                {"observedTimeUnixNano":"5","severityNumber":"SEVERITY_NUMBER_WARN2",
                 "body":{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":true}}]}},
                 "traceId":"","spanId":"eee19b7ec3c1b174"},
                {"severityNumber":99,"traceId":"xyz"}
                ]}]}]}"#,
        );
        let first = &logs[0];
        assert_eq!(
            (first.time_ns, first.observed_ns),
            (1_544_712_660_000_000_001, 1_544_712_661_000_000_000)
        );
        assert_eq!((first.severity_number, first.severity_text.as_str()), (17, "ERROR"));
        assert_eq!(first.body, AttrValue::from("no\u{fffd}stock"));
        assert_eq!(first.trace_id, TraceId::new(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c).ok());
        assert_eq!(first.span_id, SpanId::new(0xeee1_9b7e_c3c1_b174).ok());
        assert_eq!(first.attributes.get("n"), Some(&AttrValue::Int(3)));
        assert_eq!((first.dropped_attributes_count, first.flags), (2, 1));
        assert_eq!(first.event_name, "order.failed");
        assert_eq!(first.resource.service_name(), "shop");
        assert_eq!(first.scope.name, "app");
        // The time that is not told is the one of the observation; a span needs a trace.
        let second = &logs[1];
        assert_eq!((second.time_ns, second.observed_ns, second.severity_number), (5, 5, 14));
        assert_eq!((second.trace_id, second.span_id), (None, None));
        let map = [("a".to_owned(), AttrValue::Bool(true))].into_iter().collect::<Attributes>();
        assert_eq!(second.body, AttrValue::Map(map));
        // Without any time it is the one of the request; ids that are none cost only the trace.
        let third = &logs[2];
        assert_eq!((third.time_ns, third.observed_ns, third.severity_number), (77, 77, 0));
        assert_eq!(third.trace_id, None);
    }

    #[test]
    fn times_beyond_the_bounds_cost_only_their_record() {
        let bounds =
            LogBounds { times: crate::TimeBounds { oldest_ns: 100, newest_ns: 200 }, received_ns: 150 };
        let body = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
            {"timeUnixNano":"99"},{"timeUnixNano":"201"},{"timeUnixNano":"100","observedTimeUnixNano":"999"},{}]}]}]}"#;
        let decoded = decode_logs(body, bounds).unwrap();
        let rejected: Vec<_> = decoded.rejected.iter().collect();
        assert_eq!(rejected, [(Rejection::TooOld, 1), (Rejection::InFuture, 1)]);
        let times: Vec<_> = decoded.logs.iter().map(|log| (log.time_ns, log.observed_ns)).collect();
        assert_eq!(times, [(100, 999), (150, 150)]);
        assert_eq!(
            decoded.rejected.log_message(),
            "1 log records: the record is older than the retention period; \
             1 log records: the record is of the future: check the clock of its host"
        );
    }
}
