//! `GET` and `PUT sampling`, `GET sampling/history`, `POST sampling/dry-run`.

use actix_web::{HttpResponse, get, post, put, web};
use serde_json::json;
use spanloom_model::api::{
    FieldError, SamplingChange, SamplingDryRun, SamplingSettings, SamplingTrial, SamplingVersion,
};
use spanloom_sampling::Policies;
use utoipa_actix_web::service_config::ServiceConfig;

use super::http_docs::{Overtaken, Refusals, ServerErrors, SettingsErrors};
use super::{dry_run, store};
use crate::identity::extract::{Editor, SmallBody, Viewer};
use crate::store::Store;
use crate::web::{ApiError, ApiResult};

/// A document of settings.
pub(super) const SETTINGS_BYTES_MAX: usize = 256 << 10;

/// Adds the operations, relative to `/api/v1`. They need `web::Data<Store>`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(get_sampling)
        .service(save_sampling)
        .service(list_sampling_history)
        .service(try_sampling);
}

/// Everything that is wrong with settings, with the paths in the body.
fn compile(settings: &SamplingSettings) -> ApiResult<Policies> {
    Policies::new(settings).map_err(|faults| {
        let in_body =
            |fault: FieldError| FieldError { field: format!("settings.{}", fault.field), ..fault };
        ApiError::invalid_fields(faults.into_iter().map(in_body).collect())
    })
}

fn example() -> serde_json::Value {
    json!({
        "decisionWaitMs": 10_000,
        "policies": [
            {"name": "errors", "enabled": true, "rule": {"type": "status_code", "statusCodes": ["error"]}},
            {"name": "slow", "enabled": true, "rule": {"type": "latency", "thresholdMs": 500}},
            {"name": "rest", "enabled": true, "rule": {"type": "probabilistic", "samplingPercentage": 10.0}}
        ],
        "head": {"defaultProbability": 1.0, "services": {
            "cron": {"tracesPerSecond": 2},
            "gateway": {"probability": 0.5, "operations": {"GET /healthz": 0.001}}
        }}
    })
}

fn version_example() -> serde_json::Value {
    json!({"version": 4, "settings": example(), "author": "jane", "createdAt": "2026-11-25T09:00:00Z"})
}

#[utoipa::path(
    tag = "sampling",
    operation_id = "getSampling",
    summary = "Read the sampling settings",
    description = "The newest version, which is in force on every server within seconds. Needed role: \
        viewer.",
    security(("session" = []), ("read_key" = [])),
    responses(
        (status = 200, description = "The settings in force.", body = SamplingVersion,
            example = version_example),
        Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/sampling")]
async fn get_sampling(_viewer: Viewer, store: web::Data<Store>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(store::newest(&store.pool).await?))
}

#[utoipa::path(
    tag = "sampling",
    operation_id = "saveSampling",
    summary = "Replace the sampling settings",
    description = "Saves the settings as the next version. Traces that wait for their decision are \
        decided by the new policies. Needed role: editor.",
    security(("session" = [])),
    request_body(content = SamplingChange, example = json!({"version": 3, "settings": example()})),
    responses(
        (status = 200, description = "The version that was saved.", body = SamplingVersion,
            example = version_example),
        SettingsErrors, Refusals, Overtaken, ServerErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[put("/sampling")]
async fn save_sampling(
    editor: Editor,
    body: SmallBody<SETTINGS_BYTES_MAX>,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let SamplingChange { version, settings } = body.json()?;
    compile(&settings)?;
    let author = editor.0.name();
    if let Some(saved) = store::save(&store.pool, version, &settings, author).await? {
        tracing::info!(version = saved.version, author, "sampling settings were saved");
        return Ok(HttpResponse::Ok().json(saved));
    }
    let newest = store::newest_version(&store.pool).await?;
    Err(ApiError::conflict(format!("somebody saved version {newest} meanwhile: load it and change that")))
}

#[utoipa::path(
    tag = "sampling",
    operation_id = "listSamplingHistory",
    summary = "List earlier sampling settings",
    description = "The latest versions, the newest first; at most 20. Needed role: viewer.",
    security(("session" = []), ("read_key" = [])),
    responses(
        (status = 200, description = "Versions.", body = Vec<SamplingVersion>,
            example = json!([version_example()])),
        Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/sampling/history")]
async fn list_sampling_history(_viewer: Viewer, store: web::Data<Store>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(store::history(&store.pool).await?))
}

#[utoipa::path(
    tag = "sampling",
    operation_id = "trySampling",
    summary = "Try sampling settings",
    description = "Runs the policies over the traces that are stored of the last hour and tells what they \
        would have kept, by service and by policy. Of more than 200,000 spans or 20,000 traces those that \
        began in some seconds of the hour are taken, whole seconds so that rates hold. What the present \
        settings dropped is not stored and cannot be told. Changes nothing. One at a time in each server. \
        Needed role: editor.",
    security(("session" = [])),
    request_body(content = SamplingTrial, example = json!({"settings": example()})),
    responses(
        (status = 200, description = "What would have been kept.", body = SamplingDryRun, example = json!({
            "startTime": "2026-11-25T08:00:00Z", "endTime": "2026-11-25T09:00:00Z",
            "stored": {"traces": 9_120, "spans": 84_310}, "everyNthSecond": 1, "complete": true,
            "examined": {"traces": 9_120, "spans": 84_310}, "kept": {"traces": 1_212, "spans": 12_004},
            "services": [{
                "name": "gateway",
                "examined": {"traces": 9_120, "spans": 40_022}, "kept": {"traces": 1_212, "spans": 5_310}
            }],
            "policies": [{
                "name": "errors",
                "kept": {"traces": 312, "spans": 3_411}, "dropped": {"traces": 0, "spans": 0}
            }],
            "bytesPerSpan": 412.5, "savedBytes": 29_826_225.0
        })),
        SettingsErrors, Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[post("/sampling/dry-run")]
async fn try_sampling(
    _editor: Editor,
    body: SmallBody<SETTINGS_BYTES_MAX>,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let SamplingTrial { settings } = body.json()?;
    compile(&settings)?;
    let Some(result) = dry_run::run(&store.pool, settings).await? else {
        return Err(ApiError::unavailable("other dry runs are going on", 5));
    };
    Ok(HttpResponse::Ok().json(result))
}
