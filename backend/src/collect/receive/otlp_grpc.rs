//! OTLP over gRPC: `opentelemetry.proto.collector.trace.v1.TraceService/Export`.

use std::net::IpAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{RETRY_AFTER_SECONDS, Receiver};
use crate::collect::decode::otlp;
use crate::collect::queue::SubmitError;
use crate::identity::{Identity, IngestDenied, origin};

/// The service, ready to be added to a tonic server.
pub fn service(receiver: Receiver, identity: Identity) -> TraceServiceServer<impl TraceService> {
    let limit_bytes = receiver.body_bytes_max;
    TraceServiceServer::new(OtlpGrpc { receiver, identity })
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        // Counts after decompression too.
        .max_decoding_message_size(limit_bytes)
}

struct OtlpGrpc {
    receiver: Receiver,
    identity: Identity,
}

#[tonic::async_trait]
impl TraceService for OtlpGrpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let peer = request.remote_addr().map(|address| address.ip());
        self.authorize(peer, request.metadata()).await?;
        let request = request.into_inner();
        let size_bytes = request.encoded_len();
        let bounds = self.receiver.bounds();
        let decoded = tokio::task::spawn_blocking(move || otlp::decode(request, bounds))
            .await
            .map_err(|_| Status::internal("decoding failed"))?;
        let rejected = self
            .receiver
            .accept("otlp_grpc", decoded, size_bytes)
            .await
            .map_err(|error| refused(&error))?;
        let partial_success = (rejected.total() > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: rejected.total() as i64,
            error_message: rejected.message(),
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

impl OtlpGrpc {
    async fn authorize(&self, peer: Option<IpAddr>, metadata: &MetadataMap) -> Result<(), Status> {
        let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        let key = text("authorization").and_then(origin::bearer_token).or_else(|| text("x-api-key"));
        // A proxy on this machine relays for strangers: then the peer's address says nothing.
        let relayed = origin::FORWARDING_HEADERS.iter().any(|name| metadata.contains_key(*name));
        let peer = if relayed { None } else { peer };
        self.identity.authorize_ingest(peer, key).await.map_err(|denied| match denied {
            IngestDenied::NoKey | IngestDenied::BadKey => Status::unauthenticated(denied.to_string()),
            IngestDenied::WrongScope => Status::permission_denied(denied.to_string()),
            IngestDenied::Unavailable(_) => retryable(Code::Unavailable, &denied.to_string()),
        })
    }
}

fn refused(error: &SubmitError) -> Status {
    match error {
        SubmitError::Full => retryable(Code::ResourceExhausted, &error.to_string()),
        SubmitError::Unavailable | SubmitError::Stopping => {
            retryable(Code::Unavailable, &error.to_string())
        }
        SubmitError::Refused => Status::internal(error.to_string()),
    }
}

/// OTLP clients come again after `RetryInfo`'s delay; without it `ResourceExhausted` is final.
fn retryable(code: Code, message: &str) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(RETRY_AFTER_SECONDS)));
    Status::with_error_details(code, message, details)
}
