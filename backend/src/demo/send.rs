//! Sending to an OTLP/gRPC endpoint, as patiently as the specification asks of a client.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use rand::RngExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::batch::Export;
use super::progress::Counters;
use crate::client::ApiKey;

/// Requests that wait to be sent, and that are under way at the same time.
const WAITING_MAX: usize = 4;
const UNDER_WAY_MAX: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that asks for more patience does not get it.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// How long to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The pause after the first failure; each further one doubles it.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// A request that has not been accepted after this time is dropped.
    pub give_up_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause_first: Duration::from_millis(500),
            pause_max: Duration::from_secs(15),
            give_up_after: Duration::from_mins(5),
        }
    }
}

/// What every request needs.
#[derive(Clone)]
struct Line {
    client: TraceServiceClient<Channel>,
    logs: LogsServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    patience: Patience,
    counters: Arc<Counters>,
    stop: CancellationToken,
}

/// A queue to the endpoint. Dropping it drops what waits.
pub struct Sender {
    queue: mpsc::Sender<Export>,
    /// The one task that empties the queue.
    task: JoinSet<anyhow::Result<()>>,
}

impl Sender {
    /// Connects as soon as there is something to send. When `stop` is cancelled, what fails is no
    /// longer tried again.
    pub fn start(
        endpoint: &str,
        key: Option<&ApiKey>,
        patience: Patience,
        counters: Arc<Counters>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        ensure!(endpoint.starts_with("http://"), "--endpoint must begin with http://, but is {endpoint:?}");
        let channel = Endpoint::from_shared(endpoint.to_owned())
            .with_context(|| format!("--endpoint {endpoint:?} is no address"))?
            .user_agent(concat!("spanloom-demo/", env!("CARGO_PKG_VERSION")))
            .context("the user agent is no header value")?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .connect_lazy();
        let logs = LogsServiceClient::new(channel.clone()).send_compressed(CompressionEncoding::Gzip);
        let client = TraceServiceClient::new(channel)
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
        let authorization = key.map(authorization).transpose()?;
        let line = Line { client, logs, authorization, patience, counters, stop };
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let mut task = JoinSet::new();
        task.spawn(send_all(line, waiting));
        Ok(Self { queue, task })
    }

    /// Waits until there is room. An error means that nothing will be sent any more; `finish`
    /// tells why.
    pub async fn send(&self, export: Export) -> Result<(), mpsc::error::SendError<Export>> {
        self.queue.send(export).await
    }

    /// Waits until everything is sent or given up.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        drop(self.queue);
        match self.task.join_next().await {
            Some(joined) => joined.context("the sender broke down")?,
            None => Ok(()),
        }
    }
}

fn authorization(key: &ApiKey) -> anyhow::Result<MetadataValue<Ascii>> {
    // The cause could repeat the key.
    let Ok(mut value) = MetadataValue::try_from(format!("Bearer {}", key.reveal())) else {
        bail!("the API key contains characters that no key has");
    };
    value.set_sensitive(true);
    Ok(value)
}

async fn send_all(line: Line, waiting: mpsc::Receiver<Export>) -> anyhow::Result<()> {
    let exports = futures::stream::unfold(waiting, |mut waiting| async move {
        waiting.recv().await.map(|export| (export, waiting))
    });
    exports.map(Ok).try_for_each_concurrent(UNDER_WAY_MAX, |export| send_one(line.clone(), export)).await
}

/// What to do after a failure.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Try again, after this time if the server said so.
    Retry(Option<Duration>),
    /// This request will never succeed.
    Drop,
    /// No request will.
    GiveUp,
}

impl Line {
    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }
}

/// How long a request has been tried.
struct Tries {
    begun: Instant,
    pause: Duration,
    was_stopping: bool,
}

impl Tries {
    fn new(line: &Line) -> Self {
        let pause = line.patience.pause_first;
        Self { begun: Instant::now(), pause, was_stopping: line.stop.is_cancelled() }
    }

    /// Waits before the next one; false if it is too late for that.
    async fn wait(&mut self, line: &Line, asked: Option<Duration>) -> bool {
        if self.begun.elapsed() >= line.patience.give_up_after || self.was_stopping {
            return false;
        }
        line.counters.retries.fetch_add(1, Ordering::Relaxed);
        let wait =
            asked.unwrap_or_else(|| self.pause.mul_f64(rand::rng().random_range(0.5..1.0))).min(PAUSE_MAX);
        self.pause = (self.pause * 2).min(line.patience.pause_max);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = line.stop.cancelled() => {}
        }
        self.was_stopping = line.stop.is_cancelled();
        true
    }
}

async fn send_one(line: Line, mut export: Export) -> anyhow::Result<()> {
    let logs = std::mem::take(&mut export.logs);
    send_spans(line.clone(), export).await?;
    send_logs(line, logs).await;
    Ok(())
}

/// A server that takes no logs, or not these, is no trouble of the shop.
async fn send_logs(mut line: Line, logs: ExportLogsServiceRequest) {
    if logs.resource_logs.is_empty() {
        return;
    }
    let mut tries = Tries::new(&line);
    loop {
        let request = line.request(logs.clone());
        let Err(status) = line.logs.export(request).await else { return };
        let Verdict::Retry(asked) = verdict(&status) else { return };
        if !tries.wait(&line, asked).await {
            return;
        }
    }
}

async fn send_spans(mut line: Line, export: Export) -> anyhow::Result<()> {
    let counters = Arc::clone(&line.counters);
    let mut tries = Tries::new(&line);
    loop {
        let request = line.request(export.request.clone());
        let status = match line.client.export(request).await {
            Ok(response) => {
                let partial = response.into_inner().partial_success.unwrap_or_default();
                let rejected =
                    u64::try_from(partial.rejected_spans).unwrap_or_default().min(export.spans_count);
                counters.spans_sent.fetch_add(export.spans_count - rejected, Ordering::Relaxed);
                counters.spans_rejected.fetch_add(rejected, Ordering::Relaxed);
                counters.set_trouble((rejected > 0).then_some(partial.error_message));
                return Ok(());
            }
            Err(status) => status,
        };
        let verdict = verdict(&status);
        if verdict == Verdict::GiveUp {
            counters.spans_dropped.fetch_add(export.spans_count, Ordering::Relaxed);
            bail!("{}", refusal(&status));
        }
        counters.set_trouble(Some(format!("{:?}: {}", status.code(), status.message())));
        let is_tried_again = match verdict {
            Verdict::Retry(asked) => tries.wait(&line, asked).await,
            _ => false,
        };
        if !is_tried_again {
            counters.spans_dropped.fetch_add(export.spans_count, Ordering::Relaxed);
            return Ok(());
        }
    }
}

/// Which failures may pass, by the OTLP specification.
fn verdict(status: &Status) -> Verdict {
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => Verdict::GiveUp,
        Code::ResourceExhausted if asked.is_some() => Verdict::Retry(asked),
        Code::Aborted
        | Code::Cancelled
        | Code::DataLoss
        | Code::DeadlineExceeded
        | Code::OutOfRange
        | Code::Unavailable => Verdict::Retry(asked),
        // The connection broke; the server said nothing at all.
        Code::Unknown | Code::Internal if status.source().is_some() => Verdict::Retry(None),
        _ => Verdict::Drop,
    }
}

fn refusal(status: &Status) -> String {
    match status.code() {
        Code::Unauthenticated => {
            format!("the server wants an API key (--key or SPANLOOM_KEY): {}", status.message())
        }
        Code::PermissionDenied => format!("the API key may not send spans: {}", status.message()),
        _ => format!("the server does not speak OTLP/gRPC: {}", status.message()),
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    /// Catches a client that hammers a full server, or gives up on one that only restarts.
    #[test]
    fn what_is_retried() {
        let delay = Duration::from_secs(3);
        let with_delay =
            |code| Status::with_error_details(code, "busy", ErrorDetails::with_retry_info(Some(delay)));
        let cases = [
            (Status::unavailable("restarting"), Verdict::Retry(None)),
            (with_delay(Code::Unavailable), Verdict::Retry(Some(delay))),
            (with_delay(Code::ResourceExhausted), Verdict::Retry(Some(delay))),
            (Status::resource_exhausted("message larger than the limit"), Verdict::Drop),
            (Status::invalid_argument("malformed"), Verdict::Drop),
            (Status::internal("a defect of the server"), Verdict::Drop),
            (Status::unauthenticated("no key"), Verdict::GiveUp),
        ];
        for (status, expected) in cases {
            assert_eq!(verdict(&status), expected, "{status:?}");
        }
    }
}
