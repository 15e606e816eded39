//! Zipkin over HTTP, version 2: `POST /api/v2/spans`.

use actix_web::{HttpMessage, HttpRequest, HttpResponse, post, web};
use spanloom_formats::{zipkin_json, zipkin_proto};

use super::Receiver;
use super::text_http::{self, Decode, TextResponses};
use crate::identity::extract::IngestClient;
use crate::web::ApiError;

/// Receive spans from Zipkin clients
///
/// A list of Zipkin v2 spans as JSON or, with the content type `application/x-protobuf`, as a
/// `zipkin.proto3.ListOfSpans`; plain, gzip or zstd. A fault anywhere in the body refuses it whole.
/// Answered after the spans are stored; those outside the time that is kept are left out and counted
/// in the metrics. The server's half of a shared span gets an id of its own, derived from the shared
/// one, which is its parent. Served on the Zipkin port and on the main port.
#[utoipa::path(
    tag = "ingest",
    request_body(
        description = "Zipkin v2 spans",
        content(
            (serde_json::Value = "application/json", example = json!([{
                "traceId": "5b8efff798038103d269b633813fc60c", "id": "eee19b7ec3c1b174", "kind": "CLIENT",
                "name": "get /stock", "timestamp": 1_795_400_000_000_000_i64, "duration": 2500,
                "localEndpoint": {"serviceName": "checkout"}, "remoteEndpoint": {"serviceName": "stock"},
                "tags": {"http.method": "GET"}, "annotations": []
            }])),
            (Vec<u8> = "application/x-protobuf")
        )
    ),
    responses(TextResponses),
    extensions(("x-required-role" = json!("ingest"))),
    security(("ingest_key" = []), ()),
)]
#[post("/api/v2/spans")]
pub async fn receive_zipkin(
    request: HttpRequest,
    client: Result<IngestClient, ApiError>,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
) -> HttpResponse {
    let client = match client {
        Ok(client) => client,
        Err(error) => return text_http::not_authorized(&error),
    };
    // Whatever is not protobuf is JSON, as in Zipkin: browsers' beacons call it text/plain.
    let (protocol, decode): (_, Decode) = match request.content_type().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => ("zipkin_protobuf", zipkin_proto::decode),
        _ => ("zipkin_json", zipkin_json::decode),
    };
    text_http::receive(&request, payload, &client, &receiver, protocol, decode).await
}
