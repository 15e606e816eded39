//! Sending prepared bytes: OTLP over gRPC, and OTLP over HTTP in protobuf.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::{Buf, BufMut, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::http1::Connection;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that takes longer has lost the request.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// How to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// OTLP over gRPC
    Grpc,
    /// OTLP over HTTP/1.1, binary protobuf
    Http,
}

impl Protocol {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// Acknowledged.
    Accepted,
    /// Refused, but it may be sent again, after this time if the server said so.
    Retry {
        /// The time that the server asks for.
        wait: Option<Duration>,
        /// Whether it was turned away at the door: then nothing of it can have been stored.
        unseen: bool,
        /// The server's words.
        why: String,
    },
    /// Nobody knows: the connection broke or no answer came.
    Lost(String),
    /// Refused for good, or accepted in part only.
    Refused(String),
}

/// Where to send, made once; [`Target::sender`] makes one sender for each request under way.
pub enum Target {
    /// Connections that are shared in turn.
    Grpc(Vec<Channel>),
    /// A connection for each sender.
    Http(SocketAddr),
}

impl Target {
    /// Connects `connections` times, if the protocol shares connections.
    pub async fn connect(
        protocol: Protocol,
        address: SocketAddr,
        connections: usize,
    ) -> anyhow::Result<Self> {
        if protocol == Protocol::Http {
            return Ok(Self::Http(address));
        }
        let mut channels = Vec::with_capacity(connections);
        for _ in 0..connections {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(REQUEST_TIMEOUT);
            channels.push(endpoint.connect().await.context("connecting to OTLP/gRPC")?);
        }
        Ok(Self::Grpc(channels))
    }

    /// The n-th sender.
    pub fn sender(&self, number: usize) -> Sender {
        match self {
            Self::Grpc(channels) => {
                let channel = channels[number % channels.len()].clone();
                Sender::Grpc(tonic::client::Grpc::new(channel))
            }
            Self::Http(address) => Sender::Http(Connection::new(*address)),
        }
    }
}

/// Sends one request at a time.
pub enum Sender {
    /// See [`Protocol::Grpc`].
    Grpc(tonic::client::Grpc<Channel>),
    /// See [`Protocol::Http`].
    Http(Connection),
}

impl Sender {
    /// Sends a serialised `ExportTraceServiceRequest` and waits for the answer.
    pub async fn send(&mut self, body: Bytes) -> Answer {
        match self {
            Self::Grpc(client) => send_grpc(client, body).await,
            Self::Http(connection) => send_http(connection, body).await,
        }
    }
}

async fn send_grpc(client: &mut tonic::client::Grpc<Channel>, body: Bytes) -> Answer {
    if let Err(error) = client.ready().await {
        return Answer::Lost(error.to_string());
    }
    let path = PathAndQuery::from_static(EXPORT);
    match client.unary(tonic::Request::new(body), path, Prepared).await {
        Ok(response) => accepted(&response.into_inner()),
        Err(status) => refused_grpc(&status),
    }
}

/// Which failures may pass, by the OTLP specification.
fn refused_grpc(status: &Status) -> Answer {
    let why = format!("{:?}: {}", status.code(), status.message());
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        // The server said nothing at all: the transport did.
        _ if status.source().is_some() => Answer::Lost(why),
        Code::DeadlineExceeded | Code::Cancelled => Answer::Lost(why),
        Code::ResourceExhausted if wait.is_some() => Answer::Retry { wait, unseen: true, why },
        Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss => {
            Answer::Retry { wait, unseen: false, why }
        }
        _ => Answer::Refused(why),
    }
}

async fn send_http(connection: &mut Connection, body: Bytes) -> Answer {
    let request = connection.post("/v1/traces", "application/x-protobuf", body);
    let response = match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Answer::Lost(format!("{error:#}")),
        Err(_) => {
            connection.close();
            return Answer::Lost("no answer in time".to_owned());
        }
    };
    match response.status {
        200 => match ExportTraceServiceResponse::decode(response.body) {
            Ok(response) => accepted(&response),
            Err(error) => Answer::Refused(format!("the answer is no OTLP: {error}")),
        },
        status @ (429 | 502 | 503 | 504) => {
            let wait = response.retry_after_s.map(Duration::from_secs);
            Answer::Retry { wait, unseen: status == 429, why: format!("HTTP {status}") }
        }
        status => Answer::Refused(format!("HTTP {status}")),
    }
}

fn accepted(response: &ExportTraceServiceResponse) -> Answer {
    match &response.partial_success {
        Some(partial) if partial.rejected_spans > 0 => {
            Answer::Refused(format!("{} spans rejected: {}", partial.rejected_spans, partial.error_message))
        }
        _ => Answer::Accepted,
    }
}

/// Bytes that are a message already.
struct Prepared;

impl Codec for Prepared {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Prepared {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.len());
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Prepared {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        let response = ExportTraceServiceResponse::decode(message);
        response.map(Some).map_err(|error| Status::internal(format!("the answer is no OTLP: {error}")))
    }
}
