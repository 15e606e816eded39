use crate::names::{Class, classify, is_url_parameter};

fn check(class: Class, names: &[&str]) {
    for name in names {
        assert_eq!(classify(name), class, "{name}");
    }
}

#[test]
#[rustfmt::skip]
fn headers_and_metadata() {
    check(Class::Header, &[
        "http.request.header.authorization", "http.request.header.proxy-authorization",
        "http.request.header.proxy_authorization", "http.request.header.cookie",
        "http.response.header.set-cookie", "http.response.header.set_cookie",
        "rpc.grpc.request.metadata.authorization", "rpc.connect_rpc.request.metadata.cookie",
        "Authorization", "AUTHORIZATION", "X-Authorization", "x-auth", "http.cookies",
        "request.headers.Cookie.0", "x-honeycomb-team",
    ]);
    check(Class::Secret, &[
        "http.request.header.x-api-key", "http.request.header.x_api_key",
        "http.request.header.api-key", "http.request.header.apikey",
        "http.request.header.x-amz-security-token", "http.request.header.x-csrf-token",
        "http.request.header.x-xsrf-token", "http.request.header.x-vault-token",
        "http.request.header.x-goog-api-key", "http.request.header.x-functions-key",
        "http.request.header.ocp-apim-subscription-key", "http.request.header.x-auth-key",
        "http.request.header.private-token", "http.request.header.dd-api-key",
        "rpc.grpc.request.metadata.x-access-token",
    ]);
}

#[test]
#[rustfmt::skip]
fn secrets() {
    check(Class::Secret, &[
        "password", "db.password", "userPassword", "user_password_new", "PGPASSWORD", "passwd",
        "PASSWD_OLD", "passwordHash", "password1", "password_confirmation", "user[password]",
        "user%5Bpassword%5D", "javax.net.ssl.keyStorePassword", "passphrase", "secret", "clientSecret",
        "client-secret", "app.secrets", "k8s.secret.data", "secret_id", "aws_secret_access_key",
        "AWS_SESSION_TOKEN", "token", "access_token", "accessToken", "refreshtoken", "id_token",
        "csrf_token", "token_value", "token.raw", "auth.token", "bot-token", "jwt", "user.jwt",
        "api_key", "apiKey", "APIKey", "API_KEYS", "x.apikey", "stripeApiKey", "private_key",
        "privateKeyPem", "ssh.private_key", "encryption_key", "AccountKey", "SharedAccessKey",
        "signing-key", "credentials", "google.credentials_json", "credential", "smtp_pass", "db.pwd",
        "mysql_pwd", "authorization_code", "session_token", "session_key",
    ]);
}

/// Catches a name that only looks as if it were about a secret.
#[test]
#[rustfmt::skip]
fn names_that_are_about_no_secret() {
    check(Class::Plain, &[
        "", ".", "-", "token_count", "tokens", "max_tokens", "maxTokens", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "gen_ai.token.type", "gen_ai.server.time_per_output_token",
        "llm.usage.total_tokens", "tokenizer", "token_type", "token.expires_at", "token_bucket",
        "next_token", "nextToken", "page_token", "continuation_token", "code.function", "code.lineno",
        "code", "cache_key", "primary_key", "partition_key", "messaging.kafka.message.key",
        "routing_key", "idempotency_key", "public_key", "ssh.public_key.fingerprint", "key", "keys",
        "keyboard", "author", "authority", "auth.method", "auth", "authentication.type", "authorized",
        "http.request.method", "http.request.header.content-type", "http.request.header.x-request-id",
        "session.id", "session.previous_id", "langfuse.session.id", "session", "session_duration_ms",
        "enduser.id", "password_length", "password.policy", "passwordless", "password_reset_url",
        "password_changed_at", "secret_name", "k8s.secret.name", "k8s.secret.uid",
        "aws.secretsmanager.secret.arn", "secretary", "vault.secret.path", "credential_provider",
        "credentials.expiration", "compass", "bypass", "pass", "test.pass", "passed", "passenger.name",
        "pwd", "process.pwd", "cookie_consent", "cookies.enabled", "cookie.domain", "api_key_id",
        "access_key_id", "apikey_name", "thread.id", "url.full", "url.path", "server.address",
        "db.system.name", "db.operation.name", "db.operation.parameter.limit", "net.peer.name",
        "exception.message", "feature_flag.key", "aws.s3.key", "sort_key", "größe",
    ]);
}

#[test]
#[rustfmt::skip]
fn names_of_other_sorts() {
    check(Class::Session, &[
        "session_id", "sessionId", "JSESSIONID", "PHPSESSID", "ASP.NET_SessionId", "connect.sid",
        "user_session_id", "sessionid",
    ]);
    check(Class::Sql, &[
        "db.statement", "db.query.text", "DB.Statement", "sql.query",
    ]);
    check(Class::SqlParameter, &[
        "db.query.parameter.0", "db.query.parameter.user",
    ]);
    check(Class::Command, &[
        "process.command_line", "process.command_args",
    ]);
    check(Class::Connection, &[
        "db.connection_string", "ConnectionString", "app.connectionString", "sentry.dsn",
        "DATABASE_DSN",
    ]);
    check(Class::Query, &[
        "url.query", "url.fragment",
    ]);
}

#[test]
fn a_long_name_is_judged_by_its_end() {
    assert_eq!(classify(&format!("{}.password", "ä.".repeat(10_000))), Class::Secret);
    assert_eq!(classify(&format!("password.{}x", "a.".repeat(10_000))), Class::Plain);
}

#[test]
fn parameters_of_urls() {
    for name in ["code", "key", "sig", "Signature", "X-Amz-Signature", "X-Goog-Signature", "AWSAccessKeyId"]
    {
        assert!(is_url_parameter(name), "{name}");
    }
    for name in ["", "page", "q", "keys", "X-Amz-Date", "state"] {
        assert!(!is_url_parameter(name), "{name}");
    }
}
