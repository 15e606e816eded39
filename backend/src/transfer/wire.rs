//! The wire formats, in one place: elements into spans, spans into requests.

use anyhow::anyhow;
use spanloom_formats::zipkin_json::{self, PendingSpan};
use spanloom_formats::{Decoded, TimeBounds, jaeger_json, otlp, otlp_json, tempo_json};
use spanloom_model::Span;

use super::scan::Place;

/// What an element of the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An element of OTLP JSON's `resourceSpans`.
    OtlpJson,
    /// An element of Tempo's `batches`.
    TempoJson,
    /// An element of the `data` of Jaeger JSON: a trace.
    JaegerJson,
    /// A span of Zipkin JSON.
    ZipkinJson,
    /// An `ExportTraceServiceRequest` in protobuf.
    Otlp,
}

/// The server knows how old a span may be.
const BOUNDS: TimeBounds = TimeBounds::ANY;

/// What makes a request of an element of `resourceSpans`.
const REQUEST: (&[u8], &[u8]) = (b"{\"resourceSpans\":[", b"]}");

/// Zipkin's spans that are held, because one without a time starts with its trace.
const PENDING_SPANS_MAX: usize = 10_000;
const PENDING_BYTES_MAX: usize = 16 << 20;

/// Spans of an element, or of several.
#[derive(Default)]
pub struct Elements {
    /// The spans.
    pub decoded: Decoded,
    /// The size of the elements that they come from.
    pub bytes: usize,
}

/// Turns elements into spans.
#[derive(Default)]
pub struct Decoder {
    pending: Vec<PendingSpan>,
    pending_bytes: usize,
}

impl Decoder {
    /// Takes an element that begins at `place`.
    pub fn push(&mut self, kind: Kind, element: &[u8], place: Place) -> anyhow::Result<Elements> {
        let decoded = match kind {
            Kind::OtlpJson => resource_spans(element).map_err(|error| {
                misfit("a list of resourceSpans", place, element, REQUEST.0.len(), &error)
            })?,
            Kind::TempoJson => {
                let translated = tempo_json::to_otlp_json(element)
                    .map_err(|error| misfit("a list of batches", place, element, 0, &error))?;
                // Places within the translation say nothing about the data.
                resource_spans(&translated)
                    .map_err(|error| anyhow!("{place}: expected a list of batches: {}", words(&error)))?
            }
            Kind::JaegerJson => jaeger_json::decode_trace(element, BOUNDS)
                .map_err(|error| misfit("a list of Jaeger traces", place, element, 0, &error))?,
            Kind::ZipkinJson => return self.hold(element, place),
            Kind::Otlp => otlp::decode(element, BOUNDS).map_err(|error| {
                anyhow!("byte {}: expected an OTLP message: {error} of it", place.offset())
            })?,
        };
        Ok(Elements { decoded, bytes: element.len() })
    }

    fn hold(&mut self, element: &[u8], place: Place) -> anyhow::Result<Elements> {
        let span = zipkin_json::parse_span(element)
            .map_err(|error| misfit("a list of Zipkin spans", place, element, 0, &error))?;
        self.pending.push(span);
        self.pending_bytes += element.len();
        let is_full = self.pending.len() >= PENDING_SPANS_MAX || self.pending_bytes >= PENDING_BYTES_MAX;
        Ok(if is_full { self.finish() } else { Elements::default() })
    }

    /// The spans that are held still.
    pub fn finish(&mut self) -> Elements {
        let decoded = zipkin_json::convert(std::mem::take(&mut self.pending), BOUNDS);
        Elements { decoded, bytes: std::mem::take(&mut self.pending_bytes) }
    }
}

fn resource_spans(element: &[u8]) -> Result<Decoded, serde_json::Error> {
    otlp_json::decode(&[REQUEST.0, element, REQUEST.1].concat(), BOUNDS)
}

/// Turns the place within an element, which the parser saw behind `before` more bytes, into the
/// place in the data.
fn misfit(
    expected: &str,
    mut place: Place,
    element: &[u8],
    before: usize,
    error: &serde_json::Error,
) -> anyhow::Error {
    let lines_before = error.line().saturating_sub(1);
    let line_start: usize =
        element.split_inclusive(|byte| *byte == b'\n').take(lines_before).map(<[u8]>::len).sum();
    let column = if lines_before == 0 { error.column().saturating_sub(before) } else { error.column() };
    let at = (line_start + column.saturating_sub(1)).min(element.len());
    place.advance(&element[..at]);
    anyhow!("{place}: expected {expected}: {}", words(error))
}

/// The error without the place that its text ends with.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// An `ExportTraceServiceRequest` in protobuf.
pub fn encode(spans: &[Span]) -> Vec<u8> {
    otlp::encode(spans)
}
