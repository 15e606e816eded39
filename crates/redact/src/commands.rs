//! Secrets among the words of a command line: `--password hunter2`, `mysql -phunter2`,
//! `curl -u user:hunter2`. What is written as `--password=hunter2` is found as in any text.

use std::ops::Range;

/// Words of a line that are looked at.
const WORDS_MAX: usize = 4_096;

/// What the word before says of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Anything,
    Secret,
    /// `user:password`.
    Account,
}

/// Follows a command line word by word.
#[derive(Debug)]
pub(crate) struct Follower {
    expected: Expected,
    program: Program,
    words: usize,
}

/// Programs whose short options are known to hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Other,
    /// `-psecret`.
    Mysql,
    /// `-psecret` and `-p secret`.
    Sshpass,
    /// `-a secret`.
    Redis,
    /// `-u user:secret`.
    Http,
}

impl Program {
    fn of(word: &str) -> Option<Self> {
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        let name = name.strip_suffix(".exe").unwrap_or(name);
        Some(match name {
            "sshpass" => Self::Sshpass,
            "redis-cli" | "valkey-cli" => Self::Redis,
            "curl" | "wget" | "http" | "https" => Self::Http,
            _ if name.starts_with("mysql") || name.starts_with("mariadb") => Self::Mysql,
            _ => return None,
        })
    }
}

impl Follower {
    /// Before the first word.
    pub(crate) fn new() -> Self {
        Self { expected: Expected::Anything, program: Program::Other, words: 0 }
    }

    /// The secret in the next word, if it holds one. `is_secret` knows the names of options.
    pub(crate) fn next(&mut self, word: &str, is_secret: impl Fn(&str) -> bool) -> Option<Range<usize>> {
        self.words += 1;
        if self.words > WORDS_MAX {
            // Nobody reads so far; what cannot be followed is not kept.
            return Some(0..word.len()).filter(|range| !range.is_empty());
        }
        let expected = std::mem::replace(&mut self.expected, Expected::Anything);
        let Some(option) = word.strip_prefix('-') else {
            if let Some(program) = Program::of(word) {
                self.program = program;
            }
            let start = match expected {
                Expected::Anything => return None,
                Expected::Secret => 0,
                Expected::Account => word.find(':')? + 1,
            };
            return (start < word.len()).then_some(start..word.len());
        };
        let attached = matches!(self.program, Program::Mysql | Program::Sshpass)
            && option.starts_with('p')
            && option.len() > 1;
        let was = self.program;
        if was == Program::Sshpass && option.starts_with('p') {
            // What follows is another program's.
            self.program = Program::Other;
        }
        if attached {
            return Some(2..word.len());
        }
        self.expected = match (option, was) {
            ("p", Program::Sshpass) | ("a", Program::Redis) => Expected::Secret,
            ("u" | "U" | "-user" | "-proxy-user", Program::Http) => Expected::Account,
            _ if option.contains(['=', ':', ' ']) => Expected::Anything,
            _ if is_secret(option.trim_start_matches('-')) => Expected::Secret,
            _ => Expected::Anything,
        };
        None
    }
}

/// Tells `found` of each secret of a line, split as a shell does.
pub(crate) fn find(line: &str, is_secret: impl Fn(&str) -> bool, mut found: impl FnMut(Range<usize>)) {
    let mut follower = Follower::new();
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (start, end, next) = word(bytes, at);
        if let Some(secret) = follower.next(&line[start..end], &is_secret) {
            found(start + secret.start..start + secret.end);
        }
        at = next;
    }
}

/// Where the word at `at` begins and ends without its quotes, and where to go on.
fn word(bytes: &[u8], at: usize) -> (usize, usize, usize) {
    let quote = bytes[at];
    if matches!(quote, b'"' | b'\'') {
        let end = memchr::memchr(quote, &bytes[at + 1..]).map_or(bytes.len(), |length| at + 1 + length);
        return (at + 1, end, end + 1);
    }
    let end =
        bytes[at..].iter().position(u8::is_ascii_whitespace).map_or(bytes.len(), |length| at + length);
    (at, end, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{self, Class};

    fn found(line: &str) -> Vec<&str> {
        let mut ranges = Vec::new();
        find(line, |name| names::classify(name) == Class::Secret, |range| ranges.push(range));
        ranges.into_iter().map(|range| &line[range]).collect()
    }

    #[test]
    fn options_that_are_followed_by_a_secret() {
        let cases: &[(&str, &[&str])] = &[
            ("app --user ann --password hunter2 --verbose", &["hunter2"]),
            ("app -password 'two words' x", &["two words"]),
            ("app --api-key \"k\" --client-secret s", &["k", "s"]),
            ("/usr/bin/mysqldump -uroot -phunter2 shop", &["hunter2"]),
            ("sshpass -p hunter2 ssh host -p 22", &["hunter2"]),
            ("redis-cli -h cache -a hunter2 GET x", &["hunter2"]),
            ("curl -s -u ann:hunter2 https://example.com", &["hunter2"]),
            ("curl --user ann:hunter2", &["hunter2"]),
            ("app --token", &[]),
            ("app --token ''", &[]),
            ("app --password 'cut", &["cut"]),
        ];
        for (line, expected) in cases {
            assert_eq!(found(line), *expected, "in {line}");
        }
    }

    #[test]
    fn other_options_are_left_alone() {
        for line in [
            "",
            "ssh -p 22 host",
            "mkdir -p a/b",
            "mysql -p",
            "java -Xmx2g -jar app.jar --server.port 8080",
            "app --max-tokens 512 --token-file /run/token --password-file /run/x",
            "app --password --verbose",
            "ls -a secret.txt",
            "su -u ann:staff",
        ] {
            assert_eq!(found(line), [""; 0], "in {line}");
        }
    }
}
