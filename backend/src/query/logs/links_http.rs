//! `GET` and `POST log-links`, `PUT` and `DELETE log-links/{id}`.

use actix_web::{HttpResponse, delete, get, post, put, web};
use serde_json::json;
use spanloom_model::api::{FieldError, LogLink, LogLinkRequest};
use spanloom_model::log_link;
use uuid::Uuid;

use super::http_docs::{LinkErrors, LinkRefusals, LinkServerErrors, MalformedLinkId, MissingLink};
use super::links_store::{self, LINKS_MAX, Saved};
use crate::identity::extract::{Admin, SmallBody, Viewer};
use crate::query::traces::params::SERVICE_CHARS_MAX;
use crate::store::Store;
use crate::web::{ApiError, ApiResult};

/// Characters of a link's name at most: it is a button.
const NAME_CHARS_MAX: usize = 60;

/// The request as it is saved, or everything that is wrong with it.
fn checked(request: LogLinkRequest) -> ApiResult<LogLinkRequest> {
    let name = request.name.trim().to_owned();
    let service = request.service.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let url_template = request.url_template.trim().to_owned();
    let mut errors = Vec::new();
    let mut reject =
        |field: &str, message: String| errors.push(FieldError { field: field.to_owned(), message });
    if !(1..=NAME_CHARS_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        reject("name", format!("must have 1 to {NAME_CHARS_MAX} printable characters"));
    }
    if service
        .as_ref()
        .is_some_and(|name| name.len() > SERVICE_CHARS_MAX || name.chars().any(char::is_control))
    {
        reject("service", format!("must have at most {SERVICE_CHARS_MAX} printable characters"));
    }
    if let Err(message) = log_link::check(&url_template) {
        reject("urlTemplate", message);
    }
    if errors.is_empty() {
        Ok(LogLinkRequest { name, service, url_template })
    } else {
        Err(ApiError::invalid_fields(errors))
    }
}

fn path_id(id: &str) -> ApiResult<Uuid> {
    Uuid::try_parse(id).map_err(|_| ApiError::invalid("id", "must be a UUID"))
}

fn saved(saved: Saved) -> ApiResult<LogLink> {
    match saved {
        Saved::Link(link) => Ok(link),
        Saved::NameTaken => Err(ApiError::conflict("another link has this name for this service")),
        Saved::TooMany => Err(ApiError::conflict(format!("there are {LINKS_MAX} links already"))),
        Saved::Missing => Err(ApiError::not_found("link")),
    }
}

fn example() -> serde_json::Value {
    json!({
        "id": "0190163d-8694-739b-aea5-966c26f8ad91", "name": "Kibana", "service": "checkout",
        "urlTemplate": "https://logs.example/app/discover?q={traceId}&from={startMs}&to={endMs}",
        "author": "jane", "createdAt": "2026-11-25T09:00:00Z"
    })
}

fn request_example() -> serde_json::Value {
    json!({
        "name": "Kibana", "service": "checkout",
        "urlTemplate": "https://logs.example/app/discover?q={traceId}&from={startMs}&to={endMs}"
    })
}

#[utoipa::path(
    tag = "logs",
    operation_id = "listLogLinks",
    summary = "List the links to external log systems",
    description = "By name; at most 200. The browser shows them as buttons beside spans and log records. \
        Needed role: viewer.",
    security(("session" = []), ("read_key" = [])),
    responses(
        (status = 200, description = "The links.", body = Vec<LogLink>, example = json!([example()])),
        LinkRefusals, LinkServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/log-links")]
pub(in crate::query) async fn list_log_links(
    _viewer: Viewer,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(links_store::list(&store.pool).await?))
}

#[utoipa::path(
    tag = "logs",
    operation_id = "createLogLink",
    summary = "Add a link to an external log system",
    description = "The address must be http or https, with the host written out. Values are percent-encoded \
        when they are filled in. Needed role: admin.",
    security(("session" = [])),
    request_body(content = LogLinkRequest, example = request_example),
    responses(
        (status = 201, description = "The link.", body = LogLink, example = example),
        LinkErrors, LinkRefusals, LinkServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[post("/log-links")]
pub(in crate::query) async fn create_log_link(
    admin: Admin,
    body: SmallBody,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let request = checked(body.json()?)?;
    let link = saved(links_store::create(&store.pool, &request, admin.0.name()).await?)?;
    Ok(HttpResponse::Created().json(link))
}

#[utoipa::path(
    tag = "logs",
    operation_id = "changeLogLink",
    summary = "Replace a link to an external log system",
    description = "Needed role: admin.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The link's identifier.")),
    request_body(content = LogLinkRequest, example = request_example),
    responses(
        (status = 200, description = "The link.", body = LogLink, example = example),
        LinkErrors, LinkRefusals, MissingLink, LinkServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[put("/log-links/{id}")]
pub(in crate::query) async fn change_log_link(
    admin: Admin,
    id: web::Path<String>,
    body: SmallBody,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    let id = path_id(&id)?;
    let request = checked(body.json()?)?;
    let link = saved(links_store::change(&store.pool, id, &request, admin.0.name()).await?)?;
    Ok(HttpResponse::Ok().json(link))
}

#[utoipa::path(
    tag = "logs",
    operation_id = "deleteLogLink",
    summary = "Remove a link to an external log system",
    description = "Needed role: admin.",
    security(("session" = [])),
    params(("id" = Uuid, Path, description = "The link's identifier.")),
    responses(
        (status = 204, description = "It is gone."),
        MalformedLinkId, LinkRefusals, MissingLink, LinkServerErrors,
    ),
    extensions(("x-required-role" = json!("admin"))),
)]
#[delete("/log-links/{id}")]
pub(in crate::query) async fn delete_log_link(
    _admin: Admin,
    id: web::Path<String>,
    store: web::Data<Store>,
) -> ApiResult<HttpResponse> {
    if !links_store::delete(&store.pool, path_id(&id)?).await? {
        return Err(ApiError::not_found("link"));
    }
    Ok(HttpResponse::NoContent().finish())
}
