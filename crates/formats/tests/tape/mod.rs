//! Arbitrary valid requests, written field by field from a tape of bytes: fields in any order, sent
//! again, or unknown, which no writer of protobuf would give.

use prost::encoding::encode_varint;

enum Kind {
    Varint,
    Fixed32,
    Time,
    Bytes,
    Text,
    Message(&'static Schema),
}

type Field = (u32, Kind);
type Schema = [Field];

static REQUEST: [Field; 1] = [(1, Kind::Message(&RESOURCE_SPANS))];
static RESOURCE_SPANS: [Field; 4] = [
    (1, Kind::Message(&RESOURCE)),
    (2, Kind::Message(&SCOPE_SPANS)),
    (2, Kind::Message(&SCOPE_SPANS)),
    (3, Kind::Text),
];
static RESOURCE: [Field; 3] =
    [(1, Kind::Message(&KEY_VALUE)), (2, Kind::Varint), (3, Kind::Message(&ENTITY_REF))];
static ENTITY_REF: [Field; 2] = [(1, Kind::Text), (3, Kind::Text)];
static SCOPE_SPANS: [Field; 4] =
    [(1, Kind::Message(&SCOPE)), (2, Kind::Message(&SPAN)), (2, Kind::Message(&SPAN)), (3, Kind::Text)];
static SCOPE: [Field; 4] =
    [(1, Kind::Text), (2, Kind::Text), (3, Kind::Message(&KEY_VALUE)), (4, Kind::Varint)];
static SPAN: [Field; 16] = [
    (1, Kind::Bytes),
    (2, Kind::Bytes),
    (3, Kind::Text),
    (4, Kind::Bytes),
    (5, Kind::Text),
    (6, Kind::Varint),
    (7, Kind::Time),
    (8, Kind::Time),
    (9, Kind::Message(&KEY_VALUE)),
    (10, Kind::Varint),
    (11, Kind::Message(&EVENT)),
    (12, Kind::Varint),
    (13, Kind::Message(&LINK)),
    (14, Kind::Varint),
    (15, Kind::Message(&STATUS)),
    (16, Kind::Fixed32),
];
static EVENT: [Field; 4] =
    [(1, Kind::Time), (2, Kind::Text), (3, Kind::Message(&KEY_VALUE)), (4, Kind::Varint)];
static LINK: [Field; 6] = [
    (1, Kind::Bytes),
    (2, Kind::Bytes),
    (3, Kind::Text),
    (4, Kind::Message(&KEY_VALUE)),
    (5, Kind::Varint),
    (6, Kind::Fixed32),
];
static STATUS: [Field; 2] = [(2, Kind::Text), (3, Kind::Varint)];
static KEY_VALUE: [Field; 4] =
    [(1, Kind::Text), (2, Kind::Message(&ANY_VALUE)), (2, Kind::Message(&ANY_VALUE)), (3, Kind::Varint)];
static ANY_VALUE: [Field; 8] = [
    (1, Kind::Text),
    (2, Kind::Varint),
    (3, Kind::Varint),
    (4, Kind::Time),
    (5, Kind::Message(&ARRAY_VALUE)),
    (6, Kind::Message(&KEY_VALUE_LIST)),
    (7, Kind::Bytes),
    (8, Kind::Varint),
];
static ARRAY_VALUE: [Field; 1] = [(1, Kind::Message(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [(1, Kind::Message(&KEY_VALUE))];

const TEXTS: [&str; 8] = ["", "a", "b", "service.name", "ä\0", "k", "a\0b", "z"];

/// A request; the same tape writes the same.
pub fn request(tape: &[u8]) -> Vec<u8> {
    message(&REQUEST, &mut Tape { rest: tape })
}

struct Tape<'a> {
    rest: &'a [u8],
}

impl Tape<'_> {
    /// A number below `bound`; zero when the tape has ended, which ends everything.
    fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        usize::from(*first) % bound
    }

    fn number(&mut self) -> u64 {
        let size = self.below(9);
        (0..size).fold(0, |number, _| number << 8 | self.below(256) as u64)
    }

    /// Of the length of an id most of the time.
    fn bytes(&mut self) -> Vec<u8> {
        let length = [8, 16, 16, 8, 0, 3][self.below(6)];
        let byte = self.below(4) as u8;
        vec![byte; length]
    }
}

fn message(schema: &Schema, tape: &mut Tape) -> Vec<u8> {
    let mut out = Vec::new();
    if std::ptr::eq(schema, &raw const SPAN[..]) && tape.below(4) > 0 {
        for (field, id) in [(1, &[1; 16][..]), (2, &[2; 8])] {
            length_delimited(field, id, &mut out);
        }
    }
    for _ in 0..tape.below(12) {
        match schema.get(tape.below(schema.len() + 1)) {
            Some((field, kind)) => write(*field, kind, tape, &mut out),
            None => unknown(tape, &mut out),
        }
    }
    out
}

fn write(field: u32, kind: &Kind, tape: &mut Tape, out: &mut Vec<u8>) {
    match kind {
        Kind::Varint => {
            key(field, 0, out);
            encode_varint(tape.number(), out);
        }
        Kind::Fixed32 => {
            key(field, 5, out);
            out.extend((tape.number() as u32).to_le_bytes());
        }
        Kind::Time => {
            key(field, 1, out);
            let time = if tape.below(8) > 0 { tape.below(256) as u64 } else { tape.number() };
            out.extend(time.to_le_bytes());
        }
        Kind::Bytes => length_delimited(field, &tape.bytes(), out),
        Kind::Text => length_delimited(field, TEXTS[tape.below(TEXTS.len())].as_bytes(), out),
        Kind::Message(schema) => length_delimited(field, &message(schema, tape), out),
    }
}

/// A field of a later version, in any way of writing.
fn unknown(tape: &mut Tape, out: &mut Vec<u8>) {
    let field = 30 + tape.below(200) as u32;
    match tape.below(5) {
        0 => write(field, &Kind::Varint, tape, out),
        1 => write(field, &Kind::Fixed32, tape, out),
        2 => write(field, &Kind::Time, tape, out),
        3 => write(field, &Kind::Bytes, tape, out),
        _ => {
            key(field, 3, out);
            out.extend(message(&STATUS, tape));
            key(field, 4, out);
        }
    }
}

fn length_delimited(field: u32, content: &[u8], out: &mut Vec<u8>) {
    key(field, 2, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn key(field: u32, wire: u32, out: &mut Vec<u8>) {
    encode_varint(u64::from(field << 3 | wire), out);
}
