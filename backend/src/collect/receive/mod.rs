//! Sockets, authentication, limits and each protocol's own answers.

pub mod bucket;
pub mod grpc_raw;
pub mod http_body;
mod http_docs;
pub mod jaeger_grpc;
pub mod jaeger_http;
mod limit;
mod logs;
pub mod native_http;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod otlp_logs_grpc;
pub mod otlp_logs_http;
mod otlp_reply_http;
mod text_http;
pub mod zipkin_http;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use spanloom_formats::limits::{Limited, Limits};
use spanloom_formats::{Decoded, Rejected, TimeBounds};
use spanloom_model::Span;
use tokio::sync::Semaphore;

use super::queue::{Collector, Contents, SubmitError, memory_bytes, payload};
use super::redact::Redaction;
use crate::config::Config;
use crate::identity::ingest::IngestClient;
use limit::RateLimits;

/// Requests that are decoded at the same time.
const DECODING_MAX: usize = 4;

/// What a request came in.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// For the metrics.
    pub name: &'static str,
    /// Whether its answer can say that some spans were stored and others not.
    pub partial_success: bool,
}

impl Protocol {
    /// One whose answer counts what was not stored.
    pub const fn partial(name: &'static str) -> Self {
        Self { name, partial_success: true }
    }

    /// One that stores a request whole or refuses it.
    pub const fn whole(name: &'static str) -> Self {
        Self { name, partial_success: false }
    }
}

/// A request as it came.
pub struct Arrived {
    /// Its spans.
    pub decoded: Decoded,
    /// Bytes of the request, decompressed.
    pub size_bytes: usize,
}

/// What all receivers share. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    collector: Collector,
    redaction: Redaction,
    limits: Arc<RateLimits>,
    span_limits: Arc<Limits>,
    /// Decoded spans are many times their bytes on the wire, and not in the queue's count yet.
    decoding: Arc<Semaphore>,
    retention: Duration,
    log_retention: Duration,
    future: Duration,
    /// A body's limit, also after decompression.
    pub body_bytes_max: usize,
    /// Spans of a native request at most.
    pub spans_per_request_max: usize,
}

impl Receiver {
    /// A receiver that hands spans to `collector`, without their secrets.
    pub fn new(collector: Collector, redaction: Redaction, config: &Config) -> Self {
        Self {
            collector,
            redaction,
            limits: Arc::new(RateLimits::new(config.ingest.limits.clone())),
            span_limits: Arc::new(config.ingest.span_limits.clone()),
            decoding: Arc::new(Semaphore::new(DECODING_MAX)),
            retention: config.retention(),
            log_retention: config.log_retention(),
            future: Duration::from_secs(config.ingest.future_seconds_max),
            body_bytes_max: config.ingest.body_bytes_max,
            spans_per_request_max: config.ingest.spans_per_request_max,
        }
    }

    /// When a span may start, as of now.
    pub fn bounds(&self) -> TimeBounds {
        TimeBounds::around(now_ns(), self.retention, self.future)
    }

    /// Runs `work`, which takes time, away from the threads that serve connections; a few at once.
    pub async fn decode<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SubmitError> {
        let _turn = self.decoding.acquire().await.map_err(|_| SubmitError::Stopping)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| SubmitError::Stopping)
    }

    /// Counts what a request held, stores what is worth keeping and within the limits of its sender,
    /// and says what is not.
    pub async fn accept(
        &self,
        client: &IngestClient,
        protocol: Protocol,
        arrived: Arrived,
    ) -> Result<Rejected, SubmitError> {
        let Arrived { decoded: Decoded { mut spans, mut rejected }, size_bytes } = arrived;
        let received = spans.len() as u64 + rejected.total();
        let paid =
            self.limits.take(client, protocol, &mut spans, &mut rejected, size_bytes, Instant::now());
        let paid = paid.map_err(come_again)?;
        count(protocol.name, received, &rejected, size_bytes);
        let stored = self.store(spans).await;
        if stored.is_err() {
            self.limits.give_back(&paid);
        }
        stored.map(|()| rejected)
    }

    async fn store(&self, mut spans: Vec<Span>) -> Result<(), SubmitError> {
        let (redaction, bounds) = (self.redaction.clone(), Arc::clone(&self.span_limits));
        let prepare = move || {
            // Before anything is cut: half a key or half a token is not recognised.
            redaction.apply(&mut spans);
            tell_limited(&bounds.apply_all(&mut spans));
            // Never the bytes that came: they hold what decoding left out, which nobody has looked at.
            let payload = payload::encode(&spans);
            (spans, payload)
        };
        let (spans, payload) = self.decode(prepare).await?;
        let held_bytes = memory_bytes(payload.len(), spans.len());
        self.collector.submit(Contents { spans, logs: Vec::new() }, payload.into(), held_bytes).await
    }
}

fn now_ns() -> i64 {
    // Nanoseconds since the epoch fit until 2262.
    Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX)
}

/// When a client may send again.
fn come_again(wait: Duration) -> SubmitError {
    SubmitError::Limited { retry_after_seconds: wait.as_secs_f64().ceil().max(1.0) as u64 }
}

fn tell_limited(limited: &Limited) {
    if !limited.changed() {
        return;
    }
    let counts = [
        ("values_truncated", limited.values_truncated),
        ("attributes_dropped", limited.attributes_dropped),
        ("events_dropped", limited.events_dropped),
        ("links_dropped", limited.links_dropped),
    ];
    for (what, count) in counts {
        metrics::counter!("spanloom_span_limits_total", "what" => what).increment(count);
    }
}

fn count(protocol: &'static str, received: u64, rejected: &Rejected, size_bytes: usize) {
    metrics::counter!("spanloom_requests_total", "protocol" => protocol).increment(1);
    metrics::counter!("spanloom_received_bytes_total", "protocol" => protocol).increment(size_bytes as u64);
    metrics::counter!("spanloom_spans_received_total", "protocol" => protocol).increment(received);
    for (rejection, number) in rejected.iter() {
        metrics::counter!("spanloom_spans_rejected_total", "reason" => rejection.reason())
            .increment(number);
    }
}
