//! Which errors a span tells of.
//!
//! A span tells of each kind of exception once, however often it met it: a retry that fails three times
//! in the same way is one occurrence. The status says nothing new then. Without an exception the status
//! counts if it says something: a message, or a type of error that is more than a code. A span that only
//! says that it failed repeats, nearly always, what a span below it told.

use spanloom_model::{Attributes, SpanStatus};

/// Events of a span that are looked at, exceptions that are kept.
const EVENTS_MAX: usize = 128;
const FAILURES_MAX: usize = 8;

/// One error of a span, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failure<'a> {
    /// The exception's class or the error's type; empty if not told.
    pub kind: &'a str,
    /// What it says; empty if not told.
    pub message: &'a str,
    /// As the language prints it; empty if not told.
    pub stacktrace: &'a str,
}

/// The errors of a span with this status and these attributes and events, in the order of the events.
/// The same error twice may still be one by its fingerprint.
pub fn failures<'a>(
    status: SpanStatus,
    status_message: &'a str,
    attributes: &'a Attributes,
    events: impl Iterator<Item = (&'a str, &'a Attributes)>,
) -> Vec<Failure<'a>> {
    let mut failures: Vec<Failure> = Vec::new();
    for (name, attributes) in events.take(EVENTS_MAX) {
        let Some(failure) = of_event(name, attributes) else { continue };
        if !failures.contains(&failure) && failures.len() < FAILURES_MAX {
            failures.push(failure);
        }
    }
    if failures.is_empty() && status == SpanStatus::Error {
        failures.extend(of_status(status_message, attributes));
    }
    failures
}

/// OpenTelemetry's exceptions, and `OpenTracing`'s errors, which Jaeger clients send.
fn of_event<'a>(name: &str, attributes: &'a Attributes) -> Option<Failure<'a>> {
    let text =
        |keys: &[&str]| keys.iter().find_map(|key| attributes.get_str(key).filter(|text| !text.is_empty()));
    let (kind, message, stacktrace) = match name {
        "exception" => {
            (text(&["exception.type"]), text(&["exception.message"]), text(&["exception.stacktrace"]))
        }
        "error" => (text(&["error.kind"]), text(&["message", "error.object"]), text(&["stack"])),
        _ => return None,
    };
    let says_something = kind.or(message).or(stacktrace).is_some();
    says_something.then(|| Failure {
        kind: kind.unwrap_or_default(),
        message: message.unwrap_or_default(),
        stacktrace: stacktrace.unwrap_or_default(),
    })
}

fn of_status<'a>(status_message: &'a str, attributes: &'a Attributes) -> Option<Failure<'a>> {
    let text = |key| attributes.get_str(key).unwrap_or_default();
    // Some SDKs write the exception into the span's attributes.
    let kind = [text("exception.type"), text("error.type")].into_iter().find(|kind| !kind.is_empty());
    // Only "it answered 500", and the conventions' word for "I do not know".
    let is_code = |kind: &str| kind == "_OTHER" || kind.bytes().all(|byte| byte.is_ascii_digit());
    let kind = kind.filter(|kind| !is_code(kind)).unwrap_or_default();
    let message = if status_message.is_empty() { text("exception.message") } else { status_message };
    let stacktrace = text("exception.stacktrace");
    let says_something = !(kind.is_empty() && message.is_empty() && stacktrace.is_empty());
    says_something.then_some(Failure { kind, message, stacktrace })
}

#[cfg(test)]
mod tests {
    use spanloom_model::AttrValue;

    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|&(key, value)| (key.to_owned(), AttrValue::from(value))).collect()
    }

    type Told<'a> = Vec<(&'a str, &'a str, &'a str)>;

    fn told<'a>(
        status: SpanStatus,
        message: &'a str,
        span: &'a Attributes,
        events: &'a [(&'a str, Attributes)],
    ) -> Told<'a> {
        failures(status, message, span, events.iter().map(|(name, attributes)| (*name, attributes)))
            .into_iter()
            .map(|failure| (failure.kind, failure.message, failure.stacktrace))
            .collect()
    }

    // Catches a failure that counts twice, as exception and as status.
    #[test]
    fn an_exception_and_the_status_are_one() {
        let exception = attributes(&[
            ("exception.type", "IOError"),
            ("exception.message", "disk full"),
            ("exception.stacktrace", "at a"),
        ]);
        let events =
            [("retry", attributes(&[])), ("exception", exception.clone()), ("exception", exception)];
        let expected = vec![("IOError", "disk full", "at a")];
        assert_eq!(told(SpanStatus::Error, "disk full", &attributes(&[]), &events), expected);
        assert_eq!(
            told(SpanStatus::Unset, "", &attributes(&[]), &events),
            expected,
            "a handled one counts"
        );
    }

    // Catches parents of failing spans that make groups of their own.
    #[test]
    fn a_status_counts_if_it_says_something() {
        let nothing = attributes(&[]);
        assert_eq!(told(SpanStatus::Error, "", &nothing, &[]), []);
        assert_eq!(told(SpanStatus::Error, "", &attributes(&[("error.type", "500")]), &[]), []);
        assert_eq!(told(SpanStatus::Error, "", &attributes(&[("error.type", "_OTHER")]), &[]), []);
        assert_eq!(told(SpanStatus::Error, "no stock", &nothing, &[]), [("", "no stock", "")]);
        let timeout = attributes(&[("error.type", "timeout")]);
        assert_eq!(told(SpanStatus::Error, "", &timeout, &[]), [("timeout", "", "")]);
        assert_eq!(told(SpanStatus::Unset, "no stock", &timeout, &[]), [], "it did not fail");
    }

    #[test]
    fn open_tracing_has_its_own_names() {
        let error = attributes(&[("error.kind", "Timeout"), ("message", "slow"), ("stack", "at b")]);
        let events = [("error", error), ("error", attributes(&[("level", "info")]))];
        assert_eq!(
            told(SpanStatus::Error, "x", &attributes(&[]), &events),
            [("Timeout", "slow", "at b")],
            "an event that says nothing does not count"
        );
    }

    // Catches a span that makes as many groups as it likes.
    #[test]
    fn a_span_tells_of_eight_at_most() {
        let names: Vec<String> = (0..500).map(|n| format!("E{n}")).collect();
        let events: Vec<_> =
            names.iter().map(|name| ("exception", attributes(&[("exception.type", name)]))).collect();
        assert_eq!(told(SpanStatus::Unset, "", &attributes(&[]), &events).len(), 8);
    }
}
