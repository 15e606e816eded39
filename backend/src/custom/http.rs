//! `GET` and `POST custom-metrics`, `GET`, `PUT` and `DELETE custom-metrics/{id}`,
//! `DELETE custom-metrics/{id}/backfill`.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use serde_json::json;
use spanloom_measure::check;
use spanloom_model::api::{
    CustomMetric, CustomMetricChange, CustomMetricDefinition, CustomMetricsResponse, FieldError,
};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::http_docs::{Collision, DefinitionErrors, Missing, ParameterErrors, Refusals, ServerErrors};
use super::store::Saved;
use super::{METRICS_MAX, preview_http, series_http, store};
use crate::identity::extract::{Editor, SmallBody, Viewer};
use crate::store::Store;
use crate::web::{ApiError, ApiResult};

/// Adds the operations, relative to `/api/v1`. They need `web::Data` of `Store` and `Query`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(list_custom_metrics)
        .service(create_custom_metric)
        .service(preview_http::preview_custom_metric)
        .service(get_custom_metric)
        .service(change_custom_metric)
        .service(delete_custom_metric)
        .service(stop_custom_metric_backfill)
        .service(series_http::get_custom_metric_series);
}

/// The metric that the path names.
pub(super) fn path_id(request: &HttpRequest) -> ApiResult<Uuid> {
    let id = request.match_info().get("id").unwrap_or_default();
    Uuid::try_parse(id).map_err(|_| ApiError::invalid("id", "must be a UUID"))
}

/// There is none.
pub(super) fn missing() -> ApiError {
    ApiError::not_found("custom metric")
}

/// 400 with everything that is wrong, at its place in the body.
pub(super) fn check_in(path: &str, definition: &CustomMetricDefinition) -> ApiResult<()> {
    let faults = check(definition);
    if faults.is_empty() {
        return Ok(());
    }
    let in_body = |fault: FieldError| FieldError { field: format!("{path}{}", fault.field), ..fault };
    Err(ApiError::invalid_fields(faults.into_iter().map(in_body).collect()))
}

fn metric(saved: Saved) -> ApiResult<CustomMetric> {
    match saved {
        Saved::Metric(metric) => Ok(*metric),
        Saved::Missing => Err(missing()),
        Saved::NameTaken => Err(ApiError::conflict("there is a metric with this name")),
        Saved::TooMany => Err(ApiError::conflict(format!("there may be {METRICS_MAX} metrics"))),
        Saved::Overtaken(version) => Err(ApiError::conflict(format!(
            "somebody saved version {version} meanwhile: load it and change that"
        ))),
    }
}

/// A definition for examples.
pub(super) fn definition_example() -> serde_json::Value {
    json!({
        "name": "cart_total", "description": "What customers ordered", "unit": "EUR",
        "filter": {"service": "checkout", "kinds": ["server"],
                   "attributes": [{"key": "customer.tier", "value": "gold"}]},
        "value": {"type": "attribute", "key": "cart.total"},
        "aggregation": {"type": "quantile", "q": 0.95},
        "groupBy": [{"type": "operation"}, {"type": "attribute", "key": "payment.method"}],
        "groupsMax": 100
    })
}

fn metric_example() -> serde_json::Value {
    json!({
        "id": "0190163d-8694-739b-aea5-966c26f8ad91", "version": 1, "definition": definition_example(),
        "backfill": {"state": "running", "percent": 40.5, "doneFrom": "2026-11-22T14:00:00Z",
                     "spansRead": 812_334},
        "author": "jane", "updatedAt": "2026-11-25T09:00:00Z"
    })
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "listCustomMetrics",
    summary = "List custom metrics",
    description = "By name. Needed role: viewer.",
    security(("session" = []), ("read_key" = [])),
    responses(
        (status = 200, description = "The metrics.", body = CustomMetricsResponse,
            example = json!({"metrics": [metric_example()], "metricsMax": 100})),
        Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/custom-metrics")]
async fn list_custom_metrics(_viewer: Viewer, store: web::Data<Store>) -> ApiResult<HttpResponse> {
    let metrics = store::list(&store.pool).await?;
    Ok(HttpResponse::Ok().json(CustomMetricsResponse { metrics, metrics_max: METRICS_MAX }))
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "createCustomMetric",
    summary = "Define a custom metric",
    description = "Within seconds it counts every span that is received, before sampling, and spans that \
        are stored are counted from the newest back to the oldest (`backfill`). After sampling those stand \
        for several: what is back-filled is an estimate then. Needed role: editor.",
    security(("session" = [])),
    request_body(content = CustomMetricDefinition, example = definition_example),
    responses(
        (status = 201, description = "The metric.", body = CustomMetric, example = metric_example),
        DefinitionErrors, Refusals, Collision, ServerErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[post("/custom-metrics")]
async fn create_custom_metric(
    editor: Editor,
    body: SmallBody,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let definition: CustomMetricDefinition = body.json()?;
    check_in("", &definition)?;
    let author = editor.0.name();
    let metric = metric(store::create(&store.pool, &definition, author).await?)?;
    tracing::info!(metric = definition.name, author, "a custom metric was defined");
    Ok(HttpResponse::Created().json(metric))
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "getCustomMetric",
    summary = "Read a custom metric",
    description = "Its definition and how far its back-fill is. Needed role: viewer.",
    security(("session" = []), ("read_key" = [])),
    params(("id" = Uuid, Path, description = "The metric.")),
    responses(
        (status = 200, description = "The metric.", body = CustomMetric, example = metric_example),
        ParameterErrors, Refusals, Missing, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/custom-metrics/{id}")]
async fn get_custom_metric(
    _viewer: Viewer,
    request: HttpRequest,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let id = path_id(&request)?;
    let mut connection = store.pool.acquire().await?;
    let metric = store::get(&mut connection, id).await?.ok_or_else(missing)?;
    Ok(HttpResponse::Ok().json(metric))
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "changeCustomMetric",
    summary = "Change a custom metric",
    description = "A definition that counts differently is counted and back-filled beside the present one, \
        which stays readable until then (`next`). A new name, description or unit holds at once. Needed \
        role: editor.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The metric.")),
    request_body(content = CustomMetricChange,
        example = json!({"version": 1, "definition": definition_example()})),
    responses(
        (status = 200, description = "The metric.", body = CustomMetric, example = metric_example),
        DefinitionErrors, Refusals, Missing, Collision, ServerErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[put("/custom-metrics/{id}")]
async fn change_custom_metric(
    editor: Editor,
    request: HttpRequest,
    body: SmallBody,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let id = path_id(&request)?;
    let CustomMetricChange { version, definition } = body.json()?;
    check_in("definition.", &definition)?;
    let author = editor.0.name();
    let metric = metric(store::change(&store.pool, id, version, &definition, author).await?)?;
    tracing::info!(metric = definition.name, author, "a custom metric was changed");
    Ok(HttpResponse::Ok().json(metric))
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "deleteCustomMetric",
    summary = "Delete a custom metric",
    description = "At once; what it counted is removed in the background. Needed role: editor.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The metric.")),
    responses(
        (status = 204, description = "Deleted."),
        ParameterErrors, Refusals, Missing, ServerErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[delete("/custom-metrics/{id}")]
async fn delete_custom_metric(
    editor: Editor,
    request: HttpRequest,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let id = path_id(&request)?;
    if !store::delete(&store.pool, id).await? {
        return Err(missing());
    }
    tracing::info!(metric = %id, author = editor.0.name(), "a custom metric was deleted");
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(
    tag = "custom metrics",
    operation_id = "stopCustomMetricBackfill",
    summary = "Stop the back-fill of a custom metric",
    description = "What is counted by then stays; a changed definition takes over with it. One that has not \
        begun is not stopped. Needed role: editor.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The metric.")),
    responses(
        (status = 200, description = "The metric.", body = CustomMetric, example = metric_example),
        ParameterErrors, Refusals, Missing, ServerErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[delete("/custom-metrics/{id}/backfill")]
async fn stop_custom_metric_backfill(
    _editor: Editor,
    request: HttpRequest,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let id = path_id(&request)?;
    let metric = store::stop_backfill(&store.pool, id).await?.ok_or_else(missing)?;
    Ok(HttpResponse::Ok().json(metric))
}
