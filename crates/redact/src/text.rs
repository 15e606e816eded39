//! One text: the ranges in it that are secrets, and the text without them.

use std::ops::Range;

use crate::assignments::{self, Announced, Known, Reading};
use crate::dialect::Dialect;
use crate::report::{COMMANDS, HEADERS, RuleId, SQL, TOKENS, URLS};
use crate::verdict::Verdict;
use crate::{Action, Redactor, commands, hash, scan, sql, tokens, urls};

/// A secret and the rule that found it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) range: Range<usize>,
    pub(crate) rule: RuleId,
}

/// What becomes of something.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome<T> {
    /// It stays as it is.
    Same,
    /// It is replaced.
    New(T),
    /// It goes.
    Drop,
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Same => Outcome::Same,
            Self::New(new) => Outcome::New(change(new)),
            Self::Drop => Outcome::Drop,
        }
    }
}

impl Redactor {
    /// Adds the secrets that stand in any text. `verdict` judges a name within the text.
    pub(crate) fn find_in_text(
        &self,
        text: &str,
        reading: Reading,
        verdict: &dyn Fn(&str) -> Verdict,
        found: &mut Vec<Found>,
    ) {
        let seen = self.scanner.look(text.as_bytes());
        if reading == Reading::Connection && self.is_on(URLS) {
            urls::find_in_connection(text, |range| found.push(Found { range, rule: URLS }));
        }
        if seen & scan::ASSIGNMENT != 0 {
            self.find_assigned(text, reading, verdict, found);
        }
        self.find_recognisable(text, seen, found);
    }

    /// Adds the literals of a statement and what is recognisable in its comments.
    pub(crate) fn find_in_sql(&self, text: &str, dialect: Dialect, found: &mut Vec<Found>) {
        if self.is_on(SQL) {
            let literals = sql::literals(text, dialect);
            found.extend(literals.into_iter().map(|range| Found { range, rule: SQL }));
        }
        self.find_recognisable(text, self.scanner.look(text.as_bytes()), found);
    }

    /// Adds what follows an option of a command line.
    pub(crate) fn find_in_command(line: &str, verdict: &dyn Fn(&str) -> Verdict, found: &mut Vec<Found>) {
        let is_secret = |name: &str| matches!(verdict(name), Verdict::Secret(_));
        commands::find(line, is_secret, |range| found.push(Found { range, rule: COMMANDS }));
    }

    fn find_assigned(
        &self,
        text: &str,
        reading: Reading,
        verdict: &dyn Fn(&str) -> Verdict,
        found: &mut Vec<Found>,
    ) {
        let lookup = |name: &str| match verdict(name) {
            Verdict::Secret(rule) => Some(Known { rule, is_header: rule == HEADERS }),
            _ => None,
        };
        assignments::find(text, reading, lookup, |range, announced| match announced {
            Announced::Name(rule) => found.push(Found { range, rule }),
            Announced::UrlParameter if self.is_on(URLS) => found.push(Found { range, rule: URLS }),
            Announced::UrlParameter => {}
        });
    }

    fn find_recognisable(&self, text: &str, seen: u32, found: &mut Vec<Found>) {
        if seen & scan::URL != 0 && self.is_on(URLS) {
            urls::find(text, |range| found.push(Found { range, rule: URLS }));
        }
        if scan::has_tokens(seen) && self.is_on(TOKENS) {
            tokens::find(&self.scanner, text, |range| found.push(Found { range, rule: TOKENS }));
        }
        for (index, rule) in self.values.iter().enumerate() {
            if rule.action == Action::Keep {
                continue;
            }
            let id = self.value_rule(index);
            for captures in rule.regex.captures_iter(text) {
                if let Some(part) = captures.get(1).or_else(|| captures.get(0)) {
                    found.push(Found { range: part.range(), rule: id });
                }
            }
        }
    }

    /// The text without what was found; `count` hears of each. What is not an attribute cannot be
    /// dropped.
    pub(crate) fn without(
        &self,
        text: &str,
        is_attribute: bool,
        found: &mut Vec<Found>,
        mut count: impl FnMut(RuleId),
    ) -> Outcome<String> {
        merge(found);
        found.retain(|secret| !is_replaced(&text[secret.range.clone()], secret.rule));
        let is_dropping = |secret: &&Found| is_attribute && self.action(secret.rule) == Action::Drop;
        if let Some(dropping) = found.iter().find(is_dropping) {
            count(dropping.rule);
            return Outcome::Drop;
        }
        if found.is_empty() {
            return Outcome::Same;
        }
        let mut without = String::with_capacity(text.len());
        let mut end = 0;
        for Found { range, rule } in found.drain(..) {
            without.push_str(&text[end..range.start]);
            without.push_str(&self.replacement(&text[range.clone()], rule));
            end = range.end;
            count(rule);
        }
        without.push_str(&text[end..]);
        Outcome::New(without)
    }

    /// What takes the place of a secret. A place that cannot be dropped is masked.
    pub(crate) fn replacement(&self, secret: &str, rule: RuleId) -> String {
        match (self.action(rule), rule) {
            (Action::Hash, _) => self.hasher.hash(secret.as_bytes()),
            (_, SQL) => "?".to_owned(),
            (_, _) => hash::MASK.to_owned(),
        }
    }
}

/// Whether nothing has to be done to a secret any more.
pub(crate) fn is_replaced(secret: &str, rule: RuleId) -> bool {
    secret.is_empty() || hash::is_replaced(secret) || (rule == SQL && secret == "?")
}

/// Orders ranges and joins those that overlap; the one that begins first gives the rule.
fn merge(found: &mut Vec<Found>) {
    if found.len() < 2 {
        return;
    }
    found.sort_by_key(|secret| (secret.range.start, std::cmp::Reverse(secret.range.end)));
    found.dedup_by(|next, first| {
        let overlaps = next.range.start < first.range.end;
        if overlaps {
            first.range.end = first.range.end.max(next.range.end);
        }
        overlaps
    });
}
