//! `POST custom-metrics/preview`.

use actix_web::{HttpResponse, post, web};
use chrono::Utc;
use spanloom_measure::Meter;
use spanloom_model::api::{CustomMetricPreview, CustomMetricTrial};

use super::http::{check_in, definition_example};
use super::http_docs::{DefinitionErrors, Refusals, ServerErrors};
use super::preview;
use crate::identity::extract::{SmallBody, Viewer};
use crate::query::Query;
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "previewCustomMetric",
    summary = "Try a custom metric",
    description = "Counts the stored spans of an hour and saves nothing. Looked at are at most 50,000 spans \
        that meet the conditions on service, operation, kind and status, the newest ones, for a few seconds. \
        After sampling they stand for several. One at a time in each server. Needed role: viewer.",
    security(("session" = []), ("read_key" = [])),
    request_body(content = CustomMetricTrial, example = json!({"definition": definition_example()})),
    responses(
        (status = 200, description = "What it would look like.", body = CustomMetricPreview, example = json!({
            "spansRead": 4_312, "spansMatched": 812, "complete": true,
            "result": {
                "startTime": "2026-11-25T08:00:00Z", "endTime": "2026-11-25T08:03:00Z", "stepSeconds": 60,
                "series": [{
                    "labels": {"operation": "POST /checkout", "payment.method": "card"},
                    "total": 87.5, "points": [86.2, null, 91.0]
                }],
                "groups": 1, "overflowed": false
            }
        })),
        DefinitionErrors, Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[post("/custom-metrics/preview")]
pub(super) async fn preview_custom_metric(
    _viewer: Viewer,
    body: SmallBody,
    query: web::Data<Query>,
) -> ApiResult<HttpResponse> {
    let CustomMetricTrial { definition, end_time } = body.json()?;
    check_in("definition.", &definition)?;
    let meter = Meter::new(definition).map_err(ApiError::invalid_fields)?;
    let end = end_time.unwrap_or_else(Utc::now);
    // Beyond these, times in nanoseconds are none.
    let is_far = !(0..=i64::MAX / 2_000_000_000).contains(&end.timestamp());
    if is_far {
        return Err(ApiError::invalid("endTime", "must lie between 1970 and 2116"));
    }
    let Some(result) = preview::run(&query.store.pool, meter, end).await? else {
        return Err(ApiError::unavailable("other previews are going on", 5));
    };
    Ok(HttpResponse::Ok().json(result))
}
