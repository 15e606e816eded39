//! The error responses of receivers in the OpenAPI document.

use crate::web::ApiError;
use crate::web::problem_docs::error_responses;

error_responses! {
    /// Who may not send.
    IngestRefusals => [
        ("No key, or one that is not in force.", ApiError::unauthorized("send an API key with the scope \"ingest\" as \"Authorization: Bearer slk_...\"")),
        ("The key lacks the scope `ingest`.", ApiError::forbidden("this API key lacks the scope \"ingest\"")),
    ];
    /// What the native format answers besides.
    NativeErrors => [
        ("Something is wrong with the spans; nothing was stored.", ApiError::invalid("[0].traceId", "must be 32 hexadecimal digits")),
        ("The body is too large, as sent or decompressed.", ApiError::too_large(32 << 20)),
        ("Another content encoding.", ApiError::unsupported_media_type("Content-Encoding \"lzma\" is not supported")),
        ("Too much is waiting, or a rate limit is used up: send again after `Retry-After` seconds.", ApiError::too_many_requests("too many spans are waiting to be written", 2)),
        ("The spans could not be stored; the log tells why.", ApiError::internal(anyhow::anyhow!("example"))),
        ("The database is away: send again after `Retry-After` seconds.", ApiError::unavailable("the database cannot be reached", 2)),
    ];
}
