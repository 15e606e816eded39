//! Addresses of external log systems: templates with placeholders, checked by the server, filled in by
//! the browser.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{SpanId, TraceId};

/// Bytes of a template at most: browsers and proxies take so much of an address.
pub const TEMPLATE_BYTES_MAX: usize = 2_000;

/// What a template may ask for.
pub const PLACEHOLDERS: [&str; 7] =
    ["traceId", "spanId", "service", "startTime", "endTime", "startMs", "endMs"];

/// What to put into a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkValues {
    /// The trace; empty text in the address without one.
    pub trace_id: Option<TraceId>,
    /// The span; empty text in the address without one.
    pub span_id: Option<SpanId>,
    /// Name of the service.
    pub service: String,
    /// Where the time range begins, nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// Where it ends.
    pub end_ns: i64,
}

/// A part of a template.
enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Checks a template.
///
/// # Errors
/// In words if it is no address on the web, or asks for something unknown.
pub fn check(template: &str) -> Result<(), String> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err(format!("must have at most {TEMPLATE_BYTES_MAX} bytes"));
    }
    let rest = ["https://", "http://"].iter().find_map(|scheme| template.strip_prefix(scheme));
    let Some(rest) = rest else {
        return Err("must begin with https:// or http://".to_owned());
    };
    // A host that depends on a value would lead wherever the sender of a span wants.
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains(['{', '}', '@']) {
        return Err("must name a host, without placeholders and without a password".to_owned());
    }
    if template.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'))
    {
        return Err(
            "must not contain spaces, quotes, angle brackets or backslashes: write %20, %22 …".to_owned()
        );
    }
    for part in parts(template)? {
        if let Part::Placeholder(name) = part
            && !PLACEHOLDERS.contains(&name)
        {
            return Err(format!("{{{name}}} is not known: use {{{}}}", PLACEHOLDERS.join("}, {")));
        }
    }
    Ok(())
}

/// Fills a template in, every value percent-encoded; none if the template is not acceptable.
pub fn fill_in(template: &str, values: &LinkValues) -> Option<String> {
    check(template).ok()?;
    let mut address = String::with_capacity(template.len() + 64);
    for part in parts(template).ok()? {
        match part {
            Part::Text(text) => address.push_str(text),
            Part::Placeholder(name) => encode(&mut address, &values.of(name)),
        }
    }
    Some(address)
}

impl LinkValues {
    fn of(&self, placeholder: &str) -> String {
        let time = |ns: i64| DateTime::<Utc>::from_timestamp_nanos(ns);
        match placeholder {
            "traceId" => self.trace_id.map(|id| id.to_string()).unwrap_or_default(),
            "spanId" => self.span_id.map(|id| id.to_string()).unwrap_or_default(),
            "service" => self.service.clone(),
            "startTime" => time(self.start_ns).to_rfc3339_opts(SecondsFormat::Millis, true),
            "endTime" => time(self.end_ns).to_rfc3339_opts(SecondsFormat::Millis, true),
            "startMs" => self.start_ns.div_euclid(1_000_000).to_string(),
            "endMs" => self.end_ns.div_euclid(1_000_000).to_string(),
            _ => String::new(),
        }
    }
}

/// Text and placeholders in turn. Braces of other languages, of queries for example, are percent-encoded
/// in an address, so that each brace is a placeholder's.
fn parts(template: &str) -> Result<Vec<Part<'_>>, String> {
    let unpaired =
        || "braces must be paired: write %7B and %7D for braces that are no placeholders".to_owned();
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(unpaired)?;
        if text.contains('}') || name.contains('{') {
            return Err(unpaired());
        }
        parts.extend([Part::Text(text), Part::Placeholder(name)]);
        rest = after;
    }
    if rest.contains('}') {
        return Err(unpaired());
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// What RFC 3986 calls unreserved stays, everything else is encoded.
fn encode(address: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            // Writing to memory does not fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> LinkValues {
        LinkValues {
            trace_id: TraceId::new(0x4bf9_2f35).ok(),
            span_id: None,
            service: "a&b \"c\"#é".to_owned(),
            start_ns: 1_795_600_000_123_456_789,
            end_ns: 1_795_600_060_000_000_000,
        }
    }

    #[test]
    fn values_are_filled_in_and_encoded() {
        let address = fill_in(
            "https://logs.example/x?q=%7Bservice%3D%22{service}%22%7D&t={traceId}&s={spanId}&from={startMs}&to={endMs}&a={startTime}&b={endTime}",
            &values(),
        );
        assert_eq!(
            address.as_deref(),
            Some(
                "https://logs.example/x?q=%7Bservice%3D%22a%26b%20%22c%22%23%C3%A9%22%7D\
                 &t=0000000000000000000000004bf92f35&s=&from=1795600000123&to=1795600060000\
                 &a=2026-11-25T09%3A46%3A40.123Z&b=2026-11-25T09%3A47%3A40.000Z"
            )
        );
    }

    /// Catches a template from which a script, another host or a broken address could be made.
    #[test]
    fn what_is_no_address_on_the_web_is_refused() {
        let wrong = [
            "",
            "logs.example/{traceId}",
            "javascript:alert(1)//{traceId}",
            "JavaScript://x/%0aalert(1)",
            "data:text/html,{service}",
            "https://",
            "https://{service}.example/",
            "https://user:secret@logs.example/",
            "https://logs.example/{traceid}",
            "https://logs.example/{}",
            "https://logs.example/{traceId",
            "https://logs.example/traceId}",
            "https://logs.example/{{traceId}}",
            "https://logs.example/a b",
            "https://logs.example/\"onclick=",
        ];
        for template in wrong {
            assert!(check(template).is_err(), "{template}");
            assert_eq!(fill_in(template, &values()), None, "{template}");
        }
        assert!(check(&format!("https://logs.example/{}", "a".repeat(TEMPLATE_BYTES_MAX))).is_err());
        for right in ["https://logs.example", "http://[::1]:3100/x?{startMs}#{endMs}"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }
}
