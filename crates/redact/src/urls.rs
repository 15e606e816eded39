//! User and password in URLs and connection strings.

use std::ops::Range;

use memchr::memmem;

/// Bytes of an authority that are looked at.
const AUTHORITY_BYTES_MAX: usize = 2_048;

/// Tells `found` of what stands between `://` and `@`.
pub(crate) fn find(text: &str, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    for at in memmem::find_iter(bytes, b"://") {
        let start = at + 3;
        let rest = &bytes[start..bytes.len().min(start + AUTHORITY_BYTES_MAX)];
        let word = run(rest, |byte| !is_outside(byte));
        let authority = run(&rest[..word], |byte| !matches!(byte, b'/' | b'?' | b'#'));
        // A password may hold what a URL may not: what follows the colon is no port then.
        let bound = if ends_in_a_port(&rest[..authority]) { authority } else { word };
        match memchr::memrchr(b'@', &rest[..authority]).or_else(|| memchr::memrchr(b'@', &rest[..bound])) {
            Some(end) if !is_harmless(&rest[..end]) => found(start..start + end),
            _ => {}
        }
    }
}

/// Connection strings that are no URL: `user:password@tcp(host)/db`, `jdbc:oracle:thin:user/password@host`.
pub(crate) fn find_in_connection(text: &str, mut found: impl FnMut(Range<usize>)) {
    if memmem::find(text.as_bytes(), b"://").is_some() {
        return;
    }
    let Some(at) = memchr::memrchr(b'@', text.as_bytes()) else { return };
    let before = &text.as_bytes()[..at];
    let separator =
        memchr::memrchr(b'/', before).or_else(|| memchr::memchr(b':', before)).map_or(0, |index| index + 1);
    if separator < at && !before[separator..].contains(&b' ') {
        found(separator..at);
    }
}

/// Whether this is a host with or without a port, as opposed to a user and the beginning of a password.
fn ends_in_a_port(authority: &[u8]) -> bool {
    let colon = memchr::memchr(b':', authority);
    authority.first() == Some(&b'[')
        || colon.is_none_or(|colon| authority[colon + 1..].iter().all(u8::is_ascii_digit))
}

/// A short lower-case user without a password, such as git, tells nothing.
fn is_harmless(user_info: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'.');
    user_info.is_empty() || (user_info.len() <= 15 && user_info.iter().all(is_name))
}

fn is_outside(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>')
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut ranges = Vec::new();
        find(text, |range| ranges.push(range));
        ranges.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn user_and_password() {
        let cases: &[(&str, &[&str])] = &[
            ("https://user:pa55@example.com/x", &["user:pa55"]),
            ("postgres://app:p%40ss@db:5432/shop?sslmode=require", &["app:p%40ss"]),
            ("mongodb+srv://root:a:b@c@h1:1,h2:2/db", &["root:a:b@c"]),
            ("redis://:s3cret@cache:6379/0", &[":s3cret"]),
            ("https://0123456789abcdef@sentry.example/1", &["0123456789abcdef"]),
            ("failed: amqp://guest:guest@mq:5672/ and http://a:b@c", &["guest:guest", "a:b"]),
            ("amqp://app:pa/ss?w#rd@mq/vhost", &["app:pa/ss?w#rd"]),
            ("\"ftp://u:p@h\" rest@x", &["u:p"]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), *expected, "in {text}");
        }
    }

    /// Catches an address, a path or a plain user that is taken for credentials.
    #[test]
    fn ordinary_urls() {
        for text in [
            "https://example.com/users/a@b.example",
            "https://example.com:8443/@scope/package",
            "https://example.com?mail=a@b.example",
            "ssh://git@github.com/a/b.git",
            "http://[::1]:4318/v1/traces/@x",
            "a://",
            "://",
            "see http:// and mail me@x.example",
            "https://***@example.com",
        ] {
            let found = found(text);
            assert!(found.is_empty() || found == ["***"], "{found:?} in {text}");
        }
    }

    #[test]
    fn connection_strings_that_are_no_urls() {
        let cases = [
            ("app:pa55@tcp(db:3306)/shop", Some("pa55")),
            ("jdbc:oracle:thin:scott/tiger@//db:1521/shop", Some("tiger")),
            ("app:p@ss@unix(/tmp/mysql.sock)/shop", Some("p@ss")),
            ("host=db user=app", None),
            ("postgres://app:x@db/shop", None),
        ];
        for (text, expected) in cases {
            let mut ranges = Vec::new();
            find_in_connection(text, |range| ranges.push(&text[range]));
            assert_eq!(ranges, expected.into_iter().collect::<Vec<_>>(), "in {text}");
        }
    }
}
