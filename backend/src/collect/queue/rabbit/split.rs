//! Requests into messages: spans by partition, log records whole, in messages of a bounded size.

use spanloom_model::{LogRecord, Span, TraceId};

use crate::collect::queue::{Contents, payload};

/// One message.
pub struct Message {
    /// Where it belongs.
    pub partition: u8,
    /// See [`payload`].
    pub body: Vec<u8>,
}

/// What some requests hold, by partition.
pub struct Split {
    partitions: Vec<Contents>,
}

impl Split {
    /// Nothing yet.
    pub fn new(partitions: u8) -> Self {
        Self { partitions: (0..partitions).map(|_| Contents::default()).collect() }
    }

    /// Adds a request; returns the set of partitions that it needs, a bit for each.
    ///
    /// A trace belongs to one partition. Log records may be in any: those of a request stay together.
    pub fn add(&mut self, contents: Contents, partition_of: impl Fn(TraceId) -> u8) -> u16 {
        let Contents { spans, logs } = contents;
        let mut touched = 0;
        for span in spans {
            let partition = partition_of(span.trace_id);
            touched |= 1 << partition;
            self.partitions[usize::from(partition)].spans.push(span);
        }
        if let Some(first) = logs.first() {
            // Without a trace by the time, which spreads them as well.
            let by_time = || TraceId::new(u128::from(first.time_ns.cast_unsigned())).ok();
            let partition = first.trace_id.or_else(by_time).map_or(0, partition_of);
            touched |= 1 << partition;
            self.partitions[usize::from(partition)].logs.extend(logs);
        }
        touched
    }

    /// The messages, each of at most `bytes_max` unless a single span or log record is larger.
    /// `item_bytes` is what one takes on average.
    pub fn messages(&self, bytes_max: usize, item_bytes: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        let chunk_items = (bytes_max / item_bytes.max(1)).max(1);
        for (partition, Contents { spans, logs }) in self.partitions.iter().enumerate() {
            let mut push = |body| messages.push(Message { partition: partition as u8, body });
            for chunk in spans.chunks(chunk_items) {
                encode::<Span>(chunk, payload::encode, bytes_max, &mut push);
            }
            for chunk in logs.chunks(chunk_items) {
                encode::<LogRecord>(chunk, payload::encode_logs, bytes_max, &mut push);
            }
        }
        messages
    }
}

/// Halves what turns out too large: as deep as the logarithm of the number of items.
fn encode<T>(
    items: &[T],
    as_payload: fn(&[T]) -> Vec<u8>,
    bytes_max: usize,
    push: &mut impl FnMut(Vec<u8>),
) {
    let body = as_payload(items);
    if body.len() <= bytes_max || items.len() == 1 {
        push(body);
        return;
    }
    let (left, right) = items.split_at(items.len() / 2);
    encode(left, as_payload, bytes_max, push);
    encode(right, as_payload, bytes_max, push);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::slot::slot_of;
    use crate::collect::testing::{log, span};

    fn spans(spans: Vec<Span>) -> Contents {
        Contents { spans, logs: Vec::new() }
    }

    /// Catches a span that gets lost on the way, or goes to a partition where nobody looks for it.
    #[test]
    fn every_span_is_in_one_message_of_its_partition() {
        let sent: Vec<Span> = (1..=500).map(|id| span(u128::from(id / 5 + 1), id)).collect();
        let mut split = Split::new(4);
        let partition_of = |trace_id| slot_of(trace_id) % 4;
        assert_eq!(split.add(spans(sent), partition_of), 0b1111);
        // The guess of a span's size is far too low on purpose.
        let messages = split.messages(2_000, 1);
        let mut found = Vec::new();
        for message in &messages {
            assert!(message.body.len() <= 2_000, "{}", message.body.len());
            for span in payload::decode(&message.body).unwrap().spans {
                assert_eq!(partition_of(span.trace_id), message.partition);
                found.push(span.span_id.get());
            }
        }
        found.sort_unstable();
        assert_eq!(found, (1..=500).collect::<Vec<_>>());
        assert!(messages.len() < 100, "{}", messages.len());
    }

    #[test]
    fn a_request_tells_which_partitions_it_needs() {
        let mut split = Split::new(16);
        let one = span(1, 1);
        let slot = slot_of(one.trace_id);
        assert_eq!(split.add(spans(vec![one.clone(), one]), slot_of), 1 << slot);
    }

    #[test]
    fn a_span_that_is_too_large_goes_alone() {
        let mut split = Split::new(1);
        let large = Span { name: "n".repeat(5_000), ..span(1, 2) };
        split.add(spans(vec![span(1, 1), large, span(1, 3)]), |_| 0);
        let sizes: Vec<usize> =
            split.messages(1_000, 100).iter().map(|message| message.body.len()).collect();
        assert_eq!(sizes.iter().filter(|size| **size > 1_000).count(), 1, "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() < 6_000, "{sizes:?}");
    }

    /// Catches log records that are lost on the way, or a request of them that needs every partition.
    #[test]
    fn log_records_of_a_request_stay_together() {
        let mut split = Split::new(4);
        let logs: Vec<LogRecord> = (1..=300).map(|trace| log("a", Some(trace))).collect();
        let touched = split.add(Contents { spans: Vec::new(), logs: logs.clone() }, |id| slot_of(id) % 4);
        assert_eq!(touched.count_ones(), 1);
        let messages = split.messages(2_000, 1);
        assert!(messages.iter().all(|message| message.body.len() <= 2_000));
        assert!(messages.iter().all(|message| 1 << message.partition == touched));
        let found = messages.iter().flat_map(|message| payload::decode(&message.body).unwrap().logs);
        assert_eq!(found.collect::<Vec<_>>(), logs);
    }
}
