//! One look at a text that tells whether a closer one could find anything. Most texts end here, after
//! about a nanosecond per byte.
//!
//! Each three neighbouring bytes are looked up in three tables; a bit that is set in all of them
//! stands for a pattern that may begin here.

/// `name=value`, `"name": value`, `Header: value`, `name%3Dvalue`.
pub(crate) const ASSIGNMENT: u32 = 1;
/// `scheme://`.
pub(crate) const URL: u32 = 1 << 1;
/// The first bit of the recognisable tokens.
const TOKENS: u32 = 2;

/// The tables.
#[derive(Debug)]
pub(crate) struct Scanner {
    first: [u32; 256],
    second: [u32; 256],
    third: [u32; 256],
}

impl Scanner {
    /// Tables for these prefixes of tokens, each of at least three bytes. A prefix that is a lower-case
    /// word with a space is found in any case.
    pub(crate) fn new(prefixes: impl Iterator<Item = &'static str>) -> Self {
        let mut scanner = Self { first: [0; 256], second: [0; 256], third: [0; 256] };
        let any: Vec<u8> = (0..=255).collect();
        let quotes = b"\"'";
        scanner.add(ASSIGNMENT, &any, b"=", &any);
        scanner.add(ASSIGNMENT, quotes, b": ", &any);
        scanner.add(ASSIGNMENT, &any, b":", b" ");
        scanner.add(ASSIGNMENT, b"%", b"3", b"dD");
        scanner.add(URL, b":", b"/", b"/");
        for (index, prefix) in prefixes.enumerate() {
            let bytes = prefix.as_bytes();
            let cases = |byte: u8| [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
            let bit = Self::bit(index);
            if any_case(prefix) {
                scanner.add(bit, &cases(bytes[0]), &cases(bytes[1]), &cases(bytes[2]));
            } else {
                scanner.add(bit, &bytes[..1], &bytes[1..2], &bytes[2..3]);
            }
        }
        scanner
    }

    /// The bit of the prefix with that index; several may share one.
    pub(crate) fn bit(index: usize) -> u32 {
        1 << (TOKENS as usize + index % (32 - TOKENS as usize))
    }

    fn add(&mut self, bit: u32, first: &[u8], second: &[u8], third: &[u8]) {
        for (table, bytes) in
            [(&mut self.first, first), (&mut self.second, second), (&mut self.third, third)]
        {
            for byte in bytes {
                table[usize::from(*byte)] |= bit;
            }
        }
    }

    /// The bits of everything that may be in there.
    pub(crate) fn look(&self, text: &[u8]) -> u32 {
        let mut seen = 0;
        for three in text.windows(3) {
            seen |= self.at(three);
        }
        seen
    }

    /// The bits of what may begin with these three bytes.
    pub(crate) fn at(&self, three: &[u8]) -> u32 {
        self.first[usize::from(three[0])]
            & self.second[usize::from(three[1])]
            & self.third[usize::from(three[2])]
    }
}

/// Whether a prefix is found in any case.
pub(crate) fn any_case(prefix: &str) -> bool {
    prefix.ends_with(' ') && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ')
}

/// Whether there may be tokens.
pub(crate) fn has_tokens(seen: u32) -> bool {
    seen >> TOKENS != 0
}
