//! What can go wrong when a state is changed, and examples, for the document.

use serde_json::{Value, json};

use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// Of changes of states.
    ChangeErrors => [
        ("The body is no JSON of the documented form, or something in it is not acceptable.", ApiError::invalid("state", "must be open, resolved or ignored")),
        ("Nobody is logged in, or the session has ended.", ApiError::unauthorized("nobody is logged in")),
        ("The role does not suffice, or the CSRF token or the origin is wrong.", ApiError::forbidden("this needs the role editor")),
        ("The body is too large.", ApiError::too_large(16 << 10)),
        ("The body is no `application/json`.", ApiError::unsupported_media_type("send application/json")),
        ("The server failed; its log tells why.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database cannot be reached.", ApiError::unavailable("the database cannot be reached", 5)),
    ];
    /// No such group.
    UnknownGroup => [
        ("There is no such group, or it was forgotten.", ApiError::not_found("group of errors")),
    ];
}

/// A group.
pub fn group_example() -> Value {
    json!({
        "id": "c8b5b1de-6d84-8bd3-9f3e-3a1f0c1d2e4f",
        "service": "checkout",
        "type": "java.net.SocketTimeoutException",
        "message": "order <num> timed out after <duration>",
        "example": "order 17 timed out after 2s",
        "isOverflow": false,
        "state": "open",
        "firstSeen": "2026-11-20T09:14:02.118Z",
        "lastSeen": "2026-11-23T11:58:40.903Z",
        "totalCount": 1834.0,
        "count": 42.0,
        "trend": [3.0, 0.0, 7.0, 32.0]
    })
}
