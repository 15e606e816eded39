//! OTLP over gRPC: `opentelemetry.proto.collector.trace.v1.TraceService/Export`.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use spanloom_formats::otlp;
use tonic::Status;

use super::grpc_raw::{self, Method, RawService, refused};
use super::{Arrived, Protocol, Receiver};
use crate::identity::Identity;
use crate::identity::ingest::IngestClient;

/// The service, ready to be added to a tonic server.
pub fn service(receiver: Receiver, identity: Identity) -> RawService<Export> {
    let limit_bytes = receiver.body_bytes_max;
    grpc_raw::service(Export { receiver }, limit_bytes, identity)
}

/// The method that receives spans.
#[derive(Clone)]
pub struct Export {
    receiver: Receiver,
}

impl Method for Export {
    const SERVICE: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
    const NAME: &'static str = "Export";

    async fn call(self, client: IngestClient, message: Bytes) -> Result<Bytes, Status> {
        let Self { receiver } = self;
        let (bounds, size_bytes) = (receiver.bounds(), message.len());
        let decoded = receiver.decode(move || otlp::decode(&message, bounds)).await;
        let decoded = decoded.map_err(|error| refused(&error))?;
        let decoded = decoded.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let arrived = Arrived { decoded, size_bytes };
        let accepted = receiver.accept(&client, Protocol::partial("otlp_grpc"), arrived).await;
        let rejected = accepted.map_err(|error| refused(&error))?;
        let partial_success = (rejected.total() > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: rejected.total() as i64,
            error_message: rejected.message(),
        });
        Ok(ExportTraceServiceResponse { partial_success }.encode_to_vec().into())
    }
}
