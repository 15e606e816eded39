//! Tests of what happens in the shop over time: the day, incidents, and things to find.

use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rand::SeedableRng;

use super::generate::{Anomaly, huge_trace};
use super::library::Library;
use super::model::{DemoRng, SECOND_NS};
use super::shop::SERVICES;
use super::span::DemoSpan;
use super::testing::{
    NOON_S, all_spans, attribute, calm, duration_ns, error_rate, in_trouble, kind, median_ms, requests,
    text,
};
use super::traffic::{Unfinished, arrivals};
use super::world::{Trouble, WorldState, load};

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
    for span in spans {
        unfinished.push(span);
    }
    let early: Vec<_> = std::iter::from_fn(|| unfinished.pop(some_end_ns)).collect();
    assert!(early.is_sorted_by_key(|span| span.span.end_time_unix_nano));
    assert!(early.iter().all(|span| span.span.end_time_unix_nano <= some_end_ns));
    let late: Vec<_> = std::iter::from_fn(|| unfinished.pop(u64::MAX)).collect();
    assert!(late.iter().all(|span| span.span.end_time_unix_nano > some_end_ns));
    assert_eq!(early.len() + late.len(), count);
    assert!(!early.is_empty() && !late.is_empty());
}
