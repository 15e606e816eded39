//! What reading and writing OTLP costs, in one run: ours, and `prost` with its messages made into
//! the model. `cargo bench -p spanloom-formats`

#![expect(clippy::print_stdout, reason = "it reports")]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use spanloom_formats::limits::Limits;
use spanloom_formats::{TimeBounds, otlp, otlp_json};
use spanloom_model::{AttrValue, Attributes, Resource, Scope, Span, SpanId, SpanKind, SpanStatus, TraceId};

const SPANS: usize = 500;
const SPANS_PER_TRACE: usize = 10;
const ATTRIBUTES_PER_SPAN: usize = 11;
const KEYS: usize = 97;
const VALUES: u64 = 1_000;

/// Each is measured for so long, in turns, so that a noisy moment meets all of them.
const ROUNDS: usize = 40;
const ROUND: Duration = Duration::from_millis(20);

/// What is measured, how, and its best time.
type Measure<'a> = (&'a str, Box<dyn FnMut() + 'a>, Duration);

fn main() {
    let spans = spans();
    let body = in_the_order_of_clients(&otlp::encode(&spans));
    let json = otlp_json::encode(&spans);
    let mut limited = spans.clone();
    let limits = Limits::default();
    let mut measures: Vec<Measure> = vec![
        (
            "decode, prost and conversion",
            Box::new(|| drop(black_box(oracle::decode(black_box(&body), TimeBounds::ANY)))),
            Duration::MAX,
        ),
        (
            "decode",
            Box::new(|| drop(black_box(otlp::decode(black_box(&body), TimeBounds::ANY)))),
            Duration::MAX,
        ),
        ("encode", Box::new(|| drop(black_box(otlp::encode(black_box(&spans))))), Duration::MAX),
        (
            "limits",
            Box::new(|| {
                black_box(limits.apply_all(black_box(&mut limited)));
            }),
            Duration::MAX,
        ),
        ("attributes to JSON", Box::new(|| attributes_to_json(black_box(&spans))), Duration::MAX),
        ("clone and drop", Box::new(|| drop(black_box(spans.clone()))), Duration::MAX),
        (
            "decode JSON",
            Box::new(|| drop(black_box(otlp_json::decode(black_box(json.as_bytes()), TimeBounds::ANY)))),
            Duration::MAX,
        ),
        ("encode JSON", Box::new(|| drop(black_box(otlp_json::encode(black_box(&spans))))), Duration::MAX),
    ];
    for _ in 0..ROUNDS {
        for (_, work, best) in &mut measures {
            *best = (*best).min(fastest(work));
        }
    }
    println!("{SPANS} spans, {} bytes of protobuf each", body.len() / SPANS);
    let reference = measures[0].2.as_secs_f64();
    for (name, _, best) in &measures {
        let ns = best.as_secs_f64() * 1e9 / SPANS as f64;
        println!("{name:30} {ns:8.0} ns/span {:6.2}", best.as_secs_f64() / reference);
    }
}

/// Clients send attributes as they were set, not sorted.
fn in_the_order_of_clients(body: &[u8]) -> Vec<u8> {
    let mut random = Random(7);
    let mut request = ExportTraceServiceRequest::decode(body).expect("our own");
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        span.attributes.sort_by_cached_key(|_| random.below(u64::MAX));
    }
    request.encode_to_vec()
}

/// The fastest run: what else the machine does only makes one slower.
fn fastest(work: &mut dyn FnMut()) -> Duration {
    let end = Instant::now() + ROUND;
    let mut best = Duration::MAX;
    while Instant::now() < end {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best
}

fn attributes_to_json(spans: &[Span]) {
    let mut out = Vec::with_capacity(1 << 20);
    for span in spans {
        serde_json::to_writer(&mut out, &span.attributes).expect("memory takes it");
    }
    black_box(out);
}

/// A generator of numbers without pattern, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn spans() -> Vec<Span> {
    let mut random = Random(42);
    let keys: Vec<String> = (0..KEYS)
        .map(|index| {
            let areas = ["http.request", "db", "messaging.destination", "app.cart", "net"];
            let names = ["method", "statement", "partition.id", "size", "peer.address", "region"];
            format!("{}.{}{}", areas[index % areas.len()], names[index % names.len()], index / 30)
        })
        .collect();
    let resource = Arc::new(Resource {
        attributes: [("service.name", "checkout"), ("service.version", "1.2.3"), ("host.name", "node-1")]
            .map(|(key, value)| (key.to_owned(), AttrValue::from(value)))
            .into_iter()
            .collect(),
        ..Resource::default()
    });
    let scope = Arc::new(Scope { name: "io.opentelemetry.http".into(), ..Scope::default() });
    (0..SPANS).map(|index| span(index, &keys, &resource, &scope, &mut random)).collect()
}

fn span(
    index: usize,
    keys: &[String],
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    random: &mut Random,
) -> Span {
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < ATTRIBUTES_PER_SPAN {
        let key = random.below(KEYS as u64) as usize;
        if !chosen.contains(&key) {
            chosen.push(key);
        }
    }
    let attributes: Attributes = chosen
        .into_iter()
        .map(|key| {
            let number = random.below(VALUES);
            let value = match key % 8 {
                0 => AttrValue::Int(number as i64),
                1 => AttrValue::Bool(number.is_multiple_of(2)),
                2 => AttrValue::String(format!("/api/v1/resource/{number}/some/longer/path")),
                _ => AttrValue::String(format!("value-{number}")),
            };
            (keys[key].clone(), value)
        })
        .collect();
    let root = index.is_multiple_of(SPANS_PER_TRACE);
    let id = |number: usize| SpanId::new(number as u64 + 1).expect("not zero");
    Span {
        trace_id: TraceId::new((index / SPANS_PER_TRACE) as u128 + (1 << 100)).expect("not zero"),
        span_id: id(index),
        parent_span_id: (!root).then(|| id(index - 1)),
        trace_state: String::new(),
        flags: 0x101,
        name: format!("GET /api/v1/operation/{}", random.below(50)),
        kind: if root { SpanKind::Server } else { SpanKind::Client },
        start_ns: 1_795_400_000_000_000_000 + index as i64 * 1_000,
        duration_ns: random.below(1_000_000_000) as i64,
        attributes,
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: SpanStatus::Unset,
        status_message: String::new(),
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
    }
}
