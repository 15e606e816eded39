//! Secrets that are recognisable by themselves, wherever they stand.

use std::ops::Range;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;

use crate::scan::{Scanner, any_case};

/// What follows a prefix.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// At least so many letters, digits, `_` and `-`.
    Word(usize),
    /// At least so many of them, among them a digit and a capital: the prefix alone says little.
    MixedWord(usize),
    /// Exactly so many capitals and digits.
    Capitals(usize),
    /// At least so many characters up to a space or quote.
    Line(usize),
    /// `header.payload.signature` in base64url; the prefix is the header's beginning.
    Jwt,
    /// `Bearer` and what it bears; the prefix stays.
    Bearer,
    /// `Basic` and `user:password` in base64; the prefix stays.
    Basic,
    /// A private key in PEM, to its end.
    Pem,
}

/// Prefix and shape, with who issues it.
const PATTERNS: &[(&str, Shape)] = &[
    ("eyJ", Shape::Jwt),
    ("bearer ", Shape::Bearer),
    ("basic ", Shape::Basic),
    ("-----BEGIN ", Shape::Pem),
    ("slk_", Shape::Word(20)),     // Spanloom
    ("AKIA", Shape::Capitals(16)), // AWS
    ("ASIA", Shape::Capitals(16)),
    ("ABIA", Shape::Capitals(16)),
    ("ACCA", Shape::Capitals(16)),
    ("ghp_", Shape::Word(20)), // GitHub
    ("gho_", Shape::Word(20)),
    ("ghu_", Shape::Word(20)),
    ("ghs_", Shape::Word(20)),
    ("ghr_", Shape::Word(20)),
    ("github_pat_", Shape::Word(20)),
    ("glpat-", Shape::Word(16)), // GitLab
    ("gldt-", Shape::Word(16)),
    ("glrt-", Shape::Word(16)),
    ("glcbt-", Shape::Word(16)),
    ("xoxa-", Shape::Word(10)), // Slack
    ("xoxb-", Shape::Word(10)),
    ("xoxe-", Shape::Word(10)),
    ("xoxe.xox", Shape::Line(10)),
    ("xoxo-", Shape::Word(10)),
    ("xoxp-", Shape::Word(10)),
    ("xoxr-", Shape::Word(10)),
    ("xoxs-", Shape::Word(10)),
    ("xapp-", Shape::Word(10)),
    ("hooks.slack.com/services/", Shape::Line(10)),
    ("discord.com/api/webhooks/", Shape::Line(20)), // Discord
    ("sk_live_", Shape::Word(10)),                  // Stripe
    ("sk_test_", Shape::Word(10)),
    ("rk_live_", Shape::Word(10)),
    ("rk_test_", Shape::Word(10)),
    ("whsec_", Shape::Line(16)),
    ("AIza", Shape::Word(30)), // Google
    ("ya29.", Shape::Line(20)),
    ("GOCSPX-", Shape::Word(20)),
    ("sk-", Shape::MixedWord(20)), // OpenAI, Anthropic and others
    ("SG.", Shape::Line(32)),      // SendGrid
    ("npm_", Shape::Word(30)),
    ("pypi-AgE", Shape::Word(20)),
    ("hf_", Shape::Word(30)),     // Hugging Face
    ("dop_v1_", Shape::Word(32)), // DigitalOcean
    ("shpat_", Shape::Word(24)),  // Shopify
    ("shpca_", Shape::Word(24)),
    ("shppa_", Shape::Word(24)),
    ("shpss_", Shape::Word(24)),
    ("hvs.", Shape::Line(20)), // Vault
    ("hvb.", Shape::Line(20)),
    ("dckr_pat_", Shape::Word(20)), // Docker
    ("ATATT3", Shape::Line(20)),    // Atlassian
    ("lin_api_", Shape::Word(20)),  // Linear
    ("glsa_", Shape::Word(20)),     // Grafana
    ("AGE-SECRET-KEY-1", Shape::Word(20)),
];

/// Bytes of what PEM calls a thing at most.
const LABEL_BYTES_MAX: usize = 48;

/// For [`Scanner::new`].
pub(crate) fn prefixes() -> impl Iterator<Item = &'static str> {
    PATTERNS.iter().map(|(prefix, _)| *prefix)
}

/// Tells `found` of each.
pub(crate) fn find(scanner: &Scanner, text: &str, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(three) = bytes.get(at..at + 3) {
        let seen = scanner.at(three);
        match candidate(seen, text, at) {
            Some(secret) => {
                at = secret.end.max(at + 1);
                found(secret);
            }
            None => at += 1,
        }
    }
}

fn candidate(seen: u32, text: &str, at: usize) -> Option<Range<usize>> {
    if !crate::scan::has_tokens(seen) {
        return None;
    }
    // `task-...` holds no `sk-...`.
    if at > 0 && is_word(text.as_bytes()[at - 1]) {
        return None;
    }
    let mut matching = PATTERNS.iter().enumerate().filter(|(index, (prefix, _))| {
        seen & Scanner::bit(*index) != 0 && starts_with(&text.as_bytes()[at..], prefix)
    });
    matching.find_map(|(_, (prefix, shape))| secret(text, at, prefix.len(), *shape))
}

fn starts_with(bytes: &[u8], prefix: &str) -> bool {
    let Some(start) = bytes.get(..prefix.len()) else { return false };
    if any_case(prefix) {
        start.eq_ignore_ascii_case(prefix.as_bytes())
    } else {
        start == prefix.as_bytes()
    }
}

/// The secret whose prefix of that length begins at `at`.
fn secret(text: &str, at: usize, prefix: usize, shape: Shape) -> Option<Range<usize>> {
    let body = &text.as_bytes()[at + prefix..];
    let to = |length: usize| Some(at..at + prefix + length);
    match shape {
        Shape::Word(min) => {
            let length = run(body, |byte| is_word(byte) || byte == b'-');
            if length >= min { to(length) } else { None }
        }
        Shape::MixedWord(min) => {
            let length = run(body, |byte| is_word(byte) || byte == b'-');
            let word = &body[..length];
            let is_mixed = word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_uppercase);
            if length >= min && is_mixed { to(length) } else { None }
        }
        Shape::Capitals(count) => {
            let length = run(body, is_word);
            let is_key = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            if length == count && body[..length].iter().all(is_key) { to(length) } else { None }
        }
        Shape::Line(min) => {
            let length = run(body, |byte| byte.is_ascii_graphic() && !is_quote(byte));
            if length >= min { to(length) } else { None }
        }
        Shape::Jwt => jwt(body).and_then(to),
        Shape::Bearer => {
            let (spaces, length) = credentials(body);
            let token = &body[spaces..spaces + length];
            // "Bearer authentication failed" and `Bearer realm="..."` are not secrets.
            let is_parameter = body.get(spaces + length) == Some(&b'"');
            let looks_random = token.iter().any(u8::is_ascii_digit) || length >= 20;
            let start = at + prefix + spaces;
            (length >= 6 && looks_random && !is_parameter).then_some(start..start + length)
        }
        Shape::Basic => {
            let (spaces, length) = credentials(body);
            let start = at + prefix + spaces;
            is_user_and_password(&body[spaces..spaces + length]).then_some(start..start + length)
        }
        Shape::Pem => pem(&text[at..]).map(|length| at..at + length),
    }
}

/// A header's beginning, a dot, and something after it. What follows belongs to it too.
fn jwt(body: &[u8]) -> Option<usize> {
    let header = run(body, |byte| is_word(byte) || byte == b'-');
    let rest = body.get(header..)?;
    let tail = run(rest, |byte| is_word(byte) || byte == b'-' || byte == b'.' || byte == b'=');
    (header >= 8 && tail >= 4 && rest[0] == b'.').then_some(header + tail)
}

/// Spaces, and the length of the credentials behind them.
fn credentials(body: &[u8]) -> (usize, usize) {
    let spaces = run(body, |byte| byte == b' ');
    let length = run(&body[spaces..], |byte| is_word(byte) || b"-.~+/=".contains(&byte));
    (spaces, length)
}

/// "Basic authentication" is base64 too, but not of a user and a password.
fn is_user_and_password(text: &[u8]) -> bool {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    // Whole groups only, so that a value cut short is recognised too.
    let bound = text.len().min(1 << 10);
    let end = run(&text[..bound], |byte| byte != b'=');
    let end = if end % 4 == 1 { end - 1 } else { end };
    let Ok(decoded) = ENGINE.decode(&text[..end]) else { return false };
    decoded.contains(&b':') && !decoded.iter().any(u8::is_ascii_control)
}

/// The length of a private key in PEM; of all the rest if its end is missing.
fn pem(text: &str) -> Option<usize> {
    let rest = &text["-----BEGIN ".len()..];
    let label =
        run(rest.as_bytes(), |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    // PGP says "PRIVATE KEY BLOCK".
    if label > LABEL_BYTES_MAX || !rest[..label].contains("PRIVATE KEY") {
        return None;
    }
    let Some(end) = memmem::find(text.as_bytes(), b"-----END ") else { return Some(text.len()) };
    let rest = &text[end + "-----END ".len()..];
    Some(rest.find("-----").map_or(text.len(), |dashes| text.len() - rest.len() + dashes + 5))
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut ranges = Vec::new();
        find(&Scanner::new(prefixes()), text, |range| ranges.push(range));
        ranges.into_iter().map(|range| &text[range]).collect()
    }

    fn body(length: usize) -> String {
        "a1B2c3D4e5".chars().cycle().take(length).collect()
    }

    /// Catches a prefix that is never found, or a body that is cut short.
    #[test]
    fn every_prefix_with_a_body_is_found_within_text() {
        for (prefix, shape) in PATTERNS {
            let secret = match shape {
                Shape::Word(min) | Shape::MixedWord(min) | Shape::Line(min) => {
                    format!("{prefix}{}", body((*min).max(40)))
                }
                Shape::Capitals(count) => format!("{prefix}{}", body(*count).to_uppercase()),
                Shape::Jwt | Shape::Bearer | Shape::Basic | Shape::Pem => continue,
            };
            for (before, after) in [("", ""), ("x=", ""), ("(", ")"), ("key ", " is bad"), ("\"", "\"")] {
                let text = format!("{before}{secret}{after}");
                let end = if after == ")" && matches!(shape, Shape::Line(_)) { ")" } else { "" };
                assert_eq!(found(&text), [format!("{secret}{end}")], "in {text}");
            }
            assert_eq!(found(&format!("{prefix}a1B")), [""; 0], "too short");
            assert_eq!(found(&format!("x{secret}")), [""; 0], "in the middle of a word");
        }
    }

    #[test]
    fn tokens_as_they_are_sent() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r";
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAA\n-----END RSA PRIVATE KEY-----";
        let cases: &[(&str, &[&str])] = &[
            (jwt, &[jwt]),
            ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ", &["eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ"]),
            ("id=eyJhbGciOiJIUzI1NiJ9..x.y.z!", &["eyJhbGciOiJIUzI1NiJ9..x.y.z"]),
            ("Bearer mF_9.B5f-4.1JqM", &["mF_9.B5f-4.1JqM"]),
            ("authorization: bearer  abc123def", &["abc123def"]),
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &["QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]),
            ("BASIC dTpw rest", &["dTpw"]),
            ("Basic dXNlcjpwYXNzd29yZDEyMzQ1Ng rest", &["dXNlcjpwYXNzd29yZDEyMzQ1Ng"]),
            ("key AKIAIOSFODNN7EXAMPLE here", &["AKIAIOSFODNN7EXAMPLE"]),
            (
                "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXX",
                &["hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXX"],
            ),
            ("sk-proj-AbC123def456GHI789jkl", &["sk-proj-AbC123def456GHI789jkl"]),
            (pem, &[pem]),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl cut",
                &["-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl cut"],
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----x-----END EC PRIVATE KEY----- and",
                &["-----BEGIN EC PRIVATE KEY-----x-----END EC PRIVATE KEY-----"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), *expected, "in {text}");
        }
    }

    /// Catches a detector that takes ordinary text for a secret.
    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "",
            "ab",
            "GET /api/v1/orders/{id}",
            "Bearer authentication is required",
            "Bearer realm=\"example\", error=\"invalid_token\"",
            "Bearer token",
            "Basic authentication",
            "basic understanding of maths",
            "Basic realm=\"WallyWorld\"",
            "eyJ is how a JWT begins",
            "eyJjdXJzb3IiOiIxMjM0NTY3ODkwIn0",
            "AKIA is a prefix",
            "AKIAIOSFODNN7EXAMPLEX is too long",
            "AKIAiosfodnn7example",
            "the disk-usage-of-the-server-in-percent",
            "sk-learn-compatible-estimators-are-nice",
            "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIID\n-----END PUBLIC KEY-----",
            "npm_config_registry",
            "hf_hub_download",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "550e8400-e29b-41d4-a716-446655440000",
            "java.lang.IllegalStateException: basic.block at Foo.java:12",
            "größe der Tüte: eyJ",
        ] {
            assert_eq!(found(text), [""; 0], "in {text}");
        }
    }
}
