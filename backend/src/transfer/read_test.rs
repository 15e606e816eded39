//! Every format whole and damaged, from the data to the spans.

use std::io::{BufReader, Cursor};

use spanloom_model::Span;

use super::input::Source;
use super::read::{Format, read};
use super::wire::{Decoder, encode};

fn source(data: &[u8]) -> Source {
    let reader: Box<dyn std::io::Read> = Box::new(Cursor::new(data.to_vec()));
    // Small, so that everything crosses the borders of the buffer.
    Source { head: data[..data.len().min(256)].to_vec(), reader: BufReader::with_capacity(7, reader) }
}

fn spans_as(format: Format, data: &[u8]) -> anyhow::Result<Vec<Span>> {
    let (mut spans, mut decoder) = (Vec::new(), Decoder::default());
    read(source(data), format, &mut |kind, element, place| {
        spans.extend(decoder.push(kind, element, place)?.decoded.spans);
        Ok(())
    })?;
    spans.extend(decoder.finish().decoded.spans);
    Ok(spans)
}

/// The names of the spans, as found by themselves.
fn names(data: &[u8]) -> anyhow::Result<Vec<String>> {
    Ok(spans_as(Format::Auto, data)?.into_iter().map(|span| span.name).collect())
}

fn resource_spans(name: &str) -> String {
    format!(
        r#"{{"resource": {{}}, "scopeSpans": [{{"spans": [{{"traceId": "5b8efff798038103d269b633813fc60c",
"spanId": "eee19b7ec3c1b174", "name": "{name}", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}}]}}]}}"#
    )
}

fn otlp_json(name: &str) -> String {
    format!(r#"{{"resourceSpans": [{}]}}"#, resource_spans(name))
}

fn line(name: &str) -> String {
    otlp_json(name).replace('\n', "") + "\n"
}

fn otlp(name: &str) -> Vec<u8> {
    encode(&spans_as(Format::OtlpJson, otlp_json(name).as_bytes()).unwrap())
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn jaeger(name: &str) -> String {
    format!(
        r#"{{"traceID": "abc", "spans": [{{"traceID": "abc", "spanID": "1", "operationName": "{name}",
            "startTime": 1, "duration": 1, "processID": "p1"}}], "processes": {{"p1": {{"serviceName": "s"}}}}}}"#
    )
}

fn zipkin(name: &str, timestamp_us: u64) -> String {
    format!(
        "{{\"traceId\": \"abc\", \"id\": \"1\", \"name\": \"{name}\", \"timestamp\": {timestamp_us},\n\"duration\": 5}}"
    )
}

/// Catches a format that is not recognised, or of which elements are lost.
#[test]
fn every_format_is_found_out() {
    let check = |what: &str, data: &[u8], expected: &[&str]| {
        assert_eq!(names(data).unwrap(), expected, "{what}");
    };
    check("nothing", b"", &[]);
    check("a document", format!("\n {}\n", otlp_json("a")).as_bytes(), &["a"]);
    check("lines", [line("a"), line("b")].concat().as_bytes(), &["a", "b"]);
    let mixed = [line("a"), "{\"resourceMetrics\":[{}]}\n{}\n".to_owned(), line("b")].concat();
    check("lines of several signals", mixed.as_bytes(), &["a", "b"]);
    let batches = format!("{{\"batches\": [{}, {}]}}", resource_spans("a"), resource_spans("b"));
    check("Tempo", batches.as_bytes(), &["a", "b"]);
    check("Tempo's second API", format!("{{\"trace\": {}}}", otlp_json("a")).as_bytes(), &["a"]);
    let jaeger =
        format!("{{\"total\": 0, \"data\": [{}, {}], \"errors\": null}}", jaeger("a"), jaeger("b"));
    check("Jaeger", jaeger.as_bytes(), &["a", "b"]);
    check("Jaeger without a result", b"{\"data\": null, \"errors\": null}", &[]);
    check("Zipkin", format!("[{}, {}]", zipkin("a", 1), zipkin("b", 1)).as_bytes(), &["a", "b"]);
    check(
        "Zipkin's traces",
        format!("[[{}], [], [{}]]", zipkin("a", 1), zipkin("b", 1)).as_bytes(),
        &["a", "b"],
    );
    check("nothing of Zipkin", b"[]", &[]);
    check("a message", &otlp("a"), &["a"]);
    check("messages without lengths are one", &[otlp("a"), otlp("b")].concat(), &["a", "b"]);
    let frames = [frame(&otlp("a")), frame(b""), frame(&otlp("b"))].concat();
    check("frames", &frames, &["a", "b"]);
    let zstd = |data: &[u8]| frame(&zstd::encode_all(data, 1).unwrap());
    check("compressed frames", &[zstd(&otlp("a")), zstd(line("b").as_bytes())].concat(), &["a", "b"]);
}

/// A newline is a tag of protobuf, and a brace a length.
#[test]
fn a_message_whose_length_looks_like_a_bracket_is_no_json() {
    for size in 1..200 {
        let message = otlp(&"x".repeat(size));
        assert_eq!(spans_as(Format::Auto, &message).unwrap().len(), 1, "{:?}", &message[..4]);
    }
}

#[test]
fn a_format_that_is_named_is_not_guessed() {
    let error = |format, data: &str| format!("{:#}", spans_as(format, data.as_bytes()).unwrap_err());
    assert!(error(Format::JaegerJson, &otlp_json("a")).contains("expected an object with \"data\""));
    assert!(error(Format::Otlp, &otlp_json("a")).contains("expected the length of a message"));
    let frames = frame(&otlp("a"));
    let error = spans_as(Format::OtlpJson, &frames).unwrap_err().to_string();
    assert!(error.contains("expected JSON, found a message in protobuf"), "{error}");
}

/// Catches damage that is passed over, and errors that do not help to find it.
#[test]
fn damage_is_told_with_its_place() {
    let check = |data: &[u8], expected: &[&str]| {
        let error = format!("{:#}", names(data).unwrap_err());
        for expected in expected {
            assert!(error.contains(expected), "expected {expected:?} in: {error}");
        }
    };
    check(b"PK\x03\x04", &["byte 0", "expected JSON, OTLP protobuf, gzip or zstd", "PK\\x03\\x04"]);
    check(b"{}17", &["line 1, column 3", "expected an object with \"resourceSpans\"", "found \"1\""]);
    let wrong = format!("[{}, {{\"traceId\": \"xyz\", \"id\": \"1\"}}]", zipkin("a", 1));
    check(wrong.as_bytes(), &["line 2, column 17", "expected a list of Zipkin spans", "traceId must be"]);
    check(b"[[[1]]]", &["line 1, column", "expected a list of Zipkin spans"]);
    check(b"{\"spans\": [], \"x\": 1}", &["expected an object with", "[\"spans\", \"x\"]"]);
    let cut = [line("a"), line("b")].concat();
    check(&cut.as_bytes()[..cut.len() - 9], &["line 2", "the data ends inside the value"]);
    check(
        format!("{}{{\"resourceSpans\": 5}}", line("a")).as_bytes(),
        &["line 2, column 19", "expected a list"],
    );

    // The parser sees an element, people the file.
    let wrong = format!("{}  {{\"resourceSpans\": [{{\"schemaUrl\": 5}}]}}", line("a"));
    check(wrong.as_bytes(), &["line 2, column 36", "expected a list of resourceSpans", "invalid type"]);
    let wrong = "{\"resourceSpans\": [\n{\"scopeSpans\": [],\n \"schemaUrl\": 5}]}";
    check(wrong.as_bytes(), &["line 3, column 15 (byte 53)"]);
    let wrong = "{\"data\": [\n {\"spans\": 1}]}";
    check(wrong.as_bytes(), &["line 2", "expected a list of Jaeger traces", "invalid type: integer `1`"]);
    check(b"{\"batches\": [{\"scopeSpans\": 1}]}", &["line 1, column 14", "expected a list of batches"]);

    let message = otlp("a");
    check(&message[..message.len() - 1], &["byte 0", "but the data ends after"]);
    check(
        &[&message[..], b"\x12"].concat(),
        &[&format!("byte {}:", message.len()), "expected resource_spans", "found 0x12"],
    );
    check(b"\x0a\xff\xff\xff\xff\xff\x01", &["byte 1: expected a length"]);
    check(b"\x0a\xff\xff\xff\xff\x7f", &["found 34359738367 bytes, more than 256 MiB"]);
    check(b"\x0a\x02\x12\x09", &["byte 0: expected an OTLP message"]);

    let first = frame(&message);
    let at = format!("byte {}", first.len());
    check(&[&first[..], b"\0\0"].concat(), &[&at, "inside the length"]);
    check(&[&first[..], b"\0\0\0\x09abc"].concat(), &[&at, "a message of 9 bytes", "ends after 3"]);
    check(&[&first[..], &frame(b"\x08\x01")[..]].concat(), &[&at, "expected an OTLP message"]);
    let json = frame(b"{\"resourceSpans\": [}");
    check(&[&first[..], &json[..]].concat(), &["the message at", &at, "column 20", "expected a value"]);
    check(&frame(b"\x28\xb5\x2f\xfd junk"), &["byte 0: expected a zstd frame"]);
}

/// Catches a reader that keeps all of a long list: each element is handed over before the next.
#[test]
fn elements_come_one_by_one() {
    let endless = [line("a"), "{\"resourceSpans\": [".to_owned()].concat();
    let mut seen = 0;
    let outcome = read(source(endless.as_bytes()), Format::Auto, &mut |kind, element, place| {
        seen += Decoder::default().push(kind, element, place)?.decoded.spans.len();
        Ok(())
    });
    assert!(outcome.is_err());
    assert_eq!(seen, 1, "what comes before the damage is good");
}

/// A span of Zipkin's may leave its time to its trace, and long lists are not held whole.
#[test]
fn neighbours_are_known_in_lists_of_any_length() {
    let mut spans: Vec<String> = (0..25_000).map(|number| zipkin("a", 1_000 + number)).collect();
    spans[10] = zipkin("b", 0);
    let spans = spans_as(Format::ZipkinJson, format!("[{}]", spans.join(",")).as_bytes()).unwrap();
    assert_eq!(spans.len(), 25_000);
    assert_eq!((spans[10].name.as_str(), spans[10].start_ns), ("b", 1_000_000));
}

#[test]
fn a_request_is_what_was_read() {
    let decoded = spans_as(Format::Otlp, &otlp("a")).unwrap();
    assert_eq!(decoded, spans_as(Format::Auto, otlp_json("a").as_bytes()).unwrap());
}
