//! Managing API keys.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use spanloom_model::api::{ApiKey, ApiKeyCreated, ApiKeyRequest, FieldError};

use super::extract::{Admin, SmallBody, identity, person};
use super::http::path_id;
use super::http_docs::{BodyErrors, Collision, MalformedId, Missing, Refusals, ServerErrors};
use super::{api_key, store_keys};
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    tag = "keys",
    summary = "List API keys",
    description = "Keys in force, newest first, then the latest revoked ones; at most 1,000. Their \
        secrets are not kept. Needed role: admin.",
    security(("session" = [])),
    responses(
        (status = 200, description = "The keys.", body = Vec<ApiKey>, example = json!([{
            "id": "3f9d2b1c-8e47-4d5a-b6c0-1a2e3f4d5c6b", "name": "checkout service",
            "scopes": ["ingest"], "prefix": "slk_Zx81kQ0a", "createdBy": "admin",
            "createdAt": "2026-11-23T08:10:00Z", "lastUsedAt": "2026-11-23T08:59:00Z", "revokedAt": null
        }])),
        Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[get("/keys")]
pub(super) async fn list_keys(request: HttpRequest, _admin: Admin) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(store_keys::list(&identity(&request)?.store().pool).await?))
}

#[utoipa::path(
    tag = "keys",
    summary = "Make an API key",
    description = "The answer is the only time that the key itself is shown. Scope `ingest` sends \
        spans, `read` reads what a viewer reads. Needed role: admin.",
    security(("session" = [])),
    request_body(content = ApiKeyRequest, example = json!({
        "name": "checkout service", "scopes": ["ingest"]
    })),
    responses(
        (status = 201, description = "The key with its secret.", body = ApiKeyCreated, example = json!({
            "key": {
                "id": "3f9d2b1c-8e47-4d5a-b6c0-1a2e3f4d5c6b", "name": "checkout service",
                "scopes": ["ingest"], "prefix": "slk_Zx81kQ0a", "createdBy": "admin",
                "createdAt": "2026-11-23T08:10:00Z", "lastUsedAt": null, "revokedAt": null
            },
            "secret": "slk_Zx81kQ0aYw3mT5vB7nC9dF2gH4jK6lP8rS0uXe1iOqE"
        })),
        BodyErrors, Refusals, Collision, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[post("/keys")]
pub(super) async fn create_key(
    request: HttpRequest,
    admin: Admin,
    body: SmallBody,
) -> ApiResult<HttpResponse> {
    let ApiKeyRequest { name, scopes } = body.json()?;
    let violations = api_key::violations(&name, &scopes);
    if !violations.is_empty() {
        let error = |(field, message): (&str, String)| FieldError { field: field.to_owned(), message };
        return Err(ApiError::invalid_fields(violations.into_iter().map(error).collect()));
    }
    let (maker, _) = person(admin.0)?;
    let store = identity(&request)?.store();
    let created = api_key::create(store, &name, &scopes, Some(&maker.username)).await?;
    let created = created.ok_or_else(|| ApiError::conflict("too many API keys are in force"))?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(created))
}

#[utoipa::path(
    tag = "keys",
    summary = "Revoke an API key",
    description = "The key stops working at once on this server and within seconds on others. It stays \
        in the list. Needed role: admin.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The key's identifier.")),
    responses(
        (status = 204, description = "Revoked, now or before."),
        MalformedId, Refusals, Missing, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[delete("/keys/{id}")]
pub(super) async fn revoke_key(request: HttpRequest, _admin: Admin) -> ApiResult<HttpResponse> {
    if !identity(&request)?.revoke_key(path_id(&request)?).await? {
        return Err(ApiError::not_found("API key"));
    }
    Ok(HttpResponse::NoContent().finish())
}
