//! Words that say what a name is about.

/// Keys of statements.
#[rustfmt::skip]
pub(crate) const SQL: &[&str] = &[
    "db.statement", "db.query.text", "db.query", "db.sql", "sql", "sql.query", "sql.statement",
    "db.sql.query",
];

/// Keys of command lines.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[&str] = &[
    "process.command_line", "process.command_args", "process.command", "process.cmdline",
    "process.args", "container.command", "container.command_line", "container.command_args", "command",
    "command_line", "cmd", "cmdline", "argv",
];

/// Keys of query strings without a question mark.
#[rustfmt::skip]
pub(crate) const QUERIES: &[&str] = &[
    "url.query", "url.fragment", "http.query", "http.query_string", "http.request.query",
    "query_string",
];

/// Words that end a name without changing what it is about.
#[rustfmt::skip]
pub(crate) const NEUTRAL: &[&str] = &[
    "value", "values", "raw", "string", "str", "text", "plain", "plaintext", "cleartext", "data",
    "base64", "b64", "encoded", "decoded", "pem", "json", "hex", "new", "old", "current", "previous",
    "confirm", "confirmation", "repeat", "again", "hash", "hashed", "digest", "header", "param",
    "parameter",
];

/// Words that end a name of a secret in full: `userpassword`, `dbpasswd`.
#[rustfmt::skip]
pub(crate) const ALWAYS: &[&str] = &[
    "password", "passwords", "passwd", "passphrase", "passcode", "secret", "secrets", "credential",
    "credentials",
];

/// What may follow one of [`ALWAYS`] when the value is something about the secret, not the secret.
#[rustfmt::skip]
pub(crate) const ABOUT: &[&str] = &[
    "action", "age", "algorithm", "arn", "at", "attempt", "attempts", "backend", "cache", "chain",
    "changed", "check", "class", "count", "created", "date", "dir", "directory", "enabled", "encoder",
    "encoding", "engine", "error", "errors", "exists", "expiration", "expired", "expires", "expiry",
    "failures", "field", "file", "filename", "format", "found", "helper", "hint", "host", "id",
    "invalid", "kind", "label", "len", "length", "level", "lookup", "manager", "method", "mode",
    "mount", "ms", "name", "names", "namespace", "operation", "owner", "path", "policy", "prompt",
    "protected", "provider", "region", "required", "reset", "rotated", "rotation", "rules", "scanning",
    "scope", "scopes", "seconds", "service", "size", "source", "state", "status", "store", "strength",
    "time", "timestamp", "total", "ttl", "type", "uid", "updated", "uri", "url", "valid", "validation",
    "version", "versions",
];

/// Words that are about a secret when they end a name, alone or as the end of a longer word.
#[rustfmt::skip]
pub(crate) const AT_THE_END: &[&str] = &[
    "token", "jwt", "apikey", "apikeys", "accesskey", "secretkey", "privatekey", "signingkey",
    "encryptionkey", "authkey", "accountkey", "sharedkey", "userpass", "dbpass",
];

/// What makes a `key` at the end a secret one.
#[rustfmt::skip]
pub(crate) const SECRET_KEYS: &[&str] = &[
    "api", "access", "private", "secret", "signing", "encryption", "decryption", "auth", "account",
    "shared", "master", "subscription", "ssh", "functions", "session", "deploy", "hmac", "aes", "rsa",
    "signature",
];

/// Whose `pass` or `pwd` it is: alone, `pass` may be a verdict and `pwd` a directory.
#[rustfmt::skip]
pub(crate) const ACCOUNTS: &[&str] = &[
    "admin", "auth", "basic", "client", "db", "database", "email", "ftp", "http", "jdbc", "ldap",
    "login", "mail", "mongo", "my", "mysql", "odbc", "pg", "postgres", "proxy", "redis", "root",
    "smtp", "sql", "user",
];

/// Tokens that open nothing: of pages, of languages, of language models.
#[rustfmt::skip]
pub(crate) const OTHER_TOKENS: &[&str] = &[
    "bos", "cached", "cancel", "cancellation", "completion", "continuation", "count", "cursor", "eos",
    "fencing", "first", "input", "last", "lexer", "max", "min", "next", "num", "output", "pad", "page",
    "pagination", "parser", "per", "previous", "prompt", "reasoning", "resume", "special", "stop",
    "sync", "syntax", "total", "unexpected", "unk",
];

/// Parameters of a URL that authenticate there, and only there. Lower case.
#[rustfmt::skip]
pub(crate) const URL_PARAMETERS: &[&str] = &[
    "assertion", "auth", "awsaccesskeyid", "client_assertion", "code", "code_verifier",
    "googleaccessid", "jwt", "key", "pass", "pw", "pwd", "samlrequest", "samlresponse", "sig",
    "signature", "ticket", "x-amz-credential", "x-amz-security-token", "x-amz-signature",
    "x-goog-credential", "x-goog-signature",
];

/// Names of session cookies that are one word.
#[rustfmt::skip]
pub(crate) const SESSION_NAMES: &[&str] = &[
    "sessionid", "jsessionid", "phpsessid", "sessid", "cfid", "cftoken",
];
