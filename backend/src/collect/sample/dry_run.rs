//! What policies would have kept of the last hour: the same sampler as in the way of a span, fed with
//! what is stored.
//!
//! A trace is offered whole at the time of its first span. Where there is too much, whole seconds are
//! looked at: a share of the traces would come to a wrong answer for rates.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use spanloom_model::api::{KeptCount, PolicyDryRun, SamplingDryRun, SamplingSettings, ServiceDryRun};
use spanloom_model::{Scope, Span, TraceId};
use spanloom_sampling::{Bounds, Decided, Outcome, Policies, TailSampler};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::dry_run_store::{self as store, Picked, Range, Resources, SpanRow};
use crate::query::store::begin_read;
use crate::store::pairs::PairCache;

/// Looked at at most.
const SPANS_MAX: u64 = 200_000;
/// Looked at at most.
const TRACES_MAX: u64 = 20_000;
/// Read at a time, unless a single trace has more.
const CHUNK_SPANS: u64 = 25_000;
/// Services in the answer.
const SERVICES_MAX: usize = 500;
/// After this long the answer is what was found by then.
const TIME_MAX: Duration = Duration::from_secs(25);
/// Waiting for other trials.
const TURN_TIME: Duration = Duration::from_secs(10);
const STATEMENT_TIME: Duration = Duration::from_secs(20);
/// The wait does not matter for traces that are offered whole: the least that settings may have.
const WAIT_MS: u32 = 100;

/// Memory and processor time are for one at a time.
static RUNNING: Semaphore = Semaphore::const_new(1);

/// Tries valid settings; none if other trials go on for too long.
///
/// # Errors
/// If the database fails.
pub async fn run(pool: &PgPool, settings: SamplingSettings) -> anyhow::Result<Option<SamplingDryRun>> {
    let Ok(Ok(_turn)) = tokio::time::timeout(TURN_TIME, RUNNING.acquire()).await else { return Ok(None) };
    let deadline = Instant::now() + TIME_MAX;
    let end = Utc::now();
    let range = Range { start: end - TimeDelta::hours(1), end };
    let names: Vec<String> = settings.policies.iter().map(|policy| policy.name.clone()).collect();
    let policies = Policies::new(&SamplingSettings { decision_wait_ms: WAIT_MS, ..settings })
        .map_err(|faults| anyhow::anyhow!("settings that were valid are not: {faults:?}"))?;
    let with_attributes = policies.reads_attributes();

    let bytes_per_span = store::bytes_per_span(pool).await?;
    let mut tx = begin_read(pool, STATEMENT_TIME).await?;
    let (pieces, spans) = store::extent(&mut tx, range).await?;
    let every_nth = spans.div_ceil(SPANS_MAX).max(pieces.div_ceil(TRACES_MAX)).clamp(1, 3_600) as u32;
    let picked = store::pick(&mut tx, range, every_nth, TRACES_MAX as usize + 1).await?;
    let (chunks, mut complete) = chunks(&picked);

    let mut trial = Trial::new(policies);
    let mut resources = Resources::new();
    let pairs = PairCache::default();
    for chunk in chunks {
        if Instant::now() > deadline {
            complete = false;
            break;
        }
        let rows = store::spans(&mut tx, &pairs, chunk, with_attributes).await?;
        store::add_resources(&mut tx, &rows, &mut resources).await?;
        let (order, known) = (chunk.to_vec(), resources.clone());
        // Reading attributes takes time, and this thread serves other requests.
        let offered = tokio::task::spawn_blocking(move || {
            trial.offer(&order, rows, &known)?;
            anyhow::Ok(trial)
        });
        trial = offered.await.context("trying policies")??;
    }
    tx.rollback().await?;
    Ok(Some(trial.finish(names, &Summary { range, every_nth, complete, spans, bytes_per_span })))
}

/// Cuts what was picked into parts that are read at a time; false if it is more than is looked at.
fn chunks(picked: &[Picked]) -> (Vec<&[Picked]>, bool) {
    let (mut chunks, mut from) = (Vec::new(), 0);
    let (mut spans, mut chunk_spans) = (0, 0);
    for (index, trace) in picked.iter().enumerate() {
        if index as u64 >= TRACES_MAX || spans + trace.spans > SPANS_MAX + CHUNK_SPANS {
            chunks.extend((from < index).then(|| &picked[from..index]));
            return (chunks, false);
        }
        if chunk_spans + trace.spans > CHUNK_SPANS && from < index {
            chunks.push(&picked[from..index]);
            (from, chunk_spans) = (index, 0);
        }
        chunk_spans += trace.spans;
        spans += trace.spans;
    }
    chunks.extend((from < picked.len()).then(|| &picked[from..]));
    (chunks, true)
}

/// The sampler and what it did so far.
struct Trial {
    sampler: TailSampler,
    scope: Arc<Scope>,
    examined: KeptCount,
    kept: KeptCount,
    /// Examined and kept by service.
    services: HashMap<String, (KeptCount, KeptCount)>,
    /// Kept and dropped by policy.
    policies: HashMap<Arc<str>, (KeptCount, KeptCount)>,
}

struct Summary {
    range: Range,
    every_nth: u32,
    complete: bool,
    spans: u64,
    bytes_per_span: f64,
}

fn add(count: &mut KeptCount, spans: u64) {
    count.traces += 1;
    count.spans += spans;
}

impl Trial {
    fn new(policies: Policies) -> Self {
        Self {
            sampler: TailSampler::new(policies, Bounds::default()),
            scope: Arc::default(),
            examined: KeptCount::default(),
            kept: KeptCount::default(),
            services: HashMap::new(),
            policies: HashMap::new(),
        }
    }

    fn offer(&mut self, order: &[Picked], rows: Vec<SpanRow>, resources: &Resources) -> anyhow::Result<()> {
        let mut by_trace: HashMap<TraceId, Vec<Span>> = HashMap::new();
        for row in rows {
            let span = row.into_span(resources, &self.scope)?;
            by_trace.entry(span.trace_id).or_default().push(span);
        }
        for trace in order {
            // Retention may have dropped the spans of a trace that is still in the list.
            if let Some(spans) = by_trace.remove(&trace.trace_id) {
                self.sampler.offer(0, trace.start_ns, spans);
                let decided = self.sampler.decide(trace.start_ns);
                self.count(decided);
            }
        }
        Ok(())
    }

    fn count(&mut self, decided: Vec<Decided>) {
        for Decided { spans, outcome, policy, .. } in decided {
            let is_kept = outcome != Outcome::Dropped;
            add(&mut self.examined, spans.len() as u64);
            let mut services: HashMap<&str, u64> = HashMap::new();
            for span in &spans {
                *services.entry(span.resource.service_name()).or_default() += 1;
            }
            for (name, count) in services {
                let (examined, kept) = self.services.entry(name.to_owned()).or_default();
                add(examined, count);
                if is_kept {
                    add(kept, count);
                }
            }
            if is_kept {
                add(&mut self.kept, spans.len() as u64);
            }
            if let Some(policy) = policy {
                let (kept, dropped) = self.policies.entry(policy).or_default();
                add(if is_kept { kept } else { dropped }, spans.len() as u64);
            }
        }
    }

    fn finish(mut self, names: Vec<String>, summary: &Summary) -> SamplingDryRun {
        let rest = self.sampler.flush();
        self.count(rest);
        let Summary { range, every_nth, complete, spans, bytes_per_span } = *summary;
        let mut services: Vec<ServiceDryRun> = self
            .services
            .into_iter()
            .map(|(name, (examined, kept))| ServiceDryRun { name, examined, kept })
            .collect();
        services.sort_by(|a, b| b.examined.spans.cmp(&a.examined.spans).then_with(|| a.name.cmp(&b.name)));
        services.truncate(SERVICES_MAX);
        let policies = names.into_iter().map(|name| {
            let (kept, dropped) = self.policies.get(name.as_str()).copied().unwrap_or_default();
            PolicyDryRun { name, kept, dropped }
        });
        let dropped = self.examined.spans - self.kept.spans;
        let stored = if complete && every_nth == 1 {
            self.examined
        } else {
            let traces = self.examined.traces as f64 * spans as f64 / self.examined.spans.max(1) as f64;
            KeptCount { traces: traces.round() as u64, spans }
        };
        let dropped_share = dropped as f64 / self.examined.spans.max(1) as f64;
        SamplingDryRun {
            start_time: rounded(range.start),
            end_time: rounded(range.end),
            stored,
            every_nth_second: every_nth,
            complete,
            examined: self.examined,
            kept: self.kept,
            services,
            policies: policies.collect(),
            bytes_per_span,
            saved_bytes: dropped_share * stored.spans as f64 * bytes_per_span,
        }
    }
}

/// To the microsecond, which is what the database compared.
fn rounded(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}
