//! Through spans and log records, to every text in them.

use std::collections::HashMap;
use std::sync::{Arc, RwLockReadGuard};

use foldhash::fast::RandomState;
use spanloom_model::{AttrValue, Attributes, LogRecord, Resource, Scope, Span};

use crate::assignments::Reading;
use crate::commands::Follower;
use crate::dialect::{self, Dialect};
use crate::report::{COMMANDS, DEFAULT_NAMES, KEYS, RuleId, SQL};
use crate::text::{Found, Outcome, is_replaced};
use crate::verdict::{Known, Verdict, may_learn};
use crate::{Action, Redacted, Redactor, hash, sql};

/// Deeper values are masked whole. Decoders refuse them before.
const DEPTH_MAX: u32 = 128;

/// How often a text is looked at.
const TURNS_MAX: usize = 4;

pub(crate) fn spans(redactor: &Redactor, spans: &mut [Span]) -> Redacted {
    let mut pass = Pass::begin(redactor);
    let (mut resources, mut scopes) = (Shared::default(), Shared::default());
    for span in spans {
        pass.span(span);
        resources.replace(&mut span.resource, |resource| pass.resource(resource));
        scopes.replace(&mut span.scope, |scope| pass.scope(scope));
    }
    pass.end()
}

pub(crate) fn logs(redactor: &Redactor, logs: &mut [LogRecord]) -> Redacted {
    let mut pass = Pass::begin(redactor);
    let (mut resources, mut scopes) = (Shared::default(), Shared::default());
    for log in logs {
        pass.log(log);
        resources.replace(&mut log.resource, |resource| pass.resource(resource));
        scopes.replace(&mut log.scope, |scope| pass.scope(scope));
    }
    pass.end()
}

/// An original, kept so that its address is not used again, and what takes its place.
type Replaced<T> = (Arc<T>, Option<Arc<T>>);

/// What spans share, by address.
struct Shared<T> {
    /// The address of one that stays as it is, most likely the next one too.
    last: usize,
    seen: HashMap<usize, Replaced<T>, RandomState>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { last: 0, seen: HashMap::default() }
    }
}

impl<T> Shared<T> {
    fn replace(&mut self, shared: &mut Arc<T>, redact: impl FnOnce(&T) -> Option<T>) {
        let address = Arc::as_ptr(shared).addr();
        if address == self.last {
            return;
        }
        let (_, replacement) =
            self.seen.entry(address).or_insert_with(|| (Arc::clone(shared), redact(shared).map(Arc::new)));
        match replacement {
            Some(replacement) => *shared = Arc::clone(replacement),
            None => self.last = address,
        }
    }
}

/// Where a text stands.
#[derive(Clone, Copy)]
struct Place<'s> {
    /// What its key says.
    verdict: Verdict,
    /// The attributes beside it.
    siblings: &'s Attributes,
    /// Whether it could be dropped.
    is_attribute: bool,
}

/// New values of attributes by index, in order; none for one that goes.
struct Changes(Vec<(usize, Option<AttrValue>)>);

impl Changes {
    fn make(self, attributes: &mut Attributes, dropped_count: &mut u32) {
        let mut changes = self.0.into_iter().peekable();
        let mut index = 0;
        attributes.retain(|_, value| {
            let change = changes.next_if(|(changed, _)| *changed == index);
            index += 1;
            match change {
                None => true,
                Some((_, Some(new))) => {
                    *value = new;
                    true
                }
                Some((_, None)) => {
                    *dropped_count = dropped_count.saturating_add(1);
                    false
                }
            }
        });
    }
}

struct Pass<'r> {
    redactor: &'r Redactor,
    known: RwLockReadGuard<'r, Known>,
    learned: Known,
    /// Used again for each text.
    found: Vec<Found>,
    redacted: Redacted,
}

impl<'r> Pass<'r> {
    fn begin(redactor: &'r Redactor) -> Self {
        Self {
            redactor,
            known: redactor.verdicts.read(),
            learned: Known::default(),
            found: Vec::new(),
            redacted: Redacted::nothing(&redactor.names),
        }
    }

    /// Remembers what was learned of keys.
    fn end(self) -> Redacted {
        let Self { redactor, known, learned, redacted, .. } = self;
        drop(known);
        redactor.verdicts.learn(learned);
        redacted
    }
}

impl Pass<'_> {
    fn log(&mut self, log: &mut LogRecord) {
        self.free_text(&mut log.severity_text, &log.attributes);
        self.free_text(&mut log.event_name, &log.attributes);
        match &mut log.body {
            // A statement that is logged is read as one.
            AttrValue::String(text) => self.free_text(text, &log.attributes),
            body => {
                match self.value(body, Verdict::Text(Reading::Text), &log.attributes, 0) {
                    Outcome::Same => {}
                    Outcome::New(without) => *body = without,
                    // A record without its body would be a riddle.
                    Outcome::Drop => *body = hash::MASK.into(),
                }
            }
        }
        self.replace(&mut log.attributes, &mut log.dropped_attributes_count);
    }

    fn span(&mut self, span: &mut Span) {
        // The dialect is asked for before attributes change.
        self.free_text(&mut span.name, &span.attributes);
        self.free_text(&mut span.status_message, &span.attributes);
        for event in &mut span.events {
            self.free_text(&mut event.name, &span.attributes);
            self.replace(&mut event.attributes, &mut event.dropped_attributes_count);
        }
        for link in &mut span.links {
            self.replace(&mut link.attributes, &mut link.dropped_attributes_count);
        }
        self.replace(&mut span.attributes, &mut span.dropped_attributes_count);
    }

    fn resource(&mut self, resource: &Resource) -> Option<Resource> {
        let changes = self.changes(&resource.attributes, 0)?;
        let mut resource = resource.clone();
        changes.make(&mut resource.attributes, &mut resource.dropped_attributes_count);
        Some(resource)
    }

    fn scope(&mut self, scope: &Scope) -> Option<Scope> {
        let changes = self.changes(&scope.attributes, 0)?;
        let mut scope = scope.clone();
        changes.make(&mut scope.attributes, &mut scope.dropped_attributes_count);
        Some(scope)
    }

    fn replace(&mut self, attributes: &mut Attributes, dropped_count: &mut u32) {
        if let Some(changes) = self.changes(attributes, 0) {
            changes.make(attributes, dropped_count);
        }
    }

    /// A text that is no attribute, so that it cannot be dropped.
    fn free_text(&mut self, text: &mut String, attributes: &Attributes) {
        let place = Place { verdict: Verdict::Name, siblings: attributes, is_attribute: false };
        if let Outcome::New(without) = self.text(text, place, None) {
            *text = without;
        }
    }

    /// What has to change in attributes; none if they hold no secret.
    fn changes(&mut self, attributes: &Attributes, depth: u32) -> Option<Changes> {
        let mut changes = Vec::new();
        for (index, (key, value)) in attributes.iter().enumerate() {
            let outcome = match self.verdict(key) {
                Verdict::Text(Reading::Text) if is_plain(value) => continue,
                verdict => self.attribute(value, verdict, attributes, depth),
            };
            match outcome {
                Outcome::Same => {}
                Outcome::New(value) => changes.push((index, Some(value))),
                Outcome::Drop => changes.push((index, None)),
            }
        }
        if changes.is_empty() { None } else { Some(Changes(changes)) }
    }

    /// What a key says, from memory if it is known.
    fn verdict(&mut self, key: &str) -> Verdict {
        if let Some(verdict) = self.known.get(key).or_else(|| self.learned.get(key)) {
            return *verdict;
        }
        let verdict = self.redactor.judge(key);
        if may_learn(key, self.learned.len()) {
            self.learned.insert(key.into(), verdict);
        }
        verdict
    }

    fn attribute(
        &mut self,
        value: &AttrValue,
        verdict: Verdict,
        siblings: &Attributes,
        depth: u32,
    ) -> Outcome<AttrValue> {
        match verdict {
            Verdict::Keep => Outcome::Same,
            Verdict::SecretKey(rule) => {
                self.redacted.count(rule);
                Outcome::Drop
            }
            Verdict::Secret(rule) => self.secret(value, rule, depth),
            Verdict::Command => match value {
                AttrValue::Array(words) => self.command(words, siblings, depth),
                _ => self.value(value, verdict, siblings, depth),
            },
            _ => self.value(value, verdict, siblings, depth),
        }
    }

    fn value(
        &mut self,
        value: &AttrValue,
        verdict: Verdict,
        siblings: &Attributes,
        depth: u32,
    ) -> Outcome<AttrValue> {
        if depth > DEPTH_MAX {
            return self.too_deep(value);
        }
        let place = Place { verdict, siblings, is_attribute: true };
        match value {
            AttrValue::String(text) => self.text(text, place, None).map(AttrValue::String),
            AttrValue::Bytes(bytes) => {
                let Ok(text) = std::str::from_utf8(bytes) else { return Outcome::Same };
                let outcome = self.text(text, place, None);
                outcome.map(|text| AttrValue::Bytes(text.into_bytes()))
            }
            AttrValue::Array(values) => {
                array(values, |value| self.value(value, verdict, siblings, depth + 1))
            }
            AttrValue::Map(map) => match self.changes(map, depth + 1) {
                Some(changes) => {
                    let mut map = map.clone();
                    // Spans count the attributes they lost, not what is missing within them.
                    changes.make(&mut map, &mut 0);
                    Outcome::New(AttrValue::Map(map))
                }
                None => Outcome::Same,
            },
            AttrValue::Null | AttrValue::Bool(_) | AttrValue::Int(_) | AttrValue::Double(_) => {
                Outcome::Same
            }
        }
    }

    /// The words of a command line, each of which says something about the next.
    fn command(&mut self, words: &[AttrValue], siblings: &Attributes, depth: u32) -> Outcome<AttrValue> {
        let mut follower = Follower::new();
        array(words, |word| {
            let AttrValue::String(text) = word else {
                return self.value(word, Verdict::Command, siblings, depth + 1);
            };
            let is_secret = |name: &str| matches!(self.judge(name), Verdict::Secret(_));
            let secret = follower.next(text, is_secret).map(|range| Found { range, rule: COMMANDS });
            // A word may be a command line itself: `sh -c "app --password hunter2"`.
            let place = Place { verdict: Verdict::Command, siblings, is_attribute: true };
            self.text(text, place, secret).map(AttrValue::String)
        })
    }

    /// A value that is a secret whole: each text and number in it. Truth values tell nothing, unless a
    /// rule of somebody's own asks for them.
    fn secret(&mut self, value: &AttrValue, rule: RuleId, depth: u32) -> Outcome<AttrValue> {
        if depth > DEPTH_MAX {
            return self.too_deep(value);
        }
        let text = match value {
            AttrValue::Null => return Outcome::Same,
            AttrValue::Bool(_) if usize::from(rule) < DEFAULT_NAMES.len() => return Outcome::Same,
            AttrValue::Array(values) => return array(values, |value| self.secret(value, rule, depth + 1)),
            AttrValue::Map(map) => return self.secret_map(map, rule, depth),
            AttrValue::String(text) if is_replaced(text, rule) => return Outcome::Same,
            AttrValue::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.redacted.count(rule);
        match self.redactor.action(rule) {
            Action::Drop => Outcome::Drop,
            _ => Outcome::New(self.redactor.replacement(&text, rule).into()),
        }
    }

    fn secret_map(&mut self, map: &Attributes, rule: RuleId, depth: u32) -> Outcome<AttrValue> {
        let mut changes = Vec::new();
        for (index, (_, value)) in map.iter().enumerate() {
            match self.secret(value, rule, depth + 1) {
                Outcome::Same => {}
                Outcome::Drop => return Outcome::Drop,
                Outcome::New(value) => changes.push((index, Some(value))),
            }
        }
        if changes.is_empty() {
            return Outcome::Same;
        }
        let mut map = map.clone();
        Changes(changes).make(&mut map, &mut 0);
        Outcome::New(AttrValue::Map(map))
    }

    fn too_deep(&mut self, value: &AttrValue) -> Outcome<AttrValue> {
        if matches!(value, AttrValue::String(text) if text == hash::MASK) {
            return Outcome::Same;
        }
        self.redacted.count(KEYS);
        Outcome::New(hash::MASK.into())
    }

    /// A text without its secrets, of which one may be known already.
    ///
    /// What is left is looked at again, because a secret may have hidden another; SQL's parameters
    /// hide nothing. What still is not clean after some turns is a riddle, and goes whole.
    fn text(&mut self, text: &str, place: Place<'_>, known: Option<Found>) -> Outcome<String> {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        found.extend(known);
        let mut outcome: Outcome<String> = Outcome::Same;
        for turn in 0..TURNS_MAX {
            let current = if let Outcome::New(without) = &outcome { without.as_str() } else { text };
            self.find(current, place, &mut found);
            if found.is_empty() {
                break;
            }
            let is_settled = found.iter().all(|secret| secret.rule == SQL);
            let count = |rule| self.redacted.count(rule);
            match self.redactor.without(current, place.is_attribute, &mut found, count) {
                Outcome::Same => break,
                changed => outcome = changed,
            }
            if is_settled || outcome == Outcome::Drop {
                break;
            }
            if turn + 1 == TURNS_MAX {
                outcome = Outcome::New(hash::MASK.to_owned());
            }
        }
        self.found = found;
        outcome
    }

    fn find(&self, text: &str, place: Place<'_>, found: &mut Vec<Found>) {
        let Place { verdict, siblings, .. } = place;
        if verdict == Verdict::Sql
            && let Some(range) = sql::redis_password(text)
        {
            found.push(Found { range, rule: SQL });
        }
        if let Some(dialect) = statement(text, verdict, siblings) {
            return self.redactor.find_in_sql(text, dialect, found);
        }
        let judge = |name: &str| self.judge(name);
        if verdict == Verdict::Command {
            Redactor::find_in_command(text, &judge, found);
        }
        let reading = if let Verdict::Text(reading) = verdict { reading } else { Reading::Text };
        self.redactor.find_in_text(text, reading, &judge, found);
    }

    /// What a name within a text says. Not remembered: texts are many.
    fn judge(&self, name: &str) -> Verdict {
        let known = self.known.get(name).or_else(|| self.learned.get(name));
        known.copied().unwrap_or_else(|| self.redactor.judge(name))
    }
}

/// The dialect to read a text in, if it is a SQL statement.
fn statement(text: &str, verdict: Verdict, siblings: &Attributes) -> Option<Dialect> {
    match verdict {
        // A query in JSON, of a document store.
        Verdict::Sql if text.trim_start().starts_with(['{', '[']) => return None,
        Verdict::Sql => {}
        Verdict::Name if sql::is_statement(text) => {}
        _ => return None,
    }
    let system = siblings.get_str("db.system.name").or_else(|| siblings.get_str("db.system"));
    dialect::of(system)
}

/// Neither text nor anything that may hold text.
fn is_plain(value: &AttrValue) -> bool {
    matches!(value, AttrValue::Null | AttrValue::Bool(_) | AttrValue::Int(_) | AttrValue::Double(_))
}

/// Replaces what changes in an array; if one value has to go, the whole does.
fn array(
    values: &[AttrValue],
    mut outcome: impl FnMut(&AttrValue) -> Outcome<AttrValue>,
) -> Outcome<AttrValue> {
    let mut without: Option<Vec<AttrValue>> = None;
    for (index, value) in values.iter().enumerate() {
        match outcome(value) {
            Outcome::Drop => return Outcome::Drop,
            Outcome::New(value) => without.get_or_insert_with(|| values[..index].to_vec()).push(value),
            Outcome::Same => {
                if let Some(without) = &mut without {
                    without.push(value.clone());
                }
            }
        }
    }
    without.map_or(Outcome::Same, |values| Outcome::New(AttrValue::Array(values)))
}
