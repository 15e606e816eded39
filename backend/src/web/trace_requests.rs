//! One tracing span per request: for the log, and for Spanloom's traces of itself.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use tracing::Instrument;

/// The target of request spans; self-tracing exports these and what lies beneath.
pub const TARGET: &str = "spanloom::request";

/// Spans of these paths would make spans for ever: receiving a span would send one.
const UNTRACED: [&str; 5] = ["/v1/", "/api/v1/spans", "/healthz", "/readyz", "/metrics"];

/// Middleware for [`actix_web::middleware::from_fn`].
pub async fn trace_request<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let path = request.path();
    if !path.starts_with("/api/") || UNTRACED.iter().any(|untraced| path.starts_with(untraced)) {
        return next.call(request).await;
    }
    let route = request.match_pattern().unwrap_or_else(|| "unknown".to_owned());
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %request.method(),
        http.route = route,
        url.path = path,
        http.response.status_code = tracing::field::Empty,
    );
    let outcome = next.call(request).instrument(span.clone()).await;
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    outcome
}
