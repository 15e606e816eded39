//! For operators: health, readiness and Spanloom's own metrics.

use std::time::Duration;

use actix_web::{HttpResponse, route, web};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::collect::Collector;
use crate::store::{Store, migrate};

/// Longer, and the database counts as unreachable.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Is the process alive?
///
/// For liveness probes: says nothing about the database.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operate",
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain", example = "ok")),
    extensions(("x-required-role" = json!("public"))),
)]
#[route("/healthz", method = "GET", method = "HEAD")]
pub async fn healthz() -> &'static str {
    "ok"
}

/// Whether the server can do its work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Readiness {
    /// Everything below holds.
    #[schema(example = true)]
    ready: bool,
    /// The database answers.
    #[schema(example = true)]
    database: bool,
    /// The database has every migration of this program.
    #[schema(example = true)]
    migrations: bool,
}

/// Can the server do its work?
///
/// For readiness probes: the database answers and its schema is current.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operate",
    responses(
        (status = 200, description = "Ready", body = Readiness,
            example = json!({"ready": true, "database": true, "migrations": true})),
        (status = 503, description = "Not ready", body = Readiness,
            example = json!({"ready": false, "database": false, "migrations": false})),
    ),
    extensions(("x-required-role" = json!("public"))),
)]
#[route("/readyz", method = "GET", method = "HEAD")]
pub async fn readyz(store: web::Data<Store>) -> HttpResponse {
    let current =
        tokio::time::timeout(CHECK_TIMEOUT, migrate::is_current(&store.pool, store.flavour)).await;
    let (database, migrations) = match current {
        Ok(Ok(current)) => (true, current),
        Ok(Err(_)) | Err(_) => (false, false),
    };
    let readiness = Readiness { ready: database && migrations, database, migrations };
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

/// Spanloom's own metrics
///
/// In Prometheus' text format: spans received, rejected by reason, written and left out as
/// duplicates; bytes; queue depth; write latency.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operate",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain",
        example = "# TYPE spanloom_spans_written_total counter\nspanloom_spans_written_total 4711\n")),
    extensions(("x-required-role" = json!("public"))),
)]
#[route("/metrics", method = "GET", method = "HEAD")]
pub async fn metrics_text(
    recorder: web::Data<PrometheusHandle>,
    collector: web::Data<Collector>,
) -> HttpResponse {
    metrics::gauge!("spanloom_requests_waiting_bytes").set(collector.waiting_bytes() as f64);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(recorder.render())
}
