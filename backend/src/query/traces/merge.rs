//! Pieces of a trace become one.

use std::collections::HashMap;

use chrono::DateTime;
use spanloom_model::TraceId;
use spanloom_model::api::{SpanRef, TraceService, TraceSummary};

/// A service and an operation by id.
pub type RefIds = (i32, i32);

/// A row of `traces`: what one batch knew of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Start of its earliest span.
    pub start_ns: i64,
    /// End of its latest span.
    pub end_ns: i64,
    /// The span without a parent, if it is in this piece.
    pub root: Option<RefIds>,
    /// The earliest span.
    pub first: RefIds,
    /// Spans.
    pub span_count: i64,
    /// Spans with status error.
    pub error_count: i64,
    /// (service, spans, errors).
    pub services: Vec<(i32, i64, i64)>,
}

/// All that is known of a trace from its pieces, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Start of the earliest span.
    pub start_ns: i64,
    /// End of the latest span.
    pub end_ns: i64,
    /// With the start of its piece, by which the earliest is chosen.
    root: Option<(i64, RefIds)>,
    first: RefIds,
    span_count: i64,
    error_count: i64,
    /// Spans and errors by service.
    services: HashMap<i32, (i64, i64)>,
}

impl Merged {
    /// A trace of one piece.
    pub fn new(piece: &Piece) -> Self {
        let mut services = HashMap::with_capacity(piece.services.len());
        add_services(&mut services, &piece.services);
        Self {
            start_ns: piece.start_ns,
            end_ns: piece.end_ns,
            root: piece.root.map(|root| (piece.start_ns, root)),
            first: piece.first,
            span_count: piece.span_count,
            error_count: piece.error_count,
            services,
        }
    }

    /// Adds another piece.
    pub fn add(&mut self, piece: &Piece) {
        if (piece.start_ns, piece.first) < (self.start_ns, self.first) {
            self.first = piece.first;
        }
        if let Some(root) = piece.root {
            let candidate = (piece.start_ns, root);
            self.root = Some(self.root.map_or(candidate, |known| known.min(candidate)));
        }
        self.start_ns = self.start_ns.min(piece.start_ns);
        self.end_ns = self.end_ns.max(piece.end_ns);
        self.span_count += piece.span_count;
        self.error_count += piece.error_count;
        add_services(&mut self.services, &piece.services);
    }

    /// From the earliest start to the latest end.
    pub fn duration_ns(&self) -> i64 {
        self.end_ns - self.start_ns
    }

    fn root_or_first(&self) -> RefIds {
        self.root.map_or(self.first, |(_, root)| root)
    }

    /// The services whose names [`Self::summary`] needs.
    pub fn service_ids(&self) -> impl Iterator<Item = i32> {
        self.services.keys().copied().chain([self.root_or_first().0])
    }

    /// The operation whose name [`Self::summary`] needs.
    pub fn operation_id(&self) -> i32 {
        self.root_or_first().1
    }

    /// As clients see it.
    pub fn summary(
        &self,
        trace_id: TraceId,
        services: &HashMap<i32, String>,
        operations: &HashMap<i32, String>,
    ) -> TraceSummary {
        let name = |names: &HashMap<i32, String>, id: i32| names.get(&id).cloned().unwrap_or_default();
        let (root_service, root_operation) = self.root_or_first();
        let mut parts: Vec<TraceService> = self
            .services
            .iter()
            .map(|(&id, &(spans, errors))| TraceService {
                name: name(services, id),
                span_count: spans.cast_unsigned(),
                error_count: errors.cast_unsigned(),
            })
            .collect();
        parts.sort_by(|a, b| b.span_count.cmp(&a.span_count).then_with(|| a.name.cmp(&b.name)));
        TraceSummary {
            trace_id,
            root: SpanRef {
                service: name(services, root_service),
                operation: name(operations, root_operation),
            },
            has_root: self.root.is_some(),
            start_time: DateTime::from_timestamp_nanos(self.start_ns),
            duration_ns: self.duration_ns(),
            span_count: self.span_count.cast_unsigned(),
            error_count: self.error_count.cast_unsigned(),
            services: parts,
        }
    }
}

fn add_services(services: &mut HashMap<i32, (i64, i64)>, more: &[(i32, i64, i64)]) {
    for &(id, spans, errors) in more {
        let sums = services.entry(id).or_default();
        sums.0 += spans;
        sums.1 += errors;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start_ns: i64, end_ns: i64, root: Option<RefIds>, first: RefIds) -> Piece {
        let services = vec![(first.0, 2, 1)];
        Piece { start_ns, end_ns, root, first, span_count: 2, error_count: 1, services }
    }

    fn merged(pieces: &[Piece]) -> Merged {
        let mut merged = Merged::new(&pieces[0]);
        pieces[1..].iter().for_each(|piece| merged.add(piece));
        merged
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let pieces = [
            piece(50, 60, None, (3, 30)),
            piece(20, 100, Some((1, 10)), (1, 10)),
            piece(10, 15, None, (2, 20)),
            piece(20, 30, Some((1, 11)), (1, 12)),
        ];
        let forward = merged(&pieces);
        let mut reversed = pieces.to_vec();
        reversed.reverse();
        assert_eq!(merged(&reversed), forward);
        assert_eq!((forward.start_ns, forward.end_ns, forward.duration_ns()), (10, 100, 90));
        assert_eq!(forward.root_or_first(), (1, 10), "the root, although another span is earlier");
        assert_eq!((forward.span_count, forward.error_count), (8, 4));
        assert_eq!(forward.services[&1], (4, 2));
    }

    #[test]
    fn without_a_root_the_earliest_span_stands_for_the_trace() {
        let trace = merged(&[piece(50, 60, None, (3, 30)), piece(10, 15, None, (2, 20))]);
        let names = HashMap::from([(2, "cart".to_owned()), (3, "web".to_owned())]);
        let operations = HashMap::from([(20, "GET /cart".to_owned())]);
        let summary = trace.summary(TraceId::new(1).unwrap(), &names, &operations);
        assert!(!summary.has_root);
        assert_eq!(summary.root, SpanRef { service: "cart".into(), operation: "GET /cart".into() });
        assert_eq!(summary.services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["cart", "web"]);
    }
}
