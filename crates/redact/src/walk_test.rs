use std::sync::Arc;

use spanloom_model::{
    AttrValue, Attributes, Event, Link, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId,
};

use crate::{Action, KeyRule, Redactor, Rules, ValueRule};

pub(crate) const HASH_KEY: [u8; 32] = [7; 32];

pub(crate) fn redactor() -> Redactor {
    Redactor::new(&Rules::default(), &HASH_KEY).unwrap()
}

pub(crate) fn attributes(entries: &[(&str, AttrValue)]) -> Attributes {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

pub(crate) fn text(text: &str) -> AttrValue {
    text.into()
}

pub(crate) fn list(values: &[&str]) -> AttrValue {
    AttrValue::Array(values.iter().map(|value| text(value)).collect())
}

pub(crate) fn span(entries: &[(&str, AttrValue)]) -> Span {
    Span {
        trace_id: TraceId::new(1).unwrap(),
        span_id: SpanId::new(1).unwrap(),
        parent_span_id: None,
        trace_state: "vendor=token".to_owned(),
        flags: 1,
        name: "GET /orders/{id}".to_owned(),
        kind: SpanKind::Server,
        start_ns: 0,
        duration_ns: 1,
        attributes: attributes(entries),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: SpanStatus::Unset,
        status_message: String::new(),
        resource: Arc::default(),
        scope: Arc::default(),
    }
}

/// Everything that is stored of a span, as text.
pub(crate) fn dump(span: &Span) -> String {
    format!("{span:?}")
}

fn check(redactor: &Redactor, entries: &[(&str, AttrValue)], expected: &[(&str, AttrValue)]) {
    let mut spans = [span(entries)];
    let redacted = redactor.apply(&mut spans);
    assert_eq!(spans[0].attributes, attributes(expected));
    assert_eq!(redacted.changed(), spans[0] != span(entries), "{entries:?}");
    let once = spans.clone();
    assert!(!redactor.apply(&mut spans).changed(), "twice: {once:?}");
    assert_eq!(spans, once);
}

fn check_text(key: &str, before: &str, after: &str) {
    check(&redactor(), &[(key, text(before))], &[(key, text(after))]);
}

#[test]
fn whole_values() {
    check_text("http.request.header.authorization", "Bearer abc", "***");
    check_text("db.password", "hunter2", "***");
    check_text("db.password", "", "");
    let redactor = redactor();
    check(
        &redactor,
        &[("http.request.header.cookie", list(&["a=b", "c=d"]))],
        &[("http.request.header.cookie", list(&["***", "***"]))],
    );
    check(
        &redactor,
        &[("pin.secret", AttrValue::Int(1234)), ("has_password", AttrValue::Bool(true))],
        &[("pin.secret", text("***")), ("has_password", AttrValue::Bool(true))],
    );
    let nested = |value: AttrValue| AttrValue::Map(attributes(&[("deep", AttrValue::Array(vec![value]))]));
    check(&redactor, &[("credentials", nested(text("x")))], &[("credentials", nested(text("***")))]);
    let headers = |value: &str| AttrValue::Map(attributes(&[("Host", text("h")), ("Cookie", text(value))]));
    check(&redactor, &[("request.headers", headers("a=b"))], &[("request.headers", headers("***"))]);
    check(
        &redactor,
        &[("body", AttrValue::Bytes(b"{\"password\":\"x\"}".to_vec()))],
        &[("body", AttrValue::Bytes(b"{\"password\":\"***\"}".to_vec()))],
    );
    check(
        &redactor,
        &[("body", AttrValue::Bytes(vec![0xff, 1]))],
        &[("body", AttrValue::Bytes(vec![0xff, 1]))],
    );
}

#[test]
fn parts_of_values() {
    check_text(
        "url.full",
        "https://ann:pw@h/x?a=1&access_token=t&b=2",
        "https://***@h/x?a=1&access_token=***&b=2",
    );
    check_text("http.target", "/cb?code=abc&state=x", "/cb?code=***&state=x");
    check_text("url.query", "key=abc&q=shoes", "key=***&q=shoes");
    check_text(
        "db.connection_string",
        "Server=db;Password=p w;Encrypt=1",
        "Server=db;Password=***;Encrypt=1",
    );
    check_text("db.connection_string", "app:pw@tcp(db:3306)/shop", "app:***@tcp(db:3306)/shop");
    check_text("exception.message", "no route for Bearer abcdefgh123456", "no route for Bearer ***");
    check_text("process.command_line", "app --password hunter2 -v", "app --password *** -v");
    check_text("process.command_line", "app --password=hunter2 -v", "app --password=*** -v");
    check_text(
        "process.command_line",
        "curl -H 'X-Api-Key: abc' https://a:b@h",
        "curl -H 'X-Api-Key: ***' https://***@h",
    );
    check(
        &redactor(),
        &[("process.command_args", list(&["app", "--token", "abc", "--x=1", "--secret=s"]))],
        &[("process.command_args", list(&["app", "--token", "***", "--x=1", "--secret=***"]))],
    );
}

#[test]
fn statements() {
    check_text(
        "db.query.text",
        "SELECT * FROM u WHERE a = 'x' LIMIT 10",
        "SELECT * FROM u WHERE a = ? LIMIT ?",
    );
    check_text(
        "db.statement",
        "SELECT a FROM u WHERE password = $1",
        "SELECT a FROM u WHERE password = $1",
    );
    check_text("db.statement", "{\"find\": \"u\", \"limit\": 5}", "{\"find\": \"u\", \"limit\": 5}");
    check_text("db.statement", "AUTH hunter2", "AUTH ?");
    check_text("db.query.parameter.0", "ann", "?");
    // The comment is not part of the statement, but a token is one everywhere.
    check_text(
        "db.statement",
        "SELECT a /* 'x' ghp_abcdefghijklmnopqrstuvwxyz0123456789 */ FROM u",
        "SELECT a /* 'x' *** */ FROM u",
    );
    let redactor = redactor();
    let sql = |system: &str, statement: &str| {
        let mut spans = [span(&[("db.system.name", text(system)), ("db.query.text", text(statement))])];
        redactor.apply(&mut spans);
        spans[0].attributes.get_str("db.query.text").unwrap().to_owned()
    };
    assert_eq!(sql("mysql", "SELECT \"x\", 'it\\'s'"), "SELECT ?, ?");
    assert_eq!(sql("postgresql", "SELECT \"x\", 'C:\\'"), "SELECT \"x\", ?");
    assert_eq!(sql("redis", "SET user:1 5"), "SET user:1 5");
}

#[test]
fn names_and_messages() {
    let mut one = span(&[("db.system", text("mysql"))]);
    one.name = "SELECT * FROM u WHERE a = \"x\"".to_owned();
    one.status_message = "cannot reach amqp://u:p@mq, password=x".to_owned();
    one.events = vec![Event {
        time_ns: 0,
        name: "token=abc".to_owned(),
        attributes: attributes(&[("secret", text("x"))]),
        dropped_attributes_count: 0,
    }];
    one.links = vec![Link {
        trace_id: TraceId::new(2).unwrap(),
        span_id: SpanId::new(2).unwrap(),
        trace_state: "a=secret".to_owned(),
        attributes: attributes(&[("secret", text("x"))]),
        dropped_attributes_count: 0,
        flags: 0,
    }];
    let mut spans = [one];
    let redacted = redactor().apply(&mut spans);
    assert_eq!(spans[0].name, "SELECT * FROM u WHERE a = ?");
    assert_eq!(spans[0].status_message, "cannot reach amqp://***@mq, password=***");
    assert_eq!(spans[0].events[0].name, "token=***");
    assert_eq!(spans[0].events[0].attributes, attributes(&[("secret", text("***"))]));
    assert_eq!(spans[0].links[0].attributes, attributes(&[("secret", text("***"))]));
    assert_eq!(spans[0].links[0].trace_state, "a=secret", "trace states are left alone");
    let by_rule: Vec<(&str, u64)> = redacted.by_rule().collect();
    assert_eq!(by_rule, [("keys", 4), ("urls", 1), ("sql", 1)]);
    assert_eq!(redacted.values(), 6);
}

/// Catches sharing that is lost, which would make a batch many times larger, and a resource that is
/// looked at for every span.
#[test]
fn what_is_shared_stays_shared_and_counts_once() {
    let shared = |value: &str| {
        Arc::new(Resource { attributes: attributes(&[("secret", text(value))]), ..Resource::default() })
    };
    let (one, other, clean) = (shared("a"), shared("b"), Arc::new(Resource::default()));
    let scope = Arc::new(Scope { attributes: attributes(&[("token", text("x"))]), ..Scope::default() });
    let mut spans: Vec<Span> = [&one, &other, &one, &clean, &one, &clean]
        .map(|resource| Span { resource: Arc::clone(resource), scope: Arc::clone(&scope), ..span(&[]) })
        .into();
    let redacted = redactor().apply(&mut spans);
    assert_eq!(redacted.values(), 3);
    assert!(Arc::ptr_eq(&spans[0].resource, &spans[2].resource));
    assert!(Arc::ptr_eq(&spans[0].resource, &spans[4].resource));
    assert!(!Arc::ptr_eq(&spans[0].resource, &spans[1].resource));
    assert!(Arc::ptr_eq(&spans[3].resource, &clean), "what holds nothing is not copied");
    assert!(spans.iter().all(|span| Arc::ptr_eq(&span.scope, &spans[0].scope)));
    assert_eq!(spans[1].resource.attributes, attributes(&[("secret", text("***"))]));
}

#[test]
fn actions() {
    let mut rules = Rules::default();
    rules.defaults.keys = Action::Drop;
    rules.defaults.urls = Action::Drop;
    rules.defaults.tokens = Action::Hash;
    rules.defaults.sql = Action::Hash;
    let redactor = Redactor::new(&rules, &HASH_KEY).unwrap();
    let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let mut spans = [
        span(&[("a", text(token)), ("password", text("x")), ("url.full", text("http://u:p@h"))]),
        span(&[("b", text(&format!("is {token}"))), ("db.statement", text("SELECT 'x', 'x'"))]),
    ];
    spans[0].name = "http://u:p@h".to_owned();
    redactor.apply(&mut spans);
    assert_eq!(spans[0].attributes.len(), 1, "two are dropped");
    assert_eq!(spans[0].dropped_attributes_count, 2);
    assert_eq!(spans[0].name, "http://***@h", "a name cannot be dropped");
    let hash = spans[0].attributes.get_str("a").unwrap();
    assert!(hash.starts_with("hmac_") && hash.len() == 37, "{hash}");
    assert_eq!(
        spans[1].attributes.get_str("b").unwrap(),
        format!("is {hash}"),
        "equal values stay joinable"
    );
    let statement = spans[1].attributes.get_str("db.statement").unwrap();
    let (one, other) = statement.strip_prefix("SELECT ").unwrap().split_once(", ").unwrap();
    assert_eq!(one, other);
    let once = spans.clone();
    assert!(!redactor.apply(&mut spans).changed());
    assert_eq!(spans, once);
}

#[test]
fn rules_of_ones_own() {
    let key =
        |name: &str, pattern: &str, action| KeyRule { name: name.into(), pattern: pattern.into(), action };
    let rules = Rules {
        keys: vec![
            key("exempt", "design\\.token", Action::Keep),
            key("iban", ".*iban", Action::Hash),
            key("flags", "flag\\..*", Action::Drop),
        ],
        values: vec![
            ValueRule { name: "card".into(), pattern: "card (\\d{4})".into(), action: Action::Mask },
            ValueRule { name: "mail".into(), pattern: "\\S+@\\S+".into(), action: Action::Mask },
        ],
        ..Rules::default()
    };
    let redactor = Redactor::new(&rules, &HASH_KEY).unwrap();
    let mut spans = [span(&[
        ("design.token", text("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x")),
        ("customer.IBAN", text("DE00")),
        ("flag.a", AttrValue::Bool(true)),
        ("note", text("card 1234 of ann@example.com, iban=DE00")),
    ])];
    let redacted = redactor.apply(&mut spans);
    let hash = spans[0].attributes.get_str("customer.IBAN").unwrap().to_owned();
    let expected = attributes(&[
        ("design.token", text("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x")),
        ("customer.IBAN", text(&hash)),
        ("note", text(&format!("card *** of *** iban={hash}"))),
    ]);
    assert_eq!(spans[0].attributes, expected);
    assert_eq!(spans[0].dropped_attributes_count, 1);
    let by_rule: Vec<(&str, u64)> = redacted.by_rule().collect();
    assert_eq!(by_rule, [("iban", 2), ("flags", 1), ("card", 1), ("mail", 1)]);
}

/// Catches a switch that is not connected.
#[test]
fn every_rule_can_be_turned_off() {
    let secrets = [
        ("cookie", "a=b"),
        ("password", "x"),
        ("session_id", "x"),
        ("url.full", "http://u:p@h?sig=x"),
        ("note", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("db.statement", "SELECT 1"),
        ("process.command_line", "mysql -px"),
    ];
    let entries: Vec<(&str, AttrValue)> = secrets.map(|(key, value)| (key, text(value))).into();
    let mut rules = Rules::default();
    let switches: [fn(&mut Rules) -> &mut Action; 7] = [
        |rules| &mut rules.defaults.headers,
        |rules| &mut rules.defaults.keys,
        |rules| &mut rules.defaults.sessions,
        |rules| &mut rules.defaults.urls,
        |rules| &mut rules.defaults.tokens,
        |rules| &mut rules.defaults.sql,
        |rules| &mut rules.defaults.commands,
    ];
    for (index, switch) in switches.iter().enumerate() {
        *switch(&mut rules) = Action::Keep;
        let mut spans = [span(&entries)];
        Redactor::new(&rules, &HASH_KEY).unwrap().apply(&mut spans);
        for (place, (key, value)) in secrets.iter().enumerate() {
            let is_same = spans[0].attributes.get_str(key) == Some(*value);
            assert_eq!(is_same, place <= index, "{key} with the first {} off", index + 1);
        }
    }
    let disabled = Rules { enabled: false, ..Rules::default() };
    let mut spans = [span(&entries)];
    assert!(!Redactor::new(&disabled, &HASH_KEY).unwrap().apply(&mut spans).changed());
    assert_eq!(spans[0], span(&entries));
}

/// Catches a stack that a hostile value overflows, and a secret that hides at the bottom.
#[test]
fn deep_values_are_cut() {
    let mut value = text("ghp_abcdefghijklmnopqrstuvwxyz0123456789");
    for _ in 0..1_000 {
        value = AttrValue::Array(vec![value]);
    }
    let mut spans = [span(&[("a", value)])];
    assert!(redactor().apply(&mut spans).changed());
    assert!(!dump(&spans[0]).contains("ghp_"));
    assert!(!redactor().apply(&mut spans).changed());
}

/// Catches a memory of keys that grows with what clients send.
#[test]
fn the_memory_of_keys_is_bounded() {
    let redactor = redactor();
    for batch in 0..20 {
        let mut spans: Vec<Span> =
            (0..1_000).map(|number| span(&[(&format!("key.{batch}.{number}"), text("x"))])).collect();
        redactor.apply(&mut spans);
        assert!(redactor.verdicts.read().len() <= 8_192);
    }
    let long = "a".repeat(1_000) + ".password";
    let mut spans = [span(&[(&long, text("x"))])];
    assert!(redactor.apply(&mut spans).changed());
    assert!(!redactor.verdicts.read().contains_key(long.as_str()));
}

#[test]
fn a_secret_in_a_key_takes_the_attribute_along() {
    let mut spans = [span(&[("seen.ghp_abcdefghijklmnopqrstuvwxyz0123456789", AttrValue::Int(1))])];
    redactor().apply(&mut spans);
    assert!(spans[0].attributes.is_empty());
    assert_eq!(spans[0].dropped_attributes_count, 1);
}

/// What instrumentations send all day.
pub(crate) fn ordinary() -> Vec<(&'static str, AttrValue)> {
    vec![
        ("http.request.method", text("GET")),
        ("http.response.status_code", AttrValue::Int(200)),
        ("http.route", text("/orders/{id}")),
        ("url.full", text("https://shop.example:8443/orders/42?page=2&sort=price&q=red%20shoes#top")),
        ("user_agent.original", text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")),
        ("server.address", text("10.0.0.1")),
        ("db.query.text", text("SELECT id, name FROM orders WHERE id = $1 AND state IN (?, ?)")),
        ("gen_ai.usage.input_tokens", AttrValue::Int(512)),
        ("gen_ai.request.max_tokens", AttrValue::Int(1024)),
        ("messaging.kafka.message.key", text("order-42")),
        ("session.id", text("00112233-4455-6677-8899-aabbccddeeff")),
        ("code.function", text("com.shop.Orders.find")),
        (
            "exception.stacktrace",
            text("java.lang.IllegalStateException: no order: 42\n\tat a.B.c(B.java:12)"),
        ),
        ("http.request.header.content-type", list(&["application/json; charset=utf-8"])),
        (
            "process.command_line",
            text("java -Xmx2g -Dserver.port=8080 -jar /srv/app.jar --spring.profiles.active=prod"),
        ),
        ("traceparent", text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
        ("time", text("2026-11-23T10:00:00.123Z")),
        ("cache_key", text("orders:42:v1")),
        ("author", text("ann")),
        ("ratio", AttrValue::Double(0.5)),
    ]
}

/// Catches rules that damage what is no secret.
#[test]
fn ordinary_spans_come_out_equal() {
    let redactor = redactor();
    for name in
        ["GET /orders/{id}", "SELECT shop.orders", "DELETE /users/42", "orders.v1.Orders/Find", "update 5"]
    {
        let before = Span { name: name.to_owned(), ..span(&ordinary()) };
        let mut spans = [before.clone()];
        assert!(!redactor.apply(&mut spans).changed(), "{:?}", spans[0]);
        assert_eq!(spans[0], before);
    }
}
