//! Tests of what the demo sends: spans, their relations and their attributes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::generate::{Anomaly, Request, SPANS_PER_REQUEST_MAX};
use super::library::{Library, scope};
use super::model::{Entry, Language, Operation, Step};
use super::resource::{Process, resource};
use super::shop::{ENTRIES, HUGE_ITEM, SERVICES};
use super::span::DemoSpan;
use super::testing::{NOON_S, all_spans, calm, in_trouble, is_error, kind, requests, text};
use super::traffic::arrivals;
use super::world::Trouble;

/// Catches a source of chance or time besides the seed: a second run would send other spans.
#[test]
fn the_same_seed_tells_the_same_story() {
    let first = arrivals(42, 30.0, NOON_S);
    assert!(first.len() > 5, "a busy second has requests, not {}", first.len());
    assert_eq!(first, arrivals(42, 30.0, NOON_S));
    let ids = |requests: &[Request]| {
        all_spans(requests).map(|span| span.span.trace_id.clone()).collect::<HashSet<_>>()
    };
    for (seed, rate, second) in [(43, 30.0, NOON_S), (42, 31.0, NOON_S), (42, 30.0, NOON_S + 1)] {
        let other = arrivals(seed, rate, second);
        assert!(ids(&first).is_disjoint(&ids(&other)), "seed {seed}, rate {rate}, second {second}");
    }
}

/// Catches orphans, spans that end before they start, and callers that end before who they wait for.
#[test]
fn parents_exist_and_wait_for_what_they_called() {
    let worlds = [calm(), in_trouble(Trouble::PaymentTimeouts), in_trouble(Trouble::CacheOutage)];
    for request in worlds.iter().flat_map(|world| requests(world, 1_500)) {
        let by_id: HashMap<_, _> = request.spans.iter().map(|span| (&span.span.span_id, span)).collect();
        assert_eq!(by_id.len(), request.spans.len(), "span ids are unique");
        assert!(request.spans.len() < SPANS_PER_REQUEST_MAX, "the bound is not reached in earnest");
        if request.anomaly != Anomaly::None {
            continue;
        }
        for span in &request.spans {
            assert!(span.span.end_time_unix_nano > span.span.start_time_unix_nano, "{}", span.span.name);
            if span.span.parent_span_id.is_empty() {
                continue;
            }
            let parent = by_id.get(&span.span.parent_span_id).expect("the parent is in the same request");
            assert_eq!(parent.span.trace_id, span.span.trace_id);
            assert!(parent.span.start_time_unix_nano <= span.span.start_time_unix_nano);
            if kind(span) == SpanKind::Consumer {
                assert!(
                    parent.span.end_time_unix_nano <= span.span.start_time_unix_nano,
                    "handled after sending"
                );
                continue;
            }
            assert!(
                span.span.end_time_unix_nano <= parent.span.end_time_unix_nano,
                "{} outlives {}",
                span.span.name,
                parent.span.name
            );
            let is_remote = span.span.flags & 0x200 != 0;
            assert_eq!(is_remote, kind(span) == SpanKind::Server, "{}", span.span.name);
        }
    }
}

/// Catches a service that is declared and never asked, and a shop that outgrew what the UI is made for.
#[test]
fn twelve_to_fifteen_services_take_part_on_several_instances() {
    assert!((12..=15).contains(&SERVICES.len()));
    let requests = requests(&calm(), 2_000);
    let seen: BTreeSet<_> = all_spans(&requests).map(|span| span.process.service.name).collect();
    let declared: BTreeSet<_> = SERVICES.iter().map(|service| service.name).collect();
    assert_eq!(seen, declared);
    let processes: BTreeSet<_> = all_spans(&requests).map(|span| span.process).collect();
    for service in SERVICES {
        let instances = processes.iter().filter(|process| process.service == service).count();
        assert!(instances >= 2, "{} runs {instances} times", service.name);
    }
    let languages: BTreeSet<_> = SERVICES.iter().map(|service| service.language).collect();
    assert_eq!(languages.len(), 5);
}

/// Catches renamed, missing or twice given attributes, by what a span was recorded for.
#[test]
fn spans_follow_the_semantic_conventions() {
    let requests = requests(&calm(), 2_000);
    let mut seen = BTreeSet::new();
    for DemoSpan { library, span, .. } in all_spans(&requests) {
        let keys: BTreeSet<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        assert_eq!(
            keys.len(),
            span.attributes.len(),
            "{} has an attribute twice: {:?}",
            span.name,
            span.attributes
        );
        let expected: &[&str] = match (library, span.kind()) {
            (Library::HttpServer, SpanKind::Server) => &[
                "http.request.method",
                "http.route",
                "url.path",
                "url.scheme",
                "http.response.status_code",
                "server.address",
            ],
            (Library::HttpClient, SpanKind::Client) => {
                &["http.request.method", "url.full", "server.address", "server.port"]
            }
            (Library::Grpc, SpanKind::Server | SpanKind::Client) => {
                &["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code"]
            }
            (Library::Sql, SpanKind::Client) => &[
                "db.system.name",
                "db.namespace",
                "db.query.text",
                "db.operation.name",
                "db.collection.name",
            ],
            (Library::Cache, SpanKind::Client) => {
                &["db.system.name", "db.operation.name", "server.address"]
            }
            (Library::Kafka | Library::RabbitMq, SpanKind::Producer | SpanKind::Consumer) => &[
                "messaging.system",
                "messaging.destination.name",
                "messaging.operation.type",
                "messaging.message.id",
            ],
            (Library::Own, SpanKind::Internal) => &[],
            (library, kind) => panic!("{library:?} records no {kind:?} spans, but {}", span.name),
        };
        for key in expected {
            assert!(keys.contains(key), "{} lacks {key}", span.name);
        }
        for key in ["url.path", "url.full", "db.query.text"].into_iter().filter(|key| keys.contains(key)) {
            assert!(!text(&span.attributes, key).contains('{'), "{} has an unfilled template", span.name);
        }
        seen.insert((*library, span.kind() as i32));
    }
    assert_eq!(seen.len(), 11, "every combination of library and kind occurs: {seen:?}");
}

/// Catches a resource that a stock SDK with the usual detectors would not have sent.
#[test]
fn resources_tell_which_process_it_was() {
    let mut ids = HashSet::new();
    for service in SERVICES {
        for instance in 0..service.instances {
            let process = Process { service, instance, version: calm().version(service, instance) };
            let attributes = resource(process).attributes;
            assert_eq!(text(&attributes, "service.name"), service.name);
            for key in [
                "service.version",
                "deployment.environment.name",
                "telemetry.sdk.name",
                "telemetry.sdk.language",
                "telemetry.sdk.version",
                "host.name",
                "k8s.pod.name",
                "k8s.namespace.name",
            ] {
                assert!(!text(&attributes, key).is_empty(), "{key}");
            }
            assert!(ids.insert(text(&attributes, "service.instance.id").to_owned()), "an id of its own");
            for library in [Library::HttpServer, Library::Sql, Library::Own, Library::RabbitMq] {
                assert!(!scope(service, library).name.is_empty(), "{library:?} in {:?}", service.language);
            }
        }
    }
}

/// Catches a failing span without its exception, and stack traces of the wrong language.
#[test]
fn exceptions_come_with_a_stack_trace_in_the_language_of_the_service() {
    let worlds = [
        calm(),
        in_trouble(Trouble::CacheOutage),
        in_trouble(Trouble::PaymentTimeouts),
        in_trouble(Trouble::SlowDatabase("orders")),
    ];
    let mut seen: BTreeMap<Language, usize> = BTreeMap::new();
    for request in worlds.iter().flat_map(|world| requests(world, 2_500)) {
        for DemoSpan { process, span, .. } in &request.spans {
            if is_error(span) && span.kind() == SpanKind::Server {
                assert_eq!(span.events.len(), 1, "{} failed without saying why", span.name);
            }
            for event in &span.events {
                assert!(
                    (span.start_time_unix_nano..=span.end_time_unix_nano).contains(&event.time_unix_nano)
                );
                assert!(!text(&event.attributes, "exception.type").is_empty());
                assert!(!text(&event.attributes, "exception.message").is_empty());
                let stack = text(&event.attributes, "exception.stacktrace");
                let frame = match process.service.language {
                    Language::Java => "\n\tat ",
                    Language::Python => "\n  File \"",
                    Language::Node => "\n    at ",
                    Language::Go => "\n\t/",
                    Language::Rust => "\n             at ",
                };
                assert!(stack.matches(frame).count() >= 3, "{:?}: {stack}", process.service.language);
                *seen.entry(process.service.language).or_default() += 1;
            }
        }
    }
    assert_eq!(seen.len(), 5, "every language fails somewhere: {seen:?}");
}

/// Catches messages that lose their producer: Kafka's consumers continue the trace, `RabbitMQ`'s link to it.
#[test]
fn consumers_know_their_producers() {
    let requests = requests(&calm(), 3_000);
    let (mut continued, mut linked) = (0, 0);
    for request in requests.iter().filter(|request| request.anomaly == Anomaly::None) {
        let producers: HashMap<_, _> = request
            .spans
            .iter()
            .filter(|span| kind(span) == SpanKind::Producer)
            .map(|span| (span.span.span_id.clone(), span))
            .collect();
        for consumer in request.spans.iter().filter(|span| kind(span) == SpanKind::Consumer) {
            let link = consumer.span.links.first().expect("a link to the producer");
            let producer = producers.get(&link.span_id).expect("the producer");
            assert_eq!(link.trace_id, producer.span.trace_id);
            if consumer.span.parent_span_id.is_empty() {
                assert_ne!(consumer.span.trace_id, producer.span.trace_id);
                linked += 1;
            } else {
                assert_eq!(consumer.span.parent_span_id, producer.span.span_id);
                continued += 1;
            }
        }
    }
    assert!(continued > 50 && linked > 50, "{continued} continued, {linked} linked");
}

/// Catches an attribute type that the demo would no longer show.
#[test]
fn every_type_of_attribute_occurs() {
    let requests = requests(&calm(), 1_000);
    let values = all_spans(&requests).flat_map(|span| &span.span.attributes);
    let kinds: HashSet<_> = values
        .filter_map(|attribute| match &attribute.value {
            Some(AnyValue { value: Some(value) }) => Some(std::mem::discriminant(value)),
            _ => None,
        })
        .collect();
    assert_eq!(kinds.len(), 7, "text, bool, int, double, array, map, bytes");
}

/// Catches a call of something that never answers, and operations that call each other in a circle.
#[test]
fn the_shop_is_sound() {
    fn walk_operation(operation: &'static Operation, depth: usize) {
        assert!(depth < 12, "{} is part of a circle", operation.handler);
        walk_steps(operation.steps, depth);
    }
    fn walk_steps(steps: &'static [Step], depth: usize) {
        for step in steps {
            match step {
                Step::Call { to, attempts } => {
                    assert!(matches!(to.entry, Entry::Http { .. } | Entry::Grpc { .. }), "{}", to.handler);
                    assert!((1..=5).contains(attempts));
                    walk_operation(to, depth + 1);
                }
                Step::Publish { queue, to } => {
                    for operation in *to {
                        let Entry::Message(own) = operation.entry else {
                            panic!("{} reads no queue", operation.handler)
                        };
                        assert_eq!(own.name, queue.name, "{} reads another queue", operation.handler);
                        walk_operation(operation, depth + 1);
                    }
                }
                Step::Internal { steps, .. }
                | Step::CacheAside { otherwise: steps, .. }
                | Step::Parallel(steps)
                | Step::Sometimes(_, steps)
                | Step::Repeat { steps, .. }
                | Step::Tolerate(steps) => walk_steps(steps, depth),
                Step::Work(_) | Step::Sql(_) | Step::Cache(_) | Step::External(_) => {}
            }
        }
    }
    for (weight, operation) in ENTRIES {
        assert!(*weight > 0);
        walk_operation(operation, 0);
    }
    walk_steps(std::slice::from_ref(&HUGE_ITEM), 0);
}
