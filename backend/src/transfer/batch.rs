//! Spans into requests of a bounded size.

use spanloom_model::Span;

use super::wire::{self, Elements};

/// Spans of a request at most.
const SPANS_MAX: usize = 2_000;

/// Bytes of the data that a request is made of, about: its protobuf is smaller than JSON.
const SOURCE_BYTES_MAX: usize = 4 << 20;

/// A request at most, unless a single span is larger. A quarter of what servers accept by default.
const BODY_BYTES_MAX: usize = 8 << 20;

/// A request to send.
pub struct Batch {
    /// `ExportTraceServiceRequest` in protobuf.
    pub body: Vec<u8>,
    /// Spans in it.
    pub spans: u64,
}

/// Collects spans until there are enough for a request.
pub struct Batcher<F> {
    spans: Vec<Span>,
    source_bytes: usize,
    shift_ns: i64,
    emit: F,
}

impl<F: FnMut(Batch) -> anyhow::Result<()>> Batcher<F> {
    /// Moves every time by `shift_ns` and hands requests to `emit`.
    pub fn new(shift_ns: i64, emit: F) -> Self {
        Self { spans: Vec::new(), source_bytes: 0, shift_ns, emit }
    }

    /// Adds the spans.
    pub fn push(&mut self, elements: Elements) -> anyhow::Result<()> {
        let spans = elements.decoded.spans;
        let bytes_each = elements.bytes / spans.len().max(1);
        for mut span in spans {
            shift(&mut span, self.shift_ns);
            self.spans.push(span);
            self.source_bytes += bytes_each;
            if self.spans.len() >= SPANS_MAX || self.source_bytes >= SOURCE_BYTES_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Hands over what is left.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.source_bytes = 0;
        let spans = std::mem::take(&mut self.spans);
        // Elements may hold very uneven spans; what is too large is halved.
        let mut parts = vec![&spans[..]];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let body = wire::encode(part);
            if body.len() > BODY_BYTES_MAX && part.len() > 1 {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
                continue;
            }
            (self.emit)(Batch { body, spans: part.len() as u64 })?;
        }
        Ok(())
    }
}

/// Moves a span in time, with everything that happened during it.
fn shift(span: &mut Span, by_ns: i64) {
    span.start_ns = span.start_ns.saturating_add(by_ns);
    for event in &mut span.events {
        event.time_ns = event.time_ns.saturating_add(by_ns);
    }
}

/// When the last of the spans ends, in nanoseconds since the epoch.
pub fn newest_end_ns(spans: &[Span]) -> Option<i64> {
    spans.iter().map(|span| span.start_ns.saturating_add(span.duration_ns)).max()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spanloom_formats::{Decoded, TimeBounds, otlp};
    use spanloom_model::{Attributes, Event, SpanId, SpanKind, SpanStatus, TraceId};

    use super::*;

    fn span(id: u64, text: &str) -> Span {
        Span {
            trace_id: TraceId::new(1).unwrap(),
            span_id: SpanId::new(id).unwrap(),
            parent_span_id: None,
            trace_state: String::new(),
            flags: 0,
            name: text.to_owned(),
            kind: SpanKind::Server,
            start_ns: 1_000,
            duration_ns: 500,
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
            events: vec![Event {
                time_ns: 1_200,
                name: "e".into(),
                attributes: Attributes::default(),
                dropped_attributes_count: 0,
            }],
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: SpanStatus::Unset,
            status_message: String::new(),
            resource: Arc::default(),
            scope: Arc::default(),
        }
    }

    /// The requests that are made of spans, decoded again, and their sizes.
    fn requests(spans: Vec<Span>, source_bytes: usize, shift_ns: i64) -> Vec<(Vec<Span>, usize)> {
        let mut requests = Vec::new();
        let mut batcher = Batcher::new(shift_ns, |batch: Batch| {
            let spans = otlp::decode(&batch.body, TimeBounds::ANY)?.spans;
            assert_eq!(spans.len() as u64, batch.spans);
            requests.push((spans, batch.body.len()));
            Ok(())
        });
        let decoded = Decoded { spans, ..Decoded::default() };
        batcher.push(Elements { decoded, bytes: source_bytes }).unwrap();
        batcher.flush().unwrap();
        requests
    }

    #[test]
    fn requests_are_bounded_in_spans_and_in_bytes() {
        let many = (1..=4_500).map(|id| span(id, "op")).collect();
        let sizes: Vec<usize> = requests(many, 1_000, 0).iter().map(|(spans, _)| spans.len()).collect();
        assert_eq!(sizes, [2_000, 2_000, 500]);

        // Their size is only known when they are encoded.
        let wide = "x".repeat(1 << 20);
        let uneven = (1..=20).map(|id| span(id, &wide)).collect();
        let parts = requests(uneven, 1_000, 0);
        assert!(parts.iter().all(|(_, bytes)| *bytes <= BODY_BYTES_MAX));
        let ids: Vec<u64> =
            parts.iter().flat_map(|(spans, _)| spans.iter().map(|span| span.span_id.get())).collect();
        assert_eq!(ids, (1..=20).collect::<Vec<u64>>(), "in order, each once");
    }

    /// Catches times that are left behind when the others move.
    #[test]
    fn a_shift_moves_everything_and_keeps_distances() {
        let moved = &requests(vec![span(1, "op")], 1, 1_000_000)[0].0[0];
        assert_eq!((moved.start_ns, moved.duration_ns), (1_001_000, 500));
        assert_eq!(moved.events[0].time_ns, 1_001_200);
        assert_eq!(newest_end_ns(&[span(1, "op")]), Some(1_500));
        assert_eq!(newest_end_ns(&[]), None);
    }
}
