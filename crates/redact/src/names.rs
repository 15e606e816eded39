//! What a name says of its value: an attribute's key, a header, a query parameter, an option.
//!
//! A name is split into words (`db.userPassword` is db, user, password). Words such as `token` or
//! `api key` are about a secret when they end the name: `access_token` is one, `token_count` is not.
//! Words such as `password` are about a secret unless what follows says otherwise: `password_length`.

use std::borrow::Cow;

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

const SQL: &[&str] = &[
    "db.statement",
    "db.query.text",
    "db.query",
    "db.sql",
    "sql",
    "sql.query",
    "sql.statement",
    "db.sql.query",
];
const COMMANDS: &[&str] = &[
    "process.command_line",
    "process.command_args",
    "process.command",
    "process.cmdline",
    "process.args",
    "container.command",
    "container.command_line",
    "container.command_args",
    "command",
    "command_line",
    "cmd",
    "cmdline",
    "argv",
];
const QUERIES: &[&str] =
    &["url.query", "url.fragment", "http.query", "http.query_string", "http.request.query", "query_string"];

/// Words that end a name without changing what it is about.
const NEUTRAL: &[&str] = &[
    "value",
    "values",
    "raw",
    "string",
    "str",
    "text",
    "plain",
    "plaintext",
    "cleartext",
    "data",
    "base64",
    "b64",
    "encoded",
    "decoded",
    "pem",
    "json",
    "hex",
    "new",
    "old",
    "current",
    "previous",
    "confirm",
    "confirmation",
    "repeat",
    "again",
    "hash",
    "hashed",
    "digest",
    "header",
    "param",
    "parameter",
];

/// Words that end a name of a secret in full: `userpassword`, `dbpasswd`.
const ALWAYS: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "secrets",
    "credential",
    "credentials",
];

/// What may follow one of [`ALWAYS`] when the value is something about the secret, not the secret.
const ABOUT: &[&str] = &[
    "action",
    "age",
    "algorithm",
    "arn",
    "at",
    "attempt",
    "attempts",
    "backend",
    "cache",
    "chain",
    "changed",
    "check",
    "class",
    "count",
    "created",
    "date",
    "dir",
    "directory",
    "enabled",
    "encoder",
    "encoding",
    "engine",
    "error",
    "errors",
    "exists",
    "expiration",
    "expired",
    "expires",
    "expiry",
    "failures",
    "field",
    "file",
    "filename",
    "format",
    "found",
    "helper",
    "hint",
    "host",
    "id",
    "invalid",
    "kind",
    "label",
    "len",
    "length",
    "level",
    "lookup",
    "manager",
    "method",
    "mode",
    "mount",
    "ms",
    "name",
    "names",
    "namespace",
    "operation",
    "owner",
    "path",
    "policy",
    "prompt",
    "protected",
    "provider",
    "region",
    "required",
    "reset",
    "rotated",
    "rotation",
    "rules",
    "scanning",
    "scope",
    "scopes",
    "seconds",
    "service",
    "size",
    "source",
    "state",
    "status",
    "store",
    "strength",
    "time",
    "timestamp",
    "total",
    "ttl",
    "type",
    "uid",
    "updated",
    "uri",
    "url",
    "valid",
    "validation",
    "version",
    "versions",
];

/// Words that are about a secret when they end a name, alone or as the end of a longer word.
const AT_THE_END: &[&str] = &[
    "token",
    "jwt",
    "apikey",
    "apikeys",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authkey",
    "accountkey",
    "sharedkey",
    "userpass",
    "dbpass",
];

/// What makes a `key` at the end a secret one.
const SECRET_KEYS: &[&str] = &[
    "api",
    "access",
    "private",
    "secret",
    "signing",
    "encryption",
    "decryption",
    "auth",
    "account",
    "shared",
    "master",
    "subscription",
    "ssh",
    "functions",
    "session",
    "deploy",
    "hmac",
    "aes",
    "rsa",
    "signature",
];

/// Whose `pass` or `pwd` it is: alone, `pass` may be a verdict and `pwd` a directory.
const ACCOUNTS: &[&str] = &[
    "admin", "auth", "basic", "client", "db", "database", "email", "ftp", "http", "jdbc", "ldap", "login",
    "mail", "mongo", "my", "mysql", "odbc", "pg", "postgres", "proxy", "redis", "root", "smtp", "sql",
    "user",
];

/// Tokens that open nothing: of pages, of languages, of language models.
const OTHER_TOKENS: &[&str] = &[
    "bos",
    "cached",
    "cancel",
    "cancellation",
    "completion",
    "continuation",
    "count",
    "cursor",
    "eos",
    "fencing",
    "first",
    "input",
    "last",
    "lexer",
    "max",
    "min",
    "next",
    "num",
    "output",
    "pad",
    "page",
    "pagination",
    "parser",
    "per",
    "previous",
    "prompt",
    "reasoning",
    "resume",
    "special",
    "stop",
    "sync",
    "syntax",
    "total",
    "unexpected",
    "unk",
];

/// Parameters of a URL that authenticate there, and only there. Lower case.
const URL_PARAMETERS: &[&str] = &[
    "assertion",
    "auth",
    "awsaccesskeyid",
    "client_assertion",
    "code",
    "code_verifier",
    "googleaccessid",
    "jwt",
    "key",
    "pass",
    "pw",
    "pwd",
    "samlrequest",
    "samlresponse",
    "sig",
    "signature",
    "ticket",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
];

/// Names of session cookies that are one word.
const SESSION_NAMES: &[&str] = &["sessionid", "jsessionid", "phpsessid", "sessid", "cfid", "cftoken"];

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
        match code.filter(u8::is_ascii) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                decoded.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(class: Class, names: &[&str]) {
        for name in names {
            assert_eq!(classify(name), class, "{name}");
        }
    }

    #[test]
    fn headers_and_metadata() {
        check(
            Class::Header,
            &[
                "http.request.header.authorization",
                "http.request.header.proxy-authorization",
                "http.request.header.proxy_authorization",
                "http.request.header.cookie",
                "http.response.header.set-cookie",
                "http.response.header.set_cookie",
                "rpc.grpc.request.metadata.authorization",
                "rpc.connect_rpc.request.metadata.cookie",
                "Authorization",
                "AUTHORIZATION",
                "X-Authorization",
                "x-auth",
                "http.cookies",
                "request.headers.Cookie.0",
                "x-honeycomb-team",
            ],
        );
        check(
            Class::Secret,
            &[
                "http.request.header.x-api-key",
                "http.request.header.x_api_key",
                "http.request.header.api-key",
                "http.request.header.apikey",
                "http.request.header.x-amz-security-token",
                "http.request.header.x-csrf-token",
                "http.request.header.x-xsrf-token",
                "http.request.header.x-vault-token",
                "http.request.header.x-goog-api-key",
                "http.request.header.x-functions-key",
                "http.request.header.ocp-apim-subscription-key",
                "http.request.header.x-auth-key",
                "http.request.header.private-token",
                "http.request.header.dd-api-key",
                "rpc.grpc.request.metadata.x-access-token",
            ],
        );
    }

    #[test]
    fn secrets() {
        check(
            Class::Secret,
            &[
                "password",
                "db.password",
                "userPassword",
                "user_password_new",
                "PGPASSWORD",
                "passwd",
                "PASSWD_OLD",
                "passwordHash",
                "password1",
                "password_confirmation",
                "user[password]",
                "user%5Bpassword%5D",
                "javax.net.ssl.keyStorePassword",
                "passphrase",
                "secret",
                "clientSecret",
                "client-secret",
                "app.secrets",
                "k8s.secret.data",
                "secret_id",
                "aws_secret_access_key",
                "AWS_SESSION_TOKEN",
                "token",
                "access_token",
                "accessToken",
                "refreshtoken",
                "id_token",
                "csrf_token",
                "token_value",
                "token.raw",
                "auth.token",
                "bot-token",
                "jwt",
                "user.jwt",
                "api_key",
                "apiKey",
                "APIKey",
                "API_KEYS",
                "x.apikey",
                "stripeApiKey",
                "private_key",
                "privateKeyPem",
                "ssh.private_key",
                "encryption_key",
                "AccountKey",
                "SharedAccessKey",
                "signing-key",
                "credentials",
                "google.credentials_json",
                "credential",
                "smtp_pass",
                "db.pwd",
                "mysql_pwd",
                "authorization_code",
                "session_token",
                "session_key",
            ],
        );
    }

    /// Catches a name that only looks as if it were about a secret.
    #[test]
    fn names_that_are_about_no_secret() {
        check(
            Class::Plain,
            &[
                "",
                ".",
                "-",
                "token_count",
                "tokens",
                "max_tokens",
                "maxTokens",
                "gen_ai.usage.input_tokens",
                "gen_ai.usage.output_tokens",
                "gen_ai.token.type",
                "gen_ai.server.time_per_output_token",
                "llm.usage.total_tokens",
                "tokenizer",
                "token_type",
                "token.expires_at",
                "token_bucket",
                "next_token",
                "nextToken",
                "page_token",
                "continuation_token",
                "code.function",
                "code.lineno",
                "code",
                "cache_key",
                "primary_key",
                "partition_key",
                "messaging.kafka.message.key",
                "routing_key",
                "idempotency_key",
                "public_key",
                "ssh.public_key.fingerprint",
                "key",
                "keys",
                "keyboard",
                "author",
                "authority",
                "auth.method",
                "auth",
                "authentication.type",
                "authorized",
                "http.request.method",
                "http.request.header.content-type",
                "http.request.header.x-request-id",
                "session.id",
                "session.previous_id",
                "langfuse.session.id",
                "session",
                "session_duration_ms",
                "enduser.id",
                "password_length",
                "password.policy",
                "passwordless",
                "password_reset_url",
                "password_changed_at",
                "secret_name",
                "k8s.secret.name",
                "k8s.secret.uid",
                "aws.secretsmanager.secret.arn",
                "secretary",
                "vault.secret.path",
                "credential_provider",
                "credentials.expiration",
                "compass",
                "bypass",
                "pass",
                "test.pass",
                "passed",
                "passenger.name",
                "pwd",
                "process.pwd",
                "cookie_consent",
                "cookies.enabled",
                "cookie.domain",
                "api_key_id",
                "access_key_id",
                "apikey_name",
                "thread.id",
                "url.full",
                "url.path",
                "server.address",
                "db.system.name",
                "db.operation.name",
                "db.operation.parameter.limit",
                "net.peer.name",
                "exception.message",
                "feature_flag.key",
                "aws.s3.key",
                "sort_key",
                "größe",
            ],
        );
    }

    #[test]
    fn names_of_other_sorts() {
        check(
            Class::Session,
            &[
                "session_id",
                "sessionId",
                "JSESSIONID",
                "PHPSESSID",
                "ASP.NET_SessionId",
                "connect.sid",
                "user_session_id",
                "sessionid",
            ],
        );
        check(Class::Sql, &["db.statement", "db.query.text", "DB.Statement", "sql.query"]);
        check(Class::SqlParameter, &["db.query.parameter.0", "db.query.parameter.user"]);
        check(Class::Command, &["process.command_line", "process.command_args"]);
        check(
            Class::Connection,
            &[
                "db.connection_string",
                "ConnectionString",
                "app.connectionString",
                "sentry.dsn",
                "DATABASE_DSN",
            ],
        );
        check(Class::Query, &["url.query", "url.fragment"]);
    }

    #[test]
    fn a_long_name_is_judged_by_its_end() {
        assert_eq!(classify(&format!("{}.password", "ä.".repeat(10_000))), Class::Secret);
        assert_eq!(classify(&format!("password.{}x", "a.".repeat(10_000))), Class::Plain);
    }

    #[test]
    fn parameters_of_urls() {
        for name in
            ["code", "key", "sig", "Signature", "X-Amz-Signature", "X-Goog-Signature", "AWSAccessKeyId"]
        {
            assert!(is_url_parameter(name), "{name}");
        }
        for name in ["", "page", "q", "keys", "X-Amz-Date", "state"] {
            assert!(!is_url_parameter(name), "{name}");
        }
    }
}
