//! OTLP over gRPC: `opentelemetry.proto.collector.trace.v1.TraceService/Export`.

use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use spanloom_formats::otlp;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{RETRY_AFTER_SECONDS, Receiver};
use crate::collect::queue::SubmitError;
use crate::identity::{Identity, IngestDenied, origin};

/// A message's limit. A message is decoded as a whole before we see it, and decoded spans are many
/// times their bytes on the wire; SDKs send some hundred spans at a time.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// The service, ready to be added to a tonic server.
pub fn service(
    receiver: Receiver,
    identity: Identity,
) -> Authorized<TraceServiceServer<impl TraceService>> {
    let limit_bytes = receiver.body_bytes_max.min(MESSAGE_BYTES_MAX);
    let inner = TraceServiceServer::new(OtlpGrpc { receiver })
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        // Counts after decompression too.
        .max_decoding_message_size(limit_bytes);
    Authorized::new(inner, identity)
}

/// Asks who is calling before the message is read: within the service it would be decoded already.
#[derive(Clone)]
pub struct Authorized<S> {
    inner: S,
    identity: Identity,
}

impl<S> Authorized<S> {
    /// Lets those into `inner` who may send spans.
    pub(super) fn new(inner: S, identity: Identity) -> Self {
        Self { inner, identity }
    }
}

impl<S: NamedService> NamedService for Authorized<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<http::Request<B>> for Authorized<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (identity, mut inner) = (self.identity.clone(), self.inner.clone());
        let (peer, key) = credentials(&request);
        Box::pin(async move {
            match authorize(&identity, peer, key.as_deref()).await {
                Ok(()) => inner.call(request).await,
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

/// Where the request comes from, unless a proxy relays it, and the key that it brings.
fn credentials<B>(request: &http::Request<B>) -> (Option<IpAddr>, Option<String>) {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let key = text("authorization").and_then(origin::bearer_token).or_else(|| text("x-api-key"));
    // A proxy on this machine relays for strangers: then the peer's address says nothing.
    let relayed = origin::FORWARDING_HEADERS.iter().any(|name| headers.contains_key(*name));
    let connection = request.extensions().get::<TcpConnectInfo>();
    let peer = connection.and_then(TcpConnectInfo::remote_addr).map(|address| address.ip());
    (if relayed { None } else { peer }, key.map(str::to_owned))
}

async fn authorize(identity: &Identity, peer: Option<IpAddr>, key: Option<&str>) -> Result<(), Status> {
    identity.authorize_ingest(peer, key).await.map_err(|denied| match denied {
        IngestDenied::NoKey | IngestDenied::BadKey => Status::unauthenticated(denied.to_string()),
        IngestDenied::WrongScope => Status::permission_denied(denied.to_string()),
        IngestDenied::Unavailable(_) => retryable(Code::Unavailable, &denied.to_string()),
    })
}

struct OtlpGrpc {
    receiver: Receiver,
}

#[tonic::async_trait]
impl TraceService for OtlpGrpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let size_bytes = request.encoded_len();
        let bounds = self.receiver.bounds();
        let decoded = self.receiver.decode(move || otlp::decode(request, bounds)).await;
        let decoded = decoded.map_err(|error| refused(&error))?;
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

/// What gRPC clients are told.
pub(super) fn refused(error: &SubmitError) -> Status {
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
