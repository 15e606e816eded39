//! What both commands need: HTTP to a server, patient with one that is busy, quick to say
//! that none is there.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};

use crate::client::ApiKey;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a server's longest statement.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// The pause after the first failure; each further one doubles it.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// A server that asks for more patience does not get it.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// One request is tried for so long.
const GIVE_UP_AFTER: Duration = Duration::from_mins(5);
/// An error's body, of which more is not read.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A server.
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    key: Option<ApiKey>,
    /// Whether it has ever answered.
    is_known: AtomicBool,
}

impl Client {
    /// `endpoint` is an address such as `http://127.0.0.1:8080`.
    pub fn new(endpoint: &str, key: Option<ApiKey>) -> anyhow::Result<Self> {
        ensure!(endpoint.starts_with("http://"), "--endpoint must begin with http://, but is {endpoint:?}");
        let http = reqwest::Client::builder()
            .user_agent(concat!("spanloom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // The key is for this server and no other.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("the HTTP client")?;
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { http, endpoint, key, is_known: AtomicBool::new(false) })
    }

    /// Sends what `make` makes of the client and the address of `path`, again if the server is busy
    /// or restarts. The answer may be an error of another kind.
    pub async fn send(
        &self,
        path: &str,
        make: impl Fn(&reqwest::Client, String) -> RequestBuilder,
    ) -> anyhow::Result<Response> {
        let begun = Instant::now();
        let mut pause = PAUSE_FIRST;
        loop {
            let mut request = make(&self.http, format!("{}{path}", self.endpoint));
            if let Some(key) = &self.key {
                request = request.bearer_auth(key.reveal());
            }
            let (trouble, asked) = match request.send().await {
                Ok(response) => {
                    self.is_known.store(true, Ordering::Relaxed);
                    if !is_passing(response.status()) {
                        return Ok(response);
                    }
                    (response.status().to_string(), retry_after(response.headers()))
                }
                Err(error) => {
                    let error = anyhow::Error::from(error.without_url());
                    if !self.is_known.load(Ordering::Relaxed) {
                        return Err(error.context(format!(
                            "no server answers at {}: does it run, and is this its address?",
                            self.endpoint
                        )));
                    }
                    (format!("{error:#}"), None)
                }
            };
            let wait = asked.unwrap_or(pause).min(PAUSE_MAX);
            if begun.elapsed() + wait > GIVE_UP_AFTER {
                bail!(
                    "{} was not ready within {} minutes: {trouble}",
                    self.endpoint,
                    GIVE_UP_AFTER.as_secs() / 60
                );
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Writes to standard error; nobody listening is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether the same request may succeed later, as OTLP says.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The body, if it has at most `bytes_max`.
pub async fn body(mut response: Response, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.context("the answer broke off")? {
        ensure!(body.len() + chunk.len() <= bytes_max, "the answer is larger than {} MiB", bytes_max >> 20);
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of an error, as far as it can be read.
pub async fn error_body(response: Response) -> Vec<u8> {
    body(response, ERROR_BYTES_MAX).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a client that hammers a busy server, or repeats what never can succeed.
    #[test]
    fn what_is_tried_again_and_when() {
        for status in [429, 502, 503, 504] {
            assert!(is_passing(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 413, 500] {
            assert!(!is_passing(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(asked("2"), Some(Duration::from_secs(2)));
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
