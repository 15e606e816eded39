//! What can go wrong with these operations, for the document.

use super::http::too_many;
use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// Of the graph and of impact: they may be too large.
    GraphErrors => [
        ("A parameter is wrong, or the answer would be too large; `errors` lists all that are.", too_many("service")),
        ("Nobody is logged in, or the key is wrong.", ApiError::unauthorized("log in or send an API key")),
        ("The key may not read.", ApiError::forbidden("this key lacks the scope read")),
        ("A fault of the server; its log tells more.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database is away or the query took too long.", ApiError::unavailable("the query took too long: narrow the time range or the filter", 30)),
    ];
}
