//! `GET metrics/exemplars`.

use actix_web::{HttpRequest, get, web};
use spanloom_model::api::ExemplarsResponse;

use super::cells::GroupCells;
use super::exemplar_store::find;
use super::exemplars::{Question, told, wanted};
use super::params;
use super::store::{Found, count};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::now_ns;
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    get,
    path = "/metrics/exemplars",
    tag = "metrics",
    operation_id = "getExemplars",
    summary = "Spans that explain the metrics of a service",
    description = "For each step of the clock a few stored spans of those that `/metrics` counts with the same \
        filters, each of which opens as a span of its trace: up to two at or above the 95th percentile, the \
        longest of a handful; one near the median; one that failed, if any did, from where most failed within \
        the step. Percentiles are those of all spans received, as the histogram knows them, to the bucket. \
        What sampling dropped is never told, so that a step may have fewer or none. At most 50 steps: longer \
        ranges have steps that are a multiple of the one asked for.",
    params(
        ("service" = String, Query, description = "The service whose spans they are.", max_length = 255,
            example = "checkout"),
        ("operation" = Option<String>, Query, description = "Only spans of this name.",
            max_length = 1000, example = "POST /checkout"),
        ("kind" = Option<Vec<String>>, Query, description = "Only spans of this kind; may be repeated: \
            unspecified, internal, server, client, producer, consumer.", example = json!(["server"])),
        ("status" = Option<String>, Query, description = "Only spans of this status: unset, ok, error.",
            example = "error"),
        ("version" = Option<String>, Query, description = "Only spans of this `service.version`.",
            max_length = 255, example = "2.1.0"),
        ("step" = Option<i64>, Query, description = "Seconds, a multiple of 60. Default: that of `/metrics`. \
            The answer tells which one was taken.", example = 60),
        ("startTime" = Option<String>, Query, description = "Start of the range, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the range, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T11:02:00Z"),
    ),
    responses(
        (status = 200, description = "The spans.", body = ExemplarsResponse, example = json!({
            "startTime": "2026-11-23T11:00:00Z", "endTime": "2026-11-23T11:02:00Z", "stepSeconds": 60,
            "exemplars": [{
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7",
                "startTime": "2026-11-23T11:00:17.204118052Z", "durationNs": 1_240_113_900, "status": "error",
                "operation": "POST /checkout", "kind": "server", "version": "2.1.0", "reason": "slow"
            }, {
                "traceId": "a3ce929d0e0e47364bf92f3577b34da6", "spanId": "0ba902b700f067aa",
                "startTime": "2026-11-23T11:01:48.004212Z", "durationNs": 41_880_000, "status": "unset",
                "operation": "GET /cart", "kind": "server", "version": "2.1.0", "reason": "typical"
            }]
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/metrics/exemplars")]
pub(in crate::query) async fn get_exemplars(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<ExemplarsResponse>> {
    let mut params = query_params(&request)?;
    let question = Question::parse(&mut params, now_ns());
    params.finish().map_err(ApiError::invalid_fields)?;
    let (pool, time, steps) = (&query.store.pool, query.statement_time(), question.steps);
    let durations = params::Question::of_durations(question.filter.clone(), steps);
    let mut all_wanted = Vec::new();
    // Without groups there is at most one.
    if let Found::Groups(groups) = count(pool, &durations, steps, time).await? {
        for (index, histogram) in groups.values().flat_map(GroupCells::histograms) {
            all_wanted.extend(wanted(steps, index, histogram));
        }
    }
    let found =
        if all_wanted.is_empty() { Vec::new() } else { find(pool, &question, &all_wanted, time).await? };
    let window = steps.window();
    Ok(web::Json(ExemplarsResponse {
        start_time: window.start,
        end_time: window.end,
        step_seconds: steps.step_s,
        exemplars: told(found),
    }))
}
