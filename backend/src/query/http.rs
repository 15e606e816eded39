//! What the handlers of this folder have in common.

use actix_web::HttpRequest;
use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use super::params::Params;
use super::{dependencies, errors, exposition, logs, metrics, services, storage, tags, traces};
use crate::web::problem_docs::error_responses;
use crate::web::{ApiError, ApiResult};

/// Adds the operations, relative to `/api/v1`. They need `web::Data<Query>`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(traces::http::search_traces)
        .service(traces::http::get_trace)
        .service(traces::http::get_trace_otlp)
        .service(services::http::list_services)
        .service(services::http::list_operations)
        .service(metrics::http::get_metrics)
        .service(metrics::exemplar_http::get_exemplars)
        .service(exposition::http::scrape)
        .service(tags::http::list_tag_keys)
        .service(tags::http::list_tag_values)
        .service(storage::http::get_storage)
        .service(dependencies::http::get_dependencies)
        .service(dependencies::http::get_paths)
        .service(dependencies::http::get_impact)
        .service(errors::http::list_errors)
        .service(errors::http::get_error)
        .service(errors::http_change::change_error)
        .service(errors::http_change::change_errors)
        .service(logs::http::search_logs)
        .service(logs::http::get_log_histogram)
        .service(logs::http::get_trace_logs)
        .service(logs::links_http::list_log_links)
        .service(logs::links_http::create_log_link)
        .service(logs::links_http::change_log_link)
        .service(logs::links_http::delete_log_link);
}

/// The query string, name by name.
pub fn query_params(request: &HttpRequest) -> ApiResult<Params> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|error| ApiError::bad_request(format!("the query string cannot be read: {error}")))?;
    Ok(Params::new(pairs.into_inner()))
}

error_responses! {
    /// What can go wrong with every operation that reads.
    ReadErrors => [
        ("A parameter is wrong; `errors` lists all that are.", ApiError::invalid("startTime", "must not be after endTime")),
        ("Nobody is logged in, or the key is wrong.", ApiError::unauthorized("log in or send an API key")),
        ("The key may not read.", ApiError::forbidden("this key lacks the scope read")),
        ("A fault of the server; its log tells more.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database is away or the query took too long.", ApiError::unavailable("the query took too long: narrow the time range or the filter", 30)),
    ];
}
