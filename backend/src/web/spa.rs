//! The browser application: files built by `cargo xtask web`, compressed beforehand.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use rust_embed::RustEmbed;

use super::openapi;
use super::problem::ApiError;

/// In a debug build the files are read when they are asked for.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../frontend/dist"]
struct Files;

const NOT_BUILT: &str = "The browser application is not part of this build: run `cargo xtask web`, then build \
    the server again.\n";

/// Serves a file, or the application's page for any path of its own.
pub async fn serve(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    let methods = openapi::methods_of(request.path());
    // A server without the role for it does not have the operation.
    if methods.iter().any(|method| method == request.method().as_str()) {
        return ApiError::not_found("operation").error_response();
    }
    if !methods.is_empty() {
        return not_allowed(&methods.join(", "));
    }
    if path.starts_with("v1/") || path.starts_with("api/") {
        return ApiError::not_found("operation").error_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return not_allowed("GET, HEAD");
    }
    if let Some(response) = file(&request, path) {
        return response;
    }
    // A missing file is missing; everything else is a page of the application.
    if path.rsplit('/').next().is_some_and(|name| name.contains('.')) && !path.starts_with("traces/") {
        return ApiError::not_found("file").error_response();
    }
    file(&request, "index.html").unwrap_or_else(|| {
        HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body(NOT_BUILT)
    })
}

fn not_allowed(methods: &str) -> HttpResponse {
    let mut response = ApiError::method_not_allowed().error_response();
    if let Ok(methods) = methods.parse() {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

fn file(request: &HttpRequest, path: &str) -> Option<HttpResponse> {
    let plain = Files::get(path)?;
    let accepted =
        request.headers().get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    let compressed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts(accepted, encoding))
        .find_map(|(encoding, suffix)| Some((encoding, Files::get(&format!("{path}{suffix}"))?)));

    let etag = format!("\"{}\"", hex::encode(&plain.metadata.sha256_hash()[..16]));
    let fresh = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // Hashed names never change their content; the page and the script that name them do.
    let caching = if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    response
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::ETAG, etag))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::CONTENT_TYPE, content_type(path)));
    if fresh {
        return Some(response.finish());
    }
    Some(match compressed {
        Some((encoding, file)) => response
            .insert_header((header::CONTENT_ENCODING, HeaderValue::from_static(encoding)))
            .body(file.data.into_owned()),
        None => response.body(plain.data.into_owned()),
    })
}

/// Whether the name has the content's hash in it: `app-<hash>.js`, `style-<hash>.css`.
fn is_hashed(path: &str) -> bool {
    path.starts_with("app-") || path.starts_with("style-")
}

fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        parts.next() == Some(encoding) && parts.all(|part| part != "q=0")
    })
}

fn content_type(path: &str) -> String {
    mime_guess::from_path(path).first_or_octet_stream().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a page or a script that browsers would keep for a year.
    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        assert!(is_hashed("app-0123456789abcdef_bg.wasm") && is_hashed("style-0123456789abcdef.css"));
        assert!(!is_hashed("index.html") && !is_hashed("boot.js"));
    }

    #[test]
    fn only_accepted_encodings_are_used() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("brotli", "br"));
    }
}
