//! Finds secrets in spans and log records and removes them, before anything is kept.
//!
//! [`Redactor::apply`] looks at attributes of spans, events, links, resources and scopes, nested ones
//! too, at names of spans and events, and at status messages. It leaves alone what identifies and
//! orders spans, trace states, schema URLs, and the names and versions of scopes. Of log records it looks
//! at body, attributes, event name and severity.
//!
//! What a key says of its value is remembered, so that a known key costs one look-up; a text is looked
//! at closely only if one quick pass over it finds the beginning of something.

mod assignments;
mod commands;
mod dialect;
mod hash;
mod names;
#[cfg(test)]
mod names_test;
mod report;
mod rules;
mod scan;
mod sql;
#[cfg(test)]
mod sql_test;
mod text;
mod tokens;
mod urls;
mod verdict;
mod walk;
#[cfg(test)]
mod walk_log_test;
#[cfg(test)]
mod walk_property_test;
#[cfg(test)]
mod walk_test;
mod words;

use std::sync::Arc;

use spanloom_model::{LogRecord, Span};

use hash::Hasher;
use report::RuleId;
use rules::Compiled;
use scan::Scanner;
use verdict::Verdicts;

pub use report::Redacted;
pub use rules::{Action, Defaults, KeyRule, Rules, RulesError, ValueRule};

/// Compiled rules. Shared by all threads.
#[derive(Debug)]
pub struct Redactor {
    enabled: bool,
    /// By [`RuleId`].
    actions: Vec<Action>,
    /// By [`RuleId`].
    names: Arc<[String]>,
    keys: Vec<Compiled>,
    values: Vec<Compiled>,
    scanner: Scanner,
    hasher: Hasher,
    verdicts: Verdicts,
}

impl Redactor {
    /// Compiles `rules`. `hash_key` is the servers' secret for [`Action::Hash`].
    ///
    /// # Errors
    /// If a pattern or a name is not acceptable; the error says which.
    pub fn new(rules: &Rules, hash_key: &[u8; 32]) -> Result<Self, RulesError> {
        let keys = rules::compile_keys(&rules.keys)?;
        let values = rules::compile_values(&rules.values)?;
        let own = || keys.iter().chain(&values);
        let actions = report::default_actions(&rules.defaults).into_iter();
        let names = report::DEFAULT_NAMES.iter().map(|name| (*name).to_owned());
        Ok(Self {
            enabled: rules.enabled,
            actions: actions.chain(own().map(|rule| rule.action)).collect(),
            names: names.chain(own().map(|rule| rule.name.clone())).collect(),
            scanner: Scanner::new(tokens::prefixes()),
            hasher: Hasher::new(hash_key),
            verdicts: Verdicts::default(),
            keys,
            values,
        })
    }

    /// Removes the secrets of `spans`. Each shared resource and scope is looked at once, and what was
    /// shared before is shared after.
    pub fn apply(&self, spans: &mut [Span]) -> Redacted {
        if !self.enabled {
            return Redacted::nothing(&self.names);
        }
        walk::spans(self, spans)
    }

    /// The same for log records: their bodies, attributes, resources and scopes.
    pub fn apply_logs(&self, logs: &mut [LogRecord]) -> Redacted {
        if !self.enabled {
            return Redacted::nothing(&self.names);
        }
        walk::logs(self, logs)
    }

    fn action(&self, rule: RuleId) -> Action {
        self.actions[usize::from(rule)]
    }

    fn is_on(&self, rule: RuleId) -> bool {
        self.action(rule) != Action::Keep
    }

    /// The rule of a pattern about keys.
    fn key_rule(index: usize) -> RuleId {
        (report::DEFAULT_NAMES.len() + index) as RuleId
    }

    /// The rule of a pattern about text.
    fn value_rule(&self, index: usize) -> RuleId {
        (report::DEFAULT_NAMES.len() + self.keys.len() + index) as RuleId
    }
}
