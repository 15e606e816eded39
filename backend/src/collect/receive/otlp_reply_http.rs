//! What the signals of OTLP/HTTP have in common: reading, encodings and answers.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use prost::Message;
use serde_json::json;

use super::http_body::{self, BodyError};
use super::{Protocol, Receiver};
use crate::collect::queue::SubmitError;
use crate::identity::extract::IngestClient;
use crate::web::ApiError;

/// A request that was read and decoded.
pub(super) struct Read<T> {
    pub encoding: Encoding,
    pub client: IngestClient,
    pub decoded: T,
    /// Of the body, decompressed.
    pub size_bytes: usize,
}

/// Reads and decodes a request; the answer that refuses it where that fails.
pub(super) async fn read<T: Send + 'static>(
    request: &HttpRequest,
    client: Result<IngestClient, ApiError>,
    payload: web::Payload,
    receiver: &Receiver,
    decode: impl FnOnce(Encoding, &[u8]) -> Result<T, String> + Send + 'static,
) -> Result<Read<T>, HttpResponse> {
    let encoding = Encoding::of(request).ok_or_else(unsupported_type)?;
    let client = client.map_err(|error| not_authorized(encoding, &error))?;
    let limit_bytes = receiver.body_bytes_max;
    let unreadable = |error: BodyError| unreadable(encoding, &error, limit_bytes);
    let body = http_body::read(request, payload, limit_bytes).await.map_err(unreadable)?;
    let decode = move || {
        let body = body.inflate()?;
        let decoded = decode(encoding, &body).map_err(BodyError::Malformed)?;
        Ok((decoded, body.len()))
    };
    let decoded = receiver.decode(decode).await.map_err(|error| refused(encoding, &error))?;
    let (decoded, size_bytes) = decoded.map_err(unreadable)?;
    Ok(Read { encoding, client, decoded, size_bytes })
}

/// The request's content type, which is the response's too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub fn of(request: &HttpRequest) -> Option<Self> {
        let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
        match value.split(';').next()?.trim().to_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// For the metrics; what could not be stored is told in part.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Protobuf => Protocol::partial("otlp_http_protobuf"),
            Self::Json => Protocol::partial("otlp_http_json"),
        }
    }
}

/// The answer to a body of another type.
fn unsupported_type() -> HttpResponse {
    let message = "Content-Type must be application/x-protobuf or application/json";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    failure(Encoding::Json, status, tonic::Code::InvalidArgument, message, None)
}

/// The answer to a request that was read; `partial` is its `partialSuccess`, if a part was rejected.
pub(super) fn success(
    encoding: Encoding,
    protobuf: &impl Message,
    partial: Option<serde_json::Value>,
) -> HttpResponse {
    let body = match (encoding, partial) {
        (Encoding::Protobuf, _) => protobuf.encode_to_vec(),
        (Encoding::Json, None) => b"{}".to_vec(),
        (Encoding::Json, Some(partial)) => json!({"partialSuccess": partial}).to_string().into_bytes(),
    };
    HttpResponse::Ok().content_type(encoding.content_type()).body(body)
}

/// The answer to a body that cannot be read.
fn unreadable(encoding: Encoding, error: &BodyError, limit_bytes: usize) -> HttpResponse {
    let (status, message) = match error {
        BodyError::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit_bytes} bytes"))
        }
        BodyError::Encoding(name) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Content-Encoding {name:?} is not supported"))
        }
        BodyError::Malformed(detail) => (StatusCode::BAD_REQUEST, detail.clone()),
    };
    failure(encoding, status, tonic::Code::InvalidArgument, &message, None)
}

/// The answer to who may not send.
fn not_authorized(encoding: Encoding, error: &ApiError) -> HttpResponse {
    let status = error.status_code();
    let code = match status {
        StatusCode::UNAUTHORIZED => tonic::Code::Unauthenticated,
        StatusCode::FORBIDDEN => tonic::Code::PermissionDenied,
        _ => tonic::Code::Unavailable,
    };
    let message = error.problem().detail.as_deref().unwrap_or_default();
    failure(encoding, status, code, message, error.retry_after_seconds())
}

/// The answer to what was not taken.
pub(super) fn refused(encoding: Encoding, error: &SubmitError) -> HttpResponse {
    let (status, code) = match error {
        SubmitError::Busy | SubmitError::Limited { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, tonic::Code::ResourceExhausted)
        }
        SubmitError::Full | SubmitError::Unavailable | SubmitError::Stopping => {
            (StatusCode::SERVICE_UNAVAILABLE, tonic::Code::Unavailable)
        }
    };
    failure(encoding, status, code, &error.to_string(), Some(error.retry_after_seconds()))
}

/// A `google.rpc.Status` in the request's own encoding.
fn failure(
    encoding: Encoding,
    status: StatusCode,
    code: tonic::Code,
    message: &str,
    retry_after_seconds: Option<u64>,
) -> HttpResponse {
    let body = match encoding {
        Encoding::Protobuf => {
            tonic_types::Status { code: code as i32, message: message.to_owned(), details: Vec::new() }
                .encode_to_vec()
        }
        Encoding::Json => json!({"code": code as i32, "message": message}).to_string().into_bytes(),
    };
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = retry_after_seconds {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    response.content_type(encoding.content_type()).body(body)
}
