//! The error responses in the OpenAPI document.

use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// What every operation on links may answer.
    LinkServerErrors => [
        ("The server failed; its log tells why.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database cannot be reached, or too much is going on.", ApiError::unavailable("the database cannot be reached", 5)),
    ];
    /// What is answered to others.
    LinkRefusals => [
        ("Nobody is logged in, or the session or key has ended.", ApiError::unauthorized("nobody is logged in")),
        ("The role does not suffice, or the CSRF token or the origin is wrong.", ApiError::forbidden("this needs the role admin")),
    ];
    /// What is answered to a faulty link.
    LinkErrors => [
        ("The body is no JSON of the documented form, or a field or the identifier is not acceptable.", ApiError::invalid("urlTemplate", "must begin with https:// or http://")),
        ("The name is taken for that service, or there are too many links.", ApiError::conflict("another link has this name for this service")),
        ("The body is too large.", ApiError::too_large(16 << 10)),
        ("The body is no `application/json`.", ApiError::unsupported_media_type("send application/json")),
    ];
    /// The identifier is malformed.
    MalformedLinkId => [
        ("The identifier is no UUID.", ApiError::invalid("id", "must be a UUID")),
    ];
    /// There is no such link.
    MissingLink => [
        ("There is none with this identifier.", ApiError::not_found("link")),
    ];
}
