//! What to send, second by second: the past as fast as it goes, the present as it comes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::model::SECOND_NS;
use super::progress::Counters;
use super::send::Sender;
use super::traffic::{Unfinished, arrivals, end_ns};

/// Which seconds to make traffic for, since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    /// Traces per second.
    pub rate: f64,
    pub start_s: u64,
    /// Where the present begins.
    pub live_s: u64,
    /// Where it ends, if it does.
    pub end_s: Option<u64>,
}

impl Plan {
    /// Seconds of the past to send first.
    pub const fn backfill_s(&self) -> u64 {
        self.live_s - self.start_s
    }
}

/// Nanoseconds since the Unix epoch.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

/// Makes and sends the plan's traffic until it ends, `stop` is cancelled or the sender fails
/// (its `finish` tells why). When stopped, what has ended is still sent.
pub async fn follow(plan: Plan, sender: &Sender, counters: &Arc<Counters>, stop: &CancellationToken) {
    let mut unfinished = Unfinished::default();
    let mut batch = Batch::default();
    let last_ns = plan.end_s.map_or(u64::MAX, |end_s| end_s * SECOND_NS);
    for second in plan.start_s.. {
        let second_end_ns = (second + 1) * SECOND_NS;
        if second_end_ns > last_ns || stop.is_cancelled() {
            break;
        }
        if second_end_ns > now_ns() {
            // Caught up with the present: whatever there is should be seen soon.
            if !flush(&mut batch, sender).await || !wait_until(second_end_ns, stop).await {
                break;
            }
        }
        counters.clock_s.store(second, Ordering::Relaxed);
        // A trace that the end would cut off is left out.
        for request in arrivals(plan.seed, plan.rate, second).into_iter().filter(|r| end_ns(r) <= last_ns) {
            counters.traces.fetch_add(1, Ordering::Relaxed);
            request.spans.into_iter().for_each(|span| unfinished.push(span));
        }
        if !send_finished(&mut unfinished, second_end_ns, &mut batch, sender).await {
            return;
        }
    }
    if send_finished(&mut unfinished, now_ns(), &mut batch, sender).await {
        flush(&mut batch, sender).await;
    }
}

/// Moves ended spans into batches and sends the full ones. False when nothing can be sent.
async fn send_finished(
    unfinished: &mut Unfinished,
    now_ns: u64,
    batch: &mut Batch,
    sender: &Sender,
) -> bool {
    while let Some(span) = unfinished.pop(now_ns) {
        batch.push(span);
        if batch.is_full() && !flush(batch, sender).await {
            return false;
        }
    }
    true
}

/// Sends the batch as it is. False when nothing can be sent.
pub async fn flush(batch: &mut Batch, sender: &Sender) -> bool {
    match batch.take() {
        Some(export) => sender.send(export).await.is_ok(),
        None => true,
    }
}

/// False when stopped before.
async fn wait_until(time_ns: u64, stop: &CancellationToken) -> bool {
    let wait = Duration::from_nanos(time_ns.saturating_sub(now_ns()));
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = stop.cancelled() => false,
    }
}
