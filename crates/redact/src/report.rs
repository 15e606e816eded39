//! What was done, by rule.

use std::sync::Arc;

use crate::rules::{Action, Defaults};

/// Index of a rule: the defaults, then rules about keys, then rules about text.
pub(crate) type RuleId = u16;

pub(crate) const HEADERS: RuleId = 0;
pub(crate) const KEYS: RuleId = 1;
pub(crate) const SESSIONS: RuleId = 2;
pub(crate) const URLS: RuleId = 3;
pub(crate) const TOKENS: RuleId = 4;
pub(crate) const SQL: RuleId = 5;
pub(crate) const COMMANDS: RuleId = 6;

/// Names of the default rules, by [`RuleId`].
pub(crate) const DEFAULT_NAMES: [&str; 7] =
    ["headers", "keys", "sessions", "urls", "tokens", "sql", "commands"];

/// Actions of the default rules, by [`RuleId`].
pub(crate) fn default_actions(defaults: &Defaults) -> [Action; DEFAULT_NAMES.len()] {
    let Defaults { headers, keys, sessions, urls, tokens, sql, commands } = *defaults;
    [headers, keys, sessions, urls, tokens, sql, commands]
}

/// What [`crate::Redactor::apply`] did.
#[derive(Debug, Clone)]
pub struct Redacted {
    names: Arc<[String]>,
    counts: Vec<u64>,
}

impl Redacted {
    pub(crate) fn nothing(names: &Arc<[String]>) -> Self {
        Self { names: Arc::clone(names), counts: vec![0; names.len()] }
    }

    pub(crate) fn count(&mut self, rule: RuleId) {
        self.counts[usize::from(rule)] += 1;
    }

    /// Secrets that were dropped, masked or hashed.
    pub fn values(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether anything is different from before.
    pub fn changed(&self) -> bool {
        self.counts.iter().any(|count| *count > 0)
    }

    /// Rules that found something: name and number of secrets.
    pub fn by_rule(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names
            .iter()
            .map(String::as_str)
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count > 0)
    }
}
