//! Tests of the pure part: what the demo sends, without sending it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rand::SeedableRng;

use super::generate::{Anomaly, Request, SPANS_PER_REQUEST_MAX, huge_trace, trace};
use super::library::{Library, scope};
use super::model::{DemoRng, Entry, Language, Operation, SECOND_NS, Step};
use super::resource::{Process, resource};
use super::shop::{ENTRIES, HUGE_ITEM, SERVICES};
use super::span::DemoSpan;
use super::traffic::{Unfinished, arrivals};
use super::world::{Incident, Trouble, WorldState, load};

/// Some Tuesday noon.
const NOON_S: u64 = 1_763_467_200;

fn requests(world: &WorldState, count: usize) -> Vec<Request> {
    let mut rng = DemoRng::seed_from_u64(7);
    (0..count).map(|_| trace(&mut rng, NOON_S * SECOND_NS, world)).collect()
}

fn calm() -> WorldState {
    WorldState::calm(NOON_S * SECOND_NS)
}

fn in_trouble(trouble: Trouble) -> WorldState {
    let incident = Incident { trouble, start_s: NOON_S - 300, end_s: NOON_S + 300 };
    WorldState { incident: Some(incident), ..calm() }
}

fn all_spans(requests: &[Request]) -> impl Iterator<Item = &DemoSpan> {
    requests.iter().flat_map(|request| &request.spans)
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match attribute(attributes, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} should be a text, is {other:?}"),
    }
}

fn kind(span: &DemoSpan) -> SpanKind {
    span.span.kind()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn error_rate(requests: &[Request]) -> f64 {
    let failed =
        requests.iter().filter(|request| request.spans.iter().any(|span| is_error(&span.span))).count();
    failed as f64 / requests.len() as f64
}

fn median_ms(mut durations_ns: Vec<u64>) -> f64 {
    assert!(!durations_ns.is_empty(), "nothing to take a median of");
    durations_ns.sort_unstable();
    durations_ns[durations_ns.len() / 2] as f64 / 1e6
}

fn duration_ns(span: &DemoSpan) -> u64 {
    span.span.end_time_unix_nano - span.span.start_time_unix_nano
}

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
    assert_eq!(seen.len(), 12, "every combination of library and kind occurs: {seen:?}");
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

/// Catches a shop that always burns, or incidents that nobody would notice.
#[test]
fn errors_are_rare_normally_and_frequent_in_incidents() {
    let normal = error_rate(&requests(&calm(), 4_000));
    assert!((0.005..0.05).contains(&normal), "normally {normal}");
    let troubles = [
        (Trouble::PaymentTimeouts, 0.03),
        (Trouble::CacheOutage, 0.3),
        (Trouble::SlowDatabase("catalog"), 0.03),
        (Trouble::BadRelease(SERVICES[7]), 0.015),
    ];
    for (trouble, more) in troubles {
        let rate = error_rate(&requests(&in_trouble(trouble), 4_000));
        assert!(rate > normal + more, "{trouble}: {rate} against {normal}");
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

/// Catches a curve that is flat, negative, or shifts the mean that `--rate` promises.
#[test]
fn traffic_follows_the_day() {
    let by_minute: Vec<f64> = (0..1_440).map(|minute| load(NOON_S + minute * 60)).collect();
    let mean = by_minute.iter().sum::<f64>() / by_minute.len() as f64;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
    let (low, high) =
        by_minute.iter().fold((f64::MAX, 0.0_f64), |(low, high), x| (low.min(*x), high.max(*x)));
    assert!(low > 0.2 && high > 2.5 * low, "{low} to {high}");
    let midnight_s = NOON_S / 86_400 * 86_400;
    let count =
        |hour: u64| (0..60).map(|s| arrivals(1, 20.0, midnight_s + hour * 3_600 + s).len()).sum::<usize>();
    assert!(count(18) > 2 * count(5), "evenings are busier than early mornings");
}

/// Catches a release that is not slower, is not rolled back, or reaches all instances at once.
#[test]
fn a_bad_release_is_rolled_out_is_slower_and_is_rolled_back() {
    let seed = 3;
    let times = (NOON_S..NOON_S + 2 * 3_600).map(|second| WorldState::at(seed, second * SECOND_NS));
    let incident = times
        .filter_map(|world| world.incident)
        .find(|incident| matches!(incident.trouble, Trouble::BadRelease(_)))
        .expect("within 100 minutes");
    let Trouble::BadRelease(service) = incident.trouble else { unreachable!() };
    let version =
        |second: u64, instance| WorldState::at(seed, second * SECOND_NS).version(service, instance);
    let usual = version(incident.start_s - 1, 0);
    assert!(version(incident.start_s, 0) > usual);
    assert_eq!(version(incident.start_s, 1), usual, "one instance after the other");
    assert!(version(incident.end_s - 1, 1) > usual);
    assert_eq!(version(incident.end_s, 0), usual, "rolled back");

    let work_ms = |world: &WorldState| {
        let requests = requests(world, 3_000);
        let of_service = all_spans(&requests)
            .filter(|span| span.process.service == service && kind(span) == SpanKind::Server)
            .map(duration_ns);
        median_ms(of_service.collect())
    };
    let (before, during) = (work_ms(&calm()), work_ms(&in_trouble(incident.trouble)));
    assert!(during > 1.5 * before, "{}: {during} ms against {before} ms", service.name);
}

/// Catches a schedule that forgets a kind of incident or leaves no calm between two.
#[test]
fn every_kind_of_incident_comes_around() {
    let mut kinds = HashSet::new();
    let mut calm_s = 0;
    let span_s = 4 * 25 * 60;
    let first_s = NOON_S / span_s * span_s;
    for second in first_s..first_s + span_s {
        match WorldState::at(1, second * SECOND_NS).incident {
            Some(incident) => {
                kinds.insert(std::mem::discriminant(&incident.trouble));
            }
            None => calm_s += 1,
        }
    }
    assert_eq!(kinds.len(), 4);
    assert!(calm_s > span_s / 2, "calm for {calm_s} of {span_s} seconds");
}

/// Catches that retries on two levels no longer multiply, or that they never stop.
#[test]
fn payment_timeouts_make_a_retry_storm() {
    let most_calls = |world: &WorldState| {
        let requests = requests(world, 1_500);
        let calls = requests.iter().map(|request| {
            let is_charge = |span: &&DemoSpan| {
                span.library == Library::HttpClient
                    && text(&span.span.attributes, "url.full").ends_with("/v1/payment_intents")
            };
            request.spans.iter().filter(is_charge).count()
        });
        calls.max().unwrap_or_default()
    };
    assert_eq!(most_calls(&in_trouble(Trouble::PaymentTimeouts)), 9, "three attempts, three times each");
    assert!(most_calls(&calm()) <= 3);
}

/// Catches an order history that got its join.
#[test]
fn the_order_history_has_its_n_plus_one_query() {
    let requests = requests(&calm(), 1_500);
    let most_equal = requests.iter().map(|request| {
        let mut counts: HashMap<(&[u8], &str), usize> = HashMap::new();
        for span in request.spans.iter().filter(|span| span.library == Library::Sql) {
            let key = (span.span.parent_span_id.as_slice(), text(&span.span.attributes, "db.query.text"));
            *counts.entry(key).or_default() += 1;
        }
        counts.into_values().max().unwrap_or_default()
    });
    assert!(most_equal.max() >= Some(25));
}

/// Catches messages that lose their producer: Kafka's consumers continue the trace, RabbitMQ's link to it.
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

/// Catches that there is nothing to redact, to adjust or to warn about.
#[test]
fn secrets_skewed_clocks_and_lost_roots_occur_now_and_then() {
    let requests = requests(&calm(), 6_000);
    let has = |key: &str| all_spans(&requests).any(|span| attribute(&span.span.attributes, key).is_some());
    for key in ["user.email", "payment.card.number_masked", "http.request.header.authorization"] {
        assert!(has(key), "{key}");
    }
    let share = |is: fn(&Anomaly) -> bool| {
        requests.iter().filter(|request| is(&request.anomaly)).count() as f64 / requests.len() as f64
    };
    assert!((0.005..0.02).contains(&share(|anomaly| matches!(anomaly, Anomaly::SkewedHost(_)))));
    assert!((0.001..0.008).contains(&share(|anomaly| *anomaly == Anomaly::LostRoot)));
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

/// Catches a huge trace that is too small, is no tree, or claims to end in the future.
#[test]
fn a_huge_trace_has_exactly_the_spans_asked_for() {
    for count in [1, 2, 9, 10, 500, 20_000] {
        let end_ns = NOON_S * SECOND_NS;
        let spans = huge_trace(&mut DemoRng::seed_from_u64(1), end_ns, count).spans;
        assert_eq!(spans.len(), count);
        let ids: HashSet<_> = spans.iter().map(|span| &span.span.span_id).collect();
        assert_eq!(spans.iter().filter(|span| span.span.parent_span_id.is_empty()).count(), 1);
        for span in &spans {
            assert!(span.span.end_time_unix_nano <= end_ns, "{} ends in the future", span.span.name);
            assert!(span.span.parent_span_id.is_empty() || ids.contains(&span.span.parent_span_id));
        }
    }
}

/// Catches spans that are sent before they ended, as no client could.
#[test]
fn spans_leave_when_they_end() {
    let mut unfinished = Unfinished::default();
    let spans: Vec<_> = requests(&calm(), 30).into_iter().flat_map(|request| request.spans).collect();
    let count = spans.len();
    let some_end_ns = spans[count / 2].span.end_time_unix_nano;
    spans.into_iter().for_each(|span| unfinished.push(span));
    let early: Vec<_> = std::iter::from_fn(|| unfinished.pop(some_end_ns)).collect();
    assert!(early.is_sorted_by_key(|span| span.span.end_time_unix_nano));
    assert!(early.iter().all(|span| span.span.end_time_unix_nano <= some_end_ns));
    let late: Vec<_> = std::iter::from_fn(|| unfinished.pop(u64::MAX)).collect();
    assert!(late.iter().all(|span| span.span.end_time_unix_nano > some_end_ns));
    assert_eq!(early.len() + late.len(), count);
    assert!(!early.is_empty() && !late.is_empty());
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
