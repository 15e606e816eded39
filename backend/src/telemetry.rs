//! What Spanloom tells about itself: logs, metrics and, if asked for, traces sent to itself.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, Listen, LogFormat};
use crate::web::trace_requests;

/// Flushes the last spans about Spanloom itself when it is dropped.
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider {
            // Nobody may be listening any more at this point; that is no error.
            let _ = provider.shutdown();
        }
    }
}

/// Starts logging as configured. Call it once, inside the runtime.
///
/// # Errors
/// If the filter is malformed or logging was started before.
pub fn init(config: &Config) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&config.telemetry.log).context("telemetry.log")?;
    // Standard output belongs to what commands print.
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let log = match config.telemetry.log_format {
        LogFormat::Json => log.json().boxed(),
        LogFormat::Text => log.boxed(),
    };
    let provider = self_tracing(config)?;
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("spanloom"))
            .with_filter(FilterFn::new(|metadata| metadata.target().starts_with(trace_requests::TARGET)))
    });
    tracing_subscriber::registry().with(log.with_filter(filter)).with(traces).try_init()?;
    Ok(Telemetry { provider })
}

fn self_tracing(config: &Config) -> anyhow::Result<Option<SdkTracerProvider>> {
    if !config.telemetry.self_tracing {
        return Ok(None);
    }
    let Listen::On(address) = config.listen.otlp_grpc else {
        anyhow::bail!("telemetry.self_tracing needs listen.otlp_grpc");
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://127.0.0.1:{}", address.port()))
        .build()
        .context("preparing self-tracing")?;
    let resource = Resource::builder()
        .with_service_name("spanloom")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
}

/// The process' metrics; the first call starts counting.
pub fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install_recorder).clone()
}

/// Folds samples into buckets now and then; without it they pile up until somebody asks for them.
pub async fn upkeep(recorder: PrometheusHandle, stop: CancellationToken) {
    let mut turns = tokio::time::interval(Duration::from_secs(5));
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        recorder.run_upkeep();
    }
}

fn install_recorder() -> PrometheusHandle {
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let builder = PrometheusBuilder::new();
    let builder = builder
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Somebody else's recorder would leave ours empty, not wrong.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    handle
}

fn describe() {
    metrics::describe_counter!(
        "spanloom_requests_total",
        "Ingest requests that could be decoded, by protocol"
    );
    metrics::describe_counter!(
        "spanloom_received_bytes_total",
        "Bytes of ingest requests, decompressed, by protocol"
    );
    metrics::describe_counter!("spanloom_spans_received_total", "Spans in ingest requests, by protocol");
    metrics::describe_counter!("spanloom_spans_rejected_total", "Spans that cannot be kept, by reason");
    metrics::describe_counter!(
        "spanloom_limited_spans_total",
        "Spans and log records refused because a key or a service sends more than its rate limit, by which and its name"
    );
    metrics::describe_counter!(
        "spanloom_log_records_received_total",
        "Log records in ingest requests, by protocol"
    );
    metrics::describe_counter!(
        "spanloom_log_records_rejected_total",
        "Log records that cannot be kept, by reason"
    );
    metrics::describe_counter!("spanloom_log_records_written_total", "Log records stored");
    metrics::describe_counter!(
        "spanloom_log_records_refused_total",
        "Log records put aside because the database refuses them"
    );
    metrics::describe_counter!(
        "spanloom_values_redacted_total",
        "Secrets removed from spans and log records, by rule"
    );
    metrics::describe_counter!("spanloom_spans_written_total", "Spans stored");
    metrics::describe_counter!(
        "spanloom_spans_duplicate_total",
        "Spans left out because they were stored before"
    );
    metrics::describe_counter!("spanloom_write_errors_total", "Attempts to write a batch that failed");
    metrics::describe_counter!(
        "spanloom_written_bytes_total",
        "Bytes sent to the database for spans and their metrics"
    );
    metrics::describe_gauge!("spanloom_queue_bytes", "Bytes of requests that wait to be written");
    metrics::describe_histogram!(
        "spanloom_write_duration_seconds",
        "Time that a batch's transaction takes"
    );
}
