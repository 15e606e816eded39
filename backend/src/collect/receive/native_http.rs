//! The native format: `POST /api/v1/spans`.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;

use super::http_body::{self, BodyError};
use super::http_docs::{IngestRefusals, NativeErrors};
use super::{Arrived, Protocol, Receiver};
use crate::collect::queue::SubmitError;
use crate::identity::extract::IngestClient;
use crate::web::{ApiError, ApiResult};
use spanloom_formats::{Decoded, Rejected, native};

/// How many spans were stored.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Accepted {
    /// Spans of the request; a span that was stored before counts.
    #[schema(example = 2)]
    accepted: usize,
}

/// Shapes for the OpenAPI document: what [`native::decode`] reads by hand, in order to tell every
/// fault with its place.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body")]
pub struct NativeSpan {
    /// 32 hexadecimal digits, not all zero.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736", pattern = "^[0-9a-fA-F]{32}$")]
    trace_id: String,
    /// 16 hexadecimal digits, not all zero.
    #[schema(example = "00f067aa0ba902b7", pattern = "^[0-9a-fA-F]{16}$")]
    span_id: String,
    /// 16 hexadecimal digits; missing for a root.
    parent_span_id: Option<String>,
    /// The operation.
    #[schema(example = "GET /cart", min_length = 1)]
    name: String,
    /// RFC 3339, or integer microseconds since the epoch.
    start_time: serde_json::Value,
    /// Microseconds.
    #[schema(example = 1500, minimum = 0)]
    duration: i64,
    /// Attributes by key.
    tags: Option<spanloom_model::Attributes>,
    /// The service; the tag `service.name` if missing, else `unknown_service`.
    #[schema(example = "cart")]
    service_name: Option<String>,
    /// The part it plays in a call.
    kind: Option<spanloom_model::SpanKind>,
    /// How it ended.
    status: Option<spanloom_model::SpanStatus>,
}

/// Receive spans as plain JSON
///
/// For clients without an OpenTelemetry SDK. A request is stored whole or not at all; the answer to
/// a faulty one lists what is wrong with which field. Answered after the spans are stored.
#[utoipa::path(
    tag = "ingest",
    request_body(content = Vec<NativeSpan>, example = json!([{
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "GET /cart",
        "startTime": "2026-11-23T10:00:00.123456Z", "duration": 1500, "serviceName": "cart", "kind": "server",
        "tags": {"http.request.method": "GET", "http.response.status_code": 200}
    }])),
    responses(
        (status = 200, description = "Stored", body = Accepted, example = json!({"accepted": 1})),
        IngestRefusals,
        NativeErrors,
    ),
    extensions(("x-required-role" = json!("ingest"))),
    security(("ingest_key" = []), ()),
)]
#[post("/spans")]
pub async fn receive_spans(
    request: HttpRequest,
    client: IngestClient,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
) -> ApiResult<HttpResponse> {
    let limit_bytes = receiver.body_bytes_max;
    let unreadable = move |error| match error {
        BodyError::TooLarge => ApiError::too_large(limit_bytes),
        BodyError::Encoding(name) => {
            ApiError::unsupported_media_type(format!("Content-Encoding {name:?} is not supported"))
        }
        BodyError::Malformed(detail) => ApiError::bad_request(detail),
    };
    let body = http_body::read(&request, payload, limit_bytes).await.map_err(unreadable)?;
    let bounds = receiver.bounds();
    let spans_max = receiver.spans_per_request_max;
    let decode = move || {
        let body = body.inflate().map_err(unreadable)?;
        let list: Vec<serde_json::Value> = serde_json::from_slice(&body)
            .map_err(|error| ApiError::bad_request(format!("not a JSON list of spans: {error}")))?;
        if list.len() > spans_max {
            return Err(ApiError::invalid("", format!("at most {spans_max} spans in a request")));
        }
        let spans = native::decode(list, bounds).map_err(ApiError::invalid_fields)?;
        Ok::<_, ApiError>((spans, body.len()))
    };
    let (spans, size_bytes) = receiver.decode(decode).await.map_err(|error| refused(&error))??;
    let accepted = spans.len();
    let decoded = Decoded { spans, rejected: Rejected::default() };
    let arrived = Arrived { decoded, size_bytes };
    receiver.accept(&client, Protocol::whole("native"), arrived).await.map_err(|error| refused(&error))?;
    Ok(HttpResponse::Ok().json(Accepted { accepted }))
}

fn refused(error: &SubmitError) -> ApiError {
    let retry_after_seconds = error.retry_after_seconds();
    match error {
        SubmitError::Busy | SubmitError::Limited { .. } => {
            ApiError::too_many_requests(error.to_string(), retry_after_seconds)
        }
        SubmitError::Full | SubmitError::Unavailable | SubmitError::Stopping => {
            ApiError::unavailable(error.to_string(), retry_after_seconds)
        }
    }
}
