//! `GET traces`, `GET traces/{traceId}` and `GET traces/{traceId}/otlp`.

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, get, web};
use anyhow::Context;
use spanloom_formats::otlp_json;
use spanloom_model::TraceId;
use spanloom_model::api::{Problem, SPANS_OMITTED_HEADER, Trace, TracesResponse};

use super::assemble::assemble;
use super::otlp;
use super::params::SearchParams;
use super::search::{Limits, search};
use super::store::{self, TraceRows};
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::now_ns;
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    get,
    path = "/traces",
    tag = "traces",
    operation_id = "searchTraces",
    summary = "Search traces",
    description = "A trace matches if one of its spans satisfies service, operation, status, kind, the \
        span's duration, all tags and the call together; `duration` and `maxDuration` apply to the whole trace; \
        a trace lies in the range if its start does, or, with `timeOf=span`, if the start of that span does. \
        Results are complete and in order: the newest 20 really are the newest 20. If the \
        server's time limit ends a search, `searched` tells how far it came and `nextCursor` continues \
        it. One case has a limit: if all matching spans of a trace start more than a minute after the \
        end of the range, and no batch of spans that arrived together reaches across that end, the trace \
        may be missed on very large databases. Unknown names find nothing.",
    params(
        ("traceId" = Option<TraceId>, Query, description = "Only this trace, if it satisfies the other \
            conditions. The range is then open by default.", example = "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("serviceName" = Option<String>, Query, description = "A span's service (`service.name`).",
            max_length = 255, example = "checkout"),
        ("operation" = Option<String>, Query, description = "A span's name.", max_length = 1000,
            example = "POST /checkout"),
        ("tag" = Option<Vec<String>>, Query, style = Form, explode, description = "`key=value`: an \
            attribute of the span or of its process, whatever its type: `500` finds the integer and the \
            text. May be repeated; all must hold for the same span.", max_items = 10,
            example = json!(["http.response.status_code=500"])),
        ("status" = Option<String>, Query, description = "The span's status: `ok`, `error` or `unset`.",
            pattern = "^(ok|error|unset)$", example = "error"),
        ("kind" = Option<Vec<String>>, Query, description = "The span's kind is one of these; may be repeated: \
            unspecified, internal, server, client, producer, consumer.", example = json!(["server"])),
        ("minSpanDuration" = Option<String>, Query, description = "The span lasts at least this long: a number \
            with a unit (ns, us, ms, s, m, h), or integer microseconds.", example = "12ms"),
        ("maxSpanDuration" = Option<String>, Query, description = "The span lasts at most this long, in the \
            same forms.", example = "80ms"),
        ("caller" = Option<String>, Query, description = "The span is part of a call of this service; only \
            with `callee`.", max_length = 265, example = "frontend"),
        ("callee" = Option<String>, Query, description = "The span is part of a call of this service, or of \
            the node with this id, as `database:postgresql/shop`: the callee's span or, where the callee \
            sends none, the caller's; as `/dependencies` counts calls.", max_length = 265,
            example = "checkout"),
        ("duration" = Option<String>, Query, description = "The trace lasts at least this long: a number \
            with a unit (ns, us, ms, s, m, h), or integer microseconds.", example = "250ms"),
        ("maxDuration" = Option<String>, Query, description = "The trace lasts at most this long, in the \
            same forms.", example = "1.5s"),
        ("startTime" = Option<String>, Query, description = "The trace starts at this time or later, RFC \
            3339 or integer microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "The trace starts before this time, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
        ("timeOf" = Option<String>, Query, description = "What starts between `startTime` and `endTime`: \
            `trace`, or `span`, the span that satisfies the conditions, as `/metrics` counts spans; its trace \
            may have started earlier. Default: `trace`.", pattern = "^(trace|span)$", example = "span"),
        ("order" = Option<String>, Query, description = "`start`: the newest first. `duration`: the \
            longest first. Default: `start`.", pattern = "^(start|duration)$", example = "start"),
        ("limit" = Option<u32>, Query, description = "Traces on the page. The server may be configured \
            to a lower or higher maximum than 1000. Default: 20.", minimum = 1, maximum = 1000, example = 20),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before; all other \
            parameters but `limit` stay as they were.",
            example = "eyJoIjo5LCJzIjoxLCJlIjoyLCJrIjoxLCJ0IjoiNGJmOTJmMzU3N2IzNGRhNmEzY2U5MjlkMGUwZTQ3MzYifQ"),
    ),
    responses(
        (status = 200, description = "A page of traces in order.", body = TracesResponse, example = json!({
            "traces": [{
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                "root": {"service": "frontend", "operation": "POST /checkout"},
                "hasRoot": true,
                "startTime": "2026-11-23T11:59:58.120443Z",
                "durationNs": 412_803_112,
                "spanCount": 31,
                "errorCount": 1,
                "services": [{"name": "checkout", "spanCount": 19, "errorCount": 1},
                             {"name": "frontend", "spanCount": 12, "errorCount": 0}]
            }],
            "nextCursor": "eyJoIjo5LCJzIjoxLCJlIjoyLCJrIjoxLCJ0IjoiNGJmOTJmMzU3N2IzNGRhNmEzY2U5MjlkMGUwZTQ3MzYifQ",
            "searched": {
                "startTime": "2026-11-23T11:00:00Z",
                "endTime": "2026-11-23T12:00:00Z",
                "complete": true,
                "completeFrom": "2026-11-23T11:59:40Z"
            }
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/traces")]
pub(in crate::query) async fn search_traces(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<TracesResponse>> {
    let params = SearchParams::parse(query_params(&request)?, query.config.limit_max, now_ns())
        .map_err(ApiError::invalid_fields)?;
    let limits = Limits { search_time: query.search_time(), statement_time: query.statement_time() };
    Ok(web::Json(search(&query.store.pool, limits, &params).await?))
}

#[utoipa::path(
    get,
    path = "/traces/{traceId}",
    tag = "traces",
    operation_id = "getTrace",
    summary = "Read a trace",
    description = "All spans of a trace in order of their start, with the processes and libraries they \
        refer to. Spans of a process whose clock disagrees with its caller's are moved; `skewNs` tells \
        by how much. `warnings` tells what is odd: missing parents, ids that occur twice, cycles, moved \
        clocks, spans left out.",
    params(
        ("traceId" = TraceId, Path, description = "The trace.",
            example = "4bf92f3577b34da6a3ce929d0e0e4736"),
    ),
    responses(
        (status = 200, description = "The trace.", body = Trace, example = json!({
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "startTime": "2026-11-23T11:59:58.120443Z",
            "durationNs": 412_803_112,
            "spans": [{
                "spanId": "00f067aa0ba902b7",
                "name": "POST /checkout",
                "kind": "server",
                "resource": 0,
                "scope": 0,
                "startOffsetNs": 0,
                "durationNs": 412_803_112,
                "status": "unset",
                "attributes": {"http.request.method": "POST", "http.response.status_code": 200}
            }],
            "resources": [{
                "service": "frontend",
                "attributes": {"service.name": "frontend", "service.version": "1.4.2"},
                "droppedAttributesCount": 0,
                "schemaUrl": ""
            }],
            "scopes": [{
                "name": "@opentelemetry/instrumentation-http",
                "version": "0.57.0",
                "attributes": {},
                "droppedAttributesCount": 0,
                "schemaUrl": ""
            }],
            "warnings": []
        })),
        (status = 404, description = "No span of such a trace is stored.", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not_found",
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "no such trace",
                "traceId": "0af7651916cd43dd8448eb211c80319c"
            })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/traces/{traceId}")]
pub(in crate::query) async fn get_trace(
    _viewer: Viewer,
    query: web::Data<Query>,
    trace_id: web::Path<String>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let rows = read_rows(&query, &trace_id, &request).await?;
    // Tens of thousands of spans take a while to put together and to write as JSON.
    let body = web::block(move || serde_json::to_vec(&assemble(rows)?).context("trace as JSON"))
        .await
        .context("assembling was cancelled")??;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

#[utoipa::path(
    get,
    path = "/traces/{traceId}/otlp",
    tag = "traces",
    operation_id = "getTraceOtlp",
    summary = "Read a trace as OTLP JSON",
    description = "The spans as they were sent: an `ExportTraceServiceRequest` in OTLP's JSON encoding, on \
        one line, that any OTLP receiver takes and `spanloom import` reads. Nothing is lost and clocks are \
        not adjusted. 64-bit integers are strings.",
    params(
        ("traceId" = TraceId, Path, description = "The trace.",
            example = "4bf92f3577b34da6a3ce929d0e0e4736"),
    ),
    responses(
        (status = 200, description = "The trace. A trace with more spans than a response may hold lacks \
            the later ones.", body = serde_json::Value, content_type = "application/json",
            headers(("spanloom-spans-omitted" = u64, description = "Spans that are left out; absent if \
                the trace is whole.")),
            example = json!({"resourceSpans": [{
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "frontend"}}]},
                "scopeSpans": [{
                    "scope": {"name": "@opentelemetry/instrumentation-http", "version": "0.57.0"},
                    "spans": [{
                        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7",
                        "name": "POST /checkout", "kind": 2,
                        "startTimeUnixNano": "1795435198120443000",
                        "endTimeUnixNano": "1795435198533246112",
                        "attributes": [{"key": "http.response.status_code", "value": {"intValue": "200"}}],
                        "status": {}
                    }]
                }]
            }]})),
        (status = 404, description = "No span of such a trace is stored.", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/not_found",
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "no such trace",
                "traceId": "0af7651916cd43dd8448eb211c80319c"
            })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/traces/{traceId}/otlp")]
pub(in crate::query) async fn get_trace_otlp(
    _viewer: Viewer,
    query: web::Data<Query>,
    trace_id: web::Path<String>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let rows = read_rows(&query, &trace_id, &request).await?;
    let omitted = if rows.truncated { rows.span_count - rows.spans.len() as i64 } else { 0 };
    let body = web::block(move || Ok::<_, anyhow::Error>(otlp_json::encode(&otlp::spans(rows)?)))
        .await
        .context("encoding was cancelled")??;
    let mut response = HttpResponse::Ok();
    if omitted > 0 {
        response.insert_header((SPANS_OMITTED_HEADER, omitted));
    }
    Ok(response.content_type(ContentType::json()).body(body))
}

/// The rows of the trace that the path names; no parameters are known.
async fn read_rows(query: &Query, trace_id: &str, request: &HttpRequest) -> ApiResult<TraceRows> {
    let mut params = query_params(request)?;
    let trace_id = trace_id.parse::<TraceId>();
    if let Err(error) = trace_id {
        params.reject("traceId", error.to_string());
    }
    params.finish().map_err(ApiError::invalid_fields)?;
    let trace_id = trace_id.map_err(|error| ApiError::invalid("traceId", error.to_string()))?;
    let spans_max = query.config.trace_spans_max;
    let rows = store::trace(&query.store, trace_id, spans_max, query.statement_time()).await?;
    rows.ok_or_else(|| ApiError::not_found("trace"))
}
