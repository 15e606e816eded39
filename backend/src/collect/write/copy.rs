//! PostgreSQL's binary COPY format, as "Binary Format" in the documentation of COPY tells it.

use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;
use uuid::Uuid;

use crate::store::pair_numbers;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Bytes that are handed to the database at once. It parses them while the next ones are encoded.
const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of a COPY message at most.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Types of elements in an array's header.
const INT2_OID: i32 = 21;
const INT4_OID: i32 = 23;
const INT8_OID: i32 = 20;
const FLOAT8_OID: i32 = 701;

/// A COPY under way.
pub struct Copy<'c> {
    sink: PgCopyIn<&'c mut PgConnection>,
    /// Rows that are not sent yet.
    pub buffer: CopyBuffer,
    sent_bytes: usize,
}

impl<'c> Copy<'c> {
    /// Begins the statement.
    pub async fn begin(connection: &'c mut PgConnection, statement: &str) -> sqlx::Result<Self> {
        let sink = connection.copy_in_raw(statement).await?;
        Ok(Self { sink, buffer: CopyBuffer::new(), sent_bytes: 0 })
    }

    /// Sends what is in the buffer if it is much.
    pub async fn flush_large(&mut self) -> sqlx::Result<()> {
        if self.buffer.len() < CHUNK_BYTES { Ok(()) } else { self.flush().await }
    }

    /// Sends what is in the buffer.
    pub async fn flush(&mut self) -> sqlx::Result<()> {
        self.sent_bytes += self.buffer.len();
        self.sink.send(&self.buffer.bytes[..]).await?;
        self.buffer.bytes.clear();
        Ok(())
    }

    /// Ends the statement; returns how many bytes were sent.
    pub async fn finish(mut self) -> sqlx::Result<usize> {
        self.buffer.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        // COPY takes large messages, but a sender had better not hold one of gigabytes.
        for chunk in self.buffer.bytes.chunks(MESSAGE_BYTES_MAX) {
            self.sink.send(chunk).await?;
        }
        self.sink.finish().await?;
        Ok(self.sent_bytes + self.buffer.len())
    }
}

/// Rows in binary form. Each row is begun with its number of columns, then every column is put.
pub struct CopyBuffer {
    bytes: Vec<u8>,
}

impl CopyBuffer {
    /// The header alone.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(512 << 10);
        bytes.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a row.
    pub fn row(&mut self, columns: i16) {
        self.bytes.extend_from_slice(&columns.to_be_bytes());
    }

    fn field(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
        self.bytes.extend_from_slice(value);
    }

    /// NULL of any type.
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    /// boolean
    pub fn bool(&mut self, value: bool) {
        self.field(&[u8::from(value)]);
    }

    /// smallint
    pub fn i16(&mut self, value: i16) {
        self.field(&value.to_be_bytes());
    }

    /// int
    pub fn i32(&mut self, value: i32) {
        self.field(&value.to_be_bytes());
    }

    /// int, or NULL
    pub fn i32_or_null(&mut self, value: Option<i32>) {
        match value {
            Some(value) => self.i32(value),
            None => self.null(),
        }
    }

    /// int of a count; NULL for zero
    pub fn count(&mut self, count: u32) {
        self.i32_or_null((count > 0).then(|| i32::try_from(count).unwrap_or(i32::MAX)));
    }

    /// bigint
    pub fn i64(&mut self, value: i64) {
        self.field(&value.to_be_bytes());
    }

    /// bigint, or NULL
    pub fn i64_or_null(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.i64(value),
            None => self.null(),
        }
    }

    /// real
    pub fn f32(&mut self, value: f32) {
        self.field(&value.to_be_bytes());
    }

    /// double precision
    pub fn f64(&mut self, value: f64) {
        self.field(&value.to_be_bytes());
    }

    /// uuid
    pub fn uuid(&mut self, value: u128) {
        self.field(Uuid::from_u128(value).as_bytes());
    }

    /// timestamptz, from microseconds since the Unix epoch
    pub fn timestamp_us(&mut self, unix_us: i64) {
        self.i64(unix_us - EPOCH_US);
    }

    /// bytea
    pub fn bytes(&mut self, value: &[u8]) {
        self.field(value);
    }

    /// bytea of the numbers of attributes; NULL if there are none
    pub fn numbers_or_null(&mut self, numbers: impl Iterator<Item = i32>) {
        let length_at = self.bytes.len();
        self.null();
        numbers.for_each(|number| pair_numbers::push(&mut self.bytes, number));
        let length = self.bytes.len() - length_at - 4;
        if length > 0 {
            self.bytes[length_at..length_at + 4].copy_from_slice(&(length as i32).to_be_bytes());
        }
    }

    /// text
    pub fn text(&mut self, value: &str) {
        self.field(value.as_bytes());
    }

    /// text; NULL for the empty string
    pub fn text_or_null(&mut self, value: &str) {
        if value.is_empty() { self.null() } else { self.text(value) }
    }

    /// text holding JSON, written in place without a copy
    pub fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> serde_json::Result<()> {
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        serde_json::to_writer(&mut self.bytes, value)?;
        let length = (self.bytes.len() - length_at - 4) as i32;
        self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// JSON list; NULL for an empty one
    pub fn json_or_null<T: serde::Serialize>(&mut self, values: &[T]) -> serde_json::Result<()> {
        if values.is_empty() {
            self.null();
            return Ok(());
        }
        self.json(values)
    }

    /// smallint[] of one dimension
    pub fn i16_array(&mut self, values: impl ExactSizeIterator<Item = i16>) {
        self.array_header(values.len(), INT2_OID, 2);
        for value in values {
            self.i16(value);
        }
    }

    /// double precision[] of one dimension
    pub fn f64_array(&mut self, values: impl ExactSizeIterator<Item = f64>) {
        self.array_header(values.len(), FLOAT8_OID, 8);
        for value in values {
            self.f64(value);
        }
    }

    /// int[] of one dimension
    pub fn i32_array(&mut self, values: impl ExactSizeIterator<Item = i32>) {
        self.array_header(values.len(), INT4_OID, 4);
        for value in values {
            self.i32(value);
        }
    }

    /// bigint[] of one dimension
    pub fn i64_array(&mut self, values: &[i64]) {
        self.array_header(values.len(), INT8_OID, 8);
        for value in values {
            self.i64(*value);
        }
    }

    fn array_header(&mut self, count: usize, element_oid: i32, element_bytes: i32) {
        let count = count as i32;
        let length = 20 + count * (4 + element_bytes);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        let dimensions = i32::from(count > 0);
        for header in [dimensions, 0, element_oid, count, 1] {
            self.bytes.extend_from_slice(&header.to_be_bytes());
        }
    }
}
