//! Jaeger over HTTP: `POST /api/traces`, Thrift.

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, post, web};
use spanloom_formats::jaeger_thrift::{self, Protocol};

use super::Receiver;
use super::text_http::{self, Decode, TextResponses};
use crate::identity::extract::IngestClient;
use crate::web::ApiError;

/// Receive spans from Jaeger clients
///
/// A Thrift `Batch` in the binary protocol (`application/x-thrift`,
/// `application/vnd.apache.thrift.binary`) or in the compact one
/// (`application/vnd.apache.thrift.compact`); plain, gzip or zstd. Answered after the spans are stored;
/// those outside the time that is kept are left out and counted in the metrics. Served on the Jaeger
/// port and on the main port. `?format=jaeger.thrift`, which clients add, is not needed.
#[utoipa::path(
    tag = "ingest",
    request_body(
        description = "A `Batch` of jaeger.thrift",
        content(
            (Vec<u8> = "application/x-thrift"),
            (Vec<u8> = "application/vnd.apache.thrift.binary"),
            (Vec<u8> = "application/vnd.apache.thrift.compact")
        )
    ),
    responses(TextResponses),
    extensions(("x-required-role" = json!("ingest"))),
    security(("ingest_key" = []), ()),
)]
#[post("/api/traces")]
pub async fn receive_jaeger(
    request: HttpRequest,
    client: Result<IngestClient, ApiError>,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
) -> HttpResponse {
    let client = match client {
        Ok(client) => client,
        Err(error) => return text_http::not_authorized(&error),
    };
    let (protocol, decode): (_, Decode) = match request.content_type().to_ascii_lowercase().as_str() {
        "application/x-thrift" | "application/vnd.apache.thrift.binary" => {
            ("jaeger_thrift_binary", |body, bounds| jaeger_thrift::decode(body, Protocol::Binary, bounds))
        }
        "application/vnd.apache.thrift.compact" => {
            ("jaeger_thrift_compact", |body, bounds| jaeger_thrift::decode(body, Protocol::Compact, bounds))
        }
        // 400, not 415: so does Jaeger.
        other => {
            return text_http::failure(
                StatusCode::BAD_REQUEST,
                &format!("Unsupported content type: {other}"),
            );
        }
    };
    text_http::receive(&request, payload, &client, &receiver, protocol, decode).await
}
