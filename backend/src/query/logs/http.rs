//! `GET logs`, `GET logs/histogram` and `GET traces/{traceId}/logs`.

use actix_web::{HttpRequest, get, web};
use spanloom_model::api::{LogHistogram, LogsResponse, TraceLogsResponse};
use spanloom_model::{SpanId, TraceId};

use super::entry::{Entries, entries};
use super::params::{HistogramParams, SearchParams};
use super::search_store::{LogRow, of_trace};
use super::walk::{Found, Limits, PAGE_BYTES_MAX, search};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::now_ns;
use crate::query::store::begin_read;
use crate::query::traces::params::parse_limit;
use crate::web::{ApiError, ApiResult};

/// Records of a trace in one answer at most.
const TRACE_LOGS_MAX: u32 = 10_000;
const TRACE_LOGS_DEFAULT: u32 = 2_000;

impl Query {
    fn log_limits(&self) -> Limits {
        Limits { search_time: self.search_time(), statement_time: self.statement_time() }
    }
}

#[utoipa::path(
    get,
    path = "/logs",
    tag = "logs",
    operation_id = "searchLogs",
    summary = "Search log records",
    description = "Records that satisfy all conditions, the newest first; the newest 100 really are the \
        newest 100. If the server's time limit ends a search, `searched` tells how far it came and \
        `nextCursor` continues it. A page may hold fewer than `limit` records where they are large; \
        `nextCursor` is then there too. Unknown names find nothing.",
    params(
        ("serviceName" = Option<Vec<String>>, Query, style = Form, explode, description = "The service \
            (`service.name`); may be repeated, any of them.", max_items = 20, example = json!(["checkout"])),
        ("severity" = Option<String>, Query, description = "At least this severe: `trace`, `debug`, `info`, \
            `warn`, `error` or `fatal`.", pattern = "^(unset|trace|debug|info|warn|error|fatal)$", example = "warn"),
        ("text" = Option<String>, Query, description = "Words that all occur in the body, anywhere in it, in \
            upper or lower case.", max_length = 500, example = "card declined"),
        ("tag" = Option<Vec<String>>, Query, style = Form, explode, description = "`key=value`: an \
            attribute of the record or of its process, whatever its type. May be repeated; all must hold.",
            max_items = 10, example = json!(["http.response.status_code=500"])),
        ("traceId" = Option<TraceId>, Query, description = "Only records of this trace. The range is then \
            open by default.", example = "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("spanId" = Option<SpanId>, Query, description = "Only records of this span; needs `traceId`.",
            example = "00f067aa0ba902b7"),
        ("startTime" = Option<String>, Query, description = "Told at this time or later, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.", example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "Told before this time, in the same forms. \
            Default: now.", example = "2026-11-23T12:00:00Z"),
        ("limit" = Option<u32>, Query, description = "Records on the page. The server may be configured to a \
            lower or higher maximum than 1000. Default: 100.", minimum = 1, maximum = 1000, example = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before; all other \
            parameters but `limit` stay as they were.", example = "eyJoIjo5LCJzIjoxLCJlIjoyLCJ0IjoxLCJuIjowLCJpIjo3fQ"),
    ),
    responses(
        (status = 200, description = "A page of records.", body = LogsResponse, example = json!({
            "logs": [{
                "id": "549755813888",
                "time": "2026-11-23T11:59:58.520443Z",
                "observedTime": "2026-11-23T11:59:58.521Z",
                "level": "error",
                "severityNumber": 17,
                "severityText": "ERROR",
                "body": "card was declined",
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                "spanId": "00f067aa0ba902b7",
                "attributes": {"order.id": 4711},
                "droppedAttributesCount": 0,
                "resource": 0,
                "scope": 0
            }],
            "resources": [{
                "service": "checkout",
                "attributes": {"service.name": "checkout", "service.version": "1.4.2"},
                "droppedAttributesCount": 0,
                "schemaUrl": ""
            }],
            "scopes": [{
                "name": "app.orders", "version": "", "attributes": {}, "droppedAttributesCount": 0, "schemaUrl": ""
            }],
            "nextCursor": "eyJoIjo5LCJzIjoxLCJlIjoyLCJ0IjoxLCJuIjowLCJpIjo3fQ",
            "searched": {
                "startTime": "2026-11-23T11:00:00Z",
                "endTime": "2026-11-23T12:00:00Z",
                "complete": true,
                "completeFrom": "2026-11-23T11:00:00Z"
            }
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/logs")]
pub(in crate::query) async fn search_logs(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<LogsResponse>> {
    let params = SearchParams::parse(query_params(&request)?, query.config.limit_max, now_ns())
        .map_err(ApiError::invalid_fields)?;
    let Found { rows, next, searched, mut tx } =
        search(&query.store.pool, query.log_limits(), &params).await?;
    let Entries { logs, resources, scopes } = entries(&mut tx, rows).await?;
    let next_cursor = next.map(|cursor| cursor.encode());
    Ok(web::Json(LogsResponse { logs, resources, scopes, next_cursor, searched }))
}

#[utoipa::path(
    get,
    path = "/logs/histogram",
    tag = "logs",
    operation_id = "getLogHistogram",
    summary = "Count log records over time",
    description = "How many records satisfy the conditions of `GET logs`, by time and level. The newest part \
        of the range is counted first; if the time limit ends the count, `searched` tells how far it came.",
    params(
        ("serviceName" = Option<Vec<String>>, Query, style = Form, explode, description = "The service; may \
            be repeated, any of them.", max_items = 20, example = json!(["checkout"])),
        ("severity" = Option<String>, Query, description = "At least this severe.",
            pattern = "^(unset|trace|debug|info|warn|error|fatal)$", example = "warn"),
        ("text" = Option<String>, Query, description = "Words that all occur in the body.", max_length = 500,
            example = "card declined"),
        ("tag" = Option<Vec<String>>, Query, style = Form, explode, description = "`key=value`: an \
            attribute of the record or of its process.", max_items = 10,
            example = json!(["http.response.status_code=500"])),
        ("traceId" = Option<TraceId>, Query, description = "Only records of this trace.",
            example = "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("spanId" = Option<SpanId>, Query, description = "Only records of this span; needs `traceId`.",
            example = "00f067aa0ba902b7"),
        ("startTime" = Option<String>, Query, description = "Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "Default: now.", example = "2026-11-23T12:00:00Z"),
        ("buckets" = Option<u32>, Query, description = "About how many parts; the step is the next round one. \
            Default: 60.", minimum = 1, maximum = 300, example = 60),
    ),
    responses(
        (status = 200, description = "The counts.", body = LogHistogram, example = json!({
            "stepSeconds": 60,
            "buckets": [{
                "time": "2026-11-23T11:59:00Z",
                "counts": {"unset": 0, "trace": 0, "debug": 12, "info": 240, "warn": 3, "error": 1, "fatal": 0}
            }],
            "searched": {
                "startTime": "2026-11-23T11:00:00Z",
                "endTime": "2026-11-23T12:00:00Z",
                "complete": true,
                "completeFrom": "2026-11-23T11:00:00Z"
            }
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/logs/histogram")]
pub(in crate::query) async fn get_log_histogram(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<LogHistogram>> {
    let params =
        HistogramParams::parse(query_params(&request)?, now_ns()).map_err(ApiError::invalid_fields)?;
    let histogram = super::histogram::histogram(&query.store.pool, query.log_limits(), &params).await?;
    Ok(web::Json(histogram))
}

#[utoipa::path(
    get,
    path = "/traces/{traceId}/logs",
    tag = "logs",
    operation_id = "getTraceLogs",
    summary = "Read the log records of a trace",
    description = "The oldest first, whenever they were told, also if no span of the trace is stored. Without \
        any the list is empty.",
    params(
        ("traceId" = TraceId, Path, description = "The trace.", example = "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("limit" = Option<u32>, Query, description = "Records at most; `truncated` tells whether there are \
            more. Default: 2000.", minimum = 1, maximum = 10_000, example = 2000),
    ),
    responses(
        (status = 200, description = "The records.", body = TraceLogsResponse, example = json!({
            "logs": [{
                "id": "549755813888",
                "time": "2026-11-23T11:59:58.520443Z",
                "observedTime": "2026-11-23T11:59:58.521Z",
                "level": "info",
                "severityNumber": 9,
                "body": "order placed",
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                "spanId": "00f067aa0ba902b7",
                "droppedAttributesCount": 0,
                "resource": 0,
                "scope": 0
            }],
            "resources": [{
                "service": "checkout", "attributes": {"service.name": "checkout"},
                "droppedAttributesCount": 0, "schemaUrl": ""
            }],
            "scopes": [{
                "name": "app.orders", "version": "", "attributes": {}, "droppedAttributesCount": 0, "schemaUrl": ""
            }],
            "truncated": false
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/traces/{traceId}/logs")]
pub(in crate::query) async fn get_trace_logs(
    _viewer: Viewer,
    query: web::Data<Query>,
    trace_id: web::Path<String>,
    request: HttpRequest,
) -> ApiResult<web::Json<TraceLogsResponse>> {
    let mut params = query_params(&request)?;
    let trace_id = trace_id.parse::<TraceId>();
    if let Err(error) = trace_id {
        params.reject("traceId", error.to_string());
    }
    let limit = params.parsed("limit", |text| parse_limit(text, TRACE_LOGS_MAX));
    params.finish().map_err(ApiError::invalid_fields)?;
    let trace_id = trace_id.map_err(|error| ApiError::invalid("traceId", error.to_string()))?;
    let limit = limit.unwrap_or(TRACE_LOGS_DEFAULT) as usize;
    let mut tx = begin_read(&query.store.pool, query.statement_time()).await?;
    let mut rows = of_trace(&mut tx, trace_id, (limit + 1, PAGE_BYTES_MAX)).await?;
    let is_large = rows.iter().map(LogRow::bytes).sum::<usize>() >= PAGE_BYTES_MAX;
    let truncated = rows.len() > limit || is_large;
    rows.truncate(limit);
    let Entries { logs, resources, scopes } = entries(&mut tx, rows).await?;
    Ok(web::Json(TraceLogsResponse { logs, resources, scopes, truncated }))
}
