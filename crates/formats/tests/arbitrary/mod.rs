//! Anything that the model can hold.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use spanloom_model::{
    AttrValue, Attributes, Event, Link, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId,
};

/// Text as decoders leave it: without NUL.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z.]{0,30}",
        1 => any::<String>().prop_map(|text| text.replace('\0', "")),
        // Lengths around those at which a length takes one byte more.
        1 => (120..140_usize).prop_map(|length| "é".repeat(length)),
    ]
}

fn value() -> impl Strategy<Value = AttrValue> {
    let leaf = prop_oneof![
        Just(AttrValue::Null),
        text().prop_map(AttrValue::String),
        any::<bool>().prop_map(AttrValue::Bool),
        any::<i64>().prop_map(AttrValue::Int),
        any::<f64>().prop_map(AttrValue::Double),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0)]
            .prop_map(AttrValue::Double),
        any::<Vec<u8>>().prop_map(AttrValue::Bytes),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(AttrValue::Array),
            vec((text(), inner), 0..4)
                .prop_map(|entries| AttrValue::Map(Attributes::from_entries(entries))),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    vec((text(), value()), 0..5).prop_map(Attributes::from_entries)
}

fn dropped() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), any::<u32>()]
}

fn time() -> impl Strategy<Value = i64> {
    0..=i64::MAX
}

fn resource() -> impl Strategy<Value = Resource> {
    (attributes(), dropped(), text()).prop_map(|(attributes, dropped_attributes_count, schema_url)| {
        Resource { attributes, dropped_attributes_count, schema_url }
    })
}

fn scope() -> impl Strategy<Value = Scope> {
    (text(), text(), attributes(), dropped(), text()).prop_map(
        |(name, version, attributes, dropped_attributes_count, schema_url)| Scope {
            name,
            version,
            attributes,
            dropped_attributes_count,
            schema_url,
        },
    )
}

fn trace_id() -> impl Strategy<Value = TraceId> {
    (1..=u128::MAX).prop_map(|id| TraceId::new(id).unwrap())
}

fn span_id() -> impl Strategy<Value = SpanId> {
    (1..=u64::MAX).prop_map(|id| SpanId::new(id).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    (time(), text(), attributes(), dropped()).prop_map(
        |(time_ns, name, attributes, dropped_attributes_count)| Event {
            time_ns,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (trace_id(), span_id(), text(), attributes(), dropped(), dropped()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

/// A span of a process and a library that are still to be put in.
fn span() -> impl Strategy<Value = Span> {
    let identity = (trace_id(), span_id(), proptest::option::of(span_id()), text(), dropped());
    let call = (text(), 0..6_i32, time(), any::<i64>(), 0..3_i32, text());
    let lists = (attributes(), vec(event(), 0..3), vec(link(), 0..3));
    (identity, call, lists, [dropped(), dropped(), dropped()]).prop_map(
        |(identity, call, lists, dropped)| {
            let (trace_id, span_id, parent_span_id, trace_state, flags) = identity;
            let (name, kind, start_ns, duration_ns, status, status_message) = call;
            let (attributes, events, links) = lists;
            Span {
                trace_id,
                span_id,
                parent_span_id,
                trace_state,
                flags,
                name,
                kind: SpanKind::from_number(kind),
                start_ns,
                duration_ns: duration_ns.saturating_abs().min(i64::MAX - start_ns),
                attributes,
                dropped_attributes_count: dropped[0],
                events,
                dropped_events_count: dropped[1],
                links,
                dropped_links_count: dropped[2],
                status: SpanStatus::from_number(status),
                status_message,
                resource: Arc::default(),
                scope: Arc::default(),
            }
        },
    )
}

/// Spans of a few processes and libraries, mixed; some of these are the same under two addresses.
pub fn spans() -> impl Strategy<Value = Vec<Span>> {
    let spans = vec((span(), any::<Index>(), any::<Index>(), any::<bool>()), 0..6);
    (vec(resource(), 1..3), vec(scope(), 1..3), spans).prop_map(|(resources, scopes, spans)| {
        let resources: Vec<_> = resources.into_iter().map(Arc::new).collect();
        let scopes: Vec<_> = scopes.into_iter().map(Arc::new).collect();
        let spans = spans.into_iter().map(|(span, resource, scope, copied)| {
            let (resource, scope) = (resource.get(&resources), scope.get(&scopes));
            let (resource, scope) = if copied {
                (Arc::new(Resource::clone(resource)), Arc::new(Scope::clone(scope)))
            } else {
                (Arc::clone(resource), Arc::clone(scope))
            };
            Span { resource, scope, ..span }
        });
        spans.collect()
    })
}
