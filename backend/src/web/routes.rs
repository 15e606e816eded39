//! Which handlers there are. The server and the OpenAPI document are made from the same list, so
//! that no operation can be served without being documented.

use actix_web::ResponseError;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web;
use utoipa_actix_web::scope::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::problem::ApiError;
use super::{openapi, operate, spa};
use crate::collect::receive::{jaeger_http, native_http, otlp_http, otlp_logs_http, zipkin_http};
use crate::collect::sample;
use crate::custom;
use crate::roles::Roles;
use crate::{identity, query};

/// A JSON body of the API; spans have a limit of their own.
const JSON_BYTES_MAX: usize = 256 << 10;

/// What a server with these roles serves of the operations in the OpenAPI document, which describes
/// all roles.
pub fn documented(config: &mut ServiceConfig, roles: Roles) {
    let api = scope("/api/v1").configure(|config| {
        if roles.query {
            config
                .configure(identity::routes)
                .configure(query::routes)
                .configure(sample::routes)
                .configure(custom::routes);
        }
        if roles.receive {
            config.service(native_http::receive_spans);
        }
    });
    config.service(api);
    if roles.receive {
        config
            .service(otlp_http::export_traces)
            .service(otlp_logs_http::export_logs)
            .service(zipkin_http::receive_zipkin)
            .service(jaeger_http::receive_jaeger)
            .service(sample::jaeger_http::sampling_strategy);
    }
    config.service(operate::healthz).service(operate::readyz).service(operate::metrics_text);
}

/// How actix' own extractors answer what they cannot read.
pub fn extractor_errors(config: &mut web::ServiceConfig) {
    config
        .app_data(
            web::JsonConfig::default()
                .limit(JSON_BYTES_MAX)
                .error_handler(|error, _| ApiError::bad_request(error.to_string()).into()),
        )
        .app_data(
            web::QueryConfig::default()
                .error_handler(|error, _| ApiError::bad_request(error.to_string()).into()),
        )
        .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::not_found("page").into()));
}

/// What stands beside the API: its document and the browser application.
pub fn undocumented(config: &mut web::ServiceConfig, roles: Roles) {
    if roles.query {
        config.service(openapi::page()).default_service(web::to(spa::serve));
    } else {
        config.default_service(web::to(|| async { ApiError::not_found("page").error_response() }));
    }
}

/// Headers for every response: this origin only, nothing guessed, never in a frame.
pub fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::REFERRER_POLICY, "same-origin"))
        .add((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ))
}
