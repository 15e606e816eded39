//! Jaeger remote sampling: `GET /sampling?service=`, which SDKs ask every minute or so how many traces
//! to start. The form is the JSON of `jaeger.api_v2.SamplingStrategyResponse`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, get, web};
use serde_json::{Value, json};
use spanloom_sampling::{HeadStrategy, strategy_of};
use tokio::sync::watch;

use super::Sampling;
use crate::identity::extract::IngestClient;
use crate::web::ApiError;

/// The strategy in Jaeger's form. `strategyType` knows no operations: they count as probabilistic.
fn response(strategy: HeadStrategy) -> Value {
    let probabilistic = |probability: f64| json!({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": probability}});
    match strategy {
        HeadStrategy::Probability(probability) => probabilistic(probability),
        HeadStrategy::TracesPerSecond(traces_per_second) => json!({
            "strategyType": "RATE_LIMITING",
            "rateLimitingSampling": {"maxTracesPerSecond": traces_per_second}
        }),
        HeadStrategy::Operations { operations, other } => {
            let strategies: Vec<Value> = operations
                .into_iter()
                .map(|(operation, probability)| {
                    json!({
                        "operation": operation,
                        "probabilisticSampling": {"samplingRate": probability}
                    })
                })
                .collect();
            let mut response = probabilistic(other);
            response["operationSampling"] = json!({
                "defaultSamplingProbability": other,
                "defaultLowerBoundTracesPerSecond": 0.0,
                "perOperationStrategies": strategies
            });
            response
        }
    }
}

/// Tell a client how many traces to start
///
/// For SDKs with a Jaeger remote sampler. Whoever may send spans may ask. Served on the port for it
/// (5778) and on the main port.
#[utoipa::path(
    tag = "sampling",
    operation_id = "getSamplingStrategy",
    params(("service" = String, Query, description = "`service.name` of the client.", example = "gateway")),
    responses(
        (status = 200, description = "The strategy", body = Value, content_type = "application/json",
            example = json!({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.1}})),
        (status = 400, description = "No service, or several", body = String, content_type = "text/plain",
            example = "'service' parameter must be provided once"),
        (status = 401, description = "No key, or one that is not in force", body = String,
            content_type = "text/plain", example = "this is not an API key in force"),
        (status = 403, description = "The key lacks the scope `ingest`", body = String,
            content_type = "text/plain", example = "this API key lacks the scope \"ingest\""),
    ),
    extensions(("x-required-role" = json!("ingest"))),
    security(("ingest_key" = []), ()),
)]
#[get("/sampling")]
pub async fn sampling_strategy(
    request: HttpRequest,
    client: Result<IngestClient, ApiError>,
    sampling: web::Data<watch::Receiver<Arc<Sampling>>>,
) -> HttpResponse {
    if let Err(error) = client {
        let detail = error.problem().detail.clone().unwrap_or_default();
        return plain(error.status_code(), detail);
    }
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let mut services = pairs
        .map(web::Query::into_inner)
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, service)| name == "service" && !service.is_empty());
    let (Some((_, service)), None) = (services.next(), services.next()) else {
        return plain(StatusCode::BAD_REQUEST, "'service' parameter must be provided once".to_owned());
    };
    let sampling = sampling.borrow().clone();
    HttpResponse::Ok().json(response(strategy_of(&sampling.settings.head, &service)))
}

fn plain(status: StatusCode, message: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(message)
}
