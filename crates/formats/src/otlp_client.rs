//! What a server answers to an OTLP/HTTP client in protobuf: `ExportTraceServiceResponse`, and
//! `google.rpc.Status` when it refuses.

use prost::Message;

/// Spans that a server did not keep, with its reasons.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PartialSuccess {
    /// How many; a server never means less than none.
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
    /// The reasons, for people; may be a warning while nothing is rejected.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// What a successful answer says of the spans: nothing rejected if it says nothing.
pub fn decode_success(body: &[u8]) -> Result<PartialSuccess, prost::DecodeError> {
    Ok(ExportResponse::decode(body)?.partial_success.unwrap_or_default())
}

/// The message of a refusal; none if the body is not a `google.rpc.Status`, as that of a proxy.
pub fn decode_refusal(body: &[u8]) -> Option<String> {
    Status::decode(body).ok().map(|status| status.message).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };

    use super::*;

    /// Catches a field number that is not OTLP's.
    #[test]
    fn answers_are_those_of_the_specification() {
        assert_eq!(decode_success(b"").unwrap(), PartialSuccess::default());
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() });
        let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        let partial = decode_success(&body).unwrap();
        assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (3, "too old"));
        assert!(decode_success(b"<html>").is_err());
    }

    #[test]
    fn a_refusal_tells_why_and_a_page_of_a_proxy_is_none() {
        let body = Status { code: 7, message: "this API key lacks the scope".into() }.encode_to_vec();
        assert_eq!(decode_refusal(&body).as_deref(), Some("this API key lacks the scope"));
        assert_eq!(decode_refusal(b"<html>not here</html>"), None);
        assert_eq!(decode_refusal(b""), None);
    }
}
