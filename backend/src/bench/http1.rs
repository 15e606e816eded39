//! One HTTP/1.1 connection that is kept alive, and made again when it breaks.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Larger answers are nothing that we asked for.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A connection; it is opened by the first request.
pub struct Connection {
    address: SocketAddr,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, read to its end.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, if it is in seconds.
    pub retry_after_s: Option<u64>,
    /// The whole body.
    pub body: Bytes,
}

impl Connection {
    /// A connection to come.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Gives the connection up; the next request makes another.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// `POST path`.
    pub async fn post(&mut self, path: &str, content_type: &str, body: Bytes) -> anyhow::Result<Response> {
        let request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        self.send(request, body).await
    }

    /// `GET path`, with a key where one is needed.
    pub async fn get(&mut self, path: &str, key: Option<&str>) -> anyhow::Result<Response> {
        let mut request = Request::get(path);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        self.send(request, Bytes::new()).await
    }

    async fn send(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> anyhow::Result<Response> {
        let request = request.header(header::HOST, self.address.to_string()).body(Full::new(body))?;
        let mut open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await?,
        };
        open.ready().await.context("the connection")?;
        let (head, body) = open.send_request(request).await.context("sending")?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("reading the answer: {error}"))?.to_bytes();
        // Only a connection whose answer was read to the end can be used again.
        self.open = Some(open);
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        Ok(Response {
            status: head.status.as_u16(),
            retry_after_s: retry_after.and_then(|text| text.parse().ok()),
            body,
        })
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.context("connecting")?;
        // It ends with its sender; what fails is told to the sender too.
        tokio::spawn(connection);
        Ok(sender)
    }
}
