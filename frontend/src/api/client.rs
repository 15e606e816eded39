//! Calls to `/api/v1`: JSON, CSRF header, cancellation, and one renewal of the session on 401.

use std::cell::RefCell;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, Shared};
use gloo_net::http::{Method, Request, RequestBuilder, Response};
use js_sys::{Function, Promise, Reflect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::ApiError;

const BASE: &str = "/api/v1/";

/// Where the moment of the last renewal is kept, so that tabs do not renew one after the other.
const RENEWED_AT_KEY: &str = "spanloom.renewed_at_ms";

thread_local! {
    /// The renewal under way: concurrent calls share it.
    static RENEWAL: RefCell<Option<Shared<LocalBoxFuture<'static, bool>>>> = const { RefCell::new(None) };
    static ON_SESSION_END: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Registers what to do when the session is over for good; replaces what was registered before.
pub fn on_session_end(handler: impl Fn() + 'static) {
    ON_SESSION_END.with_borrow_mut(|slot| *slot = Some(Box::new(handler)));
}

/// Cancels a call when it is dropped.
pub struct Abort(web_sys::AbortController);

impl Abort {
    /// A handle for one or more calls.
    pub fn new() -> Option<Self> {
        web_sys::AbortController::new().ok().map(Self)
    }

    /// What the calls listen to.
    pub fn signal(&self) -> web_sys::AbortSignal {
        self.0.signal()
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a call's cancellation is passed as.
pub type Signal = Option<web_sys::AbortSignal>;

/// `GET` of `path` (below `/api/v1/`, with its query).
pub async fn get<T: DeserializeOwned>(path: &str, signal: Signal) -> Result<T, ApiError> {
    let text = call(Method::GET, path, None, signal).await?;
    parse(&text)
}

/// A call with a JSON body and a JSON answer.
pub async fn send<T: DeserializeOwned>(
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> Result<T, ApiError> {
    let text = call(method, path, Some(json(body)?), None).await?;
    parse(&text)
}

/// A call whose answer does not matter beyond having succeeded.
pub async fn send_for_nothing(
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<(), ApiError> {
    let body = body.map(json).transpose()?;
    call(method, path, body, None).await.map(|_| ())
}

fn json(body: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(body).map_err(|error| ApiError::unreadable(error.to_string()))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|error| ApiError::unreadable(error.to_string()))
}

/// Whether a 401 may be cured by renewing: not for the calls that open and end sessions.
fn renewable(path: &str) -> bool {
    !matches!(path, "auth/login" | "auth/refresh" | "auth/logout")
}

async fn call(
    method: Method,
    path: &str,
    body: Option<String>,
    signal: Signal,
) -> Result<String, ApiError> {
    let asked_at_ms = js_sys::Date::now();
    let first = once(&method, path, body.as_deref(), signal.as_ref()).await;
    match first {
        Err(ref error) if error.is_unauthorized() && renewable(path) => {}
        other => return other,
    }
    if !renew(asked_at_ms).await {
        ON_SESSION_END.with_borrow(|handler| {
            if let Some(handler) = handler {
                handler();
            }
        });
        return first;
    }
    once(&method, path, body.as_deref(), signal.as_ref()).await
}

async fn once(
    method: &Method,
    path: &str,
    body: Option<&str>,
    signal: Option<&web_sys::AbortSignal>,
) -> Result<String, ApiError> {
    let mut builder = RequestBuilder::new(&format!("{BASE}{path}"))
        .method(method.clone())
        .header("Accept", "application/json")
        .abort_signal(signal);
    if *method != Method::GET
        && let Some(token) = cookie("spanloom_csrf")
    {
        builder = builder.header("X-CSRF-Token", &token);
    }
    let request: Request = match body {
        Some(body) => builder.header("Content-Type", "application/json").body(body),
        None => builder.build(),
    }
    .map_err(|error| ApiError::unreadable(error.to_string()))?;

    let response = request.send().await.map_err(|_| no_answer(signal))?;
    let text = response.text().await.map_err(|_| no_answer(signal))?;
    if response.ok() { Ok(text) } else { Err(failure(&response, &text)) }
}

fn no_answer(signal: Option<&web_sys::AbortSignal>) -> ApiError {
    if signal.is_some_and(web_sys::AbortSignal::aborted) {
        ApiError::aborted()
    } else {
        ApiError::network()
    }
}

fn failure(response: &Response, text: &str) -> ApiError {
    let retry_after = response.headers().get("Retry-After").and_then(|seconds| seconds.parse().ok());
    ApiError::from_response(response.status(), text, retry_after)
}

/// Renews the session once, however many calls ask at the same time; false if it is over.
async fn renew(asked_at_ms: f64) -> bool {
    let renewal = RENEWAL.with_borrow_mut(|slot| {
        slot.get_or_insert_with(|| renew_among_tabs(asked_at_ms).boxed_local().shared()).clone()
    });
    let renewed = renewal.await;
    RENEWAL.with_borrow_mut(|slot| *slot = None);
    renewed
}

/// A refresh token is good for one renewal, and using it twice ends the session as stolen; so
/// among the browser's tabs only one may renew, and the others use what it got.
async fn renew_among_tabs(asked_at_ms: f64) -> bool {
    let Some(locks) = lock_manager() else {
        return renew_now(asked_at_ms).await;
    };
    let outcome = std::rc::Rc::new(std::cell::Cell::new(false));
    let inner = outcome.clone();
    let critical = wasm_bindgen::closure::Closure::once_into_js(move || {
        future_to_promise(async move {
            inner.set(renew_now(asked_at_ms).await);
            Ok(JsValue::UNDEFINED)
        })
    });
    let request = Reflect::get(&locks, &"request".into()).and_then(JsCast::dyn_into::<Function>);
    let promise = request
        .and_then(|request| request.call2(&locks, &"spanloom.renew".into(), &critical))
        .and_then(JsCast::dyn_into::<Promise>);
    match promise {
        Ok(promise) => JsFuture::from(promise).await.is_ok() && outcome.get(),
        Err(_) => false,
    }
}

/// The Web Locks API; browsers offer it on https and on localhost only.
fn lock_manager() -> Option<JsValue> {
    let navigator = web_sys::window()?.navigator();
    Reflect::get(&navigator, &"locks".into()).ok().filter(JsValue::is_object)
}

async fn renew_now(asked_at_ms: f64) -> bool {
    // Without this cookie there was no session, and the server would refuse anyway.
    if cookie("spanloom_csrf").is_none() {
        return false;
    }
    let storage = web_sys::window().and_then(|window| window.local_storage().ok().flatten());
    let renewed_at_ms: f64 = storage
        .as_ref()
        .and_then(|storage| storage.get_item(RENEWED_AT_KEY).ok().flatten())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    // Another tab renewed after this tab's call went out: the new cookies are already here.
    if renewed_at_ms > asked_at_ms {
        return true;
    }
    let renewed = once(&Method::POST, "auth/refresh", None, None).await.is_ok();
    if renewed && let Some(storage) = storage {
        // Without storage each tab renews for itself, which works as long as they take turns.
        let _ = storage.set_item(RENEWED_AT_KEY, &js_sys::Date::now().to_string());
    }
    renewed
}

fn cookie(name: &str) -> Option<String> {
    let document = web_sys::window()?.document()?.dyn_into::<web_sys::HtmlDocument>().ok()?;
    let cookies = document.cookie().ok()?;
    cookies.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}
