//! The operations of this domain: sessions, people, keys. Paths are below `/api/v1`.

use actix_web::HttpRequest;
use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::account::AccountError;
use super::extract::ACCESS_COOKIE;
use super::{http_auth, http_keys, http_users};
use crate::web::{ApiError, ApiResult};

/// Registers the operations. The application must hold `web::Data<Identity>`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(http_auth::log_in)
        .service(http_auth::refresh_session)
        .service(http_auth::log_out)
        .service(http_auth::me)
        .service(http_auth::change_password)
        .service(http_users::list_users)
        .service(http_users::create_user)
        .service(http_users::change_user)
        .service(http_users::delete_user)
        .service(http_keys::list_keys)
        .service(http_keys::create_key)
        .service(http_keys::revoke_key);
}

/// Adds the ways to prove who one is to an OpenAPI document: `session` (cookies) and `api_key`
/// (`Authorization: Bearer`).
pub struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let session = ApiKeyValue::with_description(
            ACCESS_COOKIE,
            "Set by `POST /api/v1/auth/login`. Requests that change something also need the header \
             `X-CSRF-Token` with the value of the cookie `spanloom_csrf`.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        let key = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, `slk_...`, with the scope `read` or `ingest`."));
        components.add_security_scheme("api_key", SecurityScheme::Http(key.build()));
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Invalid(field, message) => Self::invalid(field, message),
            AccountError::NameTaken(_) | AccountError::Refused(_) => Self::conflict(error.to_string()),
            AccountError::NotFound => Self::not_found("user"),
            AccountError::Busy => Self::unavailable(error.to_string(), 1),
            AccountError::Internal(error) => error.into(),
        }
    }
}

/// The identifier in the path.
pub(super) fn path_id(request: &HttpRequest) -> ApiResult<Uuid> {
    let id = request.match_info().get("id").unwrap_or_default();
    Uuid::try_parse(id).map_err(|_| ApiError::invalid("id", "must be a UUID"))
}
