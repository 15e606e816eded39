//! The error responses in the OpenAPI document.

use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// What every operation on the settings may answer.
    ServerErrors => [
        ("The server failed; its log tells why.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database cannot be reached, or too much is going on.", ApiError::unavailable("the database cannot be reached", 5)),
    ];
    /// What is answered to others.
    Refusals => [
        ("Nobody is logged in, or the session or key has ended.", ApiError::unauthorized("nobody is logged in")),
        ("The role does not suffice, or the CSRF token or the origin is wrong.", ApiError::forbidden("this needs the role editor")),
    ];
    /// What is answered to faulty settings.
    SettingsErrors => [
        ("The body is no JSON of the documented form, or settings are not acceptable; `errors` lists all faults.", ApiError::invalid("settings.policies[0].rule.samplingPercentage", "must be 0 to 100")),
        ("The body is too large.", ApiError::too_large(super::http::SETTINGS_BYTES_MAX)),
        ("The body is no `application/json`.", ApiError::unsupported_media_type("send application/json")),
    ];
    /// Somebody else was faster.
    Overtaken => [
        ("The version that was changed is not the newest any more.", ApiError::conflict("somebody saved version 4 meanwhile: load it and change that")),
    ];
}
