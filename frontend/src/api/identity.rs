//! Session, people and keys.

use gloo_net::http::Method;
use spanloom_model::api::{
    ApiKey, ApiKeyCreated, ApiKeyRequest, LoginRequest, PasswordChange, Session, User, UserChange,
    UserRequest,
};

use super::ApiError;
use super::client::{Signal, get, send, send_for_nothing};

const NOTHING: Option<&()> = None;

/// Opens a session.
pub async fn log_in(username: String, password: String) -> Result<Session, ApiError> {
    send(Method::POST, "auth/login", &LoginRequest { username, password }).await
}

/// Ends the session.
pub async fn log_out() -> Result<(), ApiError> {
    send_for_nothing(Method::POST, "auth/logout", NOTHING).await
}

/// Who is logged in.
pub async fn me() -> Result<User, ApiError> {
    get("auth/me", None).await
}

/// Changes the person's own password.
pub async fn change_password(current_password: String, new_password: String) -> Result<(), ApiError> {
    let change = PasswordChange { current_password, new_password };
    send_for_nothing(Method::POST, "auth/password", Some(&change)).await
}

/// All people.
pub async fn users(signal: Signal) -> Result<Vec<User>, ApiError> {
    get("users", signal).await
}

/// Adds a person.
pub async fn add_user(request: UserRequest) -> Result<User, ApiError> {
    send(Method::POST, "users", &request).await
}

/// Changes a person's account.
pub async fn change_user(id: String, change: UserChange) -> Result<User, ApiError> {
    send(Method::PATCH, &format!("users/{id}"), &change).await
}

/// All API keys, revoked ones included.
pub async fn keys(signal: Signal) -> Result<Vec<ApiKey>, ApiError> {
    get("keys", signal).await
}

/// Makes a key; the answer holds its secret for the only time.
pub async fn create_key(request: ApiKeyRequest) -> Result<ApiKeyCreated, ApiError> {
    send(Method::POST, "keys", &request).await
}

/// Makes a key useless.
pub async fn revoke_key(id: String) -> Result<(), ApiError> {
    send_for_nothing(Method::DELETE, &format!("keys/{id}"), NOTHING).await
}
