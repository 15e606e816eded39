//! A request that is serialised once and sent many times: ids and times are written over in place.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, bail, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::ids::Ids;

/// Numbers of traces and spans that each request has for itself.
const PER_REQUEST: u64 = 1 << 20;

/// A serialised request and where in it the bytes are that change.
#[derive(Debug)]
pub struct Template {
    bytes: Vec<u8>,
    patches: Vec<Patch>,
    /// Spans of each trace.
    trace_spans: Vec<u32>,
}

#[derive(Debug)]
struct Patch {
    at: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The id of the request's n-th trace.
    Trace(u64),
    /// The id of the request's n-th span.
    Span(u64),
    /// A time, so long before the request is sent.
    Before { ns: u64 },
}

impl Template {
    /// Serialises a request. The end of its last span becomes the time of sending.
    ///
    /// # Errors
    /// If a span lacks an id or a time.
    pub fn new(request: &ExportTraceServiceRequest) -> anyhow::Result<Self> {
        let bytes = request.encode_to_vec();
        let places = find_spans(&bytes)?;
        let end_ns = places
            .iter()
            .map(|span| u64_at(&bytes, span.end))
            .max()
            .context("a request without spans cannot be measured")?;
        let mut traces = Numbers::default();
        let mut spans = Numbers::default();
        let mut trace_spans = Vec::new();
        // What the request holds is numbered before what it only refers to.
        for span in &places {
            let trace = traces.of(&bytes[span.trace.clone()]) as usize;
            spans.of(&bytes[span.id.clone()]);
            trace_spans.resize(trace_spans.len().max(trace + 1), 0);
            trace_spans[trace] += 1;
        }
        let mut patches = Vec::new();
        for span in places {
            let trace_ids = std::iter::once(span.trace).chain(span.linked_traces);
            patches.extend(
                trace_ids
                    .map(|place| Patch { at: place.start, what: What::Trace(traces.of(&bytes[place])) }),
            );
            let span_ids = std::iter::once(span.id).chain(span.parent).chain(span.linked_spans);
            patches.extend(
                span_ids.map(|place| Patch { at: place.start, what: What::Span(spans.of(&bytes[place])) }),
            );
            let times = [span.start, span.end].into_iter().chain(span.events);
            patches.extend(times.map(|at| Patch {
                at,
                what: What::Before { ns: end_ns.saturating_sub(u64_at(&bytes, at)) },
            }));
        }
        ensure!(
            traces.next < PER_REQUEST && spans.next < PER_REQUEST,
            "a request of so many spans cannot be numbered"
        );
        Ok(Self { bytes, patches, trace_spans })
    }

    /// The request with new ids and times: what is sent as number `request` at `now_ns`,
    /// nanoseconds since the epoch.
    pub fn stamp(&self, ids: Ids, request: u64, now_ns: u64) -> Vec<u8> {
        let first = request * PER_REQUEST;
        let mut bytes = self.bytes.clone();
        for Patch { at, what } in &self.patches {
            match what {
                What::Trace(number) => put(&mut bytes, *at, ids.trace(first + number)),
                What::Span(number) => put(&mut bytes, *at, ids.span(first + number)),
                What::Before { ns } => put(&mut bytes, *at, (now_ns - ns).to_le_bytes()),
            }
        }
        bytes
    }

    /// Which request, and which of its traces, has a trace number.
    pub const fn whose(trace_number: u64) -> (u64, u64) {
        (trace_number / PER_REQUEST, trace_number % PER_REQUEST)
    }

    /// Spans in the request.
    pub fn spans_count(&self) -> u64 {
        self.trace_spans.iter().map(|spans| u64::from(*spans)).sum()
    }

    /// Spans of the n-th trace; none if there is no such trace.
    pub fn trace_spans(&self, trace: u64) -> Option<u32> {
        self.trace_spans.get(usize::try_from(trace).ok()?).copied()
    }

    /// Traces in the request.
    pub fn traces_count(&self) -> usize {
        self.trace_spans.len()
    }

    /// Bytes on the wire.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

fn put<const LENGTH: usize>(bytes: &mut [u8], at: usize, value: [u8; LENGTH]) {
    bytes[at..at + LENGTH].copy_from_slice(&value);
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Ids numbered in the order in which they turn up.
#[derive(Default)]
struct Numbers {
    known: HashMap<Vec<u8>, u64>,
    next: u64,
}

impl Numbers {
    fn of(&mut self, id: &[u8]) -> u64 {
        if let Some(number) = self.known.get(id) {
            return *number;
        }
        self.known.insert(id.to_owned(), self.next);
        self.next += 1;
        self.next - 1
    }
}

/// Where a span's ids and times are.
#[derive(Default)]
struct SpanPlaces {
    trace: Range<usize>,
    id: Range<usize>,
    parent: Option<Range<usize>>,
    start: usize,
    end: usize,
    events: Vec<usize>,
    linked_traces: Vec<Range<usize>>,
    linked_spans: Vec<Range<usize>>,
}

/// Field numbers are those of `opentelemetry/proto/trace/v1/trace.proto`.
fn find_spans(bytes: &[u8]) -> anyhow::Result<Vec<SpanPlaces>> {
    let mut spans = Vec::new();
    for resource_spans in messages(bytes, 0..bytes.len(), 1)? {
        for scope_spans in messages(bytes, resource_spans, 2)? {
            for span in messages(bytes, scope_spans, 2)? {
                spans.push(find_places(bytes, span)?);
            }
        }
    }
    Ok(spans)
}

fn find_places(bytes: &[u8], span: Range<usize>) -> anyhow::Result<SpanPlaces> {
    let mut places = SpanPlaces::default();
    for (number, value) in fields(bytes, span)? {
        match number {
            1 => places.trace = value,
            2 => places.id = value,
            // Without one the span is a root.
            4 if !value.is_empty() => places.parent = Some(value),
            7 => places.start = value.start,
            8 => places.end = value.start,
            11 => {
                let event = fields(bytes, value)?;
                places.events.extend(event.into_iter().filter(|(n, _)| *n == 1).map(|(_, v)| v.start));
            }
            13 => {
                for (number, value) in fields(bytes, value)? {
                    match number {
                        1 => places.linked_traces.push(value),
                        2 => places.linked_spans.push(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let ids = [&places.id].into_iter().chain(&places.parent).chain(&places.linked_spans);
    ensure!(ids.into_iter().all(|id| id.len() == 8), "a span id has eight bytes");
    let ids = [&places.trace].into_iter().chain(&places.linked_traces);
    ensure!(ids.into_iter().all(|id| id.len() == 16), "a trace id has sixteen bytes");
    ensure!(places.start > 0 && places.end > 0, "a span has a start and an end");
    Ok(places)
}

fn messages(bytes: &[u8], within: Range<usize>, number: u64) -> anyhow::Result<Vec<Range<usize>>> {
    let fields = fields(bytes, within)?;
    Ok(fields.into_iter().filter(|(found, _)| *found == number).map(|(_, value)| value).collect())
}

/// Every field of a message: its number and where its value is, without the length before it.
fn fields(bytes: &[u8], within: Range<usize>) -> anyhow::Result<Vec<(u64, Range<usize>)>> {
    let mut found = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let key = varint(bytes, &mut at)?;
        let start = at;
        let value = match key & 7 {
            0 => {
                varint(bytes, &mut at)?;
                start..at
            }
            1 => start..start + 8,
            2 => {
                let length = usize::try_from(varint(bytes, &mut at)?)?;
                at..at + length
            }
            5 => start..start + 4,
            other => bail!("wire type {other} is not in use"),
        };
        at = value.end;
        ensure!(at <= within.end, "a field reaches beyond its message");
        found.push((key >> 3, value));
    }
    Ok(found)
}

fn varint(bytes: &[u8], at: &mut usize) -> anyhow::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).context("a number is cut off")?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number is too long")
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
        }
    }

    fn span(trace: u8, id: u8, parent: Option<u8>, times_ns: (u64, u64)) -> Span {
        Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            parent_span_id: parent.map(|id| vec![id; 8]).unwrap_or_default(),
            start_time_unix_nano: times_ns.0,
            end_time_unix_nano: times_ns.1,
            ..Span::default()
        }
    }

    /// Catches a patch at the wrong place: everything but ids and times must stay, and those must
    /// keep their relations.
    #[test]
    fn ids_and_times_are_new_and_the_rest_stays() {
        let mut first = span(1, 1, None, (1_000, 9_000));
        first.name = "GET /".to_owned();
        first.events = vec![Event { time_unix_nano: 5_000, name: "event".to_owned(), ..Event::default() }];
        let mut child = span(1, 2, Some(1), (2_000, 3_000));
        child.links =
            vec![Link { trace_id: vec![2; 16], span_id: vec![3; 8], flags: 1, ..Link::default() }];
        let other = span(2, 3, Some(77), (4_000, 10_000));
        let original = request(vec![first, child, other]);
        let template = Template::new(&original).unwrap();
        assert_eq!((template.spans_count(), template.traces_count()), (3, 2));
        assert_eq!([0, 1, 2].map(|trace| template.trace_spans(trace)), [Some(2), Some(1), None]);

        let ids = Ids::new(42);
        let now_ns = 1_000_000;
        let sent = ExportTraceServiceRequest::decode(&template.stamp(ids, 5, now_ns)[..]).unwrap();
        let first_number = 5 * PER_REQUEST;
        let mut expected = original;
        let spans = &mut expected.resource_spans[0].scope_spans[0].spans;
        let trace = |number| ids.trace(first_number + number).to_vec();
        let id = |number| ids.span(first_number + number).to_vec();
        for (span, (trace_number, span_number)) in spans.iter_mut().zip([(0, 0), (0, 1), (1, 2)]) {
            span.trace_id = trace(trace_number);
            span.span_id = id(span_number);
            // The last span of the request ends when it is sent.
            span.start_time_unix_nano += now_ns - 10_000;
            span.end_time_unix_nano += now_ns - 10_000;
        }
        spans[0].events[0].time_unix_nano += now_ns - 10_000;
        spans[1].parent_span_id = id(0);
        spans[1].links[0].trace_id = trace(1);
        spans[1].links[0].span_id = id(2);
        // A parent that is not in the request is nobody's id.
        spans[2].parent_span_id = id(3);
        assert_eq!(sent, expected);
        let number = ids.trace_number(u128::from_be_bytes(ids.trace(first_number + 1))).unwrap();
        assert_eq!(Template::whose(number), (5, 1));
    }

    /// Catches a template that would be sent with an id or a time that never changes.
    #[test]
    fn a_span_that_cannot_be_patched_is_refused() {
        assert!(Template::new(&request(vec![span(1, 1, None, (0, 1))])).is_err(), "no start");
        let short = Span { span_id: vec![1; 4], ..span(1, 1, None, (1, 2)) };
        assert!(Template::new(&request(vec![short])).is_err(), "half an id");
        assert!(Template::new(&request(vec![])).is_err(), "nothing to send");
    }
}
