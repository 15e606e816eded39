//! Log records on their way into the queue: the same limits, redaction and durability as spans.

use std::sync::Arc;
use std::time::Instant;

use spanloom_formats::Rejected;
use spanloom_formats::logs::{DecodedLogs, LogBounds};
use spanloom_model::LogRecord;

use super::{Protocol, Receiver, come_again, now_ns, tell_limited};
use crate::collect::queue::{Contents, SubmitError, memory_bytes, payload};
use crate::identity::ingest::IngestClient;

/// A request of log records as it came.
pub(super) struct ArrivedLogs {
    /// Its records.
    pub decoded: DecodedLogs,
    /// Bytes of the request, decompressed.
    pub size_bytes: usize,
}

impl Receiver {
    /// When a log record may be of, as of now.
    pub(super) fn log_bounds(&self) -> LogBounds {
        LogBounds::around(now_ns(), self.log_retention, self.future)
    }

    /// [`Self::accept`] for log records.
    pub(super) async fn accept_logs(
        &self,
        client: &IngestClient,
        protocol: Protocol,
        arrived: ArrivedLogs,
    ) -> Result<Rejected, SubmitError> {
        let ArrivedLogs { decoded: DecodedLogs { mut logs, mut rejected }, size_bytes } = arrived;
        let received = logs.len() as u64 + rejected.total();
        let paid = self.limits.take(client, protocol, &mut logs, &mut rejected, size_bytes, Instant::now());
        let paid = paid.map_err(come_again)?;
        count(protocol.name, received, &rejected, size_bytes);
        let stored = self.store_logs(logs).await;
        if stored.is_err() {
            self.limits.give_back(&paid);
        }
        stored.map(|()| rejected)
    }

    async fn store_logs(&self, mut logs: Vec<LogRecord>) -> Result<(), SubmitError> {
        let (redaction, bounds) = (self.redaction.clone(), Arc::clone(&self.span_limits));
        let prepare = move || {
            // In the order in which it is done to spans, and for the same reasons.
            redaction.apply_logs(&mut logs);
            tell_limited(&bounds.apply_logs(&mut logs));
            let payload = payload::encode_logs(&logs);
            (logs, payload)
        };
        let (logs, payload) = self.decode(prepare).await?;
        let held_bytes = memory_bytes(payload.len(), logs.len());
        self.collector.submit(Contents { spans: Vec::new(), logs }, payload.into(), held_bytes).await
    }
}

fn count(protocol: &'static str, received: u64, rejected: &Rejected, size_bytes: usize) {
    metrics::counter!("spanloom_requests_total", "protocol" => protocol).increment(1);
    metrics::counter!("spanloom_received_bytes_total", "protocol" => protocol).increment(size_bytes as u64);
    metrics::counter!("spanloom_log_records_received_total", "protocol" => protocol).increment(received);
    for (rejection, number) in rejected.iter() {
        metrics::counter!("spanloom_log_records_rejected_total", "reason" => rejection.reason())
            .increment(number);
    }
}
