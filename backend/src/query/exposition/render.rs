//! Totals into families. Pure.

use spanloom_model::api::DependencyKind;
use spanloom_model::histogram::PROMETHEUS_BOUNDS_NS;
use spanloom_model::{SpanKind, SpanStatus};

use super::custom::custom_metrics;
use super::text::{Exemplar, Exposition, Format, Labels, Type};
use crate::custom::exposed_store::ExposedMetrics;

const SPAN_CALLS: &str = "traces_spanmetrics_calls";
const SPAN_LATENCY: &str = "traces_spanmetrics_latency";
const GRAPH_REQUESTS: &str = "traces_service_graph_request";
const GRAPH_FAILED: &str = "traces_service_graph_request_failed";
const GRAPH_SERVER: &str = "traces_service_graph_request_server_seconds";
const GRAPH_CLIENT: &str = "traces_service_graph_request_client_seconds";
const SERIES: &str = "spanloom_exposition_series";
const LEFT_OUT: &str = "spanloom_exposition_series_left_out";

/// Buckets by bound, the last without.
pub const BUCKETS: usize = PROMETHEUS_BOUNDS_NS.len() + 1;

/// Durations since ever.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Counts by bucket, not cumulative, and an example.
    pub buckets: [(f64, Option<Exemplar>); BUCKETS],
    /// Of all together.
    pub duration_s: f64,
}

impl Totals {
    fn count(&self) -> f64 {
        self.buckets.iter().map(|(count, _)| count).sum()
    }

    /// The newest of the examples.
    fn exemplar(&self) -> Option<&Exemplar> {
        let all = self.buckets.iter().filter_map(|(_, exemplar)| exemplar.as_ref());
        all.max_by(|a, b| a.time_s.total_cmp(&b.time_s))
    }
}

/// Spans of one operation, kind and status.
#[derive(Debug)]
pub struct SpanSeries {
    pub service: String,
    pub operation: String,
    pub kind: SpanKind,
    pub status: SpanStatus,
    pub totals: Totals,
}

/// Calls of one service to another, or to something that is none.
#[derive(Debug)]
pub struct EdgeSeries {
    pub caller: String,
    /// None where the callee is no service.
    pub callee: Option<String>,
    /// The callee's name where it is no service.
    pub node: String,
    pub kind: DependencyKind,
    pub errors: f64,
    pub totals: Totals,
}

/// Series that are told, and how many there are.
#[derive(Debug)]
pub struct Told<T> {
    pub series: Vec<T>,
    pub known: usize,
}

impl<T> Told<T> {
    fn left_out(&self) -> usize {
        self.known - self.series.len()
    }
}

/// Everything that is scraped, of one moment.
#[derive(Debug)]
pub struct Scrape {
    pub spans: Told<SpanSeries>,
    pub edges: Told<EdgeSeries>,
    pub custom: ExposedMetrics,
}

/// The scrape as text.
pub fn render(format: Format, Scrape { spans, edges, custom }: &Scrape) -> String {
    let mut to = Exposition::new(format);
    span_metrics(&mut to, &spans.series);
    service_graph(&mut to, &edges.series);
    let told = custom_metrics(&mut to, &custom.metrics);
    let kinds = ["traces_spanmetrics", "traces_service_graph", "spanloom_custom"]
        .map(|name| Labels::new(&[("metrics", name)]));
    to.family(SERIES, Type::Gauge, "Sets of labels that are told.");
    for (kind, told) in kinds.iter().zip([spans.series.len(), edges.series.len(), told]) {
        to.sample(SERIES, kind, told as f64, None);
    }
    to.family(
        LEFT_OUT,
        Type::Gauge,
        "Sets of labels beyond the limit, the newest ones, that are not told.",
    );
    for (kind, left_out) in kinds.iter().zip([spans.left_out(), edges.left_out(), custom.left_out]) {
        to.sample(LEFT_OUT, kind, left_out as f64, None);
    }
    to.finish()
}

fn span_metrics(to: &mut Exposition, series: &[SpanSeries]) {
    let labelled: Vec<(Labels, &Totals)> = series
        .iter()
        .map(|it| {
            let labels = Labels::new(&[
                ("service", &it.service),
                ("span_name", &it.operation),
                ("span_kind", kind_name(it.kind)),
                ("status_code", status_name(it.status)),
            ]);
            (labels, &it.totals)
        })
        .collect();
    to.family(SPAN_CALLS, Type::Counter, "Spans received, before sampling.");
    for (labels, totals) in &labelled {
        to.sample("traces_spanmetrics_calls_total", labels, totals.count(), totals.exemplar());
    }
    histogram(to, SPAN_LATENCY, "Durations of spans in seconds.", &labelled);
}

fn service_graph(to: &mut Exposition, series: &[EdgeSeries]) {
    let labelled: Vec<(Labels, &EdgeSeries)> = series
        .iter()
        .map(|it| {
            let callee = it.callee.as_ref().unwrap_or(&it.node);
            let pairs = [
                ("client", &*it.caller),
                ("server", callee),
                ("connection_type", connection_type(it.kind)),
            ];
            (Labels::new(&pairs), it)
        })
        .collect();
    to.family(GRAPH_REQUESTS, Type::Counter, "Requests of a client to a server.");
    for (labels, it) in &labelled {
        to.sample("traces_service_graph_request_total", labels, it.totals.count(), it.totals.exemplar());
    }
    to.family(GRAPH_FAILED, Type::Counter, "Requests of a client to a server that failed.");
    for (labels, it) in &labelled {
        to.sample("traces_service_graph_request_failed_total", labels, it.errors, None);
    }
    // A service's duration is its own span's; of everything else only the client's span is known.
    let of = |is_meant: fn(&EdgeSeries) -> bool| -> Vec<(Labels, &Totals)> {
        let meant = labelled.iter().filter(|(_, it)| is_meant(it));
        meant.map(|(labels, it)| (labels.clone(), &it.totals)).collect()
    };
    let server = of(|it| it.callee.is_some() || it.kind == DependencyKind::Database);
    histogram(to, GRAPH_SERVER, "Durations of requests as the server sees them, in seconds.", &server);
    let client = of(|it| it.callee.is_none());
    histogram(to, GRAPH_CLIENT, "Durations of requests as the client sees them, in seconds.", &client);
}

fn histogram(to: &mut Exposition, name: &str, help: &str, series: &[(Labels, &Totals)]) {
    to.family(name, Type::Histogram, help);
    let bounds: Vec<String> = PROMETHEUS_BOUNDS_NS
        .iter()
        .map(|bound_ns| (*bound_ns as f64 / 1e9).to_string())
        .chain(["+Inf".to_owned()])
        .collect();
    let [bucket_name, sum_name, count_name] =
        ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"));
    for (labels, totals) in series {
        let mut below = 0.0;
        for (bound, (count, exemplar)) in bounds.iter().zip(&totals.buckets) {
            below += count;
            to.sample(&bucket_name, &labels.with("le", bound), below, exemplar.as_ref());
        }
        to.sample(&sum_name, labels, totals.duration_s, None);
        to.sample(&count_name, labels, below, None);
    }
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "SPAN_KIND_UNSPECIFIED",
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    }
}

fn status_name(status: SpanStatus) -> &'static str {
    match status {
        SpanStatus::Unset => "STATUS_CODE_UNSET",
        SpanStatus::Ok => "STATUS_CODE_OK",
        SpanStatus::Error => "STATUS_CODE_ERROR",
    }
}

fn connection_type(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Http | DependencyKind::Rpc => "",
        DependencyKind::Messaging => "messaging_system",
        DependencyKind::Database => "database",
        DependencyKind::External => "virtual_node",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(counts: &[(usize, f64)]) -> Totals {
        let mut totals = Totals { duration_s: 1.5, ..Totals::default() };
        for &(bucket, count) in counts {
            totals.buckets[bucket].0 = count;
        }
        totals
    }

    fn edge(callee: Option<&str>, kind: DependencyKind) -> EdgeSeries {
        EdgeSeries {
            caller: "a".to_owned(),
            callee: callee.map(str::to_owned),
            node: if callee.is_none() { "n".to_owned() } else { String::new() },
            kind,
            errors: 1.0,
            totals: totals(&[(0, 2.0)]),
        }
    }

    fn rendered(spans: Vec<SpanSeries>, edges: Vec<EdgeSeries>) -> String {
        let spans = Told { known: spans.len(), series: spans };
        let edges = Told { known: edges.len() + 3, series: edges };
        render(Format::Plain, &Scrape { spans, edges, custom: ExposedMetrics::default() })
    }

    // Catches buckets that are not cumulative, and a count that is not that of the last one.
    #[test]
    fn buckets_are_cumulative() {
        let series = SpanSeries {
            service: "shop".to_owned(),
            operation: "GET /".to_owned(),
            kind: SpanKind::Server,
            status: SpanStatus::Error,
            totals: totals(&[(0, 1.0), (2, 2.5), (14, 1.0)]),
        };
        let text = rendered(vec![series], Vec::new());
        let labels = "service=\"shop\",span_name=\"GET /\",span_kind=\"SPAN_KIND_SERVER\",\
            status_code=\"STATUS_CODE_ERROR\"";
        for line in [
            format!("traces_spanmetrics_calls_total{{{labels}}} 4.5\n"),
            format!("traces_spanmetrics_latency_bucket{{{labels},le=\"0.002\"}} 1\n"),
            format!("traces_spanmetrics_latency_bucket{{{labels},le=\"0.004\"}} 1\n"),
            format!("traces_spanmetrics_latency_bucket{{{labels},le=\"16.384\"}} 3.5\n"),
            format!("traces_spanmetrics_latency_bucket{{{labels},le=\"+Inf\"}} 4.5\n"),
            format!("traces_spanmetrics_latency_sum{{{labels}}} 1.5\n"),
            format!("traces_spanmetrics_latency_count{{{labels}}} 4.5\n"),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
    }

    // Catches a client's duration that is told as the server's, and the limit's silence.
    #[test]
    fn durations_are_told_of_the_end_that_is_known() {
        let text = rendered(
            Vec::new(),
            vec![
                edge(Some("b"), DependencyKind::Rpc),
                edge(None, DependencyKind::Database),
                edge(None, DependencyKind::External),
            ],
        );
        let counted = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(&format!("{name}_count{{")));
            lines.map(|line| line.split_once('{').unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        let service = "client=\"a\",server=\"b\",connection_type=\"\"} 2";
        let database = "client=\"a\",server=\"n\",connection_type=\"database\"} 2";
        let external = "client=\"a\",server=\"n\",connection_type=\"virtual_node\"} 2";
        assert_eq!(counted(GRAPH_SERVER), [service, database]);
        assert_eq!(counted(GRAPH_CLIENT), [database, external]);
        assert!(text.contains("_left_out{metrics=\"traces_service_graph\"} 3\n"), "{text}");
    }
}
