//! `GET tags` and `GET tags/{key}/values`.

use actix_web::{HttpRequest, get, web};
use anyhow::Context;
use spanloom_model::api::{TagKeysResponse, TagValuesResponse};

use super::count::{self, Sample};
use super::store;
use crate::identity::extract::Viewer;
use crate::query::Query;
use crate::query::http::{ReadErrors, query_params};
use crate::query::params::{Params, TimeRange, check_text, now_ns};
use crate::query::traces::params::{SERVICE_CHARS_MAX, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX};
use crate::web::{ApiError, ApiResult};

struct Completion {
    service: Option<String>,
    range: TimeRange,
    prefix: String,
}

fn completion(params: &mut Params) -> Completion {
    Completion {
        service: params.text("serviceName", SERVICE_CHARS_MAX),
        range: params.range(now_ns()),
        prefix: params.text("prefix", TAG_VALUE_CHARS_MAX).unwrap_or_default(),
    }
}

/// Takes the sample and counts it on a thread of its own: it is megabytes of JSON.
async fn counted<T: Send + 'static>(
    query: &Query,
    completion: Completion,
    count: impl FnOnce(&Sample, &str) -> anyhow::Result<T> + Send + 'static,
) -> ApiResult<(T, u64)> {
    let service = completion.service.as_deref();
    let sample = store::sample(&query.store, service, completion.range, query.search_time()).await?;
    let counts = web::block(move || {
        Ok::<_, anyhow::Error>((count(&sample, &completion.prefix)?, sample.spans.len() as u64))
    });
    Ok(counts.await.context("counting was cancelled")??)
}

#[utoipa::path(
    get,
    path = "/tags",
    tag = "tags",
    operation_id = "listTagKeys",
    summary = "Complete attribute keys",
    description = "The keys of spans and their processes, from the newest 2,000 spans of the window, the \
        commonest first, at most 200. For completion: it samples and does not promise to be complete.",
    params(
        ("serviceName" = Option<String>, Query, description = "Only spans of this service.",
            max_length = 255, example = "checkout"),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
        ("prefix" = Option<String>, Query, description = "Only keys that start with this text.",
            max_length = 1000, example = "http."),
    ),
    responses(
        (status = 200, description = "Keys, the commonest first.", body = TagKeysResponse, example = json!({
            "keys": [{"key": "http.request.method", "spans": 1422}, {"key": "db.system.name", "spans": 310}],
            "sampledSpans": 2000
        })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/tags")]
pub(in crate::query) async fn list_tag_keys(
    _viewer: Viewer,
    query: web::Data<Query>,
    request: HttpRequest,
) -> ApiResult<web::Json<TagKeysResponse>> {
    let mut params = query_params(&request)?;
    let completion = completion(&mut params);
    params.finish().map_err(ApiError::invalid_fields)?;
    let (keys, sampled_spans) = counted(&query, completion, count::keys).await?;
    Ok(web::Json(TagKeysResponse { keys, sampled_spans }))
}

#[utoipa::path(
    get,
    path = "/tags/{key}/values",
    tag = "tags",
    operation_id = "listTagValues",
    summary = "Complete an attribute's values",
    description = "The values of one key in spans and their processes, from the newest 2,000 spans of the \
        window, the commonest first, at most 100. Values of more than 500 characters are left out. An \
        unknown key has no values.",
    params(
        ("key" = String, Path, description = "The attribute's key.", max_length = 255,
            example = "http.request.method"),
        ("serviceName" = Option<String>, Query, description = "Only spans of this service.",
            max_length = 255, example = "checkout"),
        ("startTime" = Option<String>, Query, description = "Start of the window, RFC 3339 or integer \
            microseconds since the epoch. Default: an hour before the end.",
            example = "2026-11-23T11:00:00Z"),
        ("endTime" = Option<String>, Query, description = "End of the window, exclusive, in the same \
            forms. Default: now.", example = "2026-11-23T12:00:00Z"),
        ("prefix" = Option<String>, Query, description = "Only values that start with this text.",
            max_length = 1000, example = "P"),
    ),
    responses(
        (status = 200, description = "Values, the commonest first.", body = TagValuesResponse,
            example = json!({
                "values": [{"value": "POST", "type": "string", "spans": 320},
                           {"value": "PUT", "type": "string", "spans": 12}],
                "sampledSpans": 2000
            })),
        ReadErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/tags/{key}/values")]
pub(in crate::query) async fn list_tag_values(
    _viewer: Viewer,
    query: web::Data<Query>,
    key: web::Path<String>,
    request: HttpRequest,
) -> ApiResult<web::Json<TagValuesResponse>> {
    let mut params = query_params(&request)?;
    let completion = completion(&mut params);
    if let Err(message) = check_text(&key, TAG_KEY_CHARS_MAX) {
        params.reject("key", message);
    }
    params.finish().map_err(ApiError::invalid_fields)?;
    let key = key.into_inner();
    let (values, sampled_spans) =
        counted(&query, completion, move |sample, prefix| count::values(sample, &key, prefix)).await?;
    Ok(web::Json(TagValuesResponse { values, sampled_spans }))
}
