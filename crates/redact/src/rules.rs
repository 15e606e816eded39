//! What can be configured: which rules are on, what they do, and rules of one's own.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Rules of one's own at most, of each sort.
const RULES_MAX: usize = 100;

/// Bytes of a pattern at most.
const PATTERN_BYTES_MAX: usize = 1_000;

/// Bytes of a compiled pattern at most.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Characters of a rule's name at most.
const NAME_CHARS_MAX: usize = 64;

/// What happens to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing. For a default rule: it is off. For a rule of one's own about a key: the defaults do
    /// not look at that key's value either.
    #[serde(alias = "off")]
    Keep,
    /// The whole attribute goes, and the span's count of dropped attributes grows. Where there is no
    /// attribute to drop (a name, a status message) the secret is masked.
    Drop,
    /// The secret becomes `***`; what stands around it stays.
    Mask,
    /// The secret becomes `hmac_` and 32 hexadecimal digits, the same for the same secret on all
    /// servers of a database, so that it can still be searched for and grouped by.
    Hash,
}

/// What the rules that come with Spanloom do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Headers and RPC metadata that authenticate, and cookies.
    pub headers: Action,
    /// Values under names such as `password`, `client_secret`, `apiKey`, `access_token`: attributes,
    /// and `name=value` or `"name": "value"` within any text.
    pub keys: Action,
    /// Identifiers of sessions such as `session_id` and `JSESSIONID`; not the semantic conventions'
    /// `session.id`.
    pub sessions: Action,
    /// User and password in URLs and connection strings, and query parameters that authenticate.
    pub urls: Action,
    /// Values that are recognisable wherever they stand: JWTs, `Bearer` and `Basic` credentials, keys
    /// of well-known services, private keys in PEM, Spanloom's own keys.
    pub tokens: Action,
    /// Literals of SQL statements; masked ones become `?`.
    pub sql: Action,
    /// Arguments of command lines that follow an option such as `--password`.
    pub commands: Action,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            headers: Action::Mask,
            keys: Action::Mask,
            sessions: Action::Hash,
            urls: Action::Mask,
            tokens: Action::Mask,
            sql: Action::Mask,
            commands: Action::Mask,
        }
    }
}

/// A rule about the value of attributes by their key, nested ones too.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRule {
    /// Names it in the metrics: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// A regular expression that the whole key must match, in any case.
    pub pattern: String,
    /// What happens to the value.
    pub action: Action,
}

/// A rule about any text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// Names it in the metrics: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// A regular expression. What its first group matches is the secret, or what the whole matches if
    /// it has no group.
    pub pattern: String,
    /// What happens to the secret.
    pub action: Action,
}

/// What to look for and what to do with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whether anything is looked for at all.
    pub enabled: bool,
    /// The rules that come with Spanloom.
    pub defaults: Defaults,
    /// Rules about keys, the first that matches counts; they go before the defaults.
    pub keys: Vec<KeyRule>,
    /// Rules about text, all of them, besides the defaults.
    pub values: Vec<ValueRule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { enabled: true, defaults: Defaults::default(), keys: Vec::new(), values: Vec::new() }
    }
}

/// What is wrong with the rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct RulesError {
    /// Where, such as `keys[0].pattern`.
    pub field: String,
    /// What.
    pub message: String,
}

/// A compiled rule of one's own.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) regex: Regex,
    pub(crate) action: Action,
    pub(crate) name: String,
}

/// Compiles the rules about keys: the whole key, in any case.
pub(crate) fn compile_keys(rules: &[KeyRule]) -> Result<Vec<Compiled>, RulesError> {
    let rules = rules.iter().map(|rule| (rule.name.as_str(), rule.pattern.as_str(), rule.action));
    compile("keys", rules, |pattern| RegexBuilder::new(&format!("^(?:{pattern})$")))
}

/// Compiles the rules about text.
pub(crate) fn compile_values(rules: &[ValueRule]) -> Result<Vec<Compiled>, RulesError> {
    let rules = rules.iter().map(|rule| (rule.name.as_str(), rule.pattern.as_str(), rule.action));
    compile("values", rules, RegexBuilder::new)
}

fn compile<'r>(
    list: &str,
    rules: impl ExactSizeIterator<Item = (&'r str, &'r str, Action)>,
    builder: impl Fn(&str) -> RegexBuilder,
) -> Result<Vec<Compiled>, RulesError> {
    if rules.len() > RULES_MAX {
        return Err(RulesError { field: list.to_owned(), message: format!("at most {RULES_MAX} rules") });
    }
    let mut compiled = Vec::new();
    for (index, (name, pattern, action)) in rules.enumerate() {
        let wrong = |field: &str, message: String| {
            Err(RulesError { field: format!("{list}[{index}].{field}"), message })
        };
        let name_is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(name_is_good) {
            let message = format!("must have 1 to {NAME_CHARS_MAX} lower-case letters, digits, _ and -");
            return wrong("name", message);
        }
        if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
            return wrong("pattern", format!("must have 1 to {PATTERN_BYTES_MAX} bytes"));
        }
        // On its own first: within brackets, `a)|(b` would be accepted.
        let checked = Regex::new(pattern).and_then(|_| {
            builder(pattern).case_insensitive(list == "keys").size_limit(COMPILED_BYTES_MAX).build()
        });
        match checked {
            Ok(regex) => compiled.push(Compiled { regex, action, name: name.to_owned() }),
            Err(error) => return wrong("pattern", error.to_string()),
        }
    }
    Ok(compiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, pattern: &str) -> Result<Vec<Compiled>, RulesError> {
        compile_keys(&[KeyRule { name: name.into(), pattern: pattern.into(), action: Action::Mask }])
    }

    /// Catches a mistake in the file that is only noticed when a secret is stored.
    #[test]
    fn mistakes_name_their_place() {
        assert_eq!(key("ok", "(").unwrap_err().field, "keys[0].pattern");
        assert_eq!(key("ok", "a)|(b").unwrap_err().field, "keys[0].pattern");
        assert_eq!(key("ok", "").unwrap_err().field, "keys[0].pattern");
        assert_eq!(key("ok", "(a{1000}){1000}").unwrap_err().field, "keys[0].pattern");
        assert_eq!(key("Not Good", "a").unwrap_err().field, "keys[0].name");
        assert_eq!(key("", "a").unwrap_err().field, "keys[0].name");
        let rule = KeyRule { name: "a".into(), pattern: "a".into(), action: Action::Mask };
        assert_eq!(compile_keys(&vec![rule; RULES_MAX + 1]).unwrap_err().field, "keys");
        let rule = ValueRule { name: "a".into(), pattern: "[".into(), action: Action::Mask };
        assert_eq!(compile_values(&[rule]).unwrap_err().field, "values[0].pattern");
    }

    /// Catches a pattern that matches a part of a key, or only one spelling.
    #[test]
    fn a_key_pattern_is_about_the_whole_key() {
        let rules = key("iban", "iban|acct").unwrap();
        assert!(rules[0].regex.is_match("IBAN"));
        assert!(rules[0].regex.is_match("acct"));
        assert!(!rules[0].regex.is_match("customer.iban"));
    }

    /// Catches a configuration that silently ignores what somebody wrote.
    #[test]
    fn the_file_form() {
        let rules: Rules = serde_json::from_str(
            r#"{"defaults": {"sql": "off", "sessions": "drop"},
                "keys": [{"name": "iban", "pattern": "iban", "action": "hash"}]}"#,
        )
        .unwrap();
        assert!(rules.enabled);
        assert_eq!((rules.defaults.sql, rules.defaults.sessions), (Action::Keep, Action::Drop));
        assert_eq!(rules.defaults.headers, Action::Mask);
        assert!(serde_json::from_str::<Rules>(r#"{"defaults": {"sqll": "off"}}"#).is_err());
        assert!(serde_json::from_str::<Rules>(r#"{"value": []}"#).is_err());
    }
}
