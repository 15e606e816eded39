//! Secrets that a name announces within a text: `password=...` in a query string, a connection
//! string or a message, `"password": "..."` in JSON, `X-Api-Key: ...` in a dump of headers.

use std::ops::Range;

use crate::names;

/// Bytes of a name at most.
const NAME_BYTES_MAX: usize = 128;

/// Bytes of a value that are looked at for its end; it ends there at the latest.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// What an attribute's key says about how its text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Anything.
    Text,
    /// A query string without a question mark in front.
    Query,
    /// A connection string: values end at semicolons.
    Connection,
}

/// Who announced the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced<R> {
    /// A name that announces a secret anywhere; by that rule.
    Name(R),
    /// A name that announces a secret in a URL.
    UrlParameter,
}

/// What the caller knows of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<R> {
    /// The rule that its value falls under.
    pub(crate) rule: R,
    /// Whether it is a header that authenticates.
    pub(crate) is_header: bool,
}

/// Tells `found` of each value whose name `lookup` knows.
pub(crate) fn find<R: Copy>(
    text: &str,
    reading: Reading,
    lookup: impl Fn(&str) -> Option<Known<R>>,
    mut found: impl FnMut(Range<usize>, Announced<R>),
) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in memchr::memchr3_iter(b'=', b':', b'%', bytes) {
        if at < done {
            continue;
        }
        let Some(separator) = separator(bytes, at) else { continue };
        let Some((name, boundary)) = name_before(text, at, separator) else { continue };
        let in_url = match boundary {
            Some(byte) => matches!(byte, b'?' | b'&' | b'#'),
            None => reading == Reading::Query,
        };
        let known = lookup(name);
        let announced = if in_url && separator != Separator::Header && names::is_url_parameter(name) {
            Announced::UrlParameter
        } else if let Some(known) = known {
            if separator == Separator::Header && !(known.is_header || name.contains('-')) {
                continue;
            }
            Announced::Name(known.rule)
        } else {
            continue;
        };
        let style = match separator {
            Separator::Encoded => Style::Encoded,
            Separator::Header if name.to_ascii_lowercase().ends_with("cookie") => Style::Line,
            _ if in_url => Style::Url,
            _ if reading == Reading::Connection && bytes.contains(&b';') => Style::Connection,
            Separator::Json => Style::Json,
            Separator::Equals | Separator::Header => Style::Text,
        };
        if let Some(value) = value(text, separator.end(bytes, at), style) {
            done = value.end;
            found(value, announced);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// `=` or `=>`.
    Equals,
    /// A colon behind a quoted name.
    Json,
    /// A colon and a space behind a name.
    Header,
    /// `%3D`.
    Encoded,
}

impl Separator {
    /// Where the value begins, spaces aside.
    fn end(self, bytes: &[u8], at: usize) -> usize {
        let end = match self {
            Self::Encoded => return at + 3,
            Self::Equals if bytes.get(at + 1) == Some(&b'>') => at + 2,
            _ => at + 1,
        };
        end + bytes[end..].iter().take(4).take_while(|byte| **byte == b' ').count()
    }
}

fn separator(bytes: &[u8], at: usize) -> Option<Separator> {
    let before = *bytes.get(at.checked_sub(1)?)?;
    let after = bytes.get(at + 1).copied();
    match bytes[at] {
        // Comparisons and the like assign nothing.
        b'=' if b"=!<>:~+*/|".contains(&before) || after == Some(b'=') => None,
        b'=' => Some(Separator::Equals),
        b':' if matches!(before, b'"' | b'\'') => Some(Separator::Json),
        b':' if before == b' ' && matches!(bytes[..at].trim_ascii_end().last(), Some(b'"' | b'\'')) => {
            Some(Separator::Json)
        }
        b':' if matches!(after, Some(b' ')) => Some(Separator::Header),
        b'%' if after == Some(b'3') && matches!(bytes.get(at + 2), Some(b'D' | b'd')) => {
            Some(Separator::Encoded)
        }
        _ => None,
    }
}

/// The name that ends before the separator at `at`, and the byte in front of it (decoded), if any.
fn name_before(text: &str, at: usize, separator: Separator) -> Option<(&str, Option<u8>)> {
    let bytes = text.as_bytes();
    let mut end = at;
    let spaces = bytes[..end].iter().rev().take(2).take_while(|byte| **byte == b' ').count();
    end -= spaces;
    if end > 0 && matches!(bytes[end - 1], b'"' | b'\'') {
        end -= 1;
        while end > 0 && bytes[end - 1] == b'\\' {
            end -= 1;
        }
    }
    let is_part = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']' | b'$')
            || (byte == b'%' && separator == Separator::Equals)
    };
    let mut start = end;
    while start > 0 && end - start < NAME_BYTES_MAX && is_part(bytes[start - 1]) {
        start -= 1;
    }
    if start == end {
        return None;
    }
    let boundary = start.checked_sub(1).map(|index| bytes[index]);
    if boundary == Some(b'%') {
        // Part of an encoded URL: `%3Ftoken%3D`, where `3F` is the question mark in front.
        let code = text.get(start..start + 2).filter(|_| end - start > 2)?;
        let decoded = u8::from_str_radix(code, 16).ok()?;
        return Some((&text[start + 2..end], Some(decoded)));
    }
    Some((&text[start..end], boundary))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    Json,
    Url,
    Encoded,
    Connection,
    Line,
}

/// The value that begins at `start`; none if it is empty or stands for another.
fn value(text: &str, start: usize, style: Style) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let bound = text.floor_char_boundary(bytes.len().min(start.saturating_add(VALUE_BYTES_MAX)));
    let rest = bytes.get(start..bound)?;
    let range = quoted(rest).unwrap_or_else(|| {
        let length = match style {
            Style::Json if rest.first() == Some(&b'[') => list(rest),
            Style::Json => run(rest, |byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)),
            Style::Url => run(rest, |byte| !is_outside(byte) && !matches!(byte, b'&' | b'#')),
            Style::Encoded => encoded(rest),
            Style::Connection => run(rest, |byte| byte != b';'),
            Style::Line => run(rest, |byte| !matches!(byte, b'\n' | b'\r' | b'"' | b'\'')),
            Style::Text => words(rest),
        };
        0..length
    });
    // Ends in front of an ASCII byte or at the bound, which is a character's boundary.
    let value = start + range.start..start + range.end;
    (!stands_for_another(&bytes[value.clone()])).then_some(value)
}

/// What stands between quotes, escaped ones (JSON within JSON) too.
fn quoted(rest: &[u8]) -> Option<Range<usize>> {
    let slashes = run(rest, |byte| byte == b'\\');
    let quote = rest.get(slashes).copied().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let start = slashes + 1;
    for at in memchr::memchr_iter(quote, &rest[start..]) {
        let at = start + at;
        let escapes = rest[start..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        // At depth n a quote has 2^n - 1 backslashes, and an escaped backslash in front 2^(n+1) more.
        if slashes < 16 && escapes % (2 * (slashes + 1)) == slashes {
            return Some(start..at - slashes);
        }
    }
    Some(start..rest.len())
}

fn list(rest: &[u8]) -> usize {
    memchr::memchr(b']', rest).map_or(rest.len(), |end| end + 1)
}

/// A value within an encoded URL, which ends at an encoded `&`, `#`, space or quote.
fn encoded(rest: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += run(&rest[at..], |byte| !is_outside(byte) && !matches!(byte, b'&' | b'#' | b'%'));
        let is_end = match rest.get(at..at + 3) {
            Some([b'%', b'2', b'0' | b'2' | b'3' | b'6' | b'7']) => true,
            Some([b'%', ..]) => false,
            _ => rest.get(at) != Some(&b'%'),
        };
        if is_end {
            return at;
        }
        at += 1;
    }
}

/// A value in free text: up to a space, and over it after the name of a scheme.
fn words(rest: &[u8]) -> usize {
    const SCHEMES: [&[u8]; 8] =
        [b"bearer", b"basic", b"digest", b"token", b"apikey", b"negotiate", b"ntlm", b"aws4-hmac-sha256"];
    let length = word(rest);
    let spaces = run(&rest[length..], |byte| byte == b' ');
    if spaces > 0 && SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(&rest[..length])) {
        let next = word(&rest[length + spaces..]);
        return if next == 0 { length } else { length + spaces + next };
    }
    length
}

fn word(rest: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += run(&rest[at..], |byte| {
            !is_outside(byte) && !matches!(byte, b'&' | b',' | b';' | b')' | b']' | b'}')
        });
        let Some(next) = rest.get(at) else { return at };
        if !matches!(next, b',' | b';' | b')' | b']' | b'}') || closes(&rest[at..]) {
            return at;
        }
        at += 1;
    }
}

/// Whether this punctuation ends a value, rather than being a part of it.
fn closes(rest: &[u8]) -> bool {
    let after = run(rest, |byte| matches!(byte, b',' | b';' | b')' | b']' | b'}'));
    match rest.get(after) {
        None | Some(b'\\') => true,
        Some(byte) if is_outside(*byte) || *byte == b'&' => true,
        // `a=1,b=2` and `a=1;b=2`.
        Some(_) if matches!(rest[0], b',' | b';') => {
            let name = run(&rest[after..], |byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte));
            matches!(rest.get(after + name), Some(b'=' | b':')) && name > 0
        }
        Some(_) => false,
    }
}

/// Placeholders, and words that say that there is no value.
fn stands_for_another(value: &[u8]) -> bool {
    match value {
        [] | b"?" | b"%s" | b"{}" | b"***" => true,
        [b'$' | b':', rest @ ..] if !rest.is_empty() => rest.iter().all(u8::is_ascii_digit),
        _ => {
            let words: [&[u8]; 7] = [b"null", b"nil", b"none", b"true", b"false", b"undefined", b"nan"];
            value.len() <= 9 && words.iter().any(|word| word.eq_ignore_ascii_case(value))
        }
    }
}

fn is_outside(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'|')
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Class;

    fn found(text: &str, reading: Reading) -> Vec<&str> {
        let lookup = |name: &str| {
            let class = names::classify(name);
            let is_header = class == Class::Header;
            (is_header || class == Class::Secret).then_some(Known { rule: (), is_header })
        };
        let mut ranges = Vec::new();
        find(text, reading, lookup, |range, _| ranges.push(range));
        ranges.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn values_as_they_are_written() {
        let cases: &[(&str, &[&str])] = &[
            // URLs.
            ("https://h/cb?code=4/0AX&state=x&access_token=ab.c#id_token=de", &["4/0AX", "ab.c", "de"]),
            ("/blob?sv=2022&sig=a%2Bb%3D&se=1", &["a%2Bb%3D"]),
            ("/o?X-Amz-Credential=AK/1&X-Amz-Date=2&X-Amz-Signature=fe", &["AK/1", "fe"]),
            ("GET /maps?key=abc HTTP/1.1", &["abc"]),
            ("/r?next=%2Fcb%3Ftoken%3Dabc%26x%3D1&y=2", &["abc"]),
            ("/r?to=https%3A%2F%2Fh%2F%3Fcode%3Dab%2Fc", &["ab%2Fc"]),
            ("user%5Bpassword%5D=hunter2&user[passwd]=x", &["hunter2", "x"]),
            // Messages.
            ("login failed: user=ann password=hunter2 host=db", &["hunter2"]),
            ("User(name=ann, password=hunter2)", &["hunter2"]),
            ("{user=ann, apiKey=k,1}x}", &["k,1}x"]),
            ("password = 'it''s', x", &["it"]),
            ("passwd=\"a b\\\" c\" d", &["a b\\\" c"]),
            ("secret=größe-1 x", &["größe-1"]),
            (":password=>\"abc\", :x=>1", &["abc"]),
            ("Authorization=Bearer abc next", &["Bearer abc"]),
            // Headers.
            ("> Authorization: Basic dTpw\n> Host: h", &["Basic dTpw"]),
            ("X-Api-Key: abc123 was refused", &["abc123"]),
            ("Cookie: a=b; c=d\nHost: h", &["a=b; c=d"]),
            // JSON.
            (r#"{"user": "ann", "password": "a\"b", "n": 1}"#, &[r#"a\"b"#]),
            (r#"{"password" : 12345, "x": 2}"#, &["12345"]),
            (r#"{"body": "{\"token\": \"a\\\"b\", \"x\": 1}"}"#, &[r#"a\\\"b"#]),
            (r"{'client_secret': 'abc'}", &["abc"]),
            (r#"{"apiKeys": ["a", "b"], "c": 1}"#, &[r#"["a", "b"]"#]),
            (r#"{"password":"cut sho"#, &["cut sho"]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text, Reading::Text), *expected, "in {text}");
        }
    }

    #[test]
    fn the_first_parameter_of_a_query_has_no_question_mark() {
        assert_eq!(found("code=abc&x=1", Reading::Query), ["abc"]);
        assert_eq!(found("code=abc&x=1", Reading::Text), [""; 0]);
    }

    #[test]
    fn connection_strings() {
        let cases: &[(&str, &[&str])] = &[
            ("Server=db;User Id=sa;Password=my pass,1;Encrypt=yes", &["my pass,1"]),
            ("AccountName=x;AccountKey=ab+/c==;EndpointSuffix=y", &["ab+/c=="]),
            ("host=db user=app password='a b' dbname=x", &["a b"]),
            ("Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey=abc=", &["abc="]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text, Reading::Connection), *expected, "in {text}");
        }
    }

    /// Catches a name, a comparison or a placeholder that is taken for a secret.
    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "",
            "=",
            ":",
            "%3D",
            "=x",
            "a=1&b=2",
            "max_tokens=512 token_count=3",
            "if password == null",
            "WHERE password = $1 AND token = ? OR secret = :1",
            "Invalid password: must have 8 characters",
            "password=",
            "password=***&x=1",
            r#"{"password": null, "token": true, "secret": "", "key": "abc"}"#,
            r#"{"max_tokens": 512, "key": "abc"}"#,
            "Unexpected token: }",
            "at Foo.bar(Foo.java:12)",
            "2026-11-23T10:00:00Z key=order-1 code=404",
            "url.path: /orders?page=2&sort=key",
            "GET /orders?cursor=abc&next_token=abc",
            "Content-Type: application/json",
        ] {
            assert_eq!(found(text, Reading::Text), [""; 0], "in {text}");
        }
    }
}
