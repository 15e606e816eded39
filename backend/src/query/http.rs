//! What the handlers of this folder have in common.

use actix_web::HttpRequest;
use actix_web::web;
use spanloom_model::api::Problem;
use utoipa_actix_web::service_config::ServiceConfig;

use super::params::Params;
use super::{services, tags, traces};
use crate::web::{ApiError, ApiResult};

/// Adds the operations, relative to `/api/v1`. They need `web::Data<Query>`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(traces::http::search_traces)
        .service(traces::http::get_trace)
        .service(services::http::list_services)
        .service(services::http::list_operations)
        .service(tags::http::list_tag_keys)
        .service(tags::http::list_tag_values);
}

/// The query string, name by name.
pub fn query_params(request: &HttpRequest) -> ApiResult<Params> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|error| ApiError::bad_request(format!("the query string cannot be read: {error}")))?;
    Ok(Params::new(pairs.into_inner()))
}

/// What can go wrong with every operation that reads.
#[derive(utoipa::IntoResponses)]
pub enum ReadErrors {
    /// A parameter is wrong; `errors` lists all that are.
    #[response(
        status = 400,
        content_type = "application/problem+json",
        example = json!({
            "type": "/problems/invalid_request",
            "title": "The request is not valid",
            "status": 400,
            "code": "invalid_request",
            "detail": "startTime: must not be after endTime",
            "errors": [{"field": "startTime", "message": "must not be after endTime"}],
            "traceId": "0af7651916cd43dd8448eb211c80319c"
        })
    )]
    Invalid(Problem),
    /// Nobody is logged in, or the key is wrong.
    #[response(
        status = 401,
        content_type = "application/problem+json",
        example = json!({
            "type": "/problems/unauthorized",
            "title": "Log in first",
            "status": 401,
            "code": "unauthorized",
            "detail": "log in or send an API key",
            "traceId": "0af7651916cd43dd8448eb211c80319c"
        })
    )]
    Unauthorized(Problem),
    /// The key may not read.
    #[response(
        status = 403,
        content_type = "application/problem+json",
        example = json!({
            "type": "/problems/forbidden",
            "title": "Not allowed",
            "status": 403,
            "code": "forbidden",
            "detail": "this key lacks the scope read",
            "traceId": "0af7651916cd43dd8448eb211c80319c"
        })
    )]
    Forbidden(Problem),
    /// A fault of the server; its log tells more.
    #[response(
        status = 500,
        content_type = "application/problem+json",
        example = json!({
            "type": "/problems/internal",
            "title": "Internal error",
            "status": 500,
            "code": "internal",
            "detail": "the server's log tells more under this request's trace id",
            "traceId": "0af7651916cd43dd8448eb211c80319c"
        })
    )]
    Internal(Problem),
    /// The database is away or the query took too long.
    #[response(
        status = 503,
        content_type = "application/problem+json",
        example = json!({
            "type": "/problems/unavailable",
            "title": "Try again later",
            "status": 503,
            "code": "unavailable",
            "detail": "the query took too long: narrow the time range or the filter",
            "traceId": "0af7651916cd43dd8448eb211c80319c"
        })
    )]
    Unavailable(Problem),
}
