//! What to do with the value of a key, remembered by key.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use foldhash::fast::RandomState;

use crate::assignments::Reading;
use crate::names::{self, Class};
use crate::report::{COMMANDS, HEADERS, KEYS, RuleId, SESSIONS, SQL, TOKENS};
use crate::{Action, Redactor, scan, tokens};

/// Keys that are remembered at most. Beyond it all are forgotten: the ones in use come back at once.
const KEYS_MAX: usize = 8_192;

/// Longer keys are judged anew each time.
const KEY_BYTES_MAX: usize = 256;

/// What a key says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not to be looked at.
    Keep,
    /// Any text, read that way.
    Text(Reading),
    /// A SQL statement.
    Sql,
    /// Any text, perhaps a SQL statement.
    Name,
    /// A command line, or its words.
    Command,
    /// A secret.
    Secret(RuleId),
    /// The key itself holds a secret.
    SecretKey(RuleId),
}

pub(crate) type Known = HashMap<Box<str>, Verdict, RandomState>;

/// Verdicts by key, bounded.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(RwLock<Known>);

impl Verdicts {
    /// What is known now.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was learned, unless others are busy with it: the next one will.
    pub(crate) fn learn(&self, learned: Known) {
        if learned.is_empty() {
            return;
        }
        let Ok(mut known) = self.0.try_write() else { return };
        if known.len() + learned.len() > KEYS_MAX {
            known.clear();
        }
        known.extend(learned);
    }
}

/// Whether a key may be remembered beside `learned` others.
pub(crate) fn may_learn(key: &str, learned: usize) -> bool {
    key.len() <= KEY_BYTES_MAX && learned < KEYS_MAX
}

impl Redactor {
    /// Judges a key that is not known yet.
    pub(crate) fn judge(&self, key: &str) -> Verdict {
        if let Some(index) = self.keys.iter().position(|rule| rule.regex.is_match(key)) {
            let is_exempt = self.keys[index].action == Action::Keep;
            return if is_exempt { Verdict::Keep } else { Verdict::Secret(Self::key_rule(index)) };
        }
        if self.is_on(TOKENS) && scan::has_tokens(self.scanner.look(key.as_bytes())) {
            let mut holds_token = false;
            tokens::find(&self.scanner, key, |_| holds_token = true);
            if holds_token {
                return Verdict::SecretKey(TOKENS);
            }
        }
        let text = Verdict::Text(Reading::Text);
        let (rule, verdict) = match names::classify(key) {
            Class::Plain => return text,
            Class::Name => return Verdict::Name,
            Class::Query => return Verdict::Text(Reading::Query),
            Class::Connection => return Verdict::Text(Reading::Connection),
            Class::Header => (HEADERS, Verdict::Secret(HEADERS)),
            Class::Secret => (KEYS, Verdict::Secret(KEYS)),
            Class::Session => (SESSIONS, Verdict::Secret(SESSIONS)),
            Class::SqlParameter => (SQL, Verdict::Secret(SQL)),
            Class::Sql => (SQL, Verdict::Sql),
            Class::Command => (COMMANDS, Verdict::Command),
        };
        if self.is_on(rule) { verdict } else { text }
    }
}
