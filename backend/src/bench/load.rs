//! Sending many prepared requests, a bounded number at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ids::Ids;
use super::send::{Answer, Sender, Target};
use super::shape::Shape;
use super::template::Template;

/// A server that asks for more patience does not get it.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const PAUSE_DEFAULT: Duration = Duration::from_millis(500);
/// Times that a request is sent again before the run counts as failed.
const RETRIES_MAX: u32 = 60;

/// Prepared requests without end: the templates in turn, with new ids each time.
pub struct Supply {
    templates: Vec<Template>,
    ids: Ids,
    next: AtomicU64,
}

impl Supply {
    /// Prepares `templates` requests of about `spans_per_request` spans. Requests of one `run` have
    /// ids that no other run has.
    pub fn prepare(
        shape: Shape,
        seed: u64,
        run: u64,
        templates: usize,
        spans_per_request: usize,
    ) -> anyhow::Result<Self> {
        let requests = shape.requests(seed, templates, spans_per_request);
        let templates = requests.iter().map(Template::new).collect::<anyhow::Result<_>>()?;
        Ok(Self { templates, ids: Ids::new(run), next: AtomicU64::new(0) })
    }

    /// The template of a request.
    pub fn template(&self, request: u64) -> &Template {
        &self.templates[(request % self.templates.len() as u64) as usize]
    }

    /// The ids of all requests.
    pub const fn ids(&self) -> Ids {
        self.ids
    }

    /// Requests that were taken so far; their numbers are below.
    pub fn taken(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Bytes of a span on the wire, on average.
    pub fn span_bytes(&self) -> f64 {
        let bytes: usize = self.templates.iter().map(Template::size_bytes).sum();
        bytes as f64 / self.templates_spans() as f64
    }

    /// Spans of a request, on average.
    pub fn request_spans(&self) -> f64 {
        self.templates_spans() as f64 / self.templates.len() as f64
    }

    /// Spans of a trace, on average.
    pub fn trace_spans(&self) -> f64 {
        let traces: usize = self.templates.iter().map(Template::traces_count).sum();
        self.templates_spans() as f64 / traces as f64
    }

    fn templates_spans(&self) -> u64 {
        self.templates.iter().map(Template::spans_count).sum()
    }

    fn stamp(&self, request: u64) -> Bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.template(request).stamp(self.ids, request, now.as_nanos() as u64).into()
    }
}

/// How much to send and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Stop after so many requests.
    pub requests: u64,
    /// Begin no request after this time.
    pub time: Option<Duration>,
    /// Spans per second; without a rate a request is sent as soon as another was answered.
    pub rate: Option<f64>,
    /// Requests under way at the same time.
    pub in_flight: usize,
    /// Whether what was refused or lost is sent again, as a client would.
    pub retry: bool,
}

/// What is known of a request's spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Acknowledged: has to be stored.
    Accepted,
    /// Refused: must not be stored.
    Refused,
    /// No answer: may be stored.
    Unknown,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Load {
    /// Each request with its end.
    pub outcomes: Vec<(u64, State)>,
    /// Spans that were acknowledged.
    pub spans_accepted: u64,
    /// From a request's beginning (at a fixed rate: from when it was due) to its acknowledgement,
    /// microseconds, ascending.
    pub latencies_us: Vec<u32>,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that were refused or lost, and why the first one was.
    pub failed: u64,
    /// See [`Self::failed`].
    pub failure: Option<String>,
    /// The longest time that a request began after it was due.
    pub late: Duration,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Load {
    /// The latency that this share of the requests stayed below, milliseconds; `share` is in 0..=1.
    pub fn latency_ms(&self, share: f64) -> f64 {
        if self.latencies_us.is_empty() {
            return 0.0;
        }
        let last = self.latencies_us.len() - 1;
        f64::from(self.latencies_us[(last as f64 * share).round() as usize]) / 1_000.0
    }

    fn add(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.spans_accepted += other.spans_accepted;
        self.latencies_us.extend(other.latencies_us);
        self.retries += other.retries;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        self.late = self.late.max(other.late);
    }
}

/// Carries a plan out.
///
/// # Errors
/// If the server refuses a request for good, or too often.
pub async fn run(target: &Target, supply: &Arc<Supply>, plan: Plan) -> anyhow::Result<Load> {
    let clock = Clock { started: Instant::now(), first: supply.taken(), plan };
    let mut workers = JoinSet::new();
    for number in 0..plan.in_flight {
        workers.spawn(work(target.sender(number), Arc::clone(supply), clock));
    }
    let mut load = Load::default();
    while let Some(worker) = workers.join_next().await {
        load.add(worker.context("a sender broke down")??);
    }
    load.elapsed = clock.started.elapsed();
    load.latencies_us.sort_unstable();
    Ok(load)
}

/// When which request is due.
#[derive(Clone, Copy)]
struct Clock {
    started: Instant,
    /// The number of the plan's first request.
    first: u64,
    plan: Plan,
}

impl Clock {
    /// The next request and when it is due; none when the plan is done.
    fn next(&self, supply: &Supply) -> Option<(u64, Instant)> {
        let last = self.first + self.plan.requests;
        let is_late = |due: Instant| self.plan.time.is_some_and(|time| due >= self.started + time);
        // A number that is not used would be missed when counting.
        let taken = supply.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < last && !is_late(self.due(next, supply))).then_some(next + 1)
        });
        let request = taken.ok()?;
        Some((request, self.due(request, supply)))
    }

    fn due(&self, request: u64, supply: &Supply) -> Instant {
        let Some(rate) = self.plan.rate else { return Instant::now() };
        let spans = (request - self.first) as f64 * supply.request_spans();
        self.started + Duration::from_secs_f64(spans / rate)
    }
}

async fn work(mut sender: Sender, supply: Arc<Supply>, clock: Clock) -> anyhow::Result<Load> {
    let mut load = Load::default();
    while let Some((request, due)) = clock.next(&supply) {
        tokio::time::sleep_until(due).await;
        load.late = load.late.max(due.elapsed());
        let body = supply.stamp(request);
        let state = send_one(&mut sender, body, clock.plan.retry, &mut load).await?;
        if state == State::Accepted {
            let latency_us = due.elapsed().as_micros();
            load.latencies_us.push(u32::try_from(latency_us).unwrap_or(u32::MAX));
            load.spans_accepted += supply.template(request).spans_count();
        }
        load.outcomes.push((request, state));
    }
    Ok(load)
}

async fn send_one(sender: &mut Sender, body: Bytes, retry: bool, load: &mut Load) -> anyhow::Result<State> {
    let mut may_be_stored = false;
    for _ in 0..=RETRIES_MAX {
        let (why, wait) = match sender.send(body.clone()).await {
            Answer::Accepted => return Ok(State::Accepted),
            Answer::Refused(why) => bail!("the server does not take the spans: {why}"),
            Answer::Retry { wait, unseen, why } => {
                may_be_stored |= !unseen;
                (why, wait)
            }
            Answer::Lost(why) => {
                may_be_stored = true;
                (why, None)
            }
        };
        load.failed += 1;
        load.failure.get_or_insert(why);
        if !retry {
            return Ok(if may_be_stored { State::Unknown } else { State::Refused });
        }
        load.retries += 1;
        tokio::time::sleep(wait.unwrap_or(PAUSE_DEFAULT).min(PAUSE_MAX)).await;
    }
    bail!("a request was refused {RETRIES_MAX} times: {}", load.failure.as_deref().unwrap_or_default())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Small requests, of which some are taken.
    pub fn taken(requests: u64) -> Supply {
        let supply = Supply::prepare(Shape::Wide, 1, 1, 2, 50).unwrap();
        supply.next.store(requests, Ordering::Relaxed);
        supply
    }

    fn clock(plan: Plan) -> (Supply, Clock) {
        let supply = taken(7);
        let clock = Clock { started: Instant::now(), first: supply.taken(), plan };
        (supply, clock)
    }

    /// Catches a plan that sends more than it was told, or loses numbers that are counted later.
    #[test]
    fn a_plan_ends_by_number_and_by_time() {
        let plan = Plan { requests: 3, time: None, rate: None, in_flight: 1, retry: false };
        let (supply, by_number) = clock(plan);
        let numbers: Vec<u64> = std::iter::from_fn(|| by_number.next(&supply)).map(|(n, _)| n).collect();
        assert_eq!(numbers, [7, 8, 9]);
        assert_eq!(supply.taken(), 10);

        // Ten requests a second for a second.
        let rate = Some(supply.request_spans() * 10.0);
        let plan = Plan { requests: 1_000, time: Some(Duration::from_secs(1)), rate, ..plan };
        let (supply, by_time) = clock(plan);
        let dues: Vec<Instant> = std::iter::from_fn(|| by_time.next(&supply)).map(|(_, due)| due).collect();
        assert_eq!(dues.len(), 10);
        assert_eq!((dues[9] - dues[0]).as_millis(), 900, "evenly spread");
        assert_eq!(supply.taken(), 17);
    }

    /// Catches a percentile that is off by one at either end.
    #[test]
    fn percentiles() {
        let load = Load { latencies_us: (1..=101).map(|n| n * 1_000).collect(), ..Load::default() };
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| load.latency_ms(share) as u32), [1, 51, 100, 101]);
        assert_eq!(Load::default().latency_ms(0.5) as u32, 0);
    }
}
