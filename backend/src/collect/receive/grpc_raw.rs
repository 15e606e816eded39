//! A gRPC method on the bytes of its messages: the receivers read them with their own decoders, away
//! from the threads that serve connections, and may keep them as they are.

use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use tonic::body::Body;
use tonic::codec::{
    Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder,
};
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::collect::queue::SubmitError;
use crate::identity::ingest::IngestClient;
use crate::identity::{Identity, IngestDenied, origin};

/// A message's limit, after decompression too. Decoded spans are many times their bytes on the
/// wire; SDKs send some hundred spans at a time.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A service with one method that takes spans.
pub trait Method: Clone + Send + Sync + 'static {
    /// The service's full name.
    const SERVICE: &'static str;
    /// The method's name within it.
    const NAME: &'static str;

    /// Answers a request's message with the response's.
    fn call(
        self,
        client: IngestClient,
        message: Bytes,
    ) -> impl Future<Output = Result<Bytes, Status>> + Send;
}

/// The service of `method`, ready to be added to a tonic server: for those who may send spans,
/// plain, gzip or zstd, in messages of at most `limit_bytes` and never more than 16 MiB.
pub fn service<M: Method>(method: M, limit_bytes: usize, identity: Identity) -> RawService<M> {
    RawService { method, limit_bytes: limit_bytes.min(MESSAGE_BYTES_MAX), identity }
}

/// See [`service`].
#[derive(Clone)]
pub struct RawService<M> {
    method: M,
    limit_bytes: usize,
    identity: Identity,
}

impl<M: Method> NamedService for RawService<M> {
    const NAME: &'static str = M::SERVICE;
}

impl<M, B> Service<http::Request<B>> for RawService<M>
where
    M: Method,
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Self { method, limit_bytes, identity } = self.clone();
        let (peer, key) = credentials(&request);
        Box::pin(async move {
            // Before the message is read: whoever may not send should not make us read.
            let client = match authorize(&identity, peer, key.as_deref()).await {
                Ok(client) => client,
                Err(status) => return Ok(status.into_http()),
            };
            let path = request.uri().path();
            if path.strip_prefix('/').and_then(|path| path.split_once('/')) != Some((M::SERVICE, M::NAME)) {
                return Ok(Status::unimplemented("there is no such method").into_http());
            }
            let mut compressions = EnabledCompressionEncodings::default();
            compressions.enable(CompressionEncoding::Gzip);
            compressions.enable(CompressionEncoding::Zstd);
            let mut grpc = Grpc::new(RawCodec)
                .apply_compression_config(compressions, EnabledCompressionEncodings::default())
                .apply_max_message_size_config(Some(limit_bytes), None);
            Ok(grpc.unary(Call(method, client), request).await)
        })
    }
}

struct Call<M>(M, IngestClient);

impl<M: Method> UnaryService<Bytes> for Call<M> {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let answer = self.0.clone().call(self.1.clone(), request.into_inner());
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

/// Messages as their bytes.
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // Takes the bytes out of the buffer, without a copy.
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
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

async fn authorize(
    identity: &Identity,
    peer: Option<IpAddr>,
    key: Option<&str>,
) -> Result<IngestClient, Status> {
    identity.authorize_ingest(peer, key).await.map_err(|denied| match denied {
        IngestDenied::NoKey | IngestDenied::BadKey => Status::unauthenticated(denied.to_string()),
        IngestDenied::WrongScope => Status::permission_denied(denied.to_string()),
        IngestDenied::Unavailable(_) => retryable(Code::Unavailable, &denied.to_string(), 5),
    })
}

/// What a client is told whose spans were not taken.
pub fn refused(error: &SubmitError) -> Status {
    let code = match error {
        SubmitError::Busy | SubmitError::Limited { .. } => Code::ResourceExhausted,
        SubmitError::Full | SubmitError::Unavailable | SubmitError::Stopping => Code::Unavailable,
    };
    retryable(code, &error.to_string(), error.retry_after_seconds())
}

/// OTLP clients come again after `RetryInfo`'s delay; without it `ResourceExhausted` is final.
fn retryable(code: Code, message: &str, retry_after_seconds: u64) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(retry_after_seconds)));
    Status::with_error_details(code, message, details)
}
