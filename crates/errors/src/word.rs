//! Words with digits in them: names that happen to have some, and ids.

/// What a word becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It says something.
    Keep,
    /// Hexadecimal digits.
    Hex,
    /// Letters and digits in no order.
    Id,
    /// A name with a number in it: digits are to be replaced.
    Numbered,
}

/// Names with digits that tell what it is about. In lower case.
const NAMES: &[&str] = &[
    "amd64", "arm64", "armv7", "base32", "base58", "base64", "bcp47", "ec2", "ed25519", "es256", "f32",
    "f64", "float32", "float64", "h2", "h3", "hs256", "http1", "http2", "http3", "i16", "i18n", "i32",
    "i64", "i8", "int16", "int32", "int64", "int8", "ipv4", "ipv6", "iso8601", "k8s", "latin1", "log4j",
    "lz4", "md5", "mp3", "mp4", "neo4j", "oauth2", "p2p", "rfc3339", "rs256", "s3", "sha1", "sha256",
    "sha384", "sha512", "sqlite3", "tls1", "tls12", "tls13", "u16", "u32", "u64", "u8", "ucs2", "uint16",
    "uint32", "uint64", "uint8", "utf16", "utf32", "utf8", "web3", "win32", "win64", "x25519", "x509",
    "x64", "x86", "zlib1",
];

/// Letters before the digits of an error's code: Prisma, `MongoDB`, C#, `TypeScript`, `MySQL` and SQLSTATE.
const CODES: &[&str] = &["CS", "E", "ER", "HY", "P", "TS"];

/// Decides about a run of ASCII letters and digits.
pub fn classify(word: &str) -> Word {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_hex = bytes.iter().all(u8::is_ascii_hexdigit);
    if digits == 0 {
        return if is_hex && bytes.len() >= 16 { Word::Hex } else { Word::Keep };
    }
    if bytes.len() <= 8 && NAMES.contains(&word.to_ascii_lowercase().as_str()) || is_code(word) {
        return Word::Keep;
    }
    if is_hex && bytes.len() >= 7 && digits < bytes.len() {
        return Word::Hex;
    }
    let turns =
        bytes.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    if is_name(bytes, digits, turns) {
        return Word::Keep;
    }
    if turns >= 3 || (turns == 2 && bytes.len() >= 6) || (bytes.len() >= 16 && turns > 0 && digits >= 4) {
        return Word::Id;
    }
    Word::Numbered
}

/// `v2`, an API's version, or a code such as `E11000`.
fn is_code(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (head, tail) = word.split_at(letters);
    let is_number = !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit());
    let is_version = matches!(head, "v" | "V") && tail.len() <= 2;
    is_number && (is_version || (CODES.contains(&head) && (3..=5).contains(&tail.len())))
}

/// `Http2Connection`: one short number within words. Ids have capitals in no order.
fn is_name(bytes: &[u8], digits: usize, turns: usize) -> bool {
    let capitals = bytes.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let letters = bytes.len() - digits;
    let before = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let after = bytes.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    turns == 2 && digits <= 2 && before >= 2 && after >= 3 && (capitals == 0 || letters / capitals >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let cases = [
            ("timeout", Word::Keep),
            ("facade", Word::Keep),
            ("deadbeefdeadbeef", Word::Hex),
            ("sha256", Word::Keep),
            ("UTF8", Word::Keep),
            ("v1", Word::Keep),
            ("E11000", Word::Keep),
            ("P2002", Word::Keep),
            ("Http2Connection", Word::Keep),
            ("OAuth2Client", Word::Keep),
            ("4bf92f3", Word::Hex),
            ("7d9f8b6c5", Word::Hex),
            ("NffrFeUfNV2Hib", Word::Id),
            ("01HZX3K9QW8E7RT6Y5U4I3O2P1", Word::Id),
            ("x2x9z", Word::Id),
            ("8f3kd9", Word::Id),
            ("user42", Word::Numbered),
            ("5xx", Word::Numbered),
            ("3rd", Word::Numbered),
        ];
        for (word, expected) in cases {
            assert_eq!(classify(word), expected, "{word}");
        }
    }
}
