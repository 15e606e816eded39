//! `GET services` and `GET services/{name}/operations`.

use actix_web::{HttpRequest, get, web};
use chrono::DateTime;
use spanloom_model::api::{OperationsResponse, ServicesResponse};

use super::store;
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::{Params, Window, check_text, now_ns};
use crate::query::traces::params::SERVICE_CHARS_MAX;
use crate::web::{ApiError, ApiResult};

const MINUTE_NS: i64 = 60_000_000_000;

/// Numbers are kept by minute: the window is the range in whole minutes.
pub(in crate::query) fn window(params: &mut Params) -> Window {
    let range = params.range(now_ns());
    let start = range.start_ns.div_euclid(MINUTE_NS);
    let end = range.end_ns.div_euclid(MINUTE_NS) + i64::from(range.end_ns.rem_euclid(MINUTE_NS) > 0);
    // The last minute of the time that nanoseconds can tell has no end.
    let time = |minutes: i64| DateTime::from_timestamp_nanos(minutes.saturating_mul(MINUTE_NS));
    Window { start: time(start), end: time(end) }
}

#[utoipa::path(
    get,
    path = "/services",
    tag = "services",
    operation_id = "listServices",
    summary = "List the services that were active",
    description = "With rate, share of errors and duration over the window, which is rounded to whole \
        minutes. Only entry points count, spans of kind server and consumer; a service without such \
        spans counts all of them. The numbers come from histograms over all spans received, not from \
        the spans stored.",
    params(
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
    ),
    responses(
        (status = 200, description = "Services by name.", body = ServicesResponse, example = json!({
            "services": [{
                "name": "checkout", "count": 7200.0, "ratePerSecond": 2.0, "errorRate": 0.0125,
                "meanNs": 55_100_000.0, "p50Ns": 41_250_000.0, "p95Ns": 187_300_000.0, "p99Ns": 402_800_000.0
            }],
            "startTime": "2026-11-23T11:00:00Z",
            "endTime": "2026-11-23T12:00:00Z"
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/services")]
pub(in crate::query) async fn list_services(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<ServicesResponse>> {
    let mut params = query_params(&request)?;
    let window = window(&mut params);
    params.finish().map_err(ApiError::invalid_fields)?;
    let services = store::services(&query.store.pool, window, query.statement_time()).await?;
    Ok(web::Json(ServicesResponse { services, start_time: window.start, end_time: window.end }))
}

#[utoipa::path(
    get,
    path = "/services/{name}/operations",
    tag = "services",
    operation_id = "listOperations",
    summary = "List a service's operations that were active",
    description = "By name and kind, with rate, share of errors and duration over the window, which is \
        rounded to whole minutes. An unknown service has no operations.",
    params(
        ("name" = String, Path, description = "The service's name (`service.name`).", max_length = 255,
            example = "checkout"),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
    ),
    responses(
        (status = 200, description = "Operations by name and kind.", body = OperationsResponse,
            example = json!({
                "operations": [{
                    "name": "POST /checkout", "kind": "server", "count": 3600.0, "ratePerSecond": 1.0,
                    "errorRate": 0.02, "meanNs": 81_900_000.0, "p50Ns": 64_100_000.0, "p95Ns": 240_000_000.0,
                    "p99Ns": 511_000_000.0
                }],
                "startTime": "2026-11-23T11:00:00Z",
                "endTime": "2026-11-23T12:00:00Z"
            })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/services/{name}/operations")]
pub(in crate::query) async fn list_operations(
    _viewer: Viewer,
    query: web::Data<Query>,
    name: web::Path<String>,
    request: HttpRequest,
) -> ApiResult<web::Json<OperationsResponse>> {
    let mut params = query_params(&request)?;
    let window = window(&mut params);
    if let Err(message) = check_text(&name, SERVICE_CHARS_MAX) {
        params.reject("name", message);
    }
    params.finish().map_err(ApiError::invalid_fields)?;
    let operations = store::operations(&query.store.pool, &name, window, query.statement_time()).await?;
    Ok(web::Json(OperationsResponse { operations, start_time: window.start, end_time: window.end }))
}
