//! From the API's series to what the charts and the summary show. Pure.

use spanloom_model::api::{Metric, MetricsResponse};

use crate::charts::heatmap::Area;
use crate::charts::line_chart::ChartData;
use crate::charts::lines::{Line, Steps, Stroke};
use crate::pages::search::filter::{Filter, exact_duration};
use crate::state::query::Query;
use crate::state::time_range::TimeRange;

/// The metrics that the page asks for.
pub const METRICS: [&str; 6] = ["rate", "error_rate", "p50", "p95", "p99", "histogram"];

/// A chart: its lines by metric.
pub type ChartOf = &'static [(Metric, &'static str, Stroke)];

/// How often it is called.
pub const RATE: ChartOf = &[(Metric::Rate, "rate", Stroke::Palette(1))];
/// How much of that fails.
pub const ERRORS: ChartOf = &[(Metric::ErrorRate, "errors", Stroke::Error)];
/// How long it takes.
pub const DURATIONS: ChartOf = &[
    (Metric::P50, "p50", Stroke::Palette(0)),
    (Metric::P95, "p95", Stroke::Palette(1)),
    (Metric::P99, "p99", Stroke::Palette(2)),
];

/// The lines of a chart.
pub fn chart(answer: &MetricsResponse, of: ChartOf) -> ChartData {
    let step_ms = answer.step_seconds * 1_000;
    let start_ms = answer.start_time.timestamp_millis();
    let count = (answer.end_time.timestamp_millis() - start_ms) / step_ms.max(1);
    let lines = of.iter().map(|&(metric, name, stroke)| {
        let series = answer.series.iter().find(|series| series.metric == metric);
        let values = series.map(|series| series.points.clone()).unwrap_or_default();
        Line { name: name.to_owned(), stroke, values }
    });
    ChartData { steps: Steps { start_ms, step_ms, count: count.max(0) as usize }, lines: lines.collect() }
}

/// The value of a metric over the whole range.
pub fn total(answer: &MetricsResponse, metric: Metric) -> Option<f64> {
    answer.series.iter().find(|series| series.metric == metric).and_then(|series| series.total)
}

/// The search for the traces whose spans an area of the heatmap holds.
pub fn area_search(service: &str, kinds: &[&str], area: Area) -> Query {
    let filter = Filter {
        service: service.to_owned(),
        kinds: kinds.iter().copied().map(str::to_owned).collect(),
        span_min: if area.low_ns > 0 { exact_duration(area.low_ns) } else { String::new() },
        span_max: exact_duration(area.high_ns),
        of_span: true,
        ..Filter::default()
    };
    let range = TimeRange::between_ms(area.from_ms, area.to_ms);
    let mut query = Query::default().with("from", range.from.to_string()).with("to", range.to.to_string());
    filter.write(&mut query);
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::{MetricLabels, MetricSeries};

    // Catches charts of another metric, and steps at another time.
    #[test]
    fn a_chart_has_the_lines_of_its_metrics_at_their_times() {
        let series = |metric, total: f64| MetricSeries {
            metric,
            labels: MetricLabels::default(),
            total: Some(total),
            points: vec![Some(total), None],
        };
        let time = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let answer = MetricsResponse {
            start_time: time(600),
            end_time: time(720),
            step_seconds: 60,
            series: vec![series(Metric::P99, 9.0), series(Metric::P50, 5.0), series(Metric::P95, 8.0)],
            histogram: None,
            comparison: None,
        };
        let chart = chart(&answer, DURATIONS);
        assert_eq!(chart.steps, Steps { start_ms: 600_000, step_ms: 60_000, count: 2 });
        let lines: Vec<(&str, &[Option<f64>])> =
            chart.lines.iter().map(|line| (line.name.as_str(), line.values.as_slice())).collect();
        assert_eq!(
            lines,
            [("p50", &[Some(5.0), None][..]), ("p95", &[Some(8.0), None]), ("p99", &[Some(9.0), None])]
        );
        assert_eq!((total(&answer, Metric::P95), total(&answer, Metric::Rate)), (Some(8.0), None));
    }

    // Catches a brush that opens the traces of another time or of rounded durations.
    #[test]
    fn an_area_is_searched_for_exactly() {
        let area =
            Area { from_ms: 600_000, to_ms: 720_000, low_ns: 12_345_678, high_ns: 80_000_000, count: 3.0 };
        assert_eq!(
            area_search("shop", &["server", "consumer"], area).encode(),
            "from=600000&to=720000&service=shop&spanMin=12.345678ms&spanMax=80ms&kind=server&kind=consumer&timeOf=span"
        );
        let all = area_search("shop", &[], Area { low_ns: 0, ..area });
        assert_eq!(all.get("spanMin"), None);
    }
}
