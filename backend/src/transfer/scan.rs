//! Cuts JSON into values without holding more than one of them.
//!
//! It follows brackets and strings and leaves everything else to the parser of the value.

use std::fmt;
use std::io::BufRead;

use anyhow::{Context, anyhow, bail, ensure};

/// A place in the data, after decompression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    line: u64,
    column: u64,
    offset: u64,
}

impl Place {
    /// The beginning of the data.
    pub const START: Self = Self { line: 1, column: 1, offset: 0 };

    /// Bytes before this place.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Goes behind `bytes`, which begin here.
    pub fn advance(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => {
                self.line += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
                self.column = (bytes.len() - last) as u64;
            }
            None => self.column += bytes.len() as u64,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} (byte {})", self.line, self.column, self.offset)
    }
}

/// Reads JSON from the beginning to the end.
pub struct Scanner<R> {
    reader: R,
    place: Place,
    value_bytes_max: usize,
}

impl<R: BufRead> Scanner<R> {
    /// Values that are larger are an error, unless they are skipped.
    pub fn new(reader: R, value_bytes_max: usize) -> Self {
        Self { reader, place: Place::START, value_bytes_max }
    }

    /// Where the next byte is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next byte that is not white space, without taking it; none at the end.
    pub fn peek(&mut self) -> anyhow::Result<Option<u8>> {
        loop {
            let place = self.place;
            let chunk = self.reader.fill_buf().with_context(|| place.to_string())?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let space = chunk.iter().position(|byte| !is_space(*byte));
            let next = space.map(|at| chunk[at]);
            self.take(space.unwrap_or(usize::MAX), None)?;
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Takes `wanted`, after white space.
    pub fn expect(&mut self, wanted: u8) -> anyhow::Result<()> {
        let found = self.peek()?;
        if found != Some(wanted) {
            return Err(self.unexpected(&format!("\"{}\"", char::from(wanted)), found));
        }
        self.take(1, None)
    }

    /// The error that something else is here.
    pub fn unexpected(&self, wanted: &str, found: Option<u8>) -> anyhow::Error {
        let found = match found {
            None => "the end of the data".to_owned(),
            Some(byte) => format!("\"{}\"", byte.escape_ascii()),
        };
        anyhow!("{}: expected {wanted}, found {found}", self.place)
    }

    /// Goes to the next item of a list or an object that ends with `close`, over the comma before
    /// it; false at the end, which is taken.
    pub fn next_item(&mut self, close: u8, is_first: bool) -> anyhow::Result<bool> {
        match self.peek()? {
            Some(byte) if byte == close => {
                self.take(1, None)?;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.take(1, None)?;
                Ok(true)
            }
            _ if is_first => Ok(true),
            found => Err(self.unexpected(&format!("\",\" or \"{}\"", char::from(close)), found)),
        }
    }

    /// The key of an object and the colon behind it.
    pub fn key(&mut self) -> anyhow::Result<String> {
        let found = self.peek()?;
        if found != Some(b'"') {
            return Err(self.unexpected("a key in double quotes", found));
        }
        let place = self.place;
        let mut key = Vec::new();
        self.value(&mut key)?;
        self.expect(b':')?;
        serde_json::from_slice(&key).with_context(|| format!("{place}: expected a key"))
    }

    /// Puts the next value into `into`, white space around it left out.
    pub fn value(&mut self, into: &mut Vec<u8>) -> anyhow::Result<()> {
        self.run_over_value(Some(into))
    }

    /// Skips the next value, whatever its size.
    pub fn skip_value(&mut self) -> anyhow::Result<()> {
        self.run_over_value(None)
    }

    fn run_over_value(&mut self, mut into: Option<&mut Vec<u8>>) -> anyhow::Result<()> {
        match self.peek()? {
            Some(b',' | b':' | b'}' | b']') | None => {
                let found = self.peek()?;
                return Err(self.unexpected("a value", found));
            }
            Some(_) => {}
        }
        let begin = self.place;
        let mut shape = Shape::default();
        loop {
            let place = self.place;
            let chunk = self.reader.fill_buf().with_context(|| place.to_string())?;
            if chunk.is_empty() {
                ensure!(shape.may_end(), "{place}: the data ends inside the value that begins at {begin}");
                return Ok(());
            }
            let (used, is_done) = shape.follow(chunk);
            self.take(used, into.as_deref_mut())?;
            if into.as_deref().is_some_and(|value| value.len() > self.value_bytes_max) {
                bail!(
                    "{begin}: this value is larger than {} MiB, which is what is held in memory at once",
                    self.value_bytes_max >> 20
                );
            }
            if is_done {
                return Ok(());
            }
        }
    }

    /// Takes up to `count` of the buffered bytes.
    fn take(&mut self, count: usize, into: Option<&mut Vec<u8>>) -> anyhow::Result<()> {
        let place = self.place;
        let chunk = self.reader.fill_buf().with_context(|| place.to_string())?;
        let taken = &chunk[..count.min(chunk.len())];
        self.place.advance(taken);
        if let Some(into) = into {
            into.extend_from_slice(taken);
        }
        let count = taken.len();
        self.reader.consume(count);
        Ok(())
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// How far into a value the scan is.
#[derive(Default)]
struct Shape {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
}

impl Shape {
    /// How many of the bytes belong to the value, and whether it ends with them.
    fn follow(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (index + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                // Behind a number or a word.
                b'}' | b']' | b',' if self.depth == 0 => return (index, true),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (index + 1, true);
                    }
                }
                _ if self.depth == 0 && is_space(byte) => return (index, true),
                _ => {}
            }
        }
        (bytes.len(), false)
    }

    /// A number, `true`, `false` or `null` ends where the data ends.
    fn may_end(&self) -> bool {
        self.depth == 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// With a buffer of three bytes, so that every value crosses its borders.
    fn scanner(json: &str) -> Scanner<BufReader<&[u8]>> {
        Scanner::new(BufReader::with_capacity(3, json.as_bytes()), 64)
    }

    fn values(json: &str) -> anyhow::Result<Vec<String>> {
        let mut scanner = scanner(json);
        scanner.expect(b'[')?;
        let mut values = Vec::new();
        while scanner.next_item(b']', values.is_empty())? {
            let mut value = Vec::new();
            scanner.value(&mut value)?;
            values.push(String::from_utf8(value)?);
        }
        Ok(values)
    }

    #[test]
    fn values_are_cut_where_they_end() {
        let json = r#" [ {"a": "]\"}"} , [1,[2]],"x\\" ,-1.5e3, null,true] "#;
        assert_eq!(
            values(json).unwrap(),
            [r#"{"a": "]\"}"}"#, "[1,[2]]", r#""x\\""#, "-1.5e3", "null", "true"]
        );
        assert_eq!(values("[]").unwrap(), [""; 0]);
    }

    #[test]
    fn errors_tell_the_place_and_what_was_expected() {
        let check = |json: &str, expected: &str| {
            let error = format!("{:#}", values(json).unwrap_err());
            assert!(error.contains(expected), "{json}: {error}");
        };
        check("{}", "line 1, column 1 (byte 0): expected \"[\", found \"{\"");
        check("[1,\n 2 3]", "line 2, column 4 (byte 7): expected \",\" or \"]\", found \"3\"");
        check("[1,]", "column 4 (byte 3): expected a value, found \"]\"");
        check("[1", "expected \",\" or \"]\", found the end of the data");
        check(
            "[\n{\"a\":",
            "line 2, column 6 (byte 7): the data ends inside the value that begins at line 2, column 1",
        );
        check("[\"abc", "the data ends inside the value that begins at line 1, column 2");
    }

    /// Catches memory without a bound, and a bound on what is only skipped.
    #[test]
    fn large_values_are_refused_but_can_be_skipped() {
        let json = format!("[\"{}\"]", "x".repeat(100));
        assert!(values(&json).unwrap_err().to_string().contains("larger than"));
        let mut scanner = scanner(&json);
        scanner.expect(b'[').unwrap();
        scanner.skip_value().unwrap();
        assert!(!scanner.next_item(b']', false).unwrap());
        assert_eq!(scanner.peek().unwrap(), None);
    }

    #[test]
    fn keys_may_be_escaped() {
        let mut scanner = scanner(r#"{"a\"b" : 1}"#);
        scanner.expect(b'{').unwrap();
        assert_eq!(scanner.key().unwrap(), "a\"b");
    }
}
