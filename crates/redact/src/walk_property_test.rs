use std::sync::Arc;

use proptest::prelude::*;
use spanloom_model::{AttrValue, Attributes, Event, Link, Resource, Scope, Span, SpanId, TraceId};

use crate::walk_test::{HASH_KEY, attributes, dump, ordinary, span, text};
use crate::{Action, Redactor, Rules};

const CANARY: &str = "CaNaRy0x7f3k";

/// Forms in which a secret is recognisable, with any key.
fn recognisable() -> impl Strategy<Value = String> {
    let c = CANARY;
    prop::sample::select(vec![
        format!("Bearer {c}abc123"),
        format!("eyJhbGciOiJIUzI1NiJ9.{c}.{c}"),
        format!("ghp_{c}{c}{c}"),
        format!("slk_{c}{c}{c}"),
        format!("sk_live_{c}{c}"),
        format!("xoxb-{c}"),
        format!("AIza{c}{c}{c}"),
        format!("-----BEGIN RSA PRIVATE KEY-----\n{c}\n-----END RSA PRIVATE KEY-----"),
        format!("https://ann:{c}@example.com/x"),
        format!("postgres://app:{c}@db/shop?sslmode=require"),
        format!("https://example.com/x?access_token={c}&y=1"),
        format!("/cb?a=1&code={c}"),
        format!("{{\"user\":\"ann\",\"password\":\"{c}\"}}"),
        format!("login password={c} failed"),
        format!("Authorization: Basic {c}"),
        format!("X-Api-Key: {c}"),
        format!("Server=db;Password={c};Encrypt=1"),
    ])
}

fn secret_key() -> impl Strategy<Value = String> {
    let names = [
        "password",
        "db.password",
        "http.request.header.authorization",
        "http.response.header.set-cookie",
        "rpc.grpc.request.metadata.x-api-key",
        "accessToken",
        "client_secret",
        "AWS_SECRET_ACCESS_KEY",
        "privateKey",
        "session_id",
        "credentials",
        "user[passwd]",
    ];
    ("([a-z]{1,8}\\.){0,3}", prop::sample::select(names.to_vec())).prop_map(|(prefix, name)| prefix + name)
}

/// A key and a value that hold the canary.
fn planted() -> impl Strategy<Value = (String, AttrValue)> {
    let quiet = "[a-zA-Z0-9 ./-]{0,20}";
    let text = prop_oneof![
        (secret_key(), quiet).prop_map(|(key, around)| (key, AttrValue::from(format!("{around}{CANARY}")))),
        ("[a-z.]{1,12}", "[a-z ]{0,8} ", recognisable(), " [a-z ]{0,8}").prop_map(
            |(key, before, form, after)| (key, AttrValue::from(format!("{before}{form}{after}")))
        ),
        Just(("db.query.text".to_owned(), text(&format!("SELECT a FROM t WHERE b = '{CANARY}'")))),
        Just(("process.command_line".to_owned(), text(&format!("app --db-password {CANARY} -v")))),
        Just(("url.query".to_owned(), text(&format!("code={CANARY}&x=1")))),
    ];
    text.prop_flat_map(|(key, value)| {
        let bytes = match &value {
            AttrValue::String(text) => AttrValue::Bytes(text.clone().into_bytes()),
            other => other.clone(),
        };
        // No planted key has capitals alone: one that is the same would replace it.
        let nested =
            Attributes::from_entries(vec![(key.clone(), value.clone()), ("A".to_owned(), text_value())]);
        prop_oneof![
            Just((key.clone(), value.clone())),
            Just((key.clone(), bytes)),
            Just((key.clone(), AttrValue::Array(vec![text_value(), value]))),
            Just(("request".to_owned(), AttrValue::Map(nested.clone()))),
            Just(("list".to_owned(), AttrValue::Array(vec![AttrValue::Map(nested)]))),
        ]
    })
}

fn text_value() -> AttrValue {
    text("x")
}

/// A span with the canary at some place.
fn planted_span() -> impl Strategy<Value = Span> {
    (planted(), recognisable(), 0..8_u8).prop_map(|((key, value), form, place)| {
        let mut all = ordinary();
        let mut planted = span(&all);
        all.push((&key, value));
        let secret = attributes(&all);
        match place {
            0 => planted.attributes = secret,
            1 => {
                planted.events = vec![Event {
                    time_ns: 0,
                    name: "e".to_owned(),
                    attributes: secret,
                    dropped_attributes_count: 0,
                }];
            }
            2 => {
                planted.links = vec![Link {
                    trace_id: TraceId::new(2).unwrap(),
                    span_id: SpanId::new(2).unwrap(),
                    trace_state: String::new(),
                    attributes: secret,
                    dropped_attributes_count: 0,
                    flags: 0,
                }];
            }
            3 => planted.resource = Arc::new(Resource { attributes: secret, ..Resource::default() }),
            4 => planted.scope = Arc::new(Scope { attributes: secret, ..Scope::default() }),
            5 => planted.name = format!("GET {form}"),
            6 => planted.status_message = form,
            _ => {
                planted.events = vec![Event {
                    time_ns: 0,
                    name: form,
                    attributes: Attributes::default(),
                    dropped_attributes_count: 0,
                }];
            }
        }
        planted
    })
}

/// Texts made of what the detectors look for, in any order.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = [
        "=",
        ":",
        ": ",
        "%3D",
        "%26",
        "://",
        "@",
        "/",
        "?",
        "&",
        "#",
        "\"",
        "'",
        "\\",
        "\\\"",
        ";",
        ",",
        " ",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "password",
        "token",
        "secret",
        "Authorization",
        "Cookie",
        "code",
        "key",
        "Bearer ",
        "basic ",
        "dTpw",
        "eyJhbGciOiJIUzI1NiJ9",
        ".",
        "ghp_abcdefghijklmnopqrst",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "***",
        "-",
        "--",
        "-p",
        "mysql ",
        "curl -u ",
        "SELECT ",
        " FROM ",
        "AUTH ",
        "ä",
        "x",
        "1",
        "|",
        "<",
        ">",
        "http",
        "session_id",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn any_key() -> impl Strategy<Value = String> {
    let keys = [
        "note",
        "url.query",
        "db.connection_string",
        "db.statement",
        "process.command_line",
        "password",
        "session_id",
        "resource.name",
        "db.query.parameter.x",
    ];
    prop_oneof![4 => prop::sample::select(keys.to_vec()).prop_map(str::to_owned), 1 => any_text(), 1 => any::<String>()]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Action::Mask, Action::Hash, Action::Drop, Action::Keep])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Catches a place or a form that is not looked at.
    #[test]
    fn a_planted_secret_never_survives(span in planted_span(), action in 0..3_u8) {
        let action = [Action::Mask, Action::Hash, Action::Drop][usize::from(action)];
        let mut rules = Rules::default();
        let defaults = &mut rules.defaults;
        for rule in [
            &mut defaults.headers, &mut defaults.keys, &mut defaults.sessions, &mut defaults.urls,
            &mut defaults.tokens, &mut defaults.sql, &mut defaults.commands,
        ] {
            *rule = action;
        }
        let redactor = Redactor::new(&rules, &HASH_KEY).unwrap();
        prop_assert!(holds_canary(&span), "the test plants nothing");
        let mut spans = [span];
        prop_assert!(redactor.apply(&mut spans).changed());
        prop_assert!(!holds_canary(&spans[0]), "{:#?}", spans[0]);
    }

    /// Catches a panic, a second turn that changes something, and changes that are not told.
    #[test]
    fn total_and_idempotent(
        key in any_key(), value in any_text(), name in any_text(), actions in any_action(), other in any_action(),
    ) {
        let mut rules = Rules::default();
        rules.defaults.keys = actions;
        rules.defaults.tokens = other;
        rules.defaults.urls = actions;
        rules.defaults.sql = other;
        let redactor = Redactor::new(&rules, &HASH_KEY).unwrap();
        let before = Span { name, status_message: value.clone(), ..span(&[(&key, text(&value))]) };
        let mut spans = [before.clone()];
        let redacted = redactor.apply(&mut spans);
        prop_assert_eq!(redacted.changed(), spans[0] != before);
        let once = spans.clone();
        let again = redactor.apply(&mut spans);
        prop_assert!(!again.changed(), "{:?} became {:?}", &once[0], &spans[0]);
    }
}

fn holds_canary(span: &Span) -> bool {
    let text = dump(span);
    // Bytes are shown as numbers.
    let bytes: Vec<String> = CANARY.bytes().map(|byte| byte.to_string()).collect();
    text.contains(CANARY) || text.contains(&bytes.join(", "))
}
