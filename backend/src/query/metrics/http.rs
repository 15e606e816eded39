//! `GET metrics`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, get, web};
use spanloom_model::api::{Distribution, MetricComparison, MetricLabels, MetricSeries, MetricsResponse};

use super::call_store::count_calls;
use super::cells::GroupCells;
use super::distribution::distribution;
use super::params::{Question, Steps};
use super::store::{self, Found};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::{SECOND_NS, now_ns};
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    get,
    path = "/metrics",
    tag = "metrics",
    operation_id = "getMetrics",
    summary = "Rate, errors and durations over time",
    description = "From histograms over all spans received, not from the spans stored: exact whatever \
        sampling dropped, quantiles within 2.5%. Time is divided into steps of the clock; the range is \
        rounded outwards to them, and a step that is not over yet counts as long as it has lasted. Steps of \
        whole hours and days are read from coarser aggregates, which are kept longer than minutes. \
        Every span of the filter counts, whatever its kind; `/services` counts entry points only: ask with \
        `kind=server&kind=consumer` for these. More than 200 series, or 20,000 points of a metric in all \
        series together, are refused. `histogram` tells instead of one number how many spans lie in each of at \
        most 40 buckets, and for no more than 2,000 points in all series together. With TimescaleDB spans that arrive late appear as the aggregates are \
        refreshed, within minutes.",
    params(
        ("metric" = Vec<String>, Query, description = "What to compute; may be repeated: rate, count, \
            error_rate, p50, p75, p90, p95, p99, p999, avg, apdex, histogram.", example = json!(["p95"])),
        ("service" = Option<String>, Query, description = "Only spans of this service.", max_length = 255,
            example = "checkout"),
        ("operation" = Option<String>, Query, description = "Only spans of this name.",
            max_length = 1000, example = "POST /checkout"),
        ("kind" = Option<Vec<String>>, Query, description = "Only spans of this kind; may be repeated: \
            unspecified, internal, server, client, producer, consumer.", example = json!(["server"])),
        ("status" = Option<String>, Query, description = "Only spans of this status: unset, ok, error.",
            example = "unset"),
        ("version" = Option<String>, Query, description = "Only spans of this `service.version`.",
            max_length = 255, example = "2.1.0"),
        ("caller" = Option<String>, Query, description = "Only calls of this service; with `callee`.",
            max_length = 265, example = "frontend"),
        ("callee" = Option<String>, Query, description = "Instead of spans the calls of this service, or of \
            the node with this id, as `/dependencies` counts them: `database:postgresql/shop`. Goes with \
            no other filter but `caller`, and with no `groupBy`; kept by the minute only.",
            max_length = 265, example = "checkout"),
        ("groupBy" = Option<String>, Query, description = "A series for each; names with commas between: \
            service, operation, kind, status, version.", example = "operation"),
        ("step" = Option<i64>, Query, description = "Seconds, a multiple of 60; at most 1,000 steps. \
            Default: a round one that gives about 100.", example = 60),
        ("startTime" = Option<String>, Query, description = "Start of the range, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the range, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T11:03:00Z"),
        ("compareTo" = Option<i64>, Query, description = "Seconds, a multiple of the step: the same range \
            so much earlier is told beside.", example = 86400),
        ("apdexThresholdMs" = Option<f64>, Query, description = "Threshold of the Apdex in milliseconds. \
            Default: 500.", example = 500),
    ),
    responses(
        (status = 200, description = "The series.", body = MetricsResponse, example = json!({
            "startTime": "2026-11-23T11:00:00Z", "endTime": "2026-11-23T11:03:00Z", "stepSeconds": 60,
            "series": [{
                "metric": "p95", "labels": {"operation": "POST /checkout"}, "total": 187_300_000.0,
                "points": [181_200_000.0, null, 190_400_000.0]
            }],
            "comparison": {
                "startTime": "2026-11-22T11:00:00Z", "endTime": "2026-11-22T11:03:00Z",
                "series": [{
                    "metric": "p95", "labels": {"operation": "POST /checkout"}, "total": 92_100_000.0,
                    "points": [90_000_000.0, 93_400_000.0, 91_700_000.0]
                }]
            }
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/metrics")]
pub(in crate::query) async fn get_metrics(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<MetricsResponse>> {
    let mut params = query_params(&request)?;
    let now_ns = now_ns();
    let question = Question::parse(&mut params, now_ns);
    params.finish().map_err(ApiError::invalid_fields)?;
    let now_s = now_ns.div_euclid(SECOND_NS);
    let (series, histogram) = answer(&query, &question, question.steps, now_s).await?;
    let comparison = match question.compare_s {
        None => None,
        Some(seconds) => {
            let steps = question.steps.earlier(seconds);
            let window = steps.window();
            let (series, histogram) = answer(&query, &question, steps, now_s).await?;
            Some(MetricComparison { start_time: window.start, end_time: window.end, series, histogram })
        }
    };
    let window = question.steps.window();
    Ok(web::Json(MetricsResponse {
        start_time: window.start,
        end_time: window.end,
        step_seconds: question.steps.step_s,
        series,
        histogram,
        comparison,
    }))
}

async fn answer(
    query: &Query,
    question: &Question,
    steps: Steps,
    now_s: i64,
) -> ApiResult<(Vec<MetricSeries>, Option<Distribution>)> {
    let (pool, time) = (&query.store.pool, query.statement_time());
    let found = match &question.filter.call {
        Some(call) => count_calls(pool, call, steps, question.apdex_ns, time).await?,
        None => store::count(pool, question, steps, time).await?,
    };
    let Found::Groups(mut groups) = found else { return Err(too_many(question)) };
    if question.groups.is_empty() && groups.is_empty() {
        groups = BTreeMap::from([(MetricLabels::default(), GroupCells::default())]);
    }
    let histogram = question.histogram.then(|| distribution(&groups, steps));
    let series = groups.iter().flat_map(|(labels, cells)| cells.series(labels, question, steps, now_s));
    Ok((series.collect(), histogram))
}

fn too_many(question: &Question) -> ApiError {
    ApiError::invalid(
        "groupBy",
        format!(
            "gives more than {} series, the most for {} steps{}: filter, or take longer steps",
            question.groups_max(),
            question.steps.count,
            if question.histogram { " with histograms" } else { "" },
        ),
    )
}
