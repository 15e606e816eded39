//! Exceptions as the languages of the shop would report them: type, message and stack trace.

use super::model::{Fault, Language, Service, hash_text};
use super::stack;

/// What was done when it failed.
#[derive(Debug, Clone, Copy)]
pub struct Failing<'a> {
    pub service: &'static Service,
    /// The function of the service, in `snake_case`.
    pub handler: &'a str,
    /// Host or service at the other end; empty if there is none.
    pub target: &'a str,
    pub medium: Medium,
    pub fault: Fault,
}

/// Through which kind of library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Own,
    Http,
    Grpc,
    Sql,
    Cache,
}

/// The attributes of an exception event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    pub kind: String,
    pub message: String,
    pub stacktrace: String,
}

/// The exception that this failure raises.
pub fn exception(failing: &Failing<'_>) -> Exception {
    let (kind, message) = describe(failing);
    let stacktrace = stack::trace(failing, &kind, &message);
    Exception { kind, message, stacktrace }
}

fn describe(failing: &Failing<'_>) -> (String, String) {
    match failing.fault {
        Fault::Bug => bug(failing.service.language),
        Fault::Timeout => timeout(failing),
        Fault::Refused => refused(failing),
        Fault::StatementTimeout => sql(failing, "57014", "canceling statement due to statement timeout"),
        Fault::Deadlock => sql(failing, "40P01", "deadlock detected"),
        Fault::UpstreamFailed | Fault::UpstreamTimeout | Fault::Throttled => upstream(failing),
        Fault::Declined => business(failing, "CardDeclined", "Your card was declined: insufficient_funds"),
        Fault::OutOfStock => business(failing, "OutOfStock", "requested quantity is not available"),
        Fault::Invalid => business(failing, "InvalidRequest", "field 'quantity' must be between 1 and 99"),
        Fault::NotFound => business(failing, "NotFound", "no such product"),
        Fault::Unauthorized => business(failing, "Unauthorized", "session expired or credentials invalid"),
    }
}

fn owned(kind: &str, message: impl Into<String>) -> (String, String) {
    (kind.to_owned(), message.into())
}

fn bug(language: Language) -> (String, String) {
    match language {
        Language::Go => owned("runtime.boundsError", "runtime error: index out of range [3] with length 3"),
        Language::Java => owned(
            "java.lang.NullPointerException",
            "Cannot invoke \"com.shop.common.Discount.rate()\" because \"discount\" is null",
        ),
        Language::Node => owned("TypeError", "Cannot read properties of undefined (reading 'currency')"),
        Language::Python => owned("KeyError", "'currency'"),
        Language::Rust => owned("panic", "called `Option::unwrap()` on a `None` value"),
    }
}

fn timeout(failing: &Failing<'_>) -> (String, String) {
    let target = failing.target;
    match failing.service.language {
        Language::Go => owned(
            "*url.Error",
            format!(
                "Post \"https://{target}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            ),
        ),
        Language::Java => owned("java.net.http.HttpTimeoutException", "request timed out"),
        Language::Node => owned("TimeoutError", "The operation was aborted due to timeout"),
        Language::Python => owned("httpx.ReadTimeout", "The read operation timed out"),
        Language::Rust => owned(
            "reqwest::Error",
            format!("error sending request for url (https://{target}): operation timed out"),
        ),
    }
}

fn refused(failing: &Failing<'_>) -> (String, String) {
    let target = failing.target;
    let address = format!("10.20.4.{}:6379", 10 + hash_text(target) % 80);
    match failing.service.language {
        Language::Go => owned("*net.OpError", format!("dial tcp {address}: connect: connection refused")),
        Language::Java => owned(
            "io.lettuce.core.RedisConnectionException",
            format!("Unable to connect to {target}/<unresolved>:6379"),
        ),
        Language::Node => owned("Error", format!("connect ECONNREFUSED {address}")),
        Language::Python => owned(
            "redis.exceptions.ConnectionError",
            format!("Error 111 connecting to {target}:6379. Connection refused."),
        ),
        Language::Rust => owned("redis::RedisError", "Connection refused (os error 111)"),
    }
}

fn sql(failing: &Failing<'_>, state: &str, message: &str) -> (String, String) {
    match failing.service.language {
        Language::Go => owned("*pgconn.PgError", format!("ERROR: {message} (SQLSTATE {state})")),
        Language::Java => owned("org.postgresql.util.PSQLException", format!("ERROR: {message}")),
        Language::Node => owned("DatabaseError", message),
        Language::Python if state == "40P01" => owned("psycopg.errors.DeadlockDetected", message),
        Language::Python => owned("psycopg.errors.QueryCanceled", message),
        Language::Rust => owned("sqlx::Error", format!("error returned from database: {message}")),
    }
}

fn upstream(failing: &Failing<'_>) -> (String, String) {
    let (status, target) = (failing.fault.http_status(), failing.target);
    let reason = match status {
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        _ => "Gateway Timeout",
    };
    let code = if status == 504 {
        ("DeadlineExceeded", "DEADLINE_EXCEEDED")
    } else {
        ("Unavailable", "UNAVAILABLE")
    };
    let over_grpc = failing.medium == Medium::Grpc;
    match failing.service.language {
        Language::Go if over_grpc => {
            owned("*status.Error", format!("rpc error: code = {} desc = upstream {target} failed", code.0))
        }
        Language::Go => {
            owned("*errors.errorString", format!("unexpected status {status} {reason} from {target}"))
        }
        Language::Java if over_grpc => {
            owned("io.grpc.StatusRuntimeException", format!("{}: upstream {target} failed", code.1))
        }
        Language::Java => owned(
            "org.springframework.web.client.HttpServerErrorException",
            format!("{status} {reason}: [no body] from {target}"),
        ),
        Language::Node => {
            owned("ResponseError", format!("Response code {status} ({reason}) from {target}"))
        }
        Language::Python => owned(
            "httpx.HTTPStatusError",
            format!("Server error '{status} {reason}' for url 'http://{target}/'"),
        ),
        Language::Rust => {
            owned("tonic::Status", format!("status: '{}', self: \"upstream {target} failed\"", code.0))
        }
    }
}

fn business(failing: &Failing<'_>, name: &str, message: &str) -> (String, String) {
    let module = failing.service.name.replace('-', "_");
    let kind = match failing.service.language {
        Language::Go => format!("*{module}.{name}Error"),
        Language::Java => format!("com.shop.{}.{name}Exception", module.replace('_', "")),
        Language::Node => format!("{name}Error"),
        Language::Python => format!("{module}.errors.{name}"),
        Language::Rust => format!("{module}::Error::{name}"),
    };
    (kind, message.to_owned())
}
