//! Finds out the format and cuts the data into elements that are decoded one by one.

use std::io::{BufRead, BufReader, Cursor, Read};

use anyhow::{Context, bail, ensure};

use super::input::{Source, is_zstd};
use super::scan::{Place, Scanner};
use super::wire::Kind;

/// Held in memory at once: an element of a JSON list, a protobuf message.
const ELEMENT_BYTES_MAX: usize = 256 << 20;

/// Keys of a document that are told when none of them is known.
const KEYS_TOLD_MAX: usize = 5;

/// Other signals, which the Collector may write into the same file.
const OTHER_SIGNALS: [&str; 3] = ["resourceLogs", "resourceMetrics", "resourceProfiles"];

/// What the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Found out from the data.
    Auto,
    /// OTLP JSON: a document, or one per line as the Collector writes; `{"batches": ...}` of Tempo too
    OtlpJson,
    /// OTLP protobuf: one message, or messages with their length before them as the Collector writes
    Otlp,
    /// Jaeger JSON: `{"data": [...]}`
    JaegerJson,
    /// Zipkin JSON, version 2: a list of spans, or of lists of spans
    ZipkinJson,
}

impl Format {
    fn allows(self, kind: Kind) -> bool {
        match self {
            Self::Auto => true,
            Self::OtlpJson => matches!(kind, Kind::OtlpJson | Kind::TempoJson),
            Self::Otlp => kind == Kind::Otlp,
            Self::JaegerJson => kind == Kind::JaegerJson,
            Self::ZipkinJson => kind == Kind::ZipkinJson,
        }
    }

    /// The key under which a JSON document has the elements.
    fn kind_of_key(self, key: &str) -> Option<Kind> {
        let kind = match key {
            "resourceSpans" => Kind::OtlpJson,
            "batches" => Kind::TempoJson,
            "data" => Kind::JaegerJson,
            _ => return None,
        };
        self.allows(kind).then_some(kind)
    }

    fn document(self) -> &'static str {
        match self {
            Self::OtlpJson => "an object with \"resourceSpans\" or \"batches\"",
            Self::JaegerJson => "an object with \"data\"",
            Self::ZipkinJson => "a list of spans",
            Self::Auto | Self::Otlp => {
                "an object with \"resourceSpans\", \"batches\" or \"data\", or a list of spans"
            }
        }
    }
}

/// Takes an element and the place where it begins.
pub type Visit<'a> = dyn FnMut(Kind, &[u8], Place) -> anyhow::Result<()> + 'a;

/// How elements are laid out.
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    Json,
    /// One protobuf message.
    Message,
    /// Messages, each after its length: 32 bits, big-endian.
    Frames,
}

/// Hands every element of the data to `visit`. An error tells the place and what was expected.
pub fn read(source: Source, format: Format, visit: &mut Visit) -> anyhow::Result<()> {
    match layout(&source.head, format)? {
        Layout::Json => read_json(&mut Scanner::new(source.reader, ELEMENT_BYTES_MAX), format, visit),
        Layout::Message => read_message(source.reader, visit),
        Layout::Frames => read_frames(source.reader, format, visit),
    }
}

fn layout(head: &[u8], format: Format) -> anyhow::Result<Layout> {
    let Some(&first) = head.first() else { return Ok(Layout::Json) };
    // The tag of `resource_spans`. As a length it would be far more than a message may have.
    let message_or_frames = if first == RESOURCE_SPANS { Layout::Message } else { Layout::Frames };
    match format {
        Format::Otlp => Ok(message_or_frames),
        // The Collector writes lengths before JSON too, if it compresses.
        Format::OtlpJson if first == 0 => Ok(Layout::Frames),
        Format::OtlpJson | Format::JaegerJson | Format::ZipkinJson => Ok(Layout::Json),
        Format::Auto if is_json(head) => Ok(Layout::Json),
        Format::Auto if u64::from(first) <= (ELEMENT_BYTES_MAX as u64) >> 24 => Ok(message_or_frames),
        Format::Auto => bail!(
            "byte 0: expected JSON, OTLP protobuf, gzip or zstd, found \"{}\"; --format names the format",
            head[..head.len().min(8)].escape_ascii()
        ),
    }
}

/// White space and then an object or a list. A newline is the tag of `resource_spans` too, and a
/// bracket may be its length: then only a bracket with a key or its closing bracket behind counts.
fn is_json(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let Some((b'{' | b'[', mut rest)) = text.split_first() else { return false };
    if head.first() != Some(&RESOURCE_SPANS) {
        return true;
    }
    while let Some((b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'[', behind)) = rest.split_first() {
        rest = behind;
    }
    match rest {
        [b'}' | b']', ..] => true,
        [b'"', letter, ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Documents one after the other, a single one included.
fn read_json<R: BufRead>(
    scanner: &mut Scanner<R>,
    format: Format,
    visit: &mut Visit,
) -> anyhow::Result<()> {
    let mut element = Vec::new();
    while let Some(first) = scanner.peek()? {
        if first == b'[' && format.allows(Kind::ZipkinJson) {
            // A list of traces is a list of lists.
            read_list(scanner, Kind::ZipkinJson, true, &mut element, visit)?;
        } else {
            read_document(scanner, format, true, &mut element, visit)?;
        }
    }
    Ok(())
}

fn read_document<R: BufRead>(
    scanner: &mut Scanner<R>,
    format: Format,
    is_outermost: bool,
    element: &mut Vec<u8>,
    visit: &mut Visit,
) -> anyhow::Result<()> {
    let found = scanner.peek()?;
    if found != Some(b'{') {
        return Err(scanner.unexpected(format.document(), found));
    }
    let place = scanner.place();
    scanner.expect(b'{')?;
    let mut keys = Vec::new();
    let mut is_known = false;
    let mut is_first = true;
    while scanner.next_item(b'}', is_first)? {
        is_first = false;
        let key = scanner.key()?;
        if let Some(kind) = format.kind_of_key(&key) {
            is_known = true;
            if scanner.peek()? == Some(b'n') {
                // Go writes an empty list as `null`.
                scanner.skip_value()?;
            } else {
                read_list(scanner, kind, false, element, visit)?;
            }
        } else if key == "trace" && is_outermost && scanner.peek()? == Some(b'{') {
            // Tempo's second API puts the trace into an object of its own.
            is_known = true;
            read_document(scanner, format, false, element, visit)?;
        } else {
            scanner.skip_value()?;
            is_known |= OTHER_SIGNALS.contains(&key.as_str());
            if keys.len() < KEYS_TOLD_MAX {
                keys.push(key);
            }
        }
    }
    // `{}` is an OTLP request without spans.
    ensure!(
        is_known || keys.is_empty(),
        "{place}: expected {}, found the keys {keys:?}",
        format.document()
    );
    Ok(())
}

fn read_list<R: BufRead>(
    scanner: &mut Scanner<R>,
    kind: Kind,
    may_hold_lists: bool,
    element: &mut Vec<u8>,
    visit: &mut Visit,
) -> anyhow::Result<()> {
    let found = scanner.peek()?;
    if found != Some(b'[') {
        return Err(scanner.unexpected("a list", found));
    }
    scanner.expect(b'[')?;
    let mut is_first = true;
    while scanner.next_item(b']', is_first)? {
        is_first = false;
        if may_hold_lists && scanner.peek()? == Some(b'[') {
            read_list(scanner, kind, false, element, visit)?;
            continue;
        }
        scanner.peek()?;
        let place = scanner.place();
        element.clear();
        scanner.value(element)?;
        visit(kind, element, place)?;
    }
    Ok(())
}

/// The tag of field 1, length-delimited: the only field of an `ExportTraceServiceRequest`.
const RESOURCE_SPANS: u8 = 0x0a;

/// One message, field by field: what its fields are is the same as if each were a message.
fn read_message(mut reader: impl BufRead, visit: &mut Visit) -> anyhow::Result<()> {
    let mut place = Place::START;
    let mut field = Vec::new();
    loop {
        field.clear();
        let at = place.offset();
        let Some(tag) = next_byte(&mut reader, at)? else { return Ok(()) };
        ensure!(
            tag == RESOURCE_SPANS,
            "byte {at}: expected resource_spans (tag 0x0a) of an OTLP message, found 0x{tag:02x}"
        );
        field.push(tag);
        let mut length = 0_u64;
        // Five bytes hold 35 bits, more than any element may have.
        for index in 0..=5 {
            ensure!(index < 5, "byte {}: expected a length, found a number without end", at + 1);
            let byte = next_byte(&mut reader, at)?
                .with_context(|| format!("byte {at}: the data ends inside a length"))?;
            field.push(byte);
            length |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                break;
            }
        }
        read_exactly(&mut reader, length, at, &mut field)?;
        visit(Kind::Otlp, &field, place)?;
        place.advance(&field);
    }
}

/// Messages with their length before them, protobuf or JSON, each perhaps compressed: what the
/// Collector's file exporter writes.
fn read_frames(mut reader: impl BufRead, format: Format, visit: &mut Visit) -> anyhow::Result<()> {
    let mut place = Place::START;
    let mut frame = Vec::new();
    loop {
        frame.clear();
        let at = place.offset();
        reader.by_ref().take(4).read_to_end(&mut frame).with_context(|| format!("byte {at}"))?;
        if frame.is_empty() {
            return Ok(());
        }
        let Ok(prefix) = <[u8; 4]>::try_from(&frame[..]) else {
            bail!("byte {at}: the data ends inside the length before a message");
        };
        read_exactly(&mut reader, u32::from_be_bytes(prefix).into(), at, &mut frame)?;
        let message = &frame[prefix.len()..];
        let inflated;
        let message = if is_zstd(message) {
            inflated = inflate(message).with_context(|| format!("byte {at}: expected a zstd frame"))?;
            &inflated[..]
        } else {
            message
        };
        if is_json(message) {
            let mut scanner = Scanner::new(BufReader::new(Cursor::new(message)), ELEMENT_BYTES_MAX);
            read_json(&mut scanner, format, visit).with_context(|| format!("the message at byte {at}"))?;
        } else if !message.is_empty() {
            ensure!(format.allows(Kind::Otlp), "byte {at}: expected JSON, found a message in protobuf");
            visit(Kind::Otlp, message, place)?;
        }
        place.advance(&frame);
    }
}

fn next_byte(reader: &mut impl BufRead, at: u64) -> anyhow::Result<Option<u8>> {
    let mut byte = [0];
    let count = reader.read(&mut byte).with_context(|| format!("byte {at}"))?;
    Ok((count > 0).then_some(byte[0]))
}

/// Appends `length` bytes; memory grows with what really arrives.
fn read_exactly(reader: &mut impl BufRead, length: u64, at: u64, into: &mut Vec<u8>) -> anyhow::Result<()> {
    ensure!(
        length <= ELEMENT_BYTES_MAX as u64,
        "byte {at}: expected the length of a message, found {length} bytes, more than {} MiB",
        ELEMENT_BYTES_MAX >> 20
    );
    let count = reader.take(length).read_to_end(into).with_context(|| format!("byte {at}"))? as u64;
    ensure!(
        count == length,
        "byte {at}: expected a message of {length} bytes, but the data ends after {count}"
    );
    Ok(())
}

fn inflate(frame: &[u8]) -> anyhow::Result<Vec<u8>> {
    let decoder = zstd::stream::read::Decoder::with_buffer(frame)?;
    let mut message = Vec::new();
    decoder.take(ELEMENT_BYTES_MAX as u64 + 1).read_to_end(&mut message)?;
    ensure!(message.len() <= ELEMENT_BYTES_MAX, "it holds more than {} MiB", ELEMENT_BYTES_MAX >> 20);
    Ok(message)
}
