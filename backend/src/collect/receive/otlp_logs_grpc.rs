//! OTLP over gRPC: `opentelemetry.proto.collector.logs.v1.LogsService/Export`.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message;
use spanloom_formats::otlp;
use tonic::Status;

use super::grpc_raw::{self, Method, RawService, refused};
use super::logs::ArrivedLogs;
use super::{Protocol, Receiver};
use crate::identity::Identity;
use crate::identity::ingest::IngestClient;

/// The service, ready to be added to a tonic server.
pub fn service(receiver: Receiver, identity: Identity) -> RawService<Export> {
    let limit_bytes = receiver.body_bytes_max;
    grpc_raw::service(Export { receiver }, limit_bytes, identity)
}

/// The method that receives log records.
#[derive(Clone)]
pub struct Export {
    receiver: Receiver,
}

impl Method for Export {
    const SERVICE: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
    const NAME: &'static str = "Export";

    async fn call(self, client: IngestClient, message: Bytes) -> Result<Bytes, Status> {
        let Self { receiver } = self;
        let (bounds, size_bytes) = (receiver.log_bounds(), message.len());
        let decoded = receiver.decode(move || otlp::decode_logs(&message, bounds)).await;
        let decoded = decoded.map_err(|error| refused(&error))?;
        let decoded = decoded.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let arrived = ArrivedLogs { decoded, size_bytes };
        let accepted = receiver.accept_logs(&client, Protocol::partial("otlp_grpc"), arrived).await;
        let rejected = accepted.map_err(|error| refused(&error))?;
        let partial_success = (rejected.total() > 0).then(|| ExportLogsPartialSuccess {
            rejected_log_records: rejected.total() as i64,
            error_message: rejected.log_message(),
        });
        Ok(ExportLogsServiceResponse { partial_success }.encode_to_vec().into())
    }
}
