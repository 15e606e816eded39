//! OTLP over HTTP: `POST /v1/traces`, as the specification's section "OTLP/HTTP" tells it.

use actix_web::{HttpRequest, HttpResponse, post, web};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use serde_json::json;
use spanloom_formats::{Rejected, otlp, otlp_json};

use super::otlp_reply_http::{Encoding, Read, read, refused, success};
use super::{Arrived, Receiver};
use crate::identity::extract::IngestClient;
use crate::web::ApiError;

/// Receive spans by OTLP/HTTP
///
/// Protobuf (`application/x-protobuf`) or JSON (`application/json`), plain, gzip or zstd. Answered
/// after the spans are stored. Spans that cannot be kept are counted and explained in
/// `partialSuccess`; the others are stored. Served on the OTLP/HTTP port and on the main port.
#[utoipa::path(
    tag = "ingest",
    request_body(
        description = "An `ExportTraceServiceRequest`",
        content(
            (serde_json::Value = "application/json", example = json!({"resourceSpans": [{
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]},
                "scopeSpans": [{"scope": {"name": "manual"}, "spans": [{
                    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
                    "name": "POST /checkout", "kind": 2,
                    "startTimeUnixNano": "1795400000000000000", "endTimeUnixNano": "1795400000250000000"
                }]}]
            }]})),
            (Vec<u8> = "application/x-protobuf")
        )
    ),
    responses(
        (status = 200, description = "Stored, all or in part: see `partialSuccess`",
            body = serde_json::Value, content_type = "application/json",
            example = json!({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "1 spans: the span id must be 8 bytes, not all zero"}})),
        (status = 400, description = "The body is not OTLP; a `google.rpc.Status`", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 3, "message": "EOF while parsing a value at line 1 column 0"})),
        (status = 401, description = "No key, or one that is not in force", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 16, "message": "this is not an API key in force"})),
        (status = 403, description = "The key lacks the scope `ingest`", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 7, "message": "this API key lacks the scope \"ingest\""})),
        (status = 413, description = "The body is too large, as sent or decompressed", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 3, "message": "the body is larger than 33554432 bytes"})),
        (status = 415, description = "Another content type or encoding", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 3, "message": "Content-Encoding \"lzma\" is not supported"})),
        (status = 429, description = "Too much is waiting, or a rate limit is used up: send again after `Retry-After` seconds", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 8, "message": "too many spans are waiting to be written"})),
        (status = 503, description = "The database is away: send again after `Retry-After` seconds", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 14, "message": "the database cannot be reached"})),
    ),
    extensions(("x-required-role" = json!("ingest"))),
    security(("ingest_key" = []), ()),
)]
#[post("/v1/traces")]
pub async fn export_traces(
    request: HttpRequest,
    client: Result<IngestClient, ApiError>,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
) -> HttpResponse {
    let bounds = receiver.bounds();
    let decode = move |encoding, body: &[u8]| match encoding {
        Encoding::Protobuf => otlp::decode(body, bounds).map_err(|error| error.to_string()),
        Encoding::Json => otlp_json::decode(body, bounds).map_err(|error| error.to_string()),
    };
    let Read { encoding, client, decoded, size_bytes } =
        match read(&request, client, payload, &receiver, decode).await {
            Ok(read) => read,
            Err(answer) => return answer,
        };
    match receiver.accept(&client, encoding.protocol(), Arrived { decoded, size_bytes }).await {
        Ok(rejected) => answer(encoding, &rejected),
        Err(error) => refused(encoding, &error),
    }
}

fn answer(encoding: Encoding, rejected: &Rejected) -> HttpResponse {
    let (total, message) = (rejected.total(), rejected.message());
    // 64-bit integers are strings in protobuf's JSON.
    let json = json!({"rejectedSpans": total.to_string(), "errorMessage": message});
    let partial_success = (total > 0)
        .then_some(ExportTracePartialSuccess { rejected_spans: total as i64, error_message: message });
    success(encoding, &ExportTraceServiceResponse { partial_success }, (total > 0).then_some(json))
}
