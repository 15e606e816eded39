//! The error responses in the OpenAPI document.

use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// What every operation may answer.
    ServerErrors => [
        ("The server failed; its log tells why.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database cannot be reached, or too much is going on.", ApiError::unavailable("the database cannot be reached", 5)),
    ];
    /// What is answered to others.
    Refusals => [
        ("Nobody is logged in, or the session or key has ended.", ApiError::unauthorized("nobody is logged in")),
        ("The role does not suffice, or the CSRF token or the origin is wrong.", ApiError::forbidden("this needs the role editor")),
    ];
    /// What is answered to faulty definitions.
    DefinitionErrors => [
        ("The body is no JSON of the documented form, or fields are not acceptable; `errors` lists all faults.", ApiError::invalid("filter.attributes[0].key", "must not be empty")),
        ("The body is too large.", ApiError::too_large(16 << 10)),
        ("The body is no `application/json`.", ApiError::unsupported_media_type("send application/json")),
    ];
    /// The identifier or a parameter is malformed.
    ParameterErrors => [
        ("The identifier is no UUID, or a parameter is wrong.", ApiError::invalid("id", "must be a UUID")),
    ];
    /// There is no such metric.
    Missing => [
        ("There is none with this identifier.", ApiError::not_found("custom metric")),
    ];
    /// It collides with what is there.
    Collision => [
        ("The name is taken, there are too many, or somebody else changed it meanwhile.", ApiError::conflict("there is a metric with this name")),
    ];
}
