//! The operations of this domain: sessions, people, keys. Paths are below `/api/v1`.

use actix_web::HttpRequest;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::account::AccountError;
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
