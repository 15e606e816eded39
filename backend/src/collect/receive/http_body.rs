//! Reading a request's body: decompressed while it arrives, bounded before and after.

use actix_web::HttpRequest;
use actix_web::dev::Decompress;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures::StreamExt;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than the limit, as sent or after decompression.
    TooLarge,
    /// An encoding that we do not read.
    Encoding(String),
    /// Broken off or not in the encoding that it claims.
    Malformed(String),
}

/// The whole body, decompressed, at most `limit_bytes` of it.
pub async fn read(request: &HttpRequest, payload: Payload, limit_bytes: usize) -> Result<Bytes, BodyError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let encoding = header(header::CONTENT_ENCODING).unwrap_or("identity").trim().to_lowercase();
    if !["identity", "gzip", "zstd", "deflate", "br"].contains(&encoding.as_str()) {
        return Err(BodyError::Encoding(encoding));
    }
    let announced = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(BodyError::TooLarge);
    }
    let mut stream = Decompress::from_headers(payload, request.headers());
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| BodyError::Malformed(error.to_string()))?;
        if body.len() + chunk.len() > limit_bytes {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
