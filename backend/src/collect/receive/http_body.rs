//! Reading a request's body: bounded as it arrives, and bounded as it is decompressed.

use std::io::Read;
use std::time::Duration;

use actix_web::HttpRequest;
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

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

/// Zstandard's window: what a frame may make us keep in memory, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A body of which nothing arrives for so long is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A body as it was sent.
pub struct RawBody {
    bytes: Bytes,
    encoding: Encoding,
    limit_bytes: usize,
}

/// Reads the body as it comes, at most `limit_bytes` of it.
pub async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limit_bytes: usize,
) -> Result<RawBody, BodyError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let encoding = header(header::CONTENT_ENCODING).unwrap_or("identity").trim().to_lowercase();
    let encoding = match encoding.as_str() {
        "identity" => Encoding::Identity,
        "gzip" => Encoding::Gzip,
        "deflate" => Encoding::Deflate,
        "zstd" => Encoding::Zstd,
        _ => return Err(BodyError::Encoding(encoding)),
    };
    let announced = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(BodyError::TooLarge);
    }
    let mut body = BytesMut::new();
    loop {
        let Ok(next) = tokio::time::timeout(STALL_TIMEOUT, payload.next()).await else {
            return Err(BodyError::Malformed("the body did not arrive in time".to_owned()));
        };
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|error| BodyError::Malformed(error.to_string()))?;
        if body.len() + chunk.len() > limit_bytes {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(RawBody { bytes: body.freeze(), encoding, limit_bytes })
}

impl RawBody {
    /// Decompresses, and stops at the limit: a few kilobytes may stand for gigabytes. Takes time;
    /// not for the threads that serve connections.
    pub fn inflate(self) -> Result<Bytes, BodyError> {
        let malformed = |error: std::io::Error| BodyError::Malformed(error.to_string());
        let raw = &self.bytes[..];
        let reader: Box<dyn Read + '_> = match self.encoding {
            Encoding::Identity => return Ok(self.bytes),
            Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(raw)),
            Encoding::Deflate => Box::new(flate2::read::ZlibDecoder::new(raw)),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(raw).map_err(malformed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(malformed)?;
                Box::new(decoder)
            }
        };
        let mut body = Vec::new();
        reader.take(self.limit_bytes as u64 + 1).read_to_end(&mut body).map_err(malformed)?;
        if body.len() > self.limit_bytes { Err(BodyError::TooLarge) } else { Ok(body.into()) }
    }
}
