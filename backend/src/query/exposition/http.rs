//! `GET metrics/prometheus`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, web};

use super::render::render;
use super::store;
use super::text::Format;
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    get,
    path = "/metrics/prometheus",
    tag = "metrics",
    operation_id = "scrapeMetrics",
    summary = "Metrics of spans, of calls between services, and custom ones, for Prometheus",
    description = "Under the names that Tempo's metrics generator gives them: `traces_spanmetrics_calls_total`, \
        `traces_spanmetrics_latency_*`, `traces_service_graph_request_total`, \
        `traces_service_graph_request_failed_total`, `traces_service_graph_request_server_seconds_*` and \
        `_client_seconds_*`; and custom metrics as `spanloom_custom_NAME`. Counters count since ever and are the same whichever server is asked; spans \
        count once they are stored, before sampling. OpenMetrics with exemplars if the `Accept` header \
        prefers it, else Prometheus' text format. At most 4,000 sets of labels of the first 2,000 of the \
        second and 1,000 of custom metrics: `spanloom_exposition_series_left_out` tells how many are missing. What was not counted for a \
        day is not told. Spanloom's metrics of itself are at `/metrics`.",
    responses(
        (status = 200, description = "The metrics.", content(
            (String = "text/plain", example = "# HELP traces_spanmetrics_calls_total Spans received, before \
                sampling.\n# TYPE traces_spanmetrics_calls_total counter\ntraces_spanmetrics_calls_total\
                {service=\"checkout\",span_name=\"POST /checkout\",span_kind=\"SPAN_KIND_SERVER\",\
                status_code=\"STATUS_CODE_UNSET\"} 4711\n"),
            (String = "application/openmetrics-text", example = "# HELP traces_spanmetrics_calls Spans received, \
                before sampling.\n# TYPE traces_spanmetrics_calls counter\ntraces_spanmetrics_calls_total\
                {service=\"checkout\",span_name=\"POST /checkout\",span_kind=\"SPAN_KIND_SERVER\",\
                status_code=\"STATUS_CODE_UNSET\"} 4711 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",\
                span_id=\"00f067aa0ba902b7\"} 0.0641 1763895600.125\n# EOF\n"),
        )),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/metrics/prometheus")]
pub(in crate::query) async fn scrape(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    query_params(&request)?.finish().map_err(ApiError::invalid_fields)?;
    let accept: Vec<&str> =
        request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok()).collect();
    let format = Format::preferred(&accept.join(","));
    let scrape = store::scrape(&query.store.pool, query.statement_time()).await?;
    Ok(HttpResponse::Ok().content_type(format.content_type()).body(render(format, &scrape)))
}
