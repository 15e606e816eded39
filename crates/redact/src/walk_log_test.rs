use std::sync::Arc;

use spanloom_model::{AttrValue, LogRecord, Resource};

use crate::walk_test::{attributes, redactor, text};
use crate::{Action, Defaults, Redactor, Rules};

fn log(body: AttrValue, entries: &[(&str, AttrValue)]) -> LogRecord {
    LogRecord {
        time_ns: 1,
        observed_ns: 1,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        event_name: String::new(),
        body,
        attributes: attributes(entries),
        dropped_attributes_count: 0,
        trace_id: None,
        span_id: None,
        flags: 0,
        resource: Arc::new(Resource {
            attributes: attributes(&[("process.command_line", text("app --password hunter2"))]),
            ..Resource::default()
        }),
        scope: Arc::default(),
    }
}

/// Catches a place of a log record that nobody looks at.
#[test]
fn secrets_go_from_everywhere_in_a_record() {
    let map = |entries| AttrValue::Map(attributes(entries));
    let bodies = [
        text("login with password=hunter2 refused"),
        text("SELECT * FROM users WHERE name = 'hunter2'"),
        map(&[("user", text("ann")), ("password", text("hunter2"))]),
        AttrValue::Array(vec![text("a"), map(&[("token", text("hunter2"))])]),
        AttrValue::Bytes(b"password=hunter2".to_vec()),
    ];
    for body in bodies {
        let mut record = log(body, &[("http.request.header.authorization", text("Bearer hunter2"))]);
        record.event_name = "login password=hunter2".to_owned();
        let mut logs = [record];
        let redacted = redactor().apply_logs(&mut logs);
        assert!(redacted.changed());
        let stored = format!("{:?}", logs[0]);
        assert!(!stored.contains("hunter2"), "{stored}");
        let bytes = format!("{:?}", b"hunter2");
        assert!(!stored.contains(bytes.trim_matches(['[', ']'])), "{stored}");
    }
}

#[test]
fn what_holds_no_secret_stays() {
    let before = LogRecord {
        resource: Arc::default(),
        ..log(text("GET /cart 200 in 12 ms"), &[("http.route", text("/cart"))])
    };
    let mut logs = [before.clone()];
    assert!(!redactor().apply_logs(&mut logs).changed());
    assert_eq!(logs[0], before);
}

/// Catches a record that loses its body, or keeps the secret, where secrets are to be dropped.
#[test]
fn a_body_is_masked_where_it_cannot_be_dropped() {
    let defaults = Defaults { keys: Action::Drop, tokens: Action::Drop, ..Defaults::default() };
    let rules = Rules { defaults, ..Rules::default() };
    let redactor = Redactor::new(&rules, &[7; 32]).unwrap();
    let secret = AttrValue::Array(vec![text("password=hunter2")]);
    let mut logs = [log(secret, &[])];
    redactor.apply_logs(&mut logs);
    let body = format!("{:?}", logs[0].body);
    assert!(!body.contains("hunter2") && logs[0].body != AttrValue::Null, "{body}");
}
