//! `GET custom-metrics/{id}/series`.

use actix_web::{HttpRequest, get, web};
use spanloom_model::api::CustomMetricSeriesResponse;
use uuid::Uuid;

use super::http::{missing, path_id};
use super::http_docs::{Missing, ParameterErrors, Refusals, ServerErrors};
use super::series::answer;
use super::series_store::{self, Question};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::query_params;
use crate::query::metrics::params::{POINTS_MAX, STEP_S_MAX, Steps, step_for};
use crate::query::params::{Params, check_text, now_ns};
use crate::web::{ApiError, ApiResult};

const TOP_DEFAULT: usize = 10;
const TOP_MAX: usize = 50;

/// Points of all series together at most: each may come from a thousand buckets.
const CELLS_MAX: i64 = 5_000;

const FILTERS_MAX: usize = 3;
const LABEL_CHARS_MAX: usize = 1_000;

fn parse(params: &mut Params, id: Uuid) -> Question {
    let range = params.range(now_ns());
    let step_s = params.parsed("step", |text| {
        let step = text.parse().ok().filter(|step| *step >= 60 && step % 60 == 0 && *step <= STEP_S_MAX);
        step.ok_or_else(|| format!("must be a multiple of 60, at most {STEP_S_MAX}"))
    });
    let steps = Steps::covering(range, step_s.unwrap_or_else(|| step_for(range)));
    let top = params.parsed("top", |text| {
        let top = text.parse().ok().filter(|top| (1..=TOP_MAX).contains(top));
        top.ok_or_else(|| format!("must be 1 to {TOP_MAX}"))
    });
    let merged = params.parsed("merge", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    });
    let merged = merged.unwrap_or_default();
    let top = if merged { 1 } else { top.unwrap_or(TOP_DEFAULT) };
    if steps.count > POINTS_MAX {
        params.reject("step", format!("gives {} points; at most {POINTS_MAX} are told", steps.count));
    } else if steps.count * top as i64 > CELLS_MAX {
        let message = format!("{top} series of {} points are more than {CELLS_MAX} in all", steps.count);
        params.reject("top", message);
    }
    let mut labels = Vec::new();
    let texts = params.many("group");
    if texts.len() > FILTERS_MAX {
        params.reject("group", format!("must be given at most {FILTERS_MAX} times"));
    }
    for text in texts.iter().take(FILTERS_MAX) {
        match (text.split_once('='), check_text(text, LABEL_CHARS_MAX)) {
            (_, Err(message)) => params.reject("group", message),
            (None, _) => params.reject("group", "must be label=value"),
            (Some((label, value)), Ok(())) => labels.push((label.to_owned(), value.to_owned())),
        }
    }
    Question { id, steps, labels, top, merged }
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "getCustomMetricSeries",
    summary = "Read a custom metric over time",
    description = "The groups with most in the range. Time is divided into steps of the clock; the range is \
        rounded outwards to them. Steps that the back-fill has not reached are null. All series together \
        have at most 5,000 points. Needed role: viewer.",
    security(("session" = []), ("read_key" = [])),
    params(
        ("id" = Uuid, Path, description = "The metric."),
        ("startTime" = Option<String>, Query, description = "Start of the range, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the range, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T11:03:00Z"),
        ("step" = Option<i64>, Query, description = "Seconds, a multiple of 60; at most 1,000 steps. \
            Default: a round one that gives about 100.", example = 60),
        ("group" = Option<Vec<String>>, Query, description = "Only groups with this label, as `label=value`; \
            may be repeated.", example = json!(["operation=POST /checkout"])),
        ("merge" = Option<bool>, Query, description = "All groups together as one series without labels.",
            example = false),
        ("top" = Option<usize>, Query, description = "Groups at most, 1 to 50. Default: 10.", example = 10),
    ),
    responses(
        (status = 200, description = "The series.", body = CustomMetricSeriesResponse, example = json!({
            "startTime": "2026-11-23T11:00:00Z", "endTime": "2026-11-23T11:03:00Z", "stepSeconds": 60,
            "series": [{
                "labels": {"operation": "POST /checkout", "payment.method": "card"},
                "total": 87.5, "points": [86.2, null, 91.0]
            }],
            "groups": 1, "overflowed": false
        })),
        ParameterErrors, Refusals, Missing, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/custom-metrics/{id}/series")]
pub(super) async fn get_custom_metric_series(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<CustomMetricSeriesResponse>> {
    let id = path_id(&request)?;
    let mut params = query_params(&request)?;
    let question = parse(&mut params, id);
    params.finish().map_err(ApiError::invalid_fields)?;
    let found = series_store::read(&query.store.pool, &question, query.statement_time()).await?;
    let found = found.ok_or_else(missing)?;
    Ok(web::Json(answer(
        &found.definition,
        question.steps,
        found.known,
        &found.groups,
        found.groups_found,
        found.overflowed,
    )))
}
