//! Delivers requests and keeps count of what became of the spans.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use spanloom_formats::{Rejected, otlp_client};
use tokio::sync::mpsc;

use super::batch::Batch;
use super::client::{Client, body, error_body};

/// Requests under way at the same time.
const UNDER_WAY_MAX: usize = 4;
/// The answer to an accepted request.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Reasons that are told apart; servers are expected to have a handful.
const REASONS_MAX: usize = 50;

/// What became of the spans.
#[derive(Debug, Default)]
pub struct Tally {
    /// Spans in the data, the refused ones included.
    pub read: u64,
    /// Taken by the server; whether it had them already is its matter.
    pub accepted: u64,
    /// Not taken, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Spans that were not taken.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Counts spans that are no spans.
    pub fn reject(&mut self, rejected: &Rejected) {
        for (rejection, count) in rejected.iter() {
            self.refuse(rejection.message(), count);
        }
    }

    /// Counts spans that the server did not take. It gives its reasons as `12 spans: too old`,
    /// separated by `; `.
    fn refuse_told(&mut self, count: u64, told: &str) {
        let reasons: Option<Vec<(u64, &str)>> = told
            .split("; ")
            .map(|part| {
                let (count, reason) = part.split_once(" spans: ")?;
                Some((count.parse().ok()?, reason))
            })
            .collect();
        match reasons {
            Some(reasons) if reasons.iter().map(|(count, _)| count).sum::<u64>() == count => {
                for (count, reason) in reasons {
                    self.refuse(reason, count);
                }
            }
            _ => self.refuse(told, count),
        }
    }

    fn refuse(&mut self, reason: &str, count: u64) {
        let reason = if self.refused.len() < REASONS_MAX { reason } else { "for other reasons" };
        *self.refused.entry(reason.to_owned()).or_default() += count;
    }
}

/// A line of totals, and one for each reason.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} spans read, {} accepted, {} refused",
            self.read,
            self.accepted,
            self.refused_total()
        )?;
        for (reason, count) in &self.refused {
            write!(f, "\n  {count}: {reason}")?;
        }
        Ok(())
    }
}

/// A tally that reader and senders share.
pub type SharedTally = Arc<Mutex<Tally>>;

/// The tally, whoever panicked with it.
pub fn lock(tally: &SharedTally) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends everything that comes. An error means that no further request would succeed either.
pub async fn send_all(
    client: &Client,
    waiting: mpsc::Receiver<Batch>,
    tally: &SharedTally,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let batches = futures::stream::unfold(waiting, |mut waiting| async move {
        waiting.recv().await.map(|batch| (batch, waiting))
    });
    batches
        .map(Ok)
        .try_for_each_concurrent(UNDER_WAY_MAX, |batch| async {
            send(client, batch, tally).await?;
            bar.set_message(format!("{} spans", lock(tally).accepted));
            Ok(())
        })
        .await
}

async fn send(client: &Client, batch: Batch, tally: &SharedTally) -> anyhow::Result<()> {
    let request_body = bytes::Bytes::from(batch.body);
    let response = client
        .send("/v1/traces", |http, url| {
            http.post(url).header(CONTENT_TYPE, "application/x-protobuf").body(request_body.clone())
        })
        .await?;
    let status = response.status();
    if status.is_success() {
        let answer = body(response, ANSWER_BYTES_MAX).await?;
        let partial = otlp_client::decode_success(&answer)
            .context("the answer is not that of an OTLP server: is this its address?")?;
        let refused = u64::try_from(partial.rejected_spans).unwrap_or_default().min(batch.spans);
        let mut tally = lock(tally);
        tally.accepted += batch.spans - refused;
        if refused > 0 {
            tally.refuse_told(refused, &partial.error_message);
        }
        return Ok(());
    }
    let told = otlp_client::decode_refusal(&error_body(response).await).unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED => {
            bail!("the server wants an API key with the scope ingest (--key or SPANLOOM_API_KEY): {told}")
        }
        StatusCode::FORBIDDEN => bail!("the API key may not send spans: {told}"),
        // What the server says of these spans; others may be better.
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INTERNAL_SERVER_ERROR => {
            lock(tally).refuse(&format!("the server answered {status}: {told}"), batch.spans);
            Ok(())
        }
        _ => bail!("the server answered {status}, not as OTLP/HTTP does: is this its address? {told}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches reasons that are counted for each request anew, and a count that is lost.
    #[test]
    fn reasons_add_up_over_requests() {
        let mut tally = Tally { read: 10, accepted: 2, ..Tally::default() };
        tally.refuse_told(3, "2 spans: too old; 1 spans: no id");
        tally.refuse_told(4, "4 spans: too old");
        tally.refuse_told(1, "strange; very");
        assert_eq!(
            tally.to_string(),
            "10 spans read, 2 accepted, 8 refused\n  1: no id\n  1: strange; very\n  6: too old"
        );
    }

    #[test]
    fn a_server_that_invents_reasons_does_not_fill_the_memory() {
        let mut tally = Tally::default();
        for number in 0..1_000 {
            tally.refuse_told(1, &format!("1 spans: reason {number}"));
        }
        assert!(tally.refused.len() <= REASONS_MAX + 1);
        assert_eq!(tally.refused_total(), 1_000);
    }
}
