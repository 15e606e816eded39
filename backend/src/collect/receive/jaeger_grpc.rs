//! Jaeger over gRPC: `jaeger.api_v2.CollectorService/PostSpans`.

use bytes::Bytes;
use spanloom_formats::jaeger_proto;
use tonic::Status;

use super::grpc_raw::{self, Method, RawService, refused};
use super::{Arrived, Protocol, Receiver};
use crate::identity::Identity;
use crate::identity::ingest::IngestClient;

/// A message's limit, the same as that of Jaeger's collector.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// The service, ready to be added to a tonic server.
pub fn service(receiver: Receiver, identity: Identity) -> RawService<PostSpans> {
    let limit_bytes = receiver.body_bytes_max.min(MESSAGE_BYTES_MAX);
    grpc_raw::service(PostSpans { receiver }, limit_bytes, identity)
}

/// The method that receives batches.
#[derive(Clone)]
pub struct PostSpans {
    receiver: Receiver,
}

impl Method for PostSpans {
    const SERVICE: &'static str = "jaeger.api_v2.CollectorService";
    const NAME: &'static str = "PostSpans";

    /// Answers with an empty `PostSpansResponse`: it has no room for what is left out, unless that is
    /// everything.
    async fn call(self, client: IngestClient, message: Bytes) -> Result<Bytes, Status> {
        let Self { receiver } = self;
        let (bounds, size_bytes) = (receiver.bounds(), message.len());
        let decoded = receiver.decode(move || jaeger_proto::decode(&message, bounds)).await;
        let decoded = decoded.map_err(|error| refused(&error))?.map_err(Status::invalid_argument)?;
        let nothing_kept = decoded.spans.is_empty();
        let arrived = Arrived { decoded, size_bytes };
        let accepted = receiver.accept(&client, Protocol::whole("jaeger_grpc"), arrived).await;
        let rejected = accepted.map_err(|error| refused(&error))?;
        if nothing_kept && rejected.total() > 0 {
            return Err(Status::invalid_argument(rejected.message()));
        }
        Ok(Bytes::new())
    }
}
