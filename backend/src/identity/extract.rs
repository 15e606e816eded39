//! From an HTTP request to who sent it. A handler that takes [`Viewer`], [`Editor`], [`Admin`] or
//! [`IngestClient`] runs only for those who may.
//!
//! 401 means that nobody is logged in, 403 that somebody is but may not. A person's cookies are sent
//! by the browser without being asked, so requests with them that change something must also prove
//! that one of our pages made them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use spanloom_model::api::{KeyScope, Role, User};
use uuid::Uuid;

pub use super::ingest::IngestClient;
use super::ingest::IngestDenied;
use super::role::{Principal, role_name};
use super::{Identity, api_key, origin};
use crate::web::{ApiError, ApiResult};

/// The cookie with the access token.
pub const ACCESS_COOKIE: &str = "spanloom_access";
/// The cookie with the refresh token.
pub const REFRESH_COOKIE: &str = "spanloom_refresh";
/// The cookie with the CSRF token.
pub const CSRF_COOKIE: &str = "spanloom_csrf";
/// The header that repeats the CSRF token.
pub const CSRF_HEADER: &str = "X-CSRF-Token";

/// Bodies of this domain's requests are small.
const BODY_BYTES_MAX: usize = 16 << 10;

macro_rules! role_extractor {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub Principal);

        impl FromRequest for $name {
            type Error = ApiError;
            type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let request = request.clone();
                Box::pin(async move { authenticate(&request, Role::$name).await.map(Self) })
            }
        }
    };
}

role_extractor!(
    /// Somebody who reads: every person, and keys with the scope `read`.
    Viewer
);
role_extractor!(
    /// A person who changes what is shared.
    Editor
);
role_extractor!(
    /// A person who manages people, keys and the system.
    Admin
);

impl FromRequest for IngestClient {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let identity = identity(&request)?;
            let bearer = presented_key(request.headers());
            // A page of another site that a browser on this machine shows is not this machine.
            let foreign_page = !origin_is_ours(&request, identity);
            let peer = direct_peer(&request).filter(|_| !foreign_page);
            Ok(identity.authorize_ingest(peer, bearer).await?)
        })
    }
}

impl From<IngestDenied> for ApiError {
    fn from(denied: IngestDenied) -> Self {
        match denied {
            IngestDenied::NoKey | IngestDenied::BadKey => Self::unauthorized(denied.to_string()),
            IngestDenied::WrongScope => Self::forbidden(denied.to_string()),
            IngestDenied::Unavailable(error) => {
                tracing::warn!(%error, "an API key could not be checked");
                Self::unavailable("the API key cannot be checked now", 5)
            }
        }
    }
}

/// The body of a small JSON request, read but not yet understood: whoever may not call the operation
/// learns that first, whatever the body.
pub(crate) struct SmallBody<const BYTES_MAX: usize = BODY_BYTES_MAX> {
    is_json: bool,
    bytes: ApiResult<Vec<u8>>,
}

impl<const BYTES_MAX: usize> FromRequest for SmallBody<BYTES_MAX> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = header_text(request.headers(), "content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_json = media_type.eq_ignore_ascii_case("application/json");
        let payload = payload.take();
        Box::pin(async move { Ok(Self { is_json, bytes: read(payload, BYTES_MAX).await }) })
    }
}

/// A body of which nothing arrives for so long is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

async fn read(mut payload: Payload, bytes_max: usize) -> ApiResult<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let Ok(next) = tokio::time::timeout(STALL_TIMEOUT, payload.next()).await else {
            return Err(ApiError::bad_request("the body did not arrive in time"));
        };
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|error| ApiError::bad_request(error.to_string()))?;
        if bytes.len() + chunk.len() > bytes_max {
            return Err(ApiError::too_large(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl<const BYTES_MAX: usize> SmallBody<BYTES_MAX> {
    /// The body as `T`.
    pub(crate) fn json<T: DeserializeOwned>(self) -> ApiResult<T> {
        if !self.is_json {
            // Also keeps out HTML forms of other sites, which cannot send this type.
            return Err(ApiError::unsupported_media_type("send application/json"));
        }
        let bytes = self.bytes?;
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            // serde would read the fields from a list in their order.
            return Err(ApiError::bad_request("expected an object"));
        }
        serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(error.to_string()))
    }
}

/// The state that the server shares with its handlers.
pub(super) fn identity(request: &HttpRequest) -> ApiResult<&Identity> {
    request
        .app_data::<web::Data<Identity>>()
        .map(web::Data::get_ref)
        .ok_or_else(|| ApiError::internal(anyhow::anyhow!("the server was started without Identity")))
}

fn header_text<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What a program presents: a key, or an access token. None for browsers.
fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = header_text(headers, "authorization").and_then(origin::bearer_token);
    bearer.or_else(|| header_text(headers, "x-api-key"))
}

/// The address at the other end of the connection, none if a proxy speaks for somebody else.
fn direct_peer(request: &HttpRequest) -> Option<IpAddr> {
    if origin::FORWARDING_HEADERS.iter().any(|name| request.headers().contains_key(*name)) {
        return None;
    }
    request.peer_addr().map(|peer| peer.ip())
}

/// The address that log-ins are counted by.
pub(super) fn client_address(request: &HttpRequest, identity: &Identity) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let forwarded: Vec<&str> =
        request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    origin::client_address(peer, &forwarded, &identity.auth().trusted_proxies)
}

/// Whether a browser page that sent this request, if one did, is ours.
fn origin_is_ours(request: &HttpRequest, identity: &Identity) -> bool {
    let headers = request.headers();
    // A header that is not text is nobody's origin.
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    let host = header_text(headers, "host")
        .or_else(|| request.uri().authority().map(actix_web::http::uri::Authority::as_str));
    let auth = identity.auth();
    origin::origin_allowed(origin, host, &auth.trusted_origins, auth.secure_cookies)
}

/// 403 unless a page of ours, or no page at all, sent the request.
pub(super) fn check_origin(request: &HttpRequest, identity: &Identity) -> ApiResult<()> {
    if origin_is_ours(request, identity) {
        return Ok(());
    }
    Err(ApiError::forbidden("this origin may not send requests here (auth.trusted_origins)"))
}

/// 403 unless the CSRF header repeats the cookie.
pub(super) fn check_csrf(request: &HttpRequest) -> ApiResult<()> {
    let cookie = request.cookie(CSRF_COOKIE);
    let sent = header_text(request.headers(), CSRF_HEADER);
    if origin::csrf_matches(sent, cookie.as_ref().map(actix_web::cookie::Cookie::value)) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!("the header {CSRF_HEADER} must repeat the cookie {CSRF_COOKIE}")))
}

async fn authenticate(request: &HttpRequest, needed: Role) -> ApiResult<Principal> {
    let identity = identity(request)?;
    let principal = match presented_key(request.headers()) {
        Some(presented) => program(identity, presented).await?,
        None => browser(request, identity).await?,
    };
    if principal.role() < needed {
        return Err(ApiError::forbidden(format!("this needs the role {}", role_name(needed))));
    }
    Ok(principal)
}

async fn program(identity: &Identity, presented: &str) -> ApiResult<Principal> {
    if !presented.starts_with(api_key::KEY_PREFIX) {
        let person = identity.person(presented).await?;
        let (user, session) = person.ok_or_else(|| ApiError::unauthorized("the access token has ended"))?;
        return Ok(Principal::Person { user, session });
    }
    let key = identity.key(presented).await?;
    let key = key.ok_or_else(|| ApiError::unauthorized("this is not an API key in force"))?;
    if !key.scopes.contains(&KeyScope::Read) {
        return Err(ApiError::forbidden("this API key lacks the scope \"read\""));
    }
    Ok(Principal::Key { id: key.id, name: key.name })
}

async fn browser(request: &HttpRequest, identity: &Identity) -> ApiResult<Principal> {
    let cookie =
        request.cookie(ACCESS_COOKIE).ok_or_else(|| ApiError::unauthorized("nobody is logged in"))?;
    let person = identity.person(cookie.value()).await?;
    let (user, session) = person.ok_or_else(|| ApiError::unauthorized("the session has ended"))?;
    if !request.method().is_safe() {
        check_origin(request, identity)?;
        check_csrf(request)?;
        // The cookie must also be the session's: another host of this domain could have set it.
        let sent = header_text(request.headers(), CSRF_HEADER);
        if !origin::csrf_matches(sent, Some(&identity.signer().csrf(session))) {
            return Err(ApiError::forbidden("the CSRF token belongs to another session"));
        }
    }
    Ok(Principal::Person { user, session })
}

/// The person behind a request; a key has none.
pub(super) fn person(principal: Principal) -> ApiResult<(User, Uuid)> {
    match principal {
        Principal::Person { user, session } => Ok((user, session)),
        Principal::Key { .. } => Err(ApiError::forbidden("an API key is nobody's account: log in")),
    }
}
