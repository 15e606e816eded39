//! OTLP over HTTP: `POST /v1/logs`, as the specification's section "OTLP/HTTP" tells it.

use actix_web::{HttpRequest, HttpResponse, post, web};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use serde_json::json;
use spanloom_formats::{Rejected, otlp, otlp_json};

use super::Receiver;
use super::logs::ArrivedLogs;
use super::otlp_reply_http::{Encoding, Read, read, refused, success};
use crate::identity::extract::IngestClient;
use crate::web::ApiError;

/// Receive log records by OTLP/HTTP
///
/// Protobuf (`application/x-protobuf`) or JSON (`application/json`), plain, gzip or zstd. Answered
/// after the records are stored. Records that cannot be kept are counted and explained in
/// `partialSuccess`; the others are stored. A record counts like a span in rate limits. Served on the
/// OTLP/HTTP port and on the main port.
#[utoipa::path(
    tag = "ingest",
    request_body(
        description = "An `ExportLogsServiceRequest`",
        content(
            (serde_json::Value = "application/json", example = json!({"resourceLogs": [{
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]},
                "scopeLogs": [{"scope": {"name": "app.orders"}, "logRecords": [{
                    "timeUnixNano": "1795400000120000000", "severityNumber": 17, "severityText": "ERROR",
                    "body": {"stringValue": "card was declined"},
                    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"
                }]}]
            }]})),
            (Vec<u8> = "application/x-protobuf")
        )
    ),
    responses(
        (status = 200, description = "Stored, all or in part: see `partialSuccess`",
            body = serde_json::Value, content_type = "application/json",
            example = json!({"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "1 log records: the record is older than the retention period"}})),
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
            content_type = "application/json", example = json!({"code": 8, "message": "too many requests are waiting to be written"})),
        (status = 503, description = "The database is away: send again after `Retry-After` seconds", body = serde_json::Value,
            content_type = "application/json", example = json!({"code": 14, "message": "the database cannot be reached"})),
    ),
    extensions(("x-required-role" = json!("ingest"))),
    security(("ingest_key" = []), ()),
)]
#[post("/v1/logs")]
pub async fn export_logs(
    request: HttpRequest,
    client: Result<IngestClient, ApiError>,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
) -> HttpResponse {
    let bounds = receiver.log_bounds();
    let decode = move |encoding, body: &[u8]| match encoding {
        Encoding::Protobuf => otlp::decode_logs(body, bounds).map_err(|error| error.to_string()),
        Encoding::Json => otlp_json::decode_logs(body, bounds).map_err(|error| error.to_string()),
    };
    let Read { encoding, client, decoded, size_bytes } =
        match read(&request, client, payload, &receiver, decode).await {
            Ok(read) => read,
            Err(answer) => return answer,
        };
    match receiver.accept_logs(&client, encoding.protocol(), ArrivedLogs { decoded, size_bytes }).await {
        Ok(rejected) => answer(encoding, &rejected),
        Err(error) => refused(encoding, &error),
    }
}

fn answer(encoding: Encoding, rejected: &Rejected) -> HttpResponse {
    let (total, message) = (rejected.total(), rejected.log_message());
    // 64-bit integers are strings in protobuf's JSON.
    let json = json!({"rejectedLogRecords": total.to_string(), "errorMessage": message});
    let partial_success = (total > 0)
        .then_some(ExportLogsPartialSuccess { rejected_log_records: total as i64, error_message: message });
    success(encoding, &ExportLogsServiceResponse { partial_success }, (total > 0).then_some(json))
}
