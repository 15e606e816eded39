//! How Zipkin's and Jaeger's collectors answer: 202 without a body, or an error as plain text.

use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use spanloom_formats::{Decoded, TimeBounds};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, RefOr, ResponseBuilder, Type};

use super::http_body::{self, BodyError};
use super::{Arrived, Protocol, Receiver};
use crate::collect::queue::SubmitError;
use crate::identity::extract::IngestClient;
use crate::web::ApiError;
use crate::web::problem_docs::Responses;

/// Bytes into spans, or what is wrong with them.
pub type Decode = fn(&[u8], TimeBounds) -> Result<Decoded, String>;

/// Receives a request. A body without a span worth keeping is an error; where some are kept, the
/// answer has no room for the others: `spanloom_spans_rejected_total` counts them.
pub async fn receive(
    request: &HttpRequest,
    payload: Payload,
    client: &IngestClient,
    receiver: &Receiver,
    protocol: &'static str,
    decode: Decode,
) -> HttpResponse {
    let limit_bytes = receiver.body_bytes_max;
    let body = match http_body::read(request, payload, limit_bytes).await {
        Ok(body) => body,
        Err(error) => return unreadable(&error, limit_bytes),
    };
    let bounds = receiver.bounds();
    let work = move || {
        let body = body.inflate()?;
        let decoded = decode(&body, bounds).map_err(BodyError::Malformed)?;
        Ok(Arrived { decoded, size_bytes: body.len() })
    };
    let arrived = match receiver.decode(work).await {
        Ok(Ok(arrived)) => arrived,
        Ok(Err(error)) => return unreadable(&error, limit_bytes),
        Err(error) => return refused(&error),
    };
    let nothing_kept = arrived.decoded.spans.is_empty();
    match receiver.accept(client, Protocol::whole(protocol), arrived).await {
        Ok(rejected) if nothing_kept && rejected.total() > 0 => {
            failure(StatusCode::BAD_REQUEST, &rejected.message())
        }
        Ok(_) => HttpResponse::Accepted().finish(),
        Err(error) => refused(&error),
    }
}

/// What somebody learns who may not send.
pub fn not_authorized(error: &ApiError) -> HttpResponse {
    failure(error.status_code(), error.problem().detail.as_deref().unwrap_or_default())
}

fn unreadable(error: &BodyError, limit_bytes: usize) -> HttpResponse {
    match error {
        BodyError::TooLarge => {
            failure(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is larger than {limit_bytes} bytes"))
        }
        BodyError::Encoding(name) => failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &format!("Content-Encoding {name:?} is not supported"),
        ),
        BodyError::Malformed(detail) => failure(StatusCode::BAD_REQUEST, detail),
    }
}

fn refused(error: &SubmitError) -> HttpResponse {
    let status = match error {
        SubmitError::Busy | SubmitError::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
        SubmitError::Full | SubmitError::Unavailable | SubmitError::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let mut response = failure(status, &error.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, error.retry_after_seconds().into());
    response
}

/// An error in plain text.
pub fn failure(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(message.to_owned())
}

/// The responses in the OpenAPI document.
pub struct TextResponses;

impl utoipa::IntoResponses for TextResponses {
    fn responses() -> Responses {
        let errors = [
            (
                400,
                "The body is not in the format, or no span of it can be kept",
                "expected value at line 1 column 1",
            ),
            (401, "No key, or one that is not in force", "this is not an API key in force"),
            (403, "The key lacks the scope `ingest`", "this API key lacks the scope \"ingest\""),
            (
                413,
                "The body is too large, as sent or decompressed",
                "the body is larger than 33554432 bytes",
            ),
            (415, "Another content encoding", "Content-Encoding \"lzma\" is not supported"),
            (
                429,
                "Too much is waiting: send again after `Retry-After` seconds",
                "too many spans are waiting to be queued",
            ),
            (
                503,
                "The queue is full: send again after `Retry-After` seconds",
                "the queue is full: the database does not take what is waiting",
            ),
        ];
        let mut responses = Responses::new();
        let stored = ResponseBuilder::new().description("Stored, all that can be kept");
        responses.insert("202".to_owned(), RefOr::T(stored.build()));
        for (status, description, example) in errors {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let content = ContentBuilder::new().schema(Some(text)).example(Some(example.into())).build();
            let response = ResponseBuilder::new().description(description).content("text/plain", content);
            responses.insert(status.to_string(), RefOr::T(response.build()));
        }
        responses
    }
}
