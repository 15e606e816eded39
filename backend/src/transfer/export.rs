//! `spanloom export`.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use reqwest::{Response, StatusCode};
use spanloom_model::TraceId;
use spanloom_model::api::{Problem, SPANS_OMITTED_HEADER, TracesResponse};

use super::client::{Client, body, error_body, say};
use super::output::Output;
use crate::client::ApiKey;

/// Traces that are fetched at the same time.
const UNDER_WAY_MAX: usize = 4;
/// A trace at most; what `spanloom import` takes as one element.
const TRACE_BYTES_MAX: usize = 256 << 20;
/// A page of search results.
const PAGE_BYTES_MAX: usize = 64 << 20;
const PAGE_TRACES_MAX: usize = 100;
/// A search that the server's time limit cuts short goes on with the next page.
const PAGES_MAX: usize = 100_000;

/// Writes traces of a server into a file
///
/// As OTLP JSON, one document per line and trace, without loss: `spanloom import` reads it, and so
/// does the OpenTelemetry Collector. Without trace ids the newest traces that match are written.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// Traces to write.
    #[arg(value_name = "TRACE_ID")]
    pub trace_ids: Vec<TraceId>,

    /// Traces to search for.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// File to write, replaced if it exists; compressed if it ends with .gz or .zst; "-" for
    /// standard output.
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub output: PathBuf,

    /// Where the API is.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub endpoint: String,

    /// API key with the scope "read".
    #[arg(long, env = "SPANLOOM_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<ApiKey>,
}

/// Which traces; all that are given must hold for the same span.
#[derive(Debug, Clone, clap::Args)]
pub struct FilterArgs {
    /// A span's service.
    #[arg(long, conflicts_with = "trace_ids", value_name = "NAME")]
    pub service: Option<String>,

    /// A span's name.
    #[arg(long, conflicts_with = "trace_ids", value_name = "NAME")]
    pub operation: Option<String>,

    /// A span's status: ok, error or unset.
    #[arg(long, conflicts_with = "trace_ids", value_name = "STATUS")]
    pub status: Option<String>,

    /// The trace lasts at least this long: 250ms, 1.5s.
    #[arg(long, conflicts_with = "trace_ids", value_name = "TIME")]
    pub min_duration: Option<String>,

    /// An attribute of a span or its process; may be repeated.
    #[arg(long, conflicts_with = "trace_ids", value_name = "KEY=VALUE")]
    pub tag: Vec<String>,

    /// The trace starts at this time or later, RFC 3339; an hour before --to by default.
    #[arg(long, conflicts_with = "trace_ids", value_name = "TIME")]
    pub from: Option<String>,

    /// The trace starts before this time, RFC 3339; now by default.
    #[arg(long, conflicts_with = "trace_ids", value_name = "TIME")]
    pub to: Option<String>,

    /// Traces to write at most.
    #[arg(long, conflicts_with = "trace_ids", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
}

impl FilterArgs {
    /// The flags and the parameters that they become.
    fn params(&self) -> Vec<(&'static str, &'static str, &str)> {
        let once = [
            ("--service", "serviceName", &self.service),
            ("--operation", "operation", &self.operation),
            ("--status", "status", &self.status),
            ("--min-duration", "duration", &self.min_duration),
            ("--from", "startTime", &self.from),
            ("--to", "endTime", &self.to),
        ];
        let once = once.into_iter().filter_map(|(flag, name, value)| Some((flag, name, value.as_deref()?)));
        once.chain(self.tag.iter().map(|tag| ("--tag", "tag", tag.as_str()))).collect()
    }

    /// What the server says of a parameter, said of the flag.
    fn flag_of(&self, param: &str) -> String {
        let flag = self.params().into_iter().find(|(_, name, _)| *name == param);
        flag.map_or_else(|| param.to_owned(), |(flag, _, _)| flag.to_owned())
    }
}

/// What has been written.
#[derive(Default)]
struct Totals {
    traces: u64,
    bytes: u64,
    missing: Vec<TraceId>,
    /// Traces that the server gave without all their spans.
    incomplete: u64,
}

/// Runs `spanloom export`; tells the totals on standard error.
///
/// Errors: the server cannot be reached or refuses, the output cannot be written, a trace does not
/// exist or is larger than the server gives away.
pub async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.endpoint, args.key.clone())?;
    let mut output = Output::create(&args.output)?;
    let mut totals = Totals::default();
    let total = if args.trace_ids.is_empty() { None } else { Some(args.trace_ids.len() as u64) };
    let bar = progress_bar(total.unwrap_or(u64::from(args.filter.limit)));
    if total.is_some() {
        write_traces(&client, &args.trace_ids, &mut output, &mut totals, &bar).await?;
    } else {
        search(&client, &args.filter, &mut output, &mut totals, &bar).await?;
    }
    tokio::task::block_in_place(|| output.finish()).context("writing")?;
    bar.finish_and_clear();
    say(&format!("export: {} traces, {}", totals.traces, HumanBytes(totals.bytes)));
    if totals.incomplete > 0 {
        bail!(
            "{} traces are incomplete: the server gives fewer spans of a trace than they have (query.trace_spans_max)",
            totals.incomplete
        );
    }
    // A search may find a trace that retention takes away before it is read.
    if total.is_some() && !totals.missing.is_empty() {
        let ids: Vec<String> = totals.missing.iter().map(ToString::to_string).collect();
        bail!("no such traces: {}", ids.join(", "));
    }
    Ok(())
}

/// On a terminal; nothing elsewhere.
fn progress_bar(traces: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:32}] {pos}/{len} traces  {msg}");
    ProgressBar::new(traces)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
}

/// Writes what matches, page by page.
async fn search(
    client: &Client,
    filter: &FilterArgs,
    output: &mut Output,
    totals: &mut Totals,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let params: Vec<(&str, &str)> =
        filter.params().into_iter().map(|(_, name, value)| (name, value)).collect();
    let mut left = filter.limit as usize;
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let limit = left.min(PAGE_TRACES_MAX).to_string();
        let response = client
            .send("/api/v1/traces", |http, url| {
                let request = http.get(url).query(&params).query(&[("limit", &limit)]);
                match &cursor {
                    Some(cursor) => request.query(&[("cursor", cursor)]),
                    None => request,
                }
            })
            .await?;
        if !response.status().is_success() {
            return Err(refusal(response, |param| filter.flag_of(param)).await);
        }
        let page = body(response, PAGE_BYTES_MAX).await?;
        let page: TracesResponse =
            serde_json::from_slice(&page).context("the answer is not Spanloom's: is this its API?")?;
        let ids: Vec<TraceId> = page.traces.iter().map(|trace| trace.trace_id).take(left).collect();
        left -= ids.len();
        write_traces(client, &ids, output, totals, bar).await?;
        cursor = page.next_cursor;
        if left == 0 || cursor.is_none() {
            bar.set_length(totals.traces);
            return Ok(());
        }
    }
    bail!("the search has no end: narrow it with --from and --to")
}

/// Writes traces in their order; a few are fetched at the same time.
async fn write_traces(
    client: &Client,
    ids: &[TraceId],
    output: &mut Output,
    totals: &mut Totals,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut traces = futures::stream::iter(ids)
        .map(|&id| async move {
            let trace = fetch(client, id).await.with_context(|| format!("trace {id}"))?;
            anyhow::Ok((id, trace))
        })
        .buffered(UNDER_WAY_MAX);
    while let Some((id, trace)) = traces.try_next().await? {
        bar.inc(1);
        let Some(trace) = trace else {
            totals.missing.push(id);
            continue;
        };
        if trace.spans_omitted > 0 {
            bar.suspend(|| say(&format!("trace {id} lacks {} spans", trace.spans_omitted)));
            totals.incomplete += 1;
        }
        tokio::task::block_in_place(|| output.line(&trace.otlp_json)).context("writing")?;
        totals.traces += 1;
        totals.bytes += trace.otlp_json.len() as u64 + 1;
        bar.set_message(HumanBytes(totals.bytes).to_string());
    }
    Ok(())
}

struct Fetched {
    otlp_json: Vec<u8>,
    spans_omitted: u64,
}

async fn fetch(client: &Client, id: TraceId) -> anyhow::Result<Option<Fetched>> {
    let response = client.send(&format!("/api/v1/traces/{id}/otlp"), reqwest::Client::get).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            // Only Spanloom's own answer says that the trace is missing.
            let problem: Option<Problem> = serde_json::from_slice(&error_body(response).await).ok();
            ensure!(problem.is_some(), "the server answered 404: is this the address of Spanloom's API?");
            return Ok(None);
        }
        _ => return Err(refusal(response, str::to_owned).await),
    }
    let spans_omitted = response.headers().get(SPANS_OMITTED_HEADER);
    let spans_omitted = spans_omitted.and_then(|count| count.to_str().ok()?.parse().ok()).unwrap_or(0);
    let otlp_json = body(response, TRACE_BYTES_MAX).await?;
    // A line is a document: what passes a proxy may not be what was sent.
    ensure!(!otlp_json.contains(&b'\n'), "the answer is not Spanloom's: it has several lines");
    Ok(Some(Fetched { otlp_json, spans_omitted }))
}

/// Why the API refused, with the names that `name_of` gives its parameters.
async fn refusal(response: Response, name_of: impl Fn(&str) -> String) -> anyhow::Error {
    let status = response.status();
    let problem: Option<Problem> = serde_json::from_slice(&error_body(response).await).ok();
    let Some(problem) = problem else {
        return anyhow::anyhow!("the server answered {status}: is this the address of Spanloom's API?");
    };
    let mut told: Vec<String> =
        problem.errors.iter().map(|error| format!("{} {}", name_of(&error.field), error.message)).collect();
    if told.is_empty() {
        told.push(problem.detail.unwrap_or(problem.title));
    }
    let told = told.join("; ");
    match status {
        StatusCode::UNAUTHORIZED => {
            anyhow::anyhow!(
                "the server wants an API key with the scope read (--key or SPANLOOM_API_KEY): {told}"
            )
        }
        _ => anyhow::anyhow!("{told}"),
    }
}
