//! Requests into messages: spans by partition, in messages of a bounded size.

use spanloom_model::Span;

use crate::collect::queue::payload;

/// One message.
pub struct Message {
    /// Where it belongs.
    pub partition: u8,
    /// OTLP protobuf.
    pub body: Vec<u8>,
}

/// Spans of some requests by partition.
pub struct Split {
    partitions: Vec<Vec<Span>>,
}

impl Split {
    /// Nothing yet.
    pub fn new(partitions: u8) -> Self {
        Self { partitions: (0..partitions).map(|_| Vec::new()).collect() }
    }

    /// Adds a request; returns the set of partitions that it needs, a bit for each.
    pub fn add(&mut self, spans: Vec<Span>, partition_of: impl Fn(&Span) -> u8) -> u16 {
        let mut touched = 0;
        for span in spans {
            let partition = partition_of(&span);
            touched |= 1 << partition;
            self.partitions[usize::from(partition)].push(span);
        }
        touched
    }

    /// The messages, each of at most `bytes_max` unless a single span is larger. `span_bytes` is what
    /// a span takes on average.
    pub fn messages(&self, bytes_max: usize, span_bytes: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        let chunk_spans = (bytes_max / span_bytes.max(1)).max(1);
        for (partition, spans) in self.partitions.iter().enumerate() {
            for chunk in spans.chunks(chunk_spans) {
                let mut push = |body| messages.push(Message { partition: partition as u8, body });
                encode(chunk, bytes_max, &mut push);
            }
        }
        messages
    }
}

/// Halves what turns out too large: as deep as the logarithm of the number of spans.
fn encode(spans: &[Span], bytes_max: usize, push: &mut impl FnMut(Vec<u8>)) {
    let body = payload::encode(spans);
    if body.len() <= bytes_max || spans.len() == 1 {
        push(body);
        return;
    }
    let (left, right) = spans.split_at(spans.len() / 2);
    encode(left, bytes_max, push);
    encode(right, bytes_max, push);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::slot::slot_of;
    use crate::collect::testing::span;

    /// Catches a span that gets lost on the way, or goes to a partition where nobody looks for it.
    #[test]
    fn every_span_is_in_one_message_of_its_partition() {
        let spans: Vec<Span> = (1..=500).map(|id| span(u128::from(id / 5 + 1), id)).collect();
        let mut split = Split::new(4);
        let partition_of = |span: &Span| slot_of(span.trace_id) % 4;
        assert_eq!(split.add(spans.clone(), partition_of), 0b1111);
        // The guess of a span's size is far too low on purpose.
        let messages = split.messages(2_000, 1);
        let mut found = Vec::new();
        for message in &messages {
            assert!(message.body.len() <= 2_000, "{}", message.body.len());
            for span in payload::decode(&message.body).unwrap() {
                assert_eq!(partition_of(&span), message.partition);
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
        assert_eq!(split.add(vec![one.clone(), one], |span| slot_of(span.trace_id)), 1 << slot);
    }

    #[test]
    fn a_span_that_is_too_large_goes_alone() {
        let mut split = Split::new(1);
        let large = Span { name: "n".repeat(5_000), ..span(1, 2) };
        split.add(vec![span(1, 1), large, span(1, 3)], |_| 0);
        let sizes: Vec<usize> =
            split.messages(1_000, 100).iter().map(|message| message.body.len()).collect();
        assert_eq!(sizes.iter().filter(|size| **size > 1_000).count(), 1, "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() < 6_000, "{sizes:?}");
    }
}
