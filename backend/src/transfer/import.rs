//! `spanloom import`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{mpsc, oneshot};

use super::batch::{Batch, Batcher, newest_end_ns};
use super::client::{Client, say};
use super::input::Input;
use super::read::{Format, read};
use super::send::{SharedTally, Tally, lock, send_all};
use super::wire::{Decoder, Elements};
use crate::client::ApiKey;

/// Requests that wait to be sent.
const WAITING_MAX: usize = 4;

/// Sends traces from files to a server
///
/// Reads OTLP JSON (documents, or lines as the Collector's file exporter writes them, or
/// {"batches": ...} of Grafana Tempo), OTLP protobuf (a message, or messages with their length before
/// them), Jaeger JSON and Zipkin JSON, plain or compressed with gzip or zstd, and sends the spans by
/// OTLP/HTTP.
/// Importing the same file again does no harm: the server leaves out what it has.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Files; "-" or none for standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What the files hold.
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub format: Format,

    /// Where to send, OTLP over HTTP.
    #[arg(long, default_value = "http://127.0.0.1:4318", value_name = "URL")]
    pub endpoint: String,

    /// API key with the scope "ingest", where the server wants one.
    #[arg(long, env = "SPANLOOM_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<ApiKey>,

    /// Move all times so that the newest span ends now, because servers refuse spans older than
    /// their retention. Reads the files twice; done again, it adds the same traces at another time.
    #[arg(long)]
    pub shift_to_now: bool,
}

/// Runs `spanloom import`; tells the totals on standard error.
///
/// Errors: the data is damaged (what comes before the damage is sent), the server cannot be reached
/// or refuses the client, or spans were refused.
pub async fn run(args: ImportArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.endpoint, args.key.clone())?;
    if args.files.is_empty() && std::io::stdin().is_terminal() {
        bail!("name the files to import, or pipe one into standard input");
    }
    let tally = SharedTally::default();
    let bar = ProgressBar::no_length();
    let (queue, waiting) = mpsc::channel(WAITING_MAX);
    let (told, outcome) = oneshot::channel();
    let (reader_tally, reader_bar, shift_to_now) = (Arc::clone(&tally), bar.clone(), args.shift_to_now);
    // A thread of its own: a runtime would wait for one that waits for standard input.
    std::thread::Builder::new()
        .name("import".to_owned())
        .spawn(move || {
            let outcome =
                read_all(&args.files, args.format, args.shift_to_now, &reader_tally, &reader_bar, &queue);
            // Nobody listens when sending has failed.
            let _ = told.send(outcome);
        })
        .context("a thread that reads")?;
    let sent = send_all(&client, waiting, &tally, &bar).await;
    let read = if sent.is_ok() { outcome.await.context("reading broke down")? } else { Ok(()) };
    bar.finish_and_clear();

    let tally = std::mem::take(&mut *lock(&tally));
    say(&format!("import: {tally}"));
    sent?;
    read?;
    let refused = tally.refused_total();
    ensure!(refused == 0, "{refused} of {} spans were refused{}", tally.read, hint(&tally, shift_to_now));
    Ok(())
}

fn hint(tally: &Tally, shift_to_now: bool) -> &'static str {
    let is_old = tally.refused.keys().any(|reason| reason.contains("retention"));
    if is_old && !shift_to_now { "; --shift-to-now moves old ones to the present" } else { "" }
}

fn read_all(
    files: &[PathBuf],
    format: Format,
    shift_to_now: bool,
    tally: &SharedTally,
    bar: &ProgressBar,
    queue: &mpsc::Sender<Batch>,
) -> anyhow::Result<()> {
    let inputs = Input::all(files, shift_to_now)?;
    let passes = if shift_to_now { 2 } else { 1 };
    let size_bytes: Option<u64> = inputs.iter().map(Input::size_bytes).sum();
    show(bar, size_bytes.map(|size| size * passes));
    let shift_ns = if shift_to_now {
        bar.set_message("looking for the newest span");
        // Nanoseconds since the epoch fit until 2262.
        let now_ns = Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
        newest(&inputs, format, bar)?.map_or(0, |newest_ns| now_ns.saturating_sub(newest_ns))
    } else {
        0
    };
    let mut batcher =
        Batcher::new(shift_ns, |batch| queue.blocking_send(batch).context("sending has ended"));
    for input in &inputs {
        let outcome = each_element(input, format, bar, |elements| {
            {
                let (mut tally, decoded) = (lock(tally), &elements.decoded);
                tally.read += decoded.spans.len() as u64 + decoded.rejected.total();
                tally.reject(&decoded.rejected);
            }
            batcher.push(elements)
        });
        // What was read before the damage is good.
        batcher.flush()?;
        outcome?;
    }
    Ok(())
}

/// When the newest span ends, in nanoseconds since the epoch.
fn newest(inputs: &[Input], format: Format, bar: &ProgressBar) -> anyhow::Result<Option<i64>> {
    let mut newest = None;
    for input in inputs {
        each_element(input, format, bar, |elements| {
            newest = newest.max(newest_end_ns(&elements.decoded.spans));
            Ok(())
        })?;
    }
    Ok(newest)
}

/// Decodes every element and hands the spans to `take`, those before the damage too if there is one.
fn each_element(
    input: &Input,
    format: Format,
    bar: &ProgressBar,
    mut take: impl FnMut(Elements) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    let outcome = input.open(bar).and_then(|source| {
        read(source, format, &mut |kind, element, place| take(decoder.push(kind, element, place)?))
    });
    take(decoder.finish())?;
    outcome.with_context(|| input.name())
}

/// Shows how far the reading is; nothing unless standard error is a terminal.
fn show(bar: &ProgressBar, size_bytes: Option<u64>) {
    let template = match size_bytes {
        Some(size_bytes) => {
            bar.set_length(size_bytes);
            "[{bar:32}] {percent:>3}%  {bytes}/{total_bytes}  eta {eta}  {msg}"
        }
        None => "{spinner} {bytes}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
