//! The error responses in the OpenAPI document.

use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// What every operation may answer.
    ServerErrors => [
        ("The server failed; its log tells why.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database cannot be reached, or too much is going on.", ApiError::unavailable("the database cannot be reached", 5)),
    ];
    /// What operations with a body answer to a faulty one.
    BodyErrors => [
        ("The body is no JSON of the documented form, or a field is not acceptable.", ApiError::invalid("username", "must have 1 to 64 of A-Z, a-z, 0-9, '.', '_', '-' and '@'")),
        ("The body is too large.", ApiError::too_large(16 << 10)),
        ("The body is no `application/json`.", ApiError::unsupported_media_type("send application/json")),
    ];
    /// What operations for people and keys answer to others.
    Refusals => [
        ("Nobody is logged in, or the session or key has ended.", ApiError::unauthorized("nobody is logged in")),
        ("The role does not suffice, or the CSRF token or the origin is wrong.", ApiError::forbidden("this needs the role admin")),
    ];
    /// A session is missing.
    NotLoggedIn => [
        ("The name or password is wrong, or the refresh token is not in force.", ApiError::unauthorized("wrong user name or password")),
    ];
    /// Another page sent the request.
    ForeignPage => [
        ("The CSRF token or the origin is wrong.", ApiError::forbidden("the header X-CSRF-Token must repeat the cookie spanloom_csrf")),
    ];
    /// Too many wrong passwords.
    TooManyAttempts => [
        ("Too many failed log-ins of this account or address. `Retry-After` says when they are forgotten.", ApiError::too_many_requests("too many failed log-ins", 900)),
    ];
    /// The identifier is malformed.
    MalformedId => [
        ("The identifier is no UUID.", ApiError::invalid("id", "must be a UUID")),
    ];
    /// There is no such thing.
    Missing => [
        ("There is none with this identifier.", ApiError::not_found("user")),
    ];
    /// It collides with what is there.
    Collision => [
        ("The name is taken, or it would lock out the last administrator or oneself.", ApiError::conflict("this is the last administrator who can log in")),
    ];
}
