//! Finds the literals of SQL statements. A lexer, not a parser: it is total, it takes every text, and
//! what it does not understand stays.
//!
//! Strings and numbers are literals. Identifiers, quoted or not, keywords (`NULL`, `TRUE`), operators,
//! comments and parameters (`?`, `$1`, `:name`, `@name`, `%s`) are not.

use std::ops::Range;

use memchr::memmem;

use crate::dialect::Dialect;

/// Tells the ranges of literals, in order. A list of nothing but literals (`IN (1, 2, 3)`) is one.
pub(crate) fn literals(sql: &str, dialect: Dialect) -> Vec<Range<usize>> {
    let mut lexer = Lexer { bytes: sql.as_bytes(), text: sql, at: 0, dialect };
    let mut literals: Vec<Range<usize>> = Vec::new();
    let mut list = List::None;
    while lexer.at < lexer.bytes.len() {
        let start = lexer.at;
        let token = lexer.next();
        // Whatever happens, it goes forward.
        lexer.at = lexer.at.max(start + 1);
        if token == Token::Literal {
            literals.push(start..lexer.at);
        }
        list = match (list, token) {
            (list, Token::Nothing) => list,
            (_, Token::Word) if sql[start..lexer.at].eq_ignore_ascii_case("in") => List::Announced,
            (List::Announced, Token::Punctuation(b'(')) => List::Open { from: literals.len() },
            (List::Open { from }, Token::Literal | Token::Punctuation(b',' | b'-' | b'+')) => {
                List::Open { from }
            }
            (List::Open { from }, Token::Punctuation(b')')) if literals.len() > from + 1 => {
                let end = literals.last().map_or(0, |last| last.end);
                literals.truncate(from + 1);
                literals[from].end = end;
                List::None
            }
            _ => List::None,
        };
    }
    literals
}

/// Whether a text that may be anything, a span's name for example, is a statement: `DELETE /users/1`
/// is none.
pub(crate) fn is_statement(text: &str) -> bool {
    let trimmed = text.trim_start();
    let first = trimmed.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let needed: &[&str] = match first {
        "SELECT" | "select" => &["FROM", "WHERE"],
        "INSERT" | "insert" | "REPLACE" | "replace" | "MERGE" | "merge" => &["INTO"],
        "UPDATE" | "update" => &["SET"],
        "DELETE" | "delete" => &["FROM"],
        "WITH" | "with" => &["AS"],
        "CREATE" | "create" | "ALTER" | "alter" => &["USER", "ROLE", "LOGIN"],
        "CALL" | "call" | "EXEC" | "exec" | "EXECUTE" | "execute" => return trimmed.contains('\''),
        _ => return false,
    };
    trimmed
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| needed.iter().any(|needed| needed.eq_ignore_ascii_case(word)))
}

/// What follows `AUTH`: instrumentations of Redis put commands where those of databases put statements.
pub(crate) fn redis_password(text: &str) -> Option<Range<usize>> {
    let word = text.get(..5)?;
    (word.eq_ignore_ascii_case("auth ") && text.len() > 5).then_some(5..text.len())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    None,
    /// `IN` was read.
    Announced,
    /// `IN (` was read, and then only literals; the first one has this index.
    Open {
        from: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Space, or a comment.
    Nothing,
    Word,
    /// An identifier in quotes, or a parameter.
    Other,
    Literal,
    Punctuation(u8),
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    dialect: Dialect,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|byte| belongs(*byte)) {
            self.at += 1;
        }
    }

    /// Moves behind `end`, or to the end of the text.
    fn skip_to(&mut self, end: &[u8]) {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        self.at = memmem::find(rest, end).map_or(self.bytes.len(), |found| self.at + found + end.len());
    }

    fn next(&mut self) -> Token {
        let byte = self.peek(0);
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                self.skip(|byte| byte.is_ascii_whitespace());
                Token::Nothing
            }
            b'-' if self.peek(1) == b'-' && self.is_line_comment() => self.line_comment(),
            b'#' if self.dialect.mysql_comments => self.line_comment(),
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'\'' => self.string(b'\'', self.dialect.backslash_escapes),
            b'"' if self.dialect.double_quoted_strings => self.string(b'"', self.dialect.backslash_escapes),
            b'"' | b'`' => self.quoted_identifier(byte),
            b'[' if self.dialect.brackets => self.quoted_identifier(b']'),
            b'$' => self.dollar(),
            b':' | b'@' | b'?' => self.parameter(byte),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            _ if is_word_start(byte) => self.word(),
            _ => {
                self.at += 1;
                Token::Punctuation(byte)
            }
        }
    }

    fn is_line_comment(&self) -> bool {
        !self.dialect.mysql_comments || self.peek(2) <= b' '
    }

    fn line_comment(&mut self) -> Token {
        self.skip(|byte| byte != b'\n');
        Token::Nothing
    }

    fn block_comment(&mut self) -> Token {
        // MySQL runs what is in `/*! ... */`.
        if self.dialect.mysql_comments && self.peek(2) == b'!' {
            self.at += 3;
            self.skip(|byte| byte.is_ascii_digit());
            return Token::Nothing;
        }
        self.at += 2;
        if !self.dialect.nested_comments {
            self.skip_to(b"*/");
            return Token::Nothing;
        }
        let mut depth = 1_u32;
        while depth > 0 && self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                }
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(self.bytes.len());
        Token::Nothing
    }

    /// A string whose opening quote is here. Without a closing one it goes to the end of the text.
    fn string(&mut self, quote: u8, backslash_escapes: Option<bool>) -> Token {
        self.at += 1;
        while self.at < self.bytes.len() {
            match (self.peek(0), backslash_escapes) {
                (b'\\', Some(true)) => self.at += 2,
                // Whether the string ends here cannot be known, so nothing that follows is safe.
                (b'\\', None) if self.peek(1) == quote => self.at = self.bytes.len(),
                (byte, _) if byte == quote && self.peek(1) == quote => self.at += 2,
                (byte, _) if byte == quote => {
                    self.at += 1;
                    return Token::Literal;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
        Token::Literal
    }

    fn quoted_identifier(&mut self, close: u8) -> Token {
        self.at += 1;
        while self.at < self.bytes.len() {
            let byte = self.peek(0);
            self.at += 1;
            if byte == close {
                if self.peek(0) != close {
                    return Token::Other;
                }
                self.at += 1;
            }
        }
        Token::Other
    }

    /// `$1`, `$tag$...$tag$`, or just a dollar.
    fn dollar(&mut self) -> Token {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            self.skip(|byte| byte.is_ascii_digit());
            return Token::Other;
        }
        self.skip(|byte| byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii());
        if !self.dialect.dollar_quotes || self.peek(0) != b'$' {
            return Token::Other;
        }
        self.at += 1;
        let tag = &self.bytes[start..self.at];
        self.skip_to(tag);
        Token::Literal
    }

    /// `:name`, `:1`, `@name`, `@@name`, `?`, `?1`; also `::` and `:=`.
    fn parameter(&mut self, byte: u8) -> Token {
        self.at += 1;
        if byte != b'?' && self.peek(0) == byte {
            self.at += 1;
            if byte == b':' {
                return Token::Punctuation(byte);
            }
        }
        self.skip(is_word);
        Token::Other
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        // Everything that sticks to it belongs to it: 0xFF, 1_000, 10L.
        self.skip(|byte| is_word(byte) || byte == b'.');
        let is_hex = self.bytes[start..self.at].iter().any(|byte| matches!(byte, b'x' | b'X'));
        let is_exponent = matches!(self.bytes[self.at - 1], b'e' | b'E') && !is_hex;
        if is_exponent && matches!(self.peek(0), b'+' | b'-') && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.skip(|byte| byte.is_ascii_digit());
        }
        Token::Literal
    }

    /// A word, or a string with a prefix such as `E'...'`, `N'...'`, `X'...'`, `_utf8'...'`.
    fn word(&mut self) -> Token {
        let start = self.at;
        self.skip(is_word);
        let word = &self.text[start..self.at];
        let quote = self.peek(0);
        if quote == b'&' && word.eq_ignore_ascii_case("u") && self.peek(1) == b'\'' {
            self.at += 1;
            return self.string(b'\'', Some(false));
        }
        let is_string = quote == b'\'' || (quote == b'"' && self.dialect.double_quoted_strings);
        if !is_string {
            return Token::Word;
        }
        let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| prefix.eq_ignore_ascii_case(word));
        if self.dialect.q_quotes && is(&["q", "nq"]) {
            return self.q_string();
        }
        if is(&["e"]) {
            return self.string(quote, Some(true));
        }
        if is(&["n", "x", "b", "r", "rb", "br"]) || word.starts_with('_') {
            return self.string(quote, self.dialect.backslash_escapes);
        }
        Token::Word
    }

    /// `q'[...]'`: the opening quote is here.
    fn q_string(&mut self) -> Token {
        let close = match self.peek(1) {
            b'[' => b']',
            b'(' => b')',
            b'{' => b'}',
            b'<' => b'>',
            other if other.is_ascii_graphic() && other != b'\'' => other,
            _ => return self.string(b'\'', self.dialect.backslash_escapes),
        };
        self.at += 2;
        self.skip_to(&[close, b'\'']);
        Token::Literal
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}
