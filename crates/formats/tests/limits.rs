//! Limits on the parts of a span.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

#[path = "arbitrary/mod.rs"]
mod arbitrary;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use spanloom_formats::limits::{Limited, Limits};
use spanloom_model::{AttrValue, Attributes, Resource, Scope, Span};

/// Small ones, so that little is beyond them.
fn small() -> Limits {
    Limits {
        attributes_per_span: 3,
        attributes_per_event: 2,
        attributes_per_link: 1,
        attributes_per_resource: 2,
        attributes_per_log: 3,
        log_body_bytes: 12,
        events_per_span: 1,
        links_per_span: 1,
        attribute_value_bytes: 20,
        attribute_key_bytes: 8,
        name_bytes: 10,
    }
}

/// Some span without anything that could be beyond a limit.
fn bare() -> Span {
    let mut runner = TestRunner::deterministic();
    let mut span = arbitrary::spans()
        .prop_filter("at least one", |spans| !spans.is_empty())
        .new_tree(&mut runner)
        .unwrap()
        .current()
        .remove(0);
    for text in [&mut span.name, &mut span.trace_state, &mut span.status_message] {
        text.clear();
    }
    span.attributes = Attributes::default();
    span.events.clear();
    span.links.clear();
    span.dropped_attributes_count = 1;
    span.resource = Arc::default();
    span.scope = Arc::default();
    span
}

fn attributes(entries: &[(&str, AttrValue)]) -> Attributes {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn numbered(count: i64) -> Attributes {
    (0..count).map(|number| (format!("k{number:04}"), AttrValue::Int(number))).collect()
}

fn text_bytes(value: &AttrValue) -> usize {
    match value {
        AttrValue::String(text) => text.len(),
        AttrValue::Bytes(bytes) => bytes.len(),
        AttrValue::Array(values) => values.iter().map(text_bytes).sum(),
        AttrValue::Map(map) => map.iter().map(|(key, value)| key.len() + text_bytes(value)).sum(),
        _ => 0,
    }
}

proptest! {
    // Catches anything of a span that is forgotten, cut twice, or cut without being told.
    #[test]
    fn what_is_left_is_within_the_limits(mut spans in arbitrary::spans()) {
        let limits = small();
        let before = spans.clone();
        let limited = limits.apply_all(&mut spans);
        let changed = before.iter().zip(&spans).filter(|(a, b)| format!("{a:?}") != format!("{b:?}")).count();
        prop_assert_eq!(limited.spans_changed, changed as u64);
        prop_assert_eq!(limited.changed(), changed > 0);
        for span in &spans {
            for (attributes, count) in [(&span.attributes, 3), (&span.resource.attributes, 2), (&span.scope.attributes, 2)]
                .into_iter()
                .chain(span.events.iter().map(|event| (&event.attributes, 2)))
                .chain(span.links.iter().map(|link| (&link.attributes, 1)))
            {
                prop_assert!(attributes.len() <= count);
                for (key, value) in attributes.iter() {
                    prop_assert!(key.len() <= 8 && text_bytes(value) <= 20, "{} {:?}", key, value);
                }
            }
            prop_assert!(span.events.len() <= 1 && span.links.len() <= 1);
            prop_assert!(span.name.len() <= 10 && span.trace_state.len() <= 10 && span.status_message.len() <= 20);
        }
        prop_assert_eq!(limits.apply_all(&mut spans), Limited::default(), "once is enough");
    }

    // Catches a limit that bites where nothing is beyond it.
    #[test]
    fn ordinary_spans_are_left_alone(mut spans in arbitrary::spans()) {
        let before = format!("{spans:?}");
        prop_assert_eq!(Limits::default().apply_all(&mut spans), Limited::default());
        prop_assert_eq!(format!("{spans:?}"), before);
    }
}

#[test]
fn what_is_dropped_is_counted_in_the_span() {
    let mut span = bare();
    span.attributes = numbered(300);
    let event = spanloom_model::Event {
        time_ns: 1,
        name: "e".into(),
        attributes: numbered(257),
        dropped_attributes_count: u32::MAX,
    };
    span.events = vec![event; 300];
    span.dropped_events_count = 5;
    let mut spans = [span];
    let limited = Limits::default().apply_all(&mut spans);
    let [span] = &spans;
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (256, 45));
    assert_eq!((span.events.len(), span.dropped_events_count), (256, 49));
    assert_eq!(span.events[0].dropped_attributes_count, u32::MAX, "counts do not wrap around");
    let expected = Limited {
        spans_changed: 1,
        values_truncated: 0,
        attributes_dropped: 44 + 256,
        events_dropped: 44,
        links_dropped: 0,
    };
    assert_eq!(limited, expected);
    assert!(!Limits::default().apply(&mut spans[0]), "once is enough");
}

#[test]
fn values_are_cut_where_characters_end_and_lists_where_members_end() {
    let mut span = bare();
    span.name = "ääääää".into();
    span.trace_state = "a=1,b=2,cc=3".into();
    span.attributes = attributes(&[
        ("array", AttrValue::Array(vec!["0123456".into(), "89abcdef".into(), "x".into()])),
        ("bytes", AttrValue::Bytes(vec![7; 30])),
        ("map", AttrValue::Map(attributes(&[("k", "0123456789abcdef".into()), ("l", 1.into())]))),
    ]);
    assert!(small().apply(&mut span));
    assert_eq!(span.name, "ääääa".replace('a', "ä"), "five characters of two bytes");
    assert_eq!(span.trace_state, "a=1,b=2");
    let value = |key| span.attributes.get(key).unwrap().clone();
    // 8 + 7 for the first element; 8 more do not fit into the five that are left.
    assert_eq!(value("array"), AttrValue::Array(vec!["0123456".into()]));
    assert_eq!(value("bytes"), AttrValue::Bytes(vec![7; 20]));
    assert_eq!(value("map"), AttrValue::Map(attributes(&[("k", "0123456789a".into())])));
    assert_eq!(span.dropped_attributes_count, 1, "a cut value is not a dropped attribute");
}

#[test]
fn long_keys_are_cut_and_those_that_become_the_same_are_counted() {
    let mut span = bare();
    span.attributes =
        attributes(&[("12345678a", 1.into()), ("12345678b", 2.into()), ("ä234567ä", 3.into())]);
    assert!(small().apply(&mut span));
    assert_eq!(span.attributes, attributes(&[("12345678", 2.into()), ("ä234567", 3.into())]));
    assert_eq!(span.dropped_attributes_count, 2);
}

// Catches a value that the readers of the stored form would refuse.
#[test]
fn what_is_nested_too_deep_becomes_text() {
    let mut deep = AttrValue::Array(vec![]);
    for _ in 0..100 {
        deep = AttrValue::Array(vec![deep]);
    }
    let mut span = bare();
    span.attributes = attributes(&[("deep", deep)]);
    assert!(Limits::default().apply(&mut span));
    let mut levels = 0;
    let mut value = span.attributes.get("deep").unwrap();
    while let AttrValue::Array(values) = value {
        (value, levels) = (&values[0], levels + 1);
    }
    assert_eq!(levels, 24);
    assert_eq!(value, &AttrValue::String(format!("{}{}", "[".repeat(77), "]".repeat(77))));
}

// Catches a service that loses its name because its process has many attributes.
#[test]
fn a_resource_keeps_what_names_the_service() {
    let mut resource = Resource { attributes: numbered(600), ..Resource::default() };
    let mut entries = resource.attributes.into_keyed();
    entries.push(("service.name".into(), "shop".into()));
    resource.attributes = Attributes::from_keyed(entries);
    assert!(Limits::default().apply_resource(&mut resource));
    assert_eq!((resource.attributes.len(), resource.dropped_attributes_count), (512, 89));
    assert_eq!(resource.service_name(), "shop");
}

// Catches a resource that is copied for each span, which is what sharing avoids.
#[test]
fn what_spans_share_stays_shared_and_is_counted_once() {
    let long = |name: &str| Arc::new(Scope { name: name.into(), ..Scope::default() });
    let (first, second, short) = (long("0123456789a"), long("0123456789b"), long("short"));
    let mut spans: Vec<Span> = [&first, &second, &short, &first, &second, &short]
        .map(|scope| Span { scope: Arc::clone(scope), ..bare() })
        .into();
    let limited = small().apply_all(&mut spans);
    assert_eq!((limited.spans_changed, limited.values_truncated), (4, 2));
    assert_eq!(spans[0].scope.name, "0123456789");
    for index in 0..3 {
        assert!(Arc::ptr_eq(&spans[index].scope, &spans[index + 3].scope));
    }
    assert!(Arc::ptr_eq(&spans[2].scope, &short), "nothing to change, nothing to copy");
    let mut scope = Scope::clone(&first);
    assert!(small().apply_scope(&mut scope));
    assert_eq!(scope, *spans[0].scope);
}
