//! The query part of a URL as an ordered list: parsing, changing, encoding. Pure.

/// Parameters in the order in which they stand in the URL; a key may occur more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `?a=1&b=2`, with or without the question mark. Broken escapes are kept as they are.
    pub fn parse(search: &str) -> Self {
        let search = search.strip_prefix('?').unwrap_or(search);
        let pairs = search.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
        )
    }

    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// All values under `key`, in order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Removes everything under `key`.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    /// Appends; what is already under `key` stays.
    pub fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// Replaces what is under `key`; an empty value removes it.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        self.remove(key);
        if !value.is_empty() {
            self.push(key, value);
        }
    }

    /// [`Self::set`] for chains.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    /// `path`, with the parameters if there are any.
    pub fn href(&self, path: &str) -> String {
        if self.0.is_empty() { path.to_owned() } else { format!("{path}?{}", self.encode()) }
    }

    /// The parameters as they stand behind the question mark.
    pub fn encode(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        pairs.join("&")
    }
}

/// Percent-encodes a path segment or a part of a query. Characters that are harmless in a query
/// and common in tags and times stay readable.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'!' | b'*' => {
                out.push(char::from(byte));
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// The reverse of [`encode`]; also reads `+` as a space, as forms write it.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = match bytes[at] {
            b'%' => text.get(at + 1..at + 3).and_then(hex_byte),
            _ => None,
        };
        if let Some(byte) = escaped {
            out.push(byte);
            at += 3;
        } else {
            out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned())
}

fn hex_byte(digits: &str) -> Option<u8> {
    // The parser would take a sign, too.
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a tag that changes its meaning on its way through a copied link.
    #[test]
    fn what_is_encoded_comes_back() {
        let mut query = Query::default();
        query.push("tag", "http.route=/cart/{id}?x=1&y=50%");
        query.push("tag", "note=größer + \"kleiner\" #1");
        query.push("from", "now-1h");
        assert_eq!(Query::parse(&query.encode()), query);
        assert_eq!(Query::parse(&format!("?{}", query.encode())), query);
    }

    // Catches double counting when a filter is changed.
    #[test]
    fn setting_replaces_all_and_empty_removes() {
        let mut query = Query::parse("a=1&b=2&a=3");
        query.set("a", "4");
        assert_eq!(query.encode(), "b=2&a=4");
        query.set("a", "");
        assert_eq!(query.href("/traces"), "/traces?b=2");
        query.remove("b");
        assert_eq!(query.href("/traces"), "/traces");
    }

    // Catches a panic or a loss on links that somebody typed or that a mail program broke.
    #[test]
    fn broken_escapes_survive() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%ü1"), "%ü1");
        assert_eq!(decode("%-1%+1"), "%-1% 1");
        assert_eq!(decode("a+b%20c"), "a b c");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
