//! What the writer does in the process to count spans, without a database: `spanloom bench rollup` asks
//! what it costs.

use foldhash::{HashMap, HashMapExt as _};
use spanloom_model::Span;
use spanloom_sampling::span_weight;

use super::batch::{self, Row};
use super::copy::CopyBuffer;
use super::dimensions::Ids;
use super::edges;
use super::exemplars::{self, Due};

/// A batch whose ids are looked up already.
pub struct Counting<'a> {
    rows: Vec<Row<'a>>,
}

impl<'a> Counting<'a> {
    /// Gives services and operations ids of their own.
    pub fn prepare(spans: &'a [Span]) -> Self {
        let mut services: HashMap<&str, i32> = HashMap::new();
        let mut operations: HashMap<(i32, &str), i32> = HashMap::new();
        let row = |span: &'a Span| {
            let next = services.len() as i32 + 1;
            let service = *services.entry(span.resource.service_name()).or_insert(next);
            let next = operations.len() as i32 + 1;
            let operation = *operations.entry((service, &span.name)).or_insert(next);
            let ids = Ids { service, operation, resource: 1, scope: 1 };
            Row { span, ids, weight: span_weight(span, 1.0) }
        };
        Self { rows: spans.iter().map(row).collect() }
    }

    /// Counts the batch for metrics and calls, with the examples that are due; returns the bytes of the rows
    /// for COPY.
    pub fn run(&self, due: &mut Due) -> usize {
        let mut buffer = CopyBuffer::new();
        batch::encode_metrics(&mut buffer, &self.rows);
        let examples = exemplars::find(&self.rows, 1, due);
        exemplars::encode(&mut buffer, &examples, 1);
        let mut found = edges::find(&self.rows, Some(1));
        edges::encode_calls(&mut buffer, &mut found);
        edges::encode_examples(&mut buffer, &found.examples(due));
        edges::encode_halves(&mut buffer, &found);
        buffer.len()
    }
}
