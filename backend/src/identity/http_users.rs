//! Managing people.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use spanloom_model::api::{User, UserChange, UserRequest};

use super::extract::{Admin, SmallBody, identity, person};
use super::http::path_id;
use super::http_docs::{BodyErrors, Collision, MalformedId, Missing, Refusals, ServerErrors};
use crate::web::ApiResult;

#[utoipa::path(
    tag = "users",
    summary = "List people",
    description = "All accounts, by name; at most 10,000. Needed role: admin.",
    security(("session" = [])),
    responses(
        (status = 200, description = "The accounts.", body = Vec<User>, example = json!([{
            "id": "0192f0c1-2f1d-4c6e-9f0a-7d1f5a0b6c3d", "username": "admin", "role": "admin",
            "disabled": false, "createdAt": "2026-11-23T08:00:00Z"
        }])),
        Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[get("/users")]
pub(super) async fn list_users(request: HttpRequest, _admin: Admin) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(identity(&request)?.users().await?))
}

#[utoipa::path(
    tag = "users",
    summary = "Add a person",
    description = "Makes an account. Names are the same irrespective of case. Needed role: admin.",
    security(("session" = [])),
    request_body(content = UserRequest, example = json!({
        "username": "jane@example.com", "password": "a password for the first day", "role": "editor"
    })),
    responses(
        (status = 201, description = "The account.", body = User, example = json!({
            "id": "7b0e8c1d-6a51-4a0f-8f3b-2f0c9d1e4a5b", "username": "jane@example.com",
            "role": "editor", "disabled": false, "createdAt": "2026-11-23T08:05:00Z"
        })),
        BodyErrors, Refusals, Collision, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[post("/users")]
pub(super) async fn create_user(
    request: HttpRequest,
    _admin: Admin,
    body: SmallBody,
) -> ApiResult<HttpResponse> {
    let UserRequest { username, password, role } = body.json()?;
    let user = identity(&request)?.create_user(&username, &password, role).await?;
    Ok(HttpResponse::Created().json(user))
}

#[utoipa::path(
    tag = "users",
    summary = "Change a person's account",
    description = "Changes role, state or password; what is missing stays. A new password and shutting \
        the account end its sessions. Nobody shuts their own account or sets their own password here, \
        and the last administrator stays one. Needed role: admin.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The account's identifier.")),
    request_body(content = UserChange, example = json!({"role": "viewer", "disabled": true})),
    responses(
        (status = 200, description = "The account as it is now.", body = User, example = json!({
            "id": "7b0e8c1d-6a51-4a0f-8f3b-2f0c9d1e4a5b", "username": "jane@example.com",
            "role": "viewer", "disabled": true, "createdAt": "2026-11-23T08:05:00Z"
        })),
        BodyErrors, Refusals, Missing, Collision, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[patch("/users/{id}")]
pub(super) async fn change_user(
    request: HttpRequest,
    admin: Admin,
    body: SmallBody,
) -> ApiResult<HttpResponse> {
    let (actor, _) = person(admin.0)?;
    let id = path_id(&request)?;
    let change: UserChange = body.json()?;
    let user = identity(&request)?.change_user(actor.id, id, change).await?;
    Ok(HttpResponse::Ok().json(user))
}

#[utoipa::path(
    tag = "users",
    summary = "Remove a person",
    description = "Removes an account and ends its sessions. API keys that the person made stay in \
        force. Nobody removes their own account or the last administrator. Needed role: admin.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The account's identifier.")),
    responses(
        (status = 204, description = "Removed."),
        MalformedId, Refusals, Missing, Collision, ServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[delete("/users/{id}")]
pub(super) async fn delete_user(request: HttpRequest, admin: Admin) -> ApiResult<HttpResponse> {
    let (actor, _) = person(admin.0)?;
    identity(&request)?.delete_user(actor.id, path_id(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
