//! Telling the person at the terminal, or the log, how far the demo is.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use super::model::SECOND_NS;
use super::plan::Plan;
use super::world::WorldState;

const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR_EVERY: Duration = Duration::from_millis(250);

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub traces: AtomicU64,
    /// Accepted by the server.
    pub spans_sent: AtomicU64,
    /// Refused by the server, with a reason.
    pub spans_rejected: AtomicU64,
    /// Not sent: given up.
    pub spans_dropped: AtomicU64,
    pub retries: AtomicU64,
    /// The second that traffic is made for, since the Unix epoch.
    pub clock_s: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Counters {
    /// Remembers what the server last complained about; `None` when it was content.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One line of totals.
    pub fn summary(&self) -> String {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut line = format!("{} traces, {} spans sent", load(&self.traces), load(&self.spans_sent));
        let rest = [
            ("rejected", &self.spans_rejected),
            ("dropped", &self.spans_dropped),
            ("retries", &self.retries),
        ];
        for (name, counter) in rest.into_iter().filter(|(_, counter)| load(counter) > 0) {
            // Writing to a string cannot fail.
            let _ = write!(line, ", {} {name}", load(counter));
        }
        line
    }
}

/// Writes a line to standard error; nobody listening is no reason to stop.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Reports until it is dropped: a bar on a terminal, else a line every ten seconds.
pub struct Reporter {
    _task: JoinSet<()>,
    bar: ProgressBar,
}

impl Reporter {
    pub fn start(plan: Plan, counters: Arc<Counters>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = if is_terminal { new_bar(&plan) } else { ProgressBar::hidden() };
        let mut task = JoinSet::new();
        task.spawn(report(plan, counters, bar.clone(), is_terminal));
        Self { _task: task, bar }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn new_bar(plan: &Plan) -> ProgressBar {
    if plan.backfill_s() == 0 {
        return live_bar();
    }
    let style = ProgressStyle::with_template("past  [{bar:32}] {percent:>3}%  eta {eta}  {msg}");
    ProgressBar::new(plan.backfill_s())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
}

fn live_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} live  {msg}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

async fn report(plan: Plan, counters: Arc<Counters>, bar: ProgressBar, is_terminal: bool) {
    let every = if is_terminal { BAR_EVERY } else { LINE_EVERY };
    let mut ticks = tokio::time::interval(every);
    // The first tick is immediate and has nothing to tell.
    ticks.tick().await;
    let mut speed = Speed::new();
    let mut is_past = plan.backfill_s() > 0;
    loop {
        ticks.tick().await;
        let clock_s = counters.clock_s.load(Ordering::Relaxed);
        let spans_per_s = speed.update(counters.spans_sent.load(Ordering::Relaxed));
        let message = describe(&plan, &counters, clock_s, spans_per_s);
        if is_past && clock_s >= plan.live_s {
            is_past = false;
            bar.set_style(live_bar().style());
            bar.unset_length();
        }
        if is_past {
            bar.set_position(clock_s.saturating_sub(plan.start_s));
        } else {
            bar.tick();
        }
        if is_terminal {
            bar.set_message(message);
            continue;
        }
        let percent = clock_s.saturating_sub(plan.start_s) * 100 / plan.backfill_s().max(1);
        let phase = if is_past { format!("past {percent:>3}%") } else { "live".to_owned() };
        say(&format!("demo: {phase}  {message}"));
    }
}

fn describe(plan: &Plan, counters: &Counters, clock_s: u64, spans_per_s: f64) -> String {
    let mut text = format!("{spans_per_s:.0} spans/s  {}", counters.summary());
    if let Some(incident) = WorldState::at(plan.seed, clock_s * SECOND_NS).incident {
        let _ = write!(text, "  incident: {}", incident.trouble);
    }
    if let Some(trouble) = counters.trouble() {
        let _ = write!(text, "  server says {trouble}");
    }
    text
}

/// Spans per second, smoothed over a few updates.
struct Speed {
    at: Instant,
    spans: u64,
    per_s: Option<f64>,
}

impl Speed {
    fn new() -> Self {
        Self { at: Instant::now(), spans: 0, per_s: None }
    }

    fn update(&mut self, spans: u64) -> f64 {
        let elapsed_s = self.at.elapsed().as_secs_f64().max(0.001);
        let now_per_s = spans.saturating_sub(self.spans) as f64 / elapsed_s;
        let per_s = self.per_s.map_or(now_per_s, |before| before * 0.8 + now_per_s * 0.2);
        *self = Self { at: Instant::now(), spans, per_s: Some(per_s) };
        per_s
    }
}
