//! Sockets, authentication, limits and each protocol's own answers.

pub mod http_body;
mod http_docs;
pub mod jaeger_grpc;
pub mod jaeger_http;
pub mod native_http;
pub mod otlp_grpc;
pub mod otlp_http;
mod text_http;
pub mod zipkin_http;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use spanloom_formats::{Decoded, Rejected, TimeBounds};
use spanloom_model::Span;
use tokio::sync::Semaphore;

use super::queue::{Collector, SubmitError};
use crate::config::Config;

/// How long a client should wait before it sends again.
pub const RETRY_AFTER_SECONDS: u64 = 2;

/// Requests that are decoded at the same time.
const DECODING_MAX: usize = 4;

/// What a decoded span occupies at least.
const SPAN_BYTES_MIN: usize = 512;

/// What all receivers share. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    collector: Collector,
    /// Decoded spans are many times their bytes on the wire, and not in the queue's count yet.
    decoding: Arc<Semaphore>,
    retention: Duration,
    future: Duration,
    /// A body's limit, also after decompression.
    pub body_bytes_max: usize,
    /// Spans of a native request at most.
    pub spans_per_request_max: usize,
}

impl Receiver {
    /// A receiver that hands spans to `collector`.
    pub fn new(collector: Collector, config: &Config) -> Self {
        Self {
            collector,
            decoding: Arc::new(Semaphore::new(DECODING_MAX)),
            retention: config.retention(),
            future: Duration::from_secs(config.ingest.future_seconds_max),
            body_bytes_max: config.ingest.body_bytes_max,
            spans_per_request_max: config.ingest.spans_per_request_max,
        }
    }

    /// When a span may start, as of now.
    pub fn bounds(&self) -> TimeBounds {
        // Nanoseconds since the epoch fit until 2262.
        let now_ns = Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
        TimeBounds::around(now_ns, self.retention, self.future)
    }

    /// Runs `work`, which takes time, away from the threads that serve connections; a few at once.
    pub async fn decode<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SubmitError> {
        let _turn = self.decoding.acquire().await.map_err(|_| SubmitError::Stopping)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| SubmitError::Stopping)
    }

    /// Counts what a request held, stores what is worth keeping, and says what is not.
    pub async fn accept(
        &self,
        protocol: &'static str,
        decoded: Decoded,
        size_bytes: usize,
    ) -> Result<Rejected, SubmitError> {
        let Decoded { spans, rejected } = decoded;
        count(protocol, &spans, &rejected, size_bytes);
        // Small on the wire is not small in memory.
        let held_bytes = size_bytes.max(spans.len() * SPAN_BYTES_MIN);
        self.collector.submit(spans, held_bytes).await?;
        Ok(rejected)
    }
}

fn count(protocol: &'static str, spans: &[Span], rejected: &Rejected, size_bytes: usize) {
    let total = spans.len() as u64 + rejected.total();
    metrics::counter!("spanloom_requests_total", "protocol" => protocol).increment(1);
    metrics::counter!("spanloom_received_bytes_total", "protocol" => protocol).increment(size_bytes as u64);
    metrics::counter!("spanloom_spans_received_total", "protocol" => protocol).increment(total);
    for (rejection, number) in rejected.iter() {
        metrics::counter!("spanloom_spans_rejected_total", "reason" => rejection.reason())
            .increment(number);
    }
}
