//! Spans that a client and a server share, as Zipkin's clients send them.
//!
//! The receiver made the server's half a span of its own, a child of the client's half; it sees one
//! request at a time, and leaves two questions to the moment when the whole trace is known.

use std::collections::{HashMap, HashSet};

use spanloom_model::{Span, SpanId};

use super::store::{ResourceRow, SpanRow};

/// Puts the children of shared spans under the half that they belong to, which is the server's if they
/// come from its service, and a server's half without a client's under the parent of both.
pub fn settle(spans: &mut [SpanRow], resources: &HashMap<i32, ResourceRow>) {
    let halves: HashMap<SpanId, i32> =
        spans.iter().filter(|span| is_half(span)).map(|span| (span.span_id, span.resource)).collect();
    if halves.is_empty() {
        return;
    }
    let ids: HashSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
    let service = |resource: &i32| resources.get(resource).map(|row| row.service.as_str());
    for span in spans {
        let Some(shared) = span.parent_span_id else { continue };
        if is_half(span) {
            if !ids.contains(&shared) {
                span.parent_span_id = parent_of_both(span);
            }
            continue;
        }
        let half = shared.server_half();
        if halves.get(&half).is_some_and(|server| service(server) == service(&span.resource)) {
            span.parent_span_id = Some(half);
        }
    }
}

/// Nobody but the receiver derives ids so.
fn is_half(span: &SpanRow) -> bool {
    span.parent_span_id.is_some_and(|shared| shared.server_half() == span.span_id)
}

fn parent_of_both(half: &SpanRow) -> Option<SpanId> {
    half.attributes.read().ok()?.get_str(Span::SHARED_PARENT)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::{SpanKind, SpanStatus};

    const CALLER: i32 = 1;
    const CALLEE: i32 = 2;

    fn id(number: u64) -> SpanId {
        SpanId::new(number).unwrap()
    }

    fn row(span_id: SpanId, parent_span_id: Option<SpanId>, resource: i32, attributes: &str) -> SpanRow {
        SpanRow {
            start_ns: 0,
            duration_ns: 1,
            span_id,
            parent_span_id,
            operation: 1,
            resource,
            scope: 1,
            flags: 0,
            kind: SpanKind::Unspecified,
            status: SpanStatus::Unset,
            status_message: None,
            trace_state: None,
            attributes: attributes.into(),
            events: None,
            links: None,
            dropped: [0; 3],
        }
    }

    fn parents(mut spans: Vec<SpanRow>) -> Vec<Option<SpanId>> {
        let resource = |service: &str| ResourceRow {
            service: service.to_owned(),
            attributes: "{}".to_owned(),
            dropped_attributes_count: 0,
            schema_url: String::new(),
        };
        // Another host of the callee is another resource, but the same service.
        let resources =
            [(CALLER, resource("caller")), (CALLEE, resource("callee")), (3, resource("callee"))];
        settle(&mut spans, &HashMap::from(resources));
        spans.iter().map(|span| span.parent_span_id).collect()
    }

    // Catches a server's work that is shown beside the server.
    #[test]
    fn children_follow_the_half_of_their_service() {
        let (shared, half) = (id(5), id(5).server_half());
        let spans = vec![
            row(id(4), None, CALLER, "{}"),
            row(shared, Some(id(4)), CALLER, "{}"),
            row(half, Some(shared), CALLEE, "{}"),
            row(id(6), Some(shared), CALLEE, "{}"),
            row(id(7), Some(shared), 3, "{}"),
            row(id(8), Some(shared), CALLER, "{}"),
            row(id(9), Some(id(8)), CALLEE, "{}"),
        ];
        let expected = [None, Some(id(4)), Some(shared), Some(half), Some(half), Some(shared), Some(id(8))];
        assert_eq!(parents(spans), expected);
    }

    #[test]
    fn without_the_client_s_half_the_parent_of_both_holds() {
        let (shared, half) = (id(5), id(5).server_half());
        let with_parent = r#"{"zipkin.parent_id": "0000000000000004"}"#;
        assert_eq!(parents(vec![row(half, Some(shared), CALLEE, with_parent)]), [Some(id(4))]);
        assert_eq!(parents(vec![row(half, Some(shared), CALLEE, "{}")]), [None]);
    }
}
