//! Messages without what differs from one occurrence to the next.

use core::net::Ipv6Addr;

use crate::cut;
use crate::word::{Word, classify};

/// Of a message. What comes later seldom tells one error from another, and costs as much.
const INPUT_BYTES_MAX: usize = 2_048;
const OUTPUT_BYTES_MAX: usize = 512;

/// A quotation that is longer is none: the closing mark belongs to something else.
const QUOTE_BYTES_MAX: usize = 512;

/// Units that follow a number without a space, and what the two become.
const UNITS: &[(&str, &str)] = &[
    ("ns", "<duration>"),
    ("us", "<duration>"),
    ("µs", "<duration>"),
    ("μs", "<duration>"),
    ("ms", "<duration>"),
    ("s", "<duration>"),
    ("sec", "<duration>"),
    ("m", "<duration>"),
    ("min", "<duration>"),
    ("h", "<duration>"),
    ("d", "<duration>"),
    ("B", "<size>"),
    ("K", "<size>"),
    ("M", "<size>"),
    ("G", "<size>"),
    ("kB", "<size>"),
    ("KB", "<size>"),
    ("MB", "<size>"),
    ("GB", "<size>"),
    ("TB", "<size>"),
    ("Ki", "<size>"),
    ("Mi", "<size>"),
    ("Gi", "<size>"),
    ("KiB", "<size>"),
    ("MiB", "<size>"),
    ("GiB", "<size>"),
];

/// Before a dash and digits these are an error's code, which says what it is.
const CODE_PREFIXES: &[&str] = &["ORA-", "TNS-", "PLS-", "DPY-", "DPI-", "JDBC-"];

/// The message with numbers, ids, addresses, times, hexadecimal digits and quotations replaced by what
/// they are, white space made one, cut to 512 bytes.
pub fn normalize(message: &str) -> String {
    let text = cut(message, INPUT_BYTES_MAX);
    let mut scan = Scan { text, at: 0, out: String::with_capacity(text.len().min(OUTPUT_BYTES_MAX)) };
    while scan.at < text.len() && scan.out.len() < OUTPUT_BYTES_MAX {
        scan.step();
    }
    let mut out = scan.out;
    out.truncate(out.floor_char_boundary(OUTPUT_BYTES_MAX));
    out.truncate(out.trim_end().len());
    out
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    out: String,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes what is next; always at least a character.
    fn step(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        if first.is_whitespace() || first.is_control() {
            self.at += first.len_utf8();
            if !self.out.is_empty() && !self.out.ends_with(' ') {
                self.out.push(' ');
            }
            return;
        }
        let inside_word = self.text[..self.at].chars().next_back().is_some_and(char::is_alphanumeric);
        if inside_word || !self.special(rest, first) {
            self.at += first.len_utf8();
            self.out.push(first);
        }
    }

    /// At the beginning of something: whether it is more than a character.
    fn special(&mut self, rest: &str, first: char) -> bool {
        if let Some(length) = quotation(rest, first) {
            return self.replace(length, "<str>");
        }
        if first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) && self.is_sign() {
            self.at += 1;
            return true;
        }
        if !first.is_alphanumeric() {
            // An address such as ::1.
            return rest.starts_with("::") && ipv6(rest).is_some_and(|length| self.replace(length, "<ip>"));
        }
        if let Some(length) = url_start(rest) {
            self.url(length);
            return true;
        }
        if let Some((length, what)) = whole(rest) {
            return self.replace(length, what);
        }
        if first.is_ascii_digit() {
            return self.number(rest);
        }
        let length = word_length(rest);
        if length > 0 {
            self.word(&rest[..length]);
        }
        length > 0
    }

    /// Whether a dash here makes a number negative rather than joins or subtracts.
    fn is_sign(&self) -> bool {
        self.out.is_empty() || self.out.ends_with([' ', '(', '[', '=', ':', ',', '<', '>'])
    }

    fn replace(&mut self, length: usize, what: &str) -> bool {
        self.at += length;
        // A list of any length is one.
        for separator in [", ", ","] {
            let before = self.out.strip_suffix(separator).filter(|before| before.ends_with(what));
            if let Some(before) = before {
                let length = before.len();
                self.out.truncate(length);
                return true;
            }
        }
        self.out.push_str(what);
        true
    }

    /// A URL with its scheme of this length: host and path as words, the query as a whole.
    fn url(&mut self, scheme: usize) {
        let rest = self.rest();
        let end =
            rest.find(|c: char| c.is_whitespace() || "\"'`<>()[]{},;".contains(c)).unwrap_or(rest.len());
        let url = rest[..end].trim_end_matches(['.', ':']);
        let (place, query) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        self.out.push_str(&place[..scheme]);
        let path = Self::normal_part(&place[scheme..]);
        self.out.push_str(&path);
        if !query.is_empty() {
            self.out.push_str("?<query>");
        }
        self.at += url.len();
    }

    /// Normalises a part that cannot hold a URL itself.
    fn normal_part(text: &str) -> String {
        let mut scan = Scan { text, at: 0, out: String::new() };
        while scan.at < text.len() && scan.out.len() < OUTPUT_BYTES_MAX {
            scan.step();
        }
        scan.out
    }

    /// Digits, with what belongs to the number.
    fn number(&mut self, rest: &str) -> bool {
        if CODE_PREFIXES.iter().any(|prefix| self.out.ends_with(prefix)) || self.is_sql_state(rest) {
            let length = word_length(rest);
            self.out.push_str(&rest[..length]);
            self.at += length;
            return true;
        }
        let length = number_length(rest);
        let tail = &rest[length..];
        let letters = tail.find(|c: char| !c.is_alphanumeric()).unwrap_or(tail.len());
        if letters == 0 {
            return self.replace(length, "<num>");
        }
        if let Some((_, what)) = UNITS.iter().find(|(unit, _)| *unit == &tail[..letters]) {
            return self.replace(length + letters, what);
        }
        if let Some(length) = long_duration(rest) {
            return self.replace(length, "<duration>");
        }
        self.word(&rest[..word_length(rest)]);
        true
    }

    fn is_sql_state(&self, rest: &str) -> bool {
        let before = self.out.trim_end_matches([' ', '[', '(', ':', '=']);
        let is_named = before.len() >= 8
            && before.is_char_boundary(before.len() - 8)
            && before[before.len() - 8..].eq_ignore_ascii_case("sqlstate");
        is_named && word_length(rest) == 5
    }

    fn word(&mut self, word: &str) {
        let is_pod = word.len() == 5 && (self.out.ends_with("<hex>-") || self.out.ends_with("<id>-"));
        let is_identity_hash = self.out.ends_with('@')
            && (5..=8).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kind = match classify(word) {
            _ if is_identity_hash => Word::Hex,
            _ if is_pod && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) => Word::Id,
            kind => kind,
        };
        match kind {
            Word::Keep => {
                self.out.push_str(word);
                self.at += word.len();
            }
            Word::Hex => {
                self.replace(word.len(), "<hex>");
            }
            Word::Id => {
                self.replace(word.len(), "<id>");
            }
            Word::Numbered => {
                self.at += word.len();
                let mut was_digit = false;
                for c in word.chars() {
                    match c.is_ascii_digit() {
                        true if !was_digit => self.out.push_str("<num>"),
                        true => {}
                        false => self.out.push(c),
                    }
                    was_digit = c.is_ascii_digit();
                }
            }
        }
    }
}

/// The length of a quotation that begins here: its closing mark is followed by no letter or digit.
fn quotation(rest: &str, open: char) -> Option<usize> {
    let close: &[char] = match open {
        '"' => &['"'],
        '\'' => &['\''],
        // Ruby quotes `like this'.
        '`' => &['`', '\''],
        '“' => &['”'],
        '‘' => &['’'],
        '«' => &['»'],
        _ => return None,
    };
    let inner = cut(&rest[open.len_utf8()..], QUOTE_BYTES_MAX);
    let mut chars = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if close.contains(&c) {
            let end = at + c.len_utf8();
            let is_end = !inner[end..].starts_with(char::is_alphanumeric);
            if is_end {
                return Some(open.len_utf8() + end);
            }
        }
    }
    None
}

/// The length of `scheme://`.
fn url_start(rest: &str) -> Option<usize> {
    let scheme = rest.bytes().take(16).take_while(|b| b.is_ascii_alphanumeric() || *b == b'+').count();
    rest[scheme..].starts_with("://").then_some(scheme + 3)
}

/// What is recognised as a whole: its length and its name.
fn whole(rest: &str) -> Option<(usize, &'static str)> {
    let bytes = rest.as_bytes();
    if is_uuid(bytes) {
        return Some((36, "<uuid>"));
    }
    if bytes[0] == b'0' && matches!(bytes.get(1), Some(b'x' | b'X')) {
        let digits = bytes[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 0 {
            return Some((2 + digits, "<hex>"));
        }
    }
    if bytes[0].is_ascii_digit() {
        if let Some(length) = time(bytes) {
            return Some((length, "<time>"));
        }
        if let Some(length) = ipv4(rest) {
            return Some((length, "<ip>"));
        }
    }
    if bytes[0].is_ascii_hexdigit()
        && let Some(length) = ipv6(rest)
    {
        return Some((length, "<ip>"));
    }
    email(rest).map(|length| (length, "<email>"))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() >= 36
        && bytes[..36].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && !bytes.get(36).is_some_and(u8::is_ascii_alphanumeric)
}

/// A date, a time of day, or both with a zone.
fn time(bytes: &[u8]) -> Option<usize> {
    let is = |from: usize, pattern: &[u8]| {
        bytes.get(from..from + pattern.len()).is_some_and(|part| {
            part.iter()
                .zip(pattern)
                .all(|(byte, p)| if *p == b'9' { byte.is_ascii_digit() } else { byte == p })
        })
    };
    let is_date = is(0, b"9999-99-99") || is(0, b"9999/99/99");
    let clock_at = match bytes.get(10) {
        Some(b'T' | b't' | b' ') if is_date => 11,
        _ if is_date => return end_of(bytes, 10),
        _ => 0,
    };
    let mut at = match () {
        () if is(clock_at, b"99:99:99") => clock_at + 8,
        () if is(clock_at, b"9:99:99") => clock_at + 7,
        () if is_date && is(clock_at, b"99:99") => clock_at + 5,
        () if is_date => return end_of(bytes, 10),
        () => return None,
    };
    if matches!(bytes.get(at), Some(b'.' | b',')) {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        at += if digits > 0 { 1 + digits } else { 0 };
    }
    if matches!(bytes.get(at), Some(b'Z' | b'z')) {
        at += 1;
    } else if is(at, b"+99:99") || is(at, b"-99:99") {
        at += 6;
    } else if is(at, b"+9999") || is(at, b"-9999") {
        at += 5;
    }
    end_of(bytes, at)
}

/// `at`, unless a letter or digit follows.
fn end_of(bytes: &[u8], at: usize) -> Option<usize> {
    (!bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)).then_some(at)
}

/// Four numbers, and a port.
fn ipv4(rest: &str) -> Option<usize> {
    let length = rest.bytes().take(16).take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let address = rest[..length].trim_end_matches('.');
    let parts = address.split('.');
    if parts.clone().count() != 4 || !parts.clone().all(|part| part.parse::<u8>().is_ok()) {
        return None;
    }
    let tail = &rest.as_bytes()[address.len()..];
    let port = match tail.first() {
        Some(b':') => tail[1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let length = address.len() + if port > 0 { 1 + port } else { 0 };
    end_of(rest.as_bytes(), length)
}

fn ipv6(rest: &str) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = rest.bytes().take(46).take_while(is_part).count();
    let address = rest[..length].trim_end_matches('.');
    // A colon may end the clause.
    [address, address.trim_end_matches(':')].into_iter().find_map(|address| {
        let is_one = address.matches(':').count() >= 2
            && address.bytes().any(|byte| byte.is_ascii_digit())
            && address.parse::<Ipv6Addr>().is_ok();
        if is_one { end_of(rest.as_bytes(), address.len()) } else { None }
    })
}

fn email(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let local = bytes
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte))
        .count();
    if bytes.get(local) != Some(&b'@') {
        return None;
    }
    let domain = &rest[local + 1..];
    let length = domain
        .bytes()
        .take(253)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        .count();
    let domain = domain[..length].trim_end_matches(['.', '-']);
    let (_, top) = domain.rsplit_once('.')?;
    let is_top = top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic());
    // A Java object, com.shop.Cart@1b2c3d, has nothing after its hash.
    is_top.then_some(local + 1 + domain.len())
}

/// Digits with separators between them, and an exponent.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    while is_digit(at) || (at > 0 && matches!(bytes.get(at), Some(b'.' | b',' | b'_')) && is_digit(at + 1))
    {
        at += 1;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let digits = bytes[at + 1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            return at + 1 + sign + digits;
        }
    }
    at
}

/// Go's durations of several units, `1m30.5s`.
fn long_duration(rest: &str) -> Option<usize> {
    let mut at = 0;
    while rest[at..].starts_with(|c: char| c.is_ascii_digit()) {
        at += number_length(&rest[at..]);
        let unit = ["ms", "µs", "us", "ns", "h", "m", "s"]
            .into_iter()
            .find(|unit| rest[at..].starts_with(unit))?;
        at += unit.len();
    }
    (!rest[at..].starts_with(char::is_alphanumeric)).then_some(at)
}

/// Bytes of ASCII letters and digits from here.
fn word_length(rest: &str) -> usize {
    rest.bytes().take_while(u8::is_ascii_alphanumeric).count()
}
