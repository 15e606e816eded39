//! `GET errors` and `GET errors/{id}`.

use actix_web::{HttpRequest, get, web};
use spanloom_model::api::{ErrorDetail, ErrorsResponse};
use uuid::Uuid;

use super::http_docs::{UnknownGroup, group_example};
use super::params::ErrorParams;
use super::store;
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::services::http::window;
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    get,
    path = "/errors",
    tag = "errors",
    operation_id = "listErrors",
    summary = "List errors by group",
    description = "Exceptions and failed spans, grouped by service, type and stack trace, or by message \
        where there is none. The numbers come from all spans received, not from the spans stored, and are \
        some seconds old. A group is in the list if it occurred in the window, which is rounded to whole \
        minutes.",
    params(
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
        ("service" = Option<String>, Query, description = "Of this service.", max_length = 255,
            example = "checkout"),
        ("operation" = Option<String>, Query, description = "In this operation; only those occurrences \
            count.", max_length = 1000, example = "POST /checkout"),
        ("version" = Option<String>, Query, description = "In this `service.version`; only those \
            occurrences count.", max_length = 256, example = "1.4.2"),
        ("state" = Option<Vec<String>>, Query, style = Form, explode, description = "`open`, `regressed`, \
            `resolved` or `ignored`; may be repeated. Default: all.", example = json!(["open", "regressed"])),
        ("text" = Option<String>, Query, description = "Type or message contain it, whatever its case.",
            max_length = 200, example = "timeout"),
        ("order" = Option<String>, Query, description = "The largest first: `lastSeen`, `firstSeen`, \
            `count` (in the window) or `trend` (how much more often in its second half than in its first). \
            Default: `lastSeen`.", pattern = "^(lastSeen|firstSeen|count|trend)$", example = "count"),
        ("limit" = Option<u32>, Query, description = "Groups at most. Default: 100.", minimum = 1,
            maximum = 500, example = 100),
    ),
    responses(
        (status = 200, description = "Groups in order.", body = ErrorsResponse, example = json!({
            "groups": [group_example()],
            "groupCount": 1,
            "count": 42.0,
            "startTime": "2026-11-23T11:00:00Z",
            "endTime": "2026-11-23T12:00:00Z",
            "stepSeconds": 900
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/errors")]
pub(in crate::query) async fn list_errors(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<ErrorsResponse>> {
    let mut params = query_params(&request)?;
    let wanted = ErrorParams::parse(&mut params);
    params.finish().map_err(ApiError::invalid_fields)?;
    Ok(web::Json(store::list(&query.store.pool, &wanted, query.statement_time()).await?))
}

#[utoipa::path(
    get,
    path = "/errors/{id}",
    tag = "errors",
    operation_id = "getError",
    summary = "Read a group of errors",
    description = "How often it occurred over the window and where, spans with it that are stored, a stack \
        trace, and what became of it.",
    params(
        ("id" = Uuid, Path, description = "The group.", example = "c8b5b1de-6d84-8bd3-9f3e-3a1f0c1d2e4f"),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
    ),
    responses(
        (status = 200, description = "The group.", body = ErrorDetail, example = json!({
            "group": group_example(),
            "resolvedInNextVersion": false,
            "stackTrace": "java.net.SocketTimeoutException: order 17 timed out after 2s\n\tat com.shop.Orders.find(Orders.java:61)",
            "operations": [{"name": "POST /checkout", "count": 42.0, "firstSeen": "2026-11-23T11:02:00Z",
                            "lastSeen": "2026-11-23T11:58:00Z"}],
            "versions": [{"name": "1.4.2", "count": 42.0, "firstSeen": "2026-11-23T11:02:00Z",
                          "lastSeen": "2026-11-23T11:58:00Z"}],
            "samples": [{
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7",
                "startTime": "2026-11-23T11:58:40.903Z", "operation": "POST /checkout", "version": "1.4.2",
                "message": "order 17 timed out after 2s"
            }],
            "events": [{"at": "2026-11-20T09:14:06Z", "kind": "new", "version": "1.4.1"}],
            "startTime": "2026-11-23T11:00:00Z",
            "endTime": "2026-11-23T12:00:00Z",
            "stepSeconds": 900
        })),
        UnknownGroup,
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/errors/{id}")]
pub(in crate::query) async fn get_error(
    _viewer: Viewer,
    query: web::Data<Query>,
    id: web::Path<Uuid>,
    request: HttpRequest,
) -> ApiResult<web::Json<ErrorDetail>> {
    let mut params = query_params(&request)?;
    let window = window(&mut params);
    params.finish().map_err(ApiError::invalid_fields)?;
    let found = store::detail(&query.store.pool, *id, window, query.statement_time()).await?;
    found.map(web::Json).ok_or_else(|| ApiError::not_found("group of errors"))
}
