//! What a name says of its value: an attribute's key, a header, a query parameter, an option.
//!
//! A name is split into words (`db.userPassword` is db, user, password). Words such as `token` or
//! `api key` are about a secret when they end the name: `access_token` is one, `token_count` is not.
//! Words such as `password` are about a secret unless what follows says otherwise: `password_length`.

use std::borrow::Cow;

use crate::words::{
    ABOUT, ACCOUNTS, ALWAYS, AT_THE_END, COMMANDS, NEUTRAL, OTHER_TOKENS, QUERIES, SECRET_KEYS,
    SESSION_NAMES, SQL, URL_PARAMETERS,
};

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing in particular.
    Plain,
    /// A header that authenticates, or a cookie.
    Header,
    /// A secret.
    Secret,
    /// A session's identifier.
    Session,
    /// A SQL statement.
    Sql,
    /// The value of a statement's parameter.
    SqlParameter,
    /// Perhaps a SQL statement, among other things.
    Name,
    /// A query string without its question mark.
    Query,
    /// How to connect to a database.
    Connection,
    /// A command line or its words.
    Command,
}

/// Bytes of a name that are looked at, from its end.
const NAME_BYTES_MAX: usize = 256;

/// Words of a name that are looked at, from its end.
const WORDS_MAX: usize = 24;

/// What the name of an attribute, a header or an option says.
pub(crate) fn classify(name: &str) -> Class {
    let name = &name[name.ceil_char_boundary(name.len().saturating_sub(NAME_BYTES_MAX))..];
    let lower = name.to_ascii_lowercase();
    if let Some(class) = by_whole_name(&lower) {
        return class;
    }
    let decoded = percent_decoded(name);
    let words = words(&decoded);
    // `session.id` is the semantic conventions' name for something that authenticates nobody.
    by_words(&words, lower.ends_with("session.id") || lower.ends_with("session.previous_id"))
}

/// Whether a parameter of that name authenticates in a URL.
pub(crate) fn is_url_parameter(name: &str) -> bool {
    name.len() <= 32 && URL_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

fn by_whole_name(lower: &str) -> Option<Class> {
    if SQL.contains(&lower) {
        return Some(Class::Sql);
    }
    if lower.starts_with("db.query.parameter.") || lower.starts_with("db.statement.parameter") {
        return Some(Class::SqlParameter);
    }
    if COMMANDS.contains(&lower) {
        return Some(Class::Command);
    }
    if QUERIES.contains(&lower) {
        return Some(Class::Query);
    }
    if lower == "resource.name" || lower == "db.query.summary" {
        return Some(Class::Name);
    }
    if lower == "connect.sid" || lower.starts_with("aspsessionid") {
        return Some(Class::Session);
    }
    None
}

fn by_words(words: &[Cow<'_, str>], is_convention: bool) -> Class {
    let of = |index: usize| words.get(index).map_or("", |word| word.as_ref());
    let always = words.iter().rposition(|word| ends_with_any(word, ALWAYS));
    let is_about = |word: &Cow<'_, str>| ABOUT.contains(&word.as_ref());
    if let Some(at) = always {
        // Vault calls the password of a machine `secret_id`.
        let is_secret_id = of(at) == "secret" && of(at + 1) == "id" && words.len() == at + 2;
        if is_secret_id || !words[at + 1..].iter().any(is_about) {
            return Class::Secret;
        }
    }
    let is_neutral = |word: &&Cow<'_, str>| {
        NEUTRAL.contains(&word.as_ref()) || word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let tail = words.iter().rev().take_while(is_neutral).count();
    let words = &words[..words.len() - tail];
    let last = words.last().map_or("", |word| word.as_ref());
    let before = words.len().checked_sub(2).map_or("", |index| words[index].as_ref());
    match last {
        "authorization" | "cookie" | "cookies" | "setcookie" | "proxyauthorization" => {
            return Class::Header;
        }
        "auth" if before == "x" => return Class::Header,
        "team" if before == "honeycomb" => return Class::Header,
        "key" | "keys" if SECRET_KEYS.contains(&before) => return Class::Secret,
        "pass" | "pwd" if ACCOUNTS.contains(&before) => return Class::Secret,
        "code" if before == "authorization" => return Class::Secret,
        "connectionstring" | "dsn" => return Class::Connection,
        "id" if before == "session" && !is_convention => return Class::Session,
        _ => {}
    }
    // `connection_string` ends with a word that is neutral elsewhere.
    if last == "connection" && tail > 0 {
        return Class::Connection;
    }
    if SESSION_NAMES.contains(&last) {
        return Class::Session;
    }
    let is_other_token = last == "token" && OTHER_TOKENS.contains(&before);
    if !is_other_token && ends_with_any(last, AT_THE_END) {
        return Class::Secret;
    }
    Class::Plain
}

fn ends_with_any(word: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| word.ends_with(ending))
}

/// Lower-case words: split at everything that is neither letter nor digit, between letters and digits
/// and where the case says so. The last [`WORDS_MAX`] of them.
fn words(name: &str) -> Vec<Cow<'_, str>> {
    let mut words = Vec::new();
    let bytes = name.as_bytes();
    let mut end = bytes.len();
    while end > 0 && words.len() < WORDS_MAX {
        if !is_word_byte(bytes[end - 1]) {
            end -= 1;
            continue;
        }
        let mut start = end - 1;
        while start > 0 && is_word_byte(bytes[start - 1]) && !is_seam(bytes, start, end) {
            start -= 1;
        }
        // Everything that is not ASCII is part of a word: the cuts are at character boundaries.
        let word = &name[start..end];
        let has_upper = word.bytes().any(|byte| byte.is_ascii_uppercase());
        words.push(if has_upper { Cow::Owned(word.to_ascii_lowercase()) } else { Cow::Borrowed(word) });
        end = start;
    }
    words.reverse();
    words
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Whether a word that ends at `end` begins at `at`.
fn is_seam(bytes: &[u8], at: usize, end: usize) -> bool {
    let (before, after) = (bytes[at - 1], bytes[at]);
    let second = bytes.get(at + 1).filter(|_| at + 1 < end);
    (before.is_ascii_lowercase() && after.is_ascii_uppercase())
        || (before.is_ascii_uppercase()
            && after.is_ascii_uppercase()
            && second.is_some_and(u8::is_ascii_lowercase))
        || (before.is_ascii_digit() != after.is_ascii_digit())
}

/// The name with `%5B` and the like read; as it is if something does not fit.
fn percent_decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok());
        if let Some(byte) = code.filter(u8::is_ascii) {
            decoded.push(char::from(byte));
            rest = &rest[at + 3..];
        } else {
            decoded.push('%');
            rest = &rest[at + 1..];
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}
