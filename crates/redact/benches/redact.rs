//! What redaction costs per span, beside cloning the span. `cargo bench -p spanloom-redact`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use spanloom_model::{AttrValue, Attributes, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};
use spanloom_redact::{Redactor, Rules};

const SPANS: usize = 5_000;
const ROUNDS: usize = 40;

/// 11 attributes of 97 keys, 1,000 values each.
/// The attributes of the span with that number.
type Entries = fn(u64) -> Vec<(String, AttrValue)>;

fn plain(number: u64) -> Vec<(String, AttrValue)> {
    (0..11)
        .map(|index| {
            let key = (number.wrapping_mul(31) + index * 9) % 97;
            let value = (number.wrapping_mul(2_654_435_761) + index * 7_919) % 1_000;
            (format!("app.attribute.number_{key}"), format!("value-{value}-of-attribute").into())
        })
        .collect()
}

/// What an HTTP server's instrumentation sends.
fn http(number: u64) -> Vec<(String, AttrValue)> {
    let text = |key: &str, value: &str| (key.to_owned(), AttrValue::from(value));
    vec![
        text("http.request.method", "GET"),
        ("http.response.status_code".to_owned(), AttrValue::Int(200)),
        text("http.route", "/api/orders/{id}"),
        text("url.path", &format!("/api/orders/{number}")),
        text("url.query", "page=2&sort=price"),
        text("url.scheme", "https"),
        text("server.address", "shop.example.com"),
        ("server.port".to_owned(), AttrValue::Int(443)),
        text("client.address", "203.0.113.7"),
        text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0"),
        text("network.protocol.version", "1.1"),
    ]
}

/// A client of a database whose statements hold literals.
fn database(number: u64) -> Vec<(String, AttrValue)> {
    let statement =
        format!("SELECT id, name, price FROM products WHERE id = {number} AND state = 'active' LIMIT 10");
    vec![
        ("db.system.name".to_owned(), "postgresql".into()),
        ("db.namespace".to_owned(), "shop".into()),
        ("db.operation.name".to_owned(), "SELECT".into()),
        ("db.query.text".to_owned(), statement.into()),
        ("server.address".to_owned(), "db.internal".into()),
        ("server.port".to_owned(), AttrValue::Int(5432)),
    ]
}

fn spans(attributes: fn(u64) -> Vec<(String, AttrValue)>) -> Vec<Span> {
    let resource = Arc::new(Resource {
        attributes: [("service.name".to_owned(), AttrValue::from("shop"))].into_iter().collect(),
        ..Resource::default()
    });
    let scope = Arc::new(Scope::default());
    (1..=SPANS as u64)
        .filter_map(|number| {
            Some(Span {
                trace_id: TraceId::new(u128::from(number)).ok()?,
                span_id: SpanId::new(number).ok()?,
                parent_span_id: None,
                trace_state: String::new(),
                flags: 1,
                name: "GET /api/orders/{id}".to_owned(),
                kind: SpanKind::Server,
                start_ns: 0,
                duration_ns: 1,
                attributes: Attributes::from_entries(attributes(number)),
                dropped_attributes_count: 0,
                events: Vec::new(),
                dropped_events_count: 0,
                links: Vec::new(),
                dropped_links_count: 0,
                status: SpanStatus::Unset,
                status_message: String::new(),
                resource: Arc::clone(&resource),
                scope: Arc::clone(&scope),
            })
        })
        .collect()
}

/// The fastest of some rounds, in nanoseconds per span.
fn fastest_ns(mut work: impl FnMut() -> u128) -> f64 {
    let best = (0..ROUNDS).map(|_| work()).min().unwrap_or_default();
    best as f64 / SPANS as f64
}

#[expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints its numbers")]
fn main() {
    let redactor = Redactor::new(&Rules::default(), &[7; 32]).expect("the default rules");
    println!("{:<26} {:>10} {:>10} {:>7}", "ns per span", "clone", "redact", "ratio");
    let shapes: [(&str, Entries); 3] =
        [("11 plain attributes", plain), ("HTTP server, 11", http), ("SQL with literals, 6", database)];
    for (name, attributes) in shapes {
        let original = spans(attributes);
        let clone_ns = fastest_ns(|| {
            let start = Instant::now();
            let copy = black_box(&original).clone();
            let elapsed = start.elapsed().as_nanos();
            drop(black_box(copy));
            elapsed
        });
        let redact_ns = fastest_ns(|| {
            let mut copy = original.clone();
            let start = Instant::now();
            black_box(redactor.apply(black_box(&mut copy)));
            start.elapsed().as_nanos()
        });
        println!("{name:<26} {clone_ns:>10.0} {redact_ns:>10.0} {:>7.2}", redact_ns / clone_ns);
    }
}
