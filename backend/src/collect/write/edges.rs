//! Calls between services, noted before sampling: those whose two spans are in one batch are counted,
//! the ends of all others wait in the database for `pair_edges()`.
//!
//! A call arrives as a span of kind server or consumer and belongs to whoever made the span that it
//! names as its parent or, for a consumer, in a link. That span is a client's or producer's, or one of
//! another service; below other spans of the same service is work, not a call. Databases and queues send
//! no spans: the client's span alone is the call. A client of anything else is a call of the host that it
//! names if no service answers in time.

use foldhash::{HashMap, HashMapExt as _, HashSet};
use spanloom_model::api::DependencyKind;
use spanloom_model::{Link, Span, SpanId, SpanKind, SpanStatus, TraceId, histogram};
use sqlx::PgConnection;

use super::batch::{Row, minute_us};
use super::cells::Cells;
use super::copy::{Copy, CopyBuffer};
use super::exemplars::{Due, Exemplar, exemplar};
use super::peer::{kind_of_arrival, peer};

const COPY_PARTS: &str = "COPY edge_parts (minute, caller_id, callee_id, node, kind, is_error, buckets, \
    bounds, call_counts, duration_ns_sums) FROM STDIN (FORMAT BINARY)";
const COPY_EXEMPLARS: &str = "COPY edge_exemplars (caller_id, callee_id, node, kind, bound, exemplar) \
    FROM STDIN (FORMAT BINARY)";
const COPY_HALVES: &str = "COPY edge_halves (trace_id, span_id, is_caller, minute, service_id, node, kind, \
    is_error, bucket, weight, duration_ns, is_stored) FROM STDIN (FORMAT BINARY)";

/// Links of a consumer that are followed.
const LINKS_MAX: usize = 128;

/// `callee_id` of what is no service.
const NO_SERVICE: i32 = 0;

/// Buckets that Prometheus gets.
const BOUNDS: usize = histogram::PROMETHEUS_BOUNDS_NS.len() + 1;

type SpanKey = (TraceId, SpanId);

/// What some calls have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Edge {
    minute_us: i64,
    caller: i32,
    callee: i32,
    node: String,
    kind: DependencyKind,
    is_error: bool,
}

/// Calls that have it in common.
#[derive(Default)]
struct Calls<'a> {
    cells: Cells,
    /// By Prometheus' bounds.
    slowest: [Option<&'a Span>; BOUNDS],
}

/// One end of a call.
struct Half<'a> {
    row: &'a Row<'a>,
    /// The calling span.
    key: SpanKey,
    is_caller: bool,
    /// Caller: what it calls if no service answers.
    node: String,
    kind: DependencyKind,
}

/// What a batch tells of calls.
#[derive(Default)]
pub struct Found<'a> {
    calls: HashMap<Edge, Calls<'a>>,
    halves: Vec<Half<'a>>,
    stored_at_us: Option<i64>,
}

/// A stored call.
pub struct Example<'a> {
    edge: &'a Edge,
    bound: i16,
    exemplar: Exemplar,
}

/// A span that others of the batch name as their cause.
#[derive(Clone, Copy)]
struct Caller {
    service: i32,
    /// Whether it is a client's or producer's span.
    is_call: bool,
}

/// Counts the calls among the spans and notes single ends; returns how many bytes that were. `stored_at_us`
/// is the time in microseconds if the spans are stored now, so that examples of them can be opened.
pub async fn copy(
    connection: &mut PgConnection,
    rows: &[Row<'_>],
    stored_at_us: Option<i64>,
    due: &mut Due,
) -> sqlx::Result<usize> {
    let mut found = find(rows, stored_at_us);
    let mut bytes = 0;
    if !found.calls.is_empty() {
        let mut copy = Copy::begin(&mut *connection, COPY_PARTS).await?;
        encode_calls(&mut copy.buffer, &mut found);
        bytes += copy.finish().await?;
    }
    let examples = found.examples(due);
    if !examples.is_empty() {
        let mut copy = Copy::begin(&mut *connection, COPY_EXEMPLARS).await?;
        encode_examples(&mut copy.buffer, &examples);
        bytes += copy.finish().await?;
    }
    if !found.halves.is_empty() {
        let mut copy = Copy::begin(connection, COPY_HALVES).await?;
        encode_halves(&mut copy.buffer, &found);
        bytes += copy.finish().await?;
    }
    Ok(bytes)
}

/// Rows of the calls whose ends are both there.
pub fn encode_calls(buffer: &mut CopyBuffer, found: &mut Found<'_>) {
    for (edge, calls) in &mut found.calls {
        buffer.row(6 + Cells::COLUMNS);
        buffer.timestamp_us(edge.minute_us);
        buffer.i32(edge.caller);
        buffer.i32(edge.callee);
        buffer.text(&edge.node);
        buffer.i16(edge.kind.number());
        buffer.bool(edge.is_error);
        calls.cells.encode(buffer);
    }
}

/// Rows of examples of calls.
pub fn encode_examples(buffer: &mut CopyBuffer, examples: &[Example<'_>]) {
    for Example { edge, bound, exemplar } in examples {
        buffer.row(6);
        buffer.i32(edge.caller);
        buffer.i32(edge.callee);
        buffer.text(&edge.node);
        buffer.i16(edge.kind.number());
        buffer.i16(*bound);
        buffer.i64_array(exemplar);
    }
}

/// Rows of the ends that are alone.
pub fn encode_halves(buffer: &mut CopyBuffer, found: &Found<'_>) {
    for Half { row, key, is_caller, node, kind } in &found.halves {
        buffer.row(12);
        buffer.uuid(key.0.get());
        buffer.i64(key.1.to_i64());
        buffer.bool(*is_caller);
        buffer.timestamp_us(minute_us(row.span));
        buffer.i32(row.ids.service);
        buffer.text(node);
        buffer.i16(kind.number());
        buffer.bool(row.span.status == SpanStatus::Error);
        buffer.i16(histogram::bucket_of(row.span.duration_ns));
        buffer.f64(row.weight);
        buffer.i64(row.span.duration_ns);
        buffer.bool(found.stored_at_us.is_some());
    }
}

/// Pairs the spans of a batch.
pub fn find<'a>(rows: &'a [Row<'a>], stored_at_us: Option<i64>) -> Found<'a> {
    let callers = callers(rows);
    let mut found = Found { stored_at_us, ..Found::default() };
    let mut answered: HashSet<SpanKey> = HashSet::default();
    for row in rows.iter().filter(|row| is_arrival(row.span)) {
        let kind = kind_of_arrival(&row.span.attributes, row.span.kind == SpanKind::Consumer);
        for key in causes(row.span) {
            match callers.get(&key).copied().flatten() {
                Some(caller) if caller.is_call || caller.service != row.ids.service => {
                    found.count(row, caller.service, row.ids.service, String::new(), kind);
                    answered.insert(key);
                }
                // Work within a service.
                Some(_) => {}
                None => found.halves.push(Half { row, key, is_caller: false, node: String::new(), kind }),
            }
        }
    }
    for row in rows.iter().filter(|row| is_call(row.span)) {
        found.departure(row, answered.contains(&(row.span.trace_id, row.span.span_id)));
    }
    found
}

impl<'a> Found<'a> {
    /// The slowest call of each edge and bound that is due.
    pub fn examples(&self, due: &mut Due) -> Vec<Example<'_>> {
        let Some(stored_at_us) = self.stored_at_us else { return Vec::new() };
        let mut examples = Vec::new();
        for (edge, calls) in &self.calls {
            for (bound, slowest) in (0..).zip(&calls.slowest) {
                let Some(span) = slowest else { continue };
                if due.take(&(edge.caller, edge.callee, &edge.node, edge.kind, bound), stored_at_us) {
                    examples.push(Example { edge, bound, exemplar: exemplar(span, stored_at_us) });
                }
            }
        }
        examples
    }

    /// Adds a call whose callee's side is `row`, or the caller's where no service is called.
    fn count(&mut self, row: &Row<'a>, caller: i32, callee: i32, node: String, kind: DependencyKind) {
        let span = row.span;
        let is_error = span.status == SpanStatus::Error;
        let edge = Edge { minute_us: minute_us(span), caller, callee, node, kind, is_error };
        let calls = self.calls.entry(edge).or_default();
        calls.cells.add(span.duration_ns, row.weight);
        let slowest = &mut calls.slowest[histogram::prometheus_bound_of(span.duration_ns) as usize];
        if slowest.is_none_or(|known| span.duration_ns > known.duration_ns) {
            *slowest = Some(span);
        }
    }

    /// Takes a client's or producer's span.
    fn departure(&mut self, row: &'a Row<'a>, is_answered: bool) {
        let (kind, mut node) =
            peer(&row.span.attributes).unwrap_or((DependencyKind::External, String::new()));
        match kind {
            DependencyKind::Database => {
                return self.count(row, row.ids.service, NO_SERVICE, node, kind);
            }
            DependencyKind::Messaging => {
                self.count(row, row.ids.service, NO_SERVICE, std::mem::take(&mut node), kind);
            }
            // A request has one answer; a message may still be consumed by others.
            _ if is_answered && row.span.kind == SpanKind::Client => return,
            _ if is_answered => node.clear(),
            _ => {}
        }
        let key = (row.span.trace_id, row.span.span_id);
        self.halves.push(Half { row, key, is_caller: true, node, kind });
    }
}

fn is_arrival(span: &Span) -> bool {
    matches!(span.kind, SpanKind::Server | SpanKind::Consumer)
}

fn is_call(span: &Span) -> bool {
    matches!(span.kind, SpanKind::Client | SpanKind::Producer)
}

/// The spans that an arrival names as its cause, each once.
fn causes(span: &Span) -> impl Iterator<Item = SpanKey> {
    let parent = span.parent_span_id.map(|parent| (span.trace_id, parent));
    let links = match span.kind {
        SpanKind::Consumer => &span.links[..span.links.len().min(LINKS_MAX)],
        _ => &[],
    };
    let key = |link: &Link| (link.trace_id, link.span_id);
    let others = links.iter().enumerate().filter_map(move |(at, link)| {
        let is_first = Some(key(link)) != parent && links[..at].iter().all(|other| key(other) != key(link));
        is_first.then(|| key(link))
    });
    parent.into_iter().chain(others)
}

/// The spans of the batch that arrivals name; none where it is not in the batch.
fn callers(rows: &[Row<'_>]) -> HashMap<SpanKey, Option<Caller>> {
    let mut callers: HashMap<SpanKey, Option<Caller>> = HashMap::new();
    for row in rows.iter().filter(|row| is_arrival(row.span)) {
        callers.extend(causes(row.span).map(|key| (key, None)));
    }
    if callers.is_empty() {
        return callers;
    }
    for row in rows {
        let Some(caller) = callers.get_mut(&(row.span.trace_id, row.span.span_id)) else { continue };
        // Of two with one id, as clients and servers of some formats share it, the one that calls.
        if caller.is_none_or(|known| !known.is_call) {
            *caller = Some(Caller { service: row.ids.service, is_call: is_call(row.span) });
        }
    }
    callers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spanloom_model::{AttrValue, Attributes};

    use super::super::dimensions::Ids;
    use super::*;
    use crate::collect::testing::span;

    fn of(id: u64, parent: Option<u64>, kind: SpanKind, attributes: &[(&str, &str)]) -> Span {
        let pairs = attributes.iter().map(|&(key, value)| (key.to_owned(), AttrValue::from(value)));
        let parent_span_id = parent.map(|parent| SpanId::new(parent).unwrap());
        Span { parent_span_id, kind, attributes: pairs.collect::<Attributes>(), ..span(1, id) }
    }

    fn row(span: &Span, service: i32) -> Row<'_> {
        Row { span, ids: Ids { service, operation: 1, resource: 1, scope: 1 }, weight: 2.0 }
    }

    /// Calls as caller, callee, node, kind, count; halves as calling span, whether caller, node.
    type Told = (Vec<(i32, i32, String, DependencyKind, f64)>, Vec<(u64, bool, String)>);

    fn tell(spans: &[(Span, i32)]) -> Told {
        let rows: Vec<Row> = spans.iter().map(|(span, service)| row(span, *service)).collect();
        let found = find(&rows, None);
        let mut calls: Vec<_> = found
            .calls
            .into_iter()
            .map(|(edge, calls)| (edge.caller, edge.callee, edge.node, edge.kind, calls.cells.count()))
            .collect();
        calls.sort_by_key(|call| (call.0, call.1));
        let halves = found.halves.into_iter().map(|half| (half.key.1.get(), half.is_caller, half.node));
        (calls, halves.collect())
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    // Catches a pair that is also noted as halves, and the order of spans mattering.
    #[test]
    fn a_pair_in_one_batch_is_a_call_and_no_half() {
        let client = (of(1, None, SpanKind::Client, &[("server.address", "b.internal")]), 10);
        let server = (of(2, Some(1), SpanKind::Server, &[("rpc.system", "grpc")]), 20);
        let expected = (vec![(10, 20, text(""), DependencyKind::Rpc, 2.0)], vec![]);
        assert_eq!(tell(&[client.clone(), server.clone()]), expected);
        assert_eq!(tell(&[server, client]), expected);
    }

    // Catches ends that are lost between batches, or lose what they call.
    #[test]
    fn what_is_alone_waits() {
        let client = of(1, None, SpanKind::Client, &[("server.address", "b.internal")]);
        assert_eq!(tell(&[(client, 10)]), (vec![], vec![(1, true, text("b.internal"))]));
        let server = of(2, Some(1), SpanKind::Server, &[]);
        assert_eq!(tell(&[(server, 20)]), (vec![], vec![(1, false, text(""))]));
        let root = of(2, None, SpanKind::Server, &[]);
        assert_eq!(tell(&[(root, 20)]), (vec![], vec![]), "nobody that we know called");
    }

    // Catches work within a service that counts as a call of itself, and a real one that does not.
    #[test]
    fn a_service_calls_itself_only_through_a_client() {
        let inner = (of(1, None, SpanKind::Internal, &[]), 10);
        let server = (of(2, Some(1), SpanKind::Server, &[]), 10);
        assert_eq!(tell(&[inner, server.clone()]), (vec![], vec![]));
        let client = (of(1, None, SpanKind::Client, &[]), 10);
        assert_eq!(tell(&[client, server.clone()]).0, [(10, 10, text(""), DependencyKind::Http, 2.0)]);
        let other = (of(1, None, SpanKind::Internal, &[]), 30);
        assert_eq!(tell(&[other, server]).0, [(30, 10, text(""), DependencyKind::Http, 2.0)]);
    }

    // Catches databases that wait for an answer that never comes.
    #[test]
    fn a_database_is_called_at_once() {
        let query =
            of(1, None, SpanKind::Client, &[("db.system.name", "postgresql"), ("db.namespace", "shop")]);
        let call = (10, 0, text("postgresql/shop"), DependencyKind::Database, 2.0);
        assert_eq!(tell(&[(query, 10)]), (vec![call], vec![]));
    }

    // Catches messages that are counted for the link and for the parent, or for one consumer only.
    #[test]
    fn messages_reach_their_queue_and_every_consumer() {
        let publish = of(
            1,
            None,
            SpanKind::Producer,
            &[("messaging.system", "kafka"), ("messaging.destination.name", "orders")],
        );
        let link = Link {
            trace_id: publish.trace_id,
            span_id: publish.span_id,
            trace_state: String::new(),
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
            flags: 0,
        };
        let child = Span { links: vec![link.clone()], ..of(2, Some(1), SpanKind::Consumer, &[]) };
        let elsewhere = Span {
            trace_id: TraceId::new(9).unwrap(),
            links: vec![link.clone(), link],
            ..of(3, None, SpanKind::Consumer, &[])
        };
        let (calls, halves) = tell(&[(publish, 10), (child, 20), (elsewhere, 30)]);
        assert_eq!(
            calls,
            [
                (10, 0, text("kafka/orders"), DependencyKind::Messaging, 2.0),
                (10, 20, text(""), DependencyKind::Messaging, 2.0),
                (10, 30, text(""), DependencyKind::Messaging, 2.0),
            ]
        );
        assert_eq!(halves, [(1, true, text(""))], "later consumers find the producer");
    }

    // Catches an end that is paired with the server's span of the same id.
    #[test]
    fn of_two_spans_with_one_id_the_client_calls() {
        let shared = of(1, None, SpanKind::Server, &[]);
        let client = Span { resource: Arc::clone(&shared.resource), ..of(1, None, SpanKind::Client, &[]) };
        let server = of(2, Some(1), SpanKind::Server, &[]);
        for spans in
            [[(shared.clone(), 5), (client.clone(), 10)], [(client.clone(), 10), (shared.clone(), 5)]]
        {
            let spans = [spans.to_vec(), vec![(server.clone(), 20)]].concat();
            assert_eq!(tell(&spans).0, [(10, 20, text(""), DependencyKind::Http, 2.0)]);
        }
    }
}
