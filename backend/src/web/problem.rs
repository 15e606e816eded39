//! Errors of the HTTP API as RFC 9457 problem details.
//!
//! A handler returns [`ApiResult`]; `?` turns any `anyhow` or `sqlx` error into a 500 (or a 503
//! where the database is away) whose cause goes to the log and never to the client.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use spanloom_model::api::{FieldError, Problem};

/// What handlers return.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error with the problem that the client gets.
#[derive(Debug)]
pub struct ApiError {
    problem: Box<Problem>,
    retry_after_seconds: Option<u64>,
    /// What the log gets; the client never does.
    cause: Option<anyhow::Error>,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, title: &str) -> Self {
        let problem = Problem {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: None,
            errors: Vec::new(),
            trace_id: None,
        };
        Self { problem: Box::new(problem), retry_after_seconds: None, cause: None }
    }

    fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.problem.detail = Some(detail.into());
        self
    }

    /// 400: one parameter or field is wrong.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// 400: parameters or fields are wrong.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, "invalid_request", "The request is not valid");
        error.problem.detail = errors.first().map(|first| match first.field.as_str() {
            "" => first.message.clone(),
            field => format!("{field}: {}", first.message),
        });
        error.problem.errors = errors;
        error
    }

    /// 400: the request cannot be read at all.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "The request cannot be read").with_detail(detail)
    }

    /// 401: nobody is logged in, or the credentials are wrong.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Log in first").with_detail(detail)
    }

    /// 403: logged in, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").with_detail(detail)
    }

    /// 404: there is no such thing, or none that this reader may know of.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found").with_detail(format!("no such {what}"))
    }

    /// 405: the path exists, the method does not.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
    }

    /// 409: it collides with what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict").with_detail(detail)
    }

    /// 413: the body is larger than the configured limit.
    pub fn too_large(limit_bytes: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large")
            .with_detail(format!("at most {limit_bytes} bytes, also after decompression"))
    }

    /// 415: the body's type or encoding is not understood.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
            .with_detail(detail)
    }

    /// 429: too many attempts.
    pub fn too_many_requests(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests")
            .with_detail(detail);
        error.retry_after_seconds = Some(retry_after_seconds);
        error
    }

    /// 503: it may work later.
    pub fn unavailable(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later")
            .with_detail(detail);
        error.retry_after_seconds = Some(retry_after_seconds);
        error
    }

    /// 500: our fault; the cause goes to the log.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
            .with_detail("the server's log tells more under this request's trace id");
        error.cause = Some(cause.into());
        error
    }

    /// When to come again, if that is known.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_seconds
    }

    /// The problem, for responses in another protocol.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause:#}", self.problem.title),
            None => f.write_str(self.problem.detail.as_deref().unwrap_or(&self.problem.title)),
        }
    }
}

impl std::error::Error for ApiError {}

impl From<anyhow::Error> for ApiError {
    fn from(cause: anyhow::Error) -> Self {
        match cause.downcast::<sqlx::Error>() {
            Ok(database) => database.into(),
            Err(cause) => Self::internal(cause),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(cause: sqlx::Error) -> Self {
        let mut error = match &cause {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed => {
                Self::unavailable("the database cannot be reached", 5)
            }
            // query_canceled: the statement timeout.
            sqlx::Error::Database(e) if e.code().as_deref() == Some("57014") => {
                Self::unavailable("the query took too long: narrow the time range or the filter", 30)
            }
            _ => Self::internal(anyhow::anyhow!("database")),
        };
        error.cause = Some(cause.into());
        error
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut problem = self.problem.clone();
        problem.trace_id = Some(uuid::Uuid::new_v4().simple().to_string());
        if let Some(cause) = &self.cause {
            tracing::error!(request = problem.trace_id, status = problem.status, "{cause:#}");
        }
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if problem.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(serde_json::to_string(&problem).unwrap_or_default())
    }
}
