//! Error responses in the OpenAPI document. The examples are real errors, so they cannot drift.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::ApiError;

/// Responses by status.
pub type Responses = BTreeMap<String, RefOr<Response>>;

/// Responses from errors, each with its description.
pub fn responses(errors: &[(&str, ApiError)]) -> Responses {
    let response = |(description, error): &(&str, ApiError)| {
        let problem = error.problem();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .example(serde_json::to_value(problem).ok())
            .build();
        let response =
            ResponseBuilder::new().description(*description).content("application/problem+json", content);
        (problem.status.to_string(), RefOr::T(response.build()))
    };
    errors.iter().map(response).collect()
}

/// Names sets of error responses for `responses(...)` of `#[utoipa::path]`.
macro_rules! error_responses {
    ($($(#[$doc:meta])* $name:ident => [$($error:expr),+ $(,)?];)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> $crate::web::problem_docs::Responses {
                $crate::web::problem_docs::responses(&[$($error),+])
            }
        }
    )+};
}

pub(crate) use error_responses;
