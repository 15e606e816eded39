//! Log in, stay logged in, log out, change one's password.

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError, get, post};
use spanloom_model::api::{LoginRequest, PasswordChange, Problem, Session, User};

use super::extract::{
    ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE, SmallBody, Viewer, check_csrf, check_origin,
    client_address, identity, person,
};
use super::http_docs::{BodyErrors, ForeignPage, NotLoggedIn, Refusals, ServerErrors, TooManyAttempts};
use super::secret::Secret;
use super::session::{LoginError, OpenSession, PasswordChangeError};
use crate::config::AuthConfig;
use crate::web::{ApiError, ApiResult};

/// The refresh token goes nowhere else.
const REFRESH_PATH: &str = "/api/v1/auth";

const DAY_SECONDS: i64 = 86_400;

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::unauthorized(error.to_string()),
            LoginError::TooMany { retry_after_seconds } => {
                Self::too_many_requests(error.to_string(), retry_after_seconds)
            }
            LoginError::Busy => Self::unavailable(error.to_string(), 1),
            LoginError::Internal(error) => error.into(),
        }
    }
}

fn cookie<'c>(
    auth: &AuthConfig,
    name: &'c str,
    value: String,
    path: &'c str,
    max_age_seconds: i64,
) -> Cookie<'c> {
    Cookie::build(name, value)
        .path(path)
        .http_only(name != CSRF_COOKIE)
        .same_site(SameSite::Strict)
        .secure(auth.secure_cookies)
        .max_age(time::Duration::seconds(max_age_seconds))
        .finish()
}

fn opened(auth: &AuthConfig, session: OpenSession) -> HttpResponse {
    let idle_seconds = i64::from(auth.refresh_days) * DAY_SECONDS;
    let access_seconds = i64::from(auth.access_minutes) * 60;
    let access = session.access.expose().to_owned();
    let refresh = session.refresh.expose().to_owned();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .cookie(cookie(auth, ACCESS_COOKIE, access, "/", access_seconds))
        .cookie(cookie(auth, REFRESH_COOKIE, refresh, REFRESH_PATH, idle_seconds))
        .cookie(cookie(auth, CSRF_COOKIE, session.csrf.clone(), "/", idle_seconds))
        .json(Session {
            user: session.user,
            csrf_token: session.csrf,
            access_expires_at: session.access_expires_at,
        })
}

/// Tells the browser to forget the session.
fn forget(auth: &AuthConfig, mut response: HttpResponse) -> HttpResponse {
    for (name, path) in [(ACCESS_COOKIE, "/"), (REFRESH_COOKIE, REFRESH_PATH), (CSRF_COOKIE, "/")] {
        if let Err(error) = response.add_cookie(&cookie(auth, name, String::new(), path, 0)) {
            tracing::error!(%error, "a cookie could not be removed");
        }
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refresh_cookie(request: &HttpRequest) -> Option<Secret> {
    request.cookie(REFRESH_COOKIE).map(|cookie| Secret::new(cookie.value().to_owned()))
}

#[utoipa::path(
    tag = "auth",
    summary = "Log in",
    description = "Opens a session and sets its cookies: `spanloom_access` (the access token) and \
        `spanloom_refresh`, which scripts cannot read, and `spanloom_csrf`, which they can. Failed \
        log-ins are limited per account and address. Needed role: none.",
    security(()),
    request_body(content = LoginRequest, example = json!({
        "username": "admin", "password": "correct horse battery staple"
    })),
    responses(
        (status = 200, description = "Logged in.", body = Session,
            headers(("Set-Cookie" = String, description = "The session's three cookies.")),
            example = json!({
                "user": {
                    "id": "0192f0c1-2f1d-4c6e-9f0a-7d1f5a0b6c3d", "username": "admin", "role": "admin",
                    "disabled": false, "createdAt": "2026-11-23T08:00:00Z"
                },
                "csrfToken": "q0m4nZ5Wk3V9bX2cL7dJ8fH1gS6aP0oI5uY4tR3eWqM",
                "accessExpiresAt": "2026-11-23T09:15:00Z"
            })),
        BodyErrors, NotLoggedIn, ForeignPage, TooManyAttempts, ServerErrors,
        (status = "default", description = "Any other error.", body = Problem,
            content_type = "application/problem+json", example = json!({
                "type": "/problems/bad_request", "title": "The request cannot be read", "status": 400,
                "code": "bad_request"
            })),
    ),
    extensions(("x-required-role" = json!("public"))),
)]
#[post("/auth/login")]
pub(super) async fn log_in(request: HttpRequest, body: SmallBody) -> ApiResult<HttpResponse> {
    let identity = identity(&request)?;
    check_origin(&request, identity)?;
    let LoginRequest { username, password } = body.json()?;
    let address = client_address(&request, identity);
    let session = identity.log_in(&username, &password, address).await?;
    // The browser is about to forget the session that it had.
    identity.log_out(None, refresh_cookie(&request).as_ref()).await?;
    Ok(opened(identity.auth(), session))
}

#[utoipa::path(
    tag = "auth",
    summary = "Renew the session",
    description = "Exchanges the refresh token in the cookie `spanloom_refresh` for a new one, and sets \
        all cookies anew. A token is good for one exchange; two at the same moment lead to the same \
        session, a later second use ends it. Needs the header `X-CSRF-Token`. Needed role: none, the \
        token suffices.",
    security(()),
    params(("X-CSRF-Token" = String, Header, description = "The value of the cookie `spanloom_csrf`.")),
    responses(
        (status = 200, description = "Renewed.", body = Session,
            headers(("Set-Cookie" = String, description = "The session's three cookies.")),
            example = json!({
                "user": {
                    "id": "0192f0c1-2f1d-4c6e-9f0a-7d1f5a0b6c3d", "username": "admin", "role": "admin",
                    "disabled": false, "createdAt": "2026-11-23T08:00:00Z"
                },
                "csrfToken": "q0m4nZ5Wk3V9bX2cL7dJ8fH1gS6aP0oI5uY4tR3eWqM",
                "accessExpiresAt": "2026-11-23T09:30:00Z"
            })),
        NotLoggedIn, ForeignPage, ServerErrors,
    ),
    extensions(("x-required-role" = json!("public"))),
)]
#[post("/auth/refresh")]
pub(super) async fn refresh_session(request: HttpRequest) -> ApiResult<HttpResponse> {
    let identity = identity(&request)?;
    check_origin(&request, identity)?;
    let presented =
        refresh_cookie(&request).ok_or_else(|| ApiError::unauthorized("nobody is logged in"))?;
    check_csrf(&request)?;
    let Some(session) = identity.refresh(&presented).await? else {
        let ended = ApiError::unauthorized("the session has ended");
        return Ok(forget(identity.auth(), ended.error_response()));
    };
    Ok(opened(identity.auth(), session))
}

#[utoipa::path(
    tag = "auth",
    summary = "Log out",
    description = "Ends the session and removes its cookies. Without a session nothing happens. Needed \
        role: none.",
    security(()),
    params(("X-CSRF-Token" = Option<String>, Header, description = "The value of the cookie \
        `spanloom_csrf`; needed if there is a session.")),
    responses((status = 204, description = "Logged out."), ForeignPage, ServerErrors),
    extensions(("x-required-role" = json!("public"))),
)]
#[post("/auth/logout")]
pub(super) async fn log_out(request: HttpRequest) -> ApiResult<HttpResponse> {
    let identity = identity(&request)?;
    check_origin(&request, identity)?;
    let access = request.cookie(ACCESS_COOKIE);
    let refresh = refresh_cookie(&request);
    if access.is_some() || refresh.is_some() {
        check_csrf(&request)?;
        identity.log_out(access.as_ref().map(Cookie::value), refresh.as_ref()).await?;
    }
    Ok(forget(identity.auth(), HttpResponse::new(StatusCode::NO_CONTENT)))
}

#[utoipa::path(
    tag = "auth",
    summary = "Who is logged in",
    description = "The account of the session. API keys have none. Needed role: viewer.",
    security(("session" = [])),
    responses(
        (status = 200, description = "The account.", body = User, example = json!({
            "id": "0192f0c1-2f1d-4c6e-9f0a-7d1f5a0b6c3d", "username": "admin", "role": "admin",
            "disabled": false, "createdAt": "2026-11-23T08:00:00Z"
        })),
        Refusals, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[get("/auth/me")]
pub(super) async fn me(viewer: Viewer) -> ApiResult<HttpResponse> {
    let (user, _) = person(viewer.0)?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(user))
}

#[utoipa::path(
    tag = "auth",
    summary = "Change one's password",
    description = "Changes the password of the account that is logged in and ends its other sessions. \
        Wrong guesses at the current password count as failed log-ins. Needed role: viewer.",
    security(("session" = [])),
    request_body(content = PasswordChange, example = json!({
        "currentPassword": "correct horse battery staple", "newPassword": "a longer and better one"
    })),
    responses(
        (status = 204, description = "Changed."),
        BodyErrors, Refusals, TooManyAttempts, ServerErrors,
    ),
    extensions(("x-required-role" = json!("viewer"))),
)]
#[post("/auth/password")]
pub(super) async fn change_password(
    request: HttpRequest,
    viewer: Viewer,
    body: SmallBody,
) -> ApiResult<HttpResponse> {
    let identity = identity(&request)?;
    let (user, session) = person(viewer.0)?;
    let PasswordChange { current_password, new_password } = body.json()?;
    let address = client_address(&request, identity);
    let changed = identity.change_password(&user, session, &current_password, &new_password, address).await;
    changed.map_err(password_error)?;
    Ok(HttpResponse::NoContent().finish())
}

/// A wrong current password is a faulty field: 401 would tell the browser that the session is over.
fn password_error(error: PasswordChangeError) -> ApiError {
    match error {
        PasswordChangeError::Policy(reason) => ApiError::invalid("newPassword", reason),
        PasswordChangeError::Current(LoginError::Wrong) => {
            ApiError::invalid("currentPassword", "is not the account's password")
        }
        PasswordChangeError::Current(error) => error.into(),
    }
}
