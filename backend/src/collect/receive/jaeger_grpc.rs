//! Jaeger over gRPC: `jaeger.api_v2.CollectorService/PostSpans`.
//!
//! Written by hand rather than generated, and handed the message as bytes: it is decoded where a few
//! are decoded at once, not where every connection decodes its own.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use spanloom_formats::jaeger_proto;
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

use super::Receiver;
use super::otlp_grpc::{Authorized, refused};
use crate::identity::Identity;

/// A message's limit, the same as that of Jaeger's collector.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

const POST_SPANS: &str = "/jaeger.api_v2.CollectorService/PostSpans";

/// The service, ready to be added to a tonic server.
pub fn service(receiver: Receiver, identity: Identity) -> Authorized<CollectorService> {
    Authorized::new(CollectorService { receiver }, identity)
}

/// Receives batches.
#[derive(Clone)]
pub struct CollectorService {
    receiver: Receiver,
}

impl NamedService for CollectorService {
    const NAME: &'static str = "jaeger.api_v2.CollectorService";
}

impl<B> Service<http::Request<B>> for CollectorService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != POST_SPANS {
                return Ok(Status::unimplemented("the only method is PostSpans").into_http());
            }
            let limit_bytes = service.receiver.body_bytes_max.min(MESSAGE_BYTES_MAX);
            let mut grpc = Grpc::new(BytesCodec)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                // Counts after decompression too.
                .max_decoding_message_size(limit_bytes);
            Ok(grpc.unary(service, request).await)
        })
    }
}

impl UnaryService<Bytes> for CollectorService {
    type Response = ();
    type Future = BoxFuture<Response<()>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let receiver = self.receiver.clone();
        Box::pin(async move { post_spans(&receiver, request.into_inner()).await.map(Response::new) })
    }
}

/// The answer has no room for what is left out, unless that is everything.
async fn post_spans(receiver: &Receiver, message: Bytes) -> Result<(), Status> {
    let size_bytes = message.len();
    let bounds = receiver.bounds();
    let decoded = receiver.decode(move || jaeger_proto::decode(&message, bounds)).await;
    let decoded = decoded.map_err(|error| refused(&error))?.map_err(Status::invalid_argument)?;
    let nothing_kept = decoded.spans.is_empty();
    let accepted = receiver.accept("jaeger_grpc", decoded, size_bytes).await;
    let rejected = accepted.map_err(|error| refused(&error))?;
    if nothing_kept && rejected.total() > 0 {
        return Err(Status::invalid_argument(rejected.message()));
    }
    Ok(())
}

/// Gives messages as they came; answers with an empty one, as a `PostSpansResponse` is.
#[derive(Clone, Copy)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = ();
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
