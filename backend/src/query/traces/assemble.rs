//! Rows become a trace: clocks adjusted, oddities told.

use std::collections::HashMap;

use anyhow::Context;
use chrono::DateTime;
use serde::de::DeserializeOwned;
use spanloom_analysis::{SkewSpan, Tree, TreeSpan, adjust};
use spanloom_model::api::{
    ApiEvent, ApiLink, ApiResource, ApiScope, ApiSpan, Trace, TraceWarning, TraceWarningKind,
};
use spanloom_model::{Event, Link};

use super::shared;
use super::store::{ResourceRow, ScopeRow, SpanRow, TraceRows};

/// Makes the response. Takes milliseconds per thousand spans: not for an async thread.
pub fn assemble(mut rows: TraceRows) -> anyhow::Result<Trace> {
    shared::settle(&mut rows.spans, &rows.resources);
    let (resources, resource_index) = table(rows.resources, resource)?;
    let (scopes, scope_index) = table(rows.scopes, scope)?;
    let clocks = clocks(&resources);
    let index =
        |map: &HashMap<i32, u32>, id: i32| map.get(&id).copied().context("a row that is referred to");

    let resource_of = rows
        .spans
        .iter()
        .map(|span| index(&resource_index, span.resource))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let shapes: Vec<TreeSpan> = rows.spans.iter().map(|span| shape(span, 0)).collect();
    let tree = Tree::new(&shapes);
    let skew_spans: Vec<SkewSpan> = rows
        .spans
        .iter()
        .enumerate()
        .map(|(i, span)| SkewSpan {
            start_ns: span.start_ns,
            duration_ns: span.duration_ns,
            parent: tree.parent(i),
            process: clocks[resource_of[i] as usize],
            kind: span.kind,
        })
        .collect();
    let skews_ns = adjust(&skew_spans);
    let start_of = |i: usize| rows.spans[i].start_ns.saturating_add(skews_ns[i]);

    let mut order: Vec<usize> = (0..rows.spans.len()).collect();
    // The position in the tree puts a parent before children that start with it.
    order.sort_unstable_by_key(|&i| (start_of(i), tree.position(i)));
    let start_ns = order.first().map_or(0, |&i| start_of(i));
    let end_ns = order.iter().map(|&i| start_of(i).saturating_add(rows.spans[i].duration_ns)).max();

    let mut warnings = Vec::new();
    if rows.truncated {
        let message = format!("{} of {} spans are shown, the earliest", rows.spans.len(), rows.span_count);
        warnings.push(TraceWarning { kind: TraceWarningKind::Truncated, span: None, message });
    }
    // Once more in the final order, because the browser builds its tree from that.
    let final_shapes: Vec<TreeSpan> = order.iter().map(|&i| shape(&rows.spans[i], skews_ns[i])).collect();
    for warning in Tree::new(&final_shapes).warnings() {
        let message = tree_message(warning.kind, &final_shapes[warning.span]);
        warnings.push(TraceWarning { kind: warning.kind, span: Some(warning.span as u32), message });
    }
    for (position, &i) in order.iter().enumerate() {
        // Only where the clock changes: what runs in the same process has moved with it.
        let own_clock = tree.parent(i).is_none_or(|p| skew_spans[p].process != skew_spans[i].process);
        if skews_ns[i] != 0 && own_clock {
            let service = &resources[resource_of[i] as usize].service;
            warnings.push(TraceWarning {
                kind: TraceWarningKind::ClockSkew,
                span: Some(position as u32),
                message: format!(
                    "the clock of {service} disagreed with its caller's: moved by {:+.3} ms",
                    skews_ns[i] as f64 / 1e6
                ),
            });
        }
    }

    let mut span_rows: Vec<Option<SpanRow>> = rows.spans.into_iter().map(Some).collect();
    let mut spans = Vec::with_capacity(order.len());
    for &i in &order {
        let row = span_rows[i].take().context("each span once")?;
        let name = rows.operations.get(&row.operation).cloned().unwrap_or_default();
        let scope = index(&scope_index, row.scope)?;
        spans.push(span(row, name, resource_of[i], scope, skews_ns[i], start_ns)?);
    }
    Ok(Trace {
        trace_id: rows.trace_id,
        start_time: DateTime::from_timestamp_nanos(start_ns),
        duration_ns: end_ns.map_or(0, |end_ns| end_ns.saturating_sub(start_ns)),
        spans,
        resources,
        scopes,
        warnings,
    })
}

/// Rows in the order of their ids, and where each id is.
fn table<R, T>(
    rows: HashMap<i32, R>,
    make: fn(R) -> anyhow::Result<T>,
) -> anyhow::Result<(Vec<T>, HashMap<i32, u32>)> {
    let mut rows: Vec<(i32, R)> = rows.into_iter().collect();
    rows.sort_unstable_by_key(|(id, _)| *id);
    let index = rows.iter().enumerate().map(|(index, (id, _))| (*id, index as u32)).collect();
    let items = rows.into_iter().map(|(_, row)| make(row)).collect::<anyhow::Result<_>>()?;
    Ok((items, index))
}

/// Reads a stored column; `what` is its name in errors.
pub fn json<T: DeserializeOwned>(text: &str, what: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).with_context(|| format!("stored {what}"))
}

/// The same for a list that is absent if it is empty.
pub fn json_list<T: DeserializeOwned>(text: Option<&str>, what: &str) -> anyhow::Result<Vec<T>> {
    text.map_or_else(|| Ok(Vec::new()), |text| json(text, what))
}

/// A process as the API tells it.
pub fn resource(row: ResourceRow) -> anyhow::Result<ApiResource> {
    Ok(ApiResource {
        service: row.service,
        attributes: json(&row.attributes, "resource attributes")?,
        dropped_attributes_count: row.dropped_attributes_count,
        schema_url: row.schema_url,
    })
}

/// A library as the API tells it.
pub fn scope(row: ScopeRow) -> anyhow::Result<ApiScope> {
    Ok(ApiScope {
        name: row.name,
        version: row.version,
        attributes: json(&row.attributes, "scope attributes")?,
        dropped_attributes_count: row.dropped_attributes_count,
        schema_url: row.schema_url,
    })
}

/// A number per resource, the same for those that say they run on the same host.
fn clocks(resources: &[ApiResource]) -> Vec<u32> {
    let mut hosts = HashMap::new();
    resources
        .iter()
        .enumerate()
        .map(|(index, resource)| {
            let host = ["host.id", "host.name"].iter().find_map(|key| resource.attributes.get_str(key));
            host.map_or(index as u32, |host| *hosts.entry(host).or_insert(index as u32))
        })
        .collect()
}

fn shape(span: &SpanRow, skew_ns: i64) -> TreeSpan {
    TreeSpan {
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        start_ns: span.start_ns.saturating_add(skew_ns),
        duration_ns: span.duration_ns,
    }
}

fn tree_message(kind: TraceWarningKind, span: &TreeSpan) -> String {
    match (kind, span.parent_span_id) {
        (TraceWarningKind::MissingParent, Some(parent)) => {
            format!("its parent {parent} is not there: not sent, not arrived yet or sampled away")
        }
        (TraceWarningKind::DuplicateSpanId, _) => {
            format!("an earlier span has the same id {}", span.span_id)
        }
        _ => "its ancestors lead back to itself: shown as a root".to_owned(),
    }
}

fn span(
    row: SpanRow,
    name: String,
    resource: u32,
    scope: u32,
    skew_ns: i64,
    trace_start_ns: i64,
) -> anyhow::Result<ApiSpan> {
    let offset_ns = |time_ns: i64| time_ns.saturating_add(skew_ns).saturating_sub(trace_start_ns);
    let mut events: Vec<Event> = json_list(row.events.as_deref(), "events")?;
    events.sort_by_key(|event| event.time_ns);
    let links: Vec<Link> = json_list(row.links.as_deref(), "links")?;
    let [dropped_attributes_count, dropped_events_count, dropped_links_count] = row.dropped;
    Ok(ApiSpan {
        span_id: row.span_id,
        parent_span_id: row.parent_span_id,
        name,
        kind: row.kind,
        resource,
        scope,
        start_offset_ns: offset_ns(row.start_ns),
        duration_ns: row.duration_ns,
        skew_ns,
        status: row.status,
        status_message: row.status_message.unwrap_or_default(),
        attributes: row.attributes.read()?,
        events: events
            .into_iter()
            .map(|event| ApiEvent {
                offset_ns: offset_ns(event.time_ns),
                name: event.name,
                attributes: event.attributes,
                dropped_attributes_count: event.dropped_attributes_count,
            })
            .collect(),
        links: links
            .into_iter()
            .map(|link| ApiLink {
                trace_id: link.trace_id,
                span_id: link.span_id,
                trace_state: link.trace_state,
                attributes: link.attributes,
                dropped_attributes_count: link.dropped_attributes_count,
                flags: link.flags,
            })
            .collect(),
        trace_state: row.trace_state.unwrap_or_default(),
        flags: row.flags,
        dropped_attributes_count,
        dropped_events_count,
        dropped_links_count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::{SpanId, SpanKind, SpanStatus, TraceId};

    fn row(id: u64, parent: u64, start_ns: i64, duration_ns: i64, resource: i32) -> SpanRow {
        SpanRow {
            start_ns,
            duration_ns,
            span_id: SpanId::new(id).unwrap(),
            parent_span_id: SpanId::new(parent).ok(),
            operation: 5,
            resource,
            scope: 9,
            flags: 1,
            kind: if resource == 1 { SpanKind::Client } else { SpanKind::Server },
            status: SpanStatus::Unset,
            status_message: None,
            trace_state: None,
            attributes: r#"{"b":1.0,"c":{"$bytes":"AP8="}}"#.into(),
            events: None,
            links: None,
            dropped: [0, 2, 0],
        }
    }

    fn trace(spans: Vec<SpanRow>, hosts: [&str; 2]) -> Trace {
        let resource = |service: &str, host: &str| ResourceRow {
            service: service.into(),
            attributes: format!(r#"{{"host.name":"{host}"}}"#),
            dropped_attributes_count: 0,
            schema_url: String::new(),
        };
        let scope = ScopeRow {
            name: "lib".into(),
            version: String::new(),
            attributes: "{}".into(),
            dropped_attributes_count: 0,
            schema_url: String::new(),
        };
        assemble(TraceRows {
            trace_id: TraceId::new(1).unwrap(),
            span_count: spans.len() as i64,
            spans,
            truncated: false,
            operations: HashMap::from([(5, "op".to_owned())]),
            resources: HashMap::from([(1, resource("web", hosts[0])), (2, resource("db", hosts[1]))]),
            scopes: HashMap::from([(9, scope)]),
        })
        .unwrap()
    }

    fn warnings(trace: &Trace) -> Vec<(TraceWarningKind, Option<u32>)> {
        trace.warnings.iter().map(|warning| (warning.kind, warning.span)).collect()
    }

    #[test]
    fn a_skewed_server_moves_with_its_events_and_the_trace_starts_at_the_adjusted_start() {
        let mut server = row(2, 1, 400, 30, 2);
        server.events = Some(r#"[{"t":420,"n":"late"},{"t":410,"n":"early"}]"#.into());
        let trace = trace(vec![server, row(1, 0, 1_000, 50, 1)], ["a", "b"]);
        assert_eq!(trace.start_time.timestamp_nanos_opt(), Some(1_000));
        assert_eq!(trace.duration_ns, 50);
        let [client, server] = &trace.spans[..] else { panic!("{trace:?}") };
        assert_eq!((client.start_offset_ns, client.skew_ns), (0, 0));
        assert_eq!((server.start_offset_ns, server.skew_ns), (10, 610));
        let offsets: Vec<(&str, i64)> = server.events.iter().map(|e| (&*e.name, e.offset_ns)).collect();
        assert_eq!(offsets, [("early", 20), ("late", 30)]);
        assert_eq!(warnings(&trace), [(TraceWarningKind::ClockSkew, Some(1))]);
        assert_eq!(server.dropped_events_count, 2);
        assert_eq!(
            serde_json::to_string(&server.attributes).unwrap(),
            r#"{"b":1.0,"c":{"$bytes":"AP8="}}"#
        );
    }

    #[test]
    fn processes_of_one_host_share_its_clock() {
        let trace = trace(vec![row(2, 1, 400, 30, 2), row(1, 0, 1_000, 50, 1)], ["a", "a"]);
        assert_eq!(trace.spans[0].skew_ns, 0);
        assert_eq!(warnings(&trace), []);
    }

    #[test]
    fn oddities_are_told_at_the_place_where_the_span_is_shown() {
        let spans =
            vec![row(3, 7, 5, 10, 1), row(1, 2, 10, 10, 1), row(2, 1, 20, 5, 1), row(3, 0, 30, 1, 1)];
        let trace = trace(spans, ["a", "b"]);
        assert_eq!(
            warnings(&trace),
            [
                (TraceWarningKind::MissingParent, Some(0)),
                (TraceWarningKind::ParentCycle, Some(1)),
                (TraceWarningKind::DuplicateSpanId, Some(3)),
            ]
        );
    }

    #[test]
    fn a_parent_comes_before_a_child_that_starts_with_it() {
        let trace = trace(vec![row(3, 2, 5, 10, 1), row(2, 1, 5, 10, 1), row(1, 0, 5, 10, 1)], ["a", "b"]);
        let ids: Vec<u64> = trace.spans.iter().map(|span| span.span_id.get()).collect();
        assert_eq!(ids, [1, 2, 3]);
    }
}
