//! Rows become the spans that were sent.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use spanloom_model::{Resource, Scope, Span, TraceId};

use super::assemble::{json, json_list};
use super::store::{ResourceRow, ScopeRow, SpanRow, TraceRows};

/// The spans by start, times as measured. Takes milliseconds per thousand spans: not for an async
/// thread.
pub fn spans(rows: TraceRows) -> anyhow::Result<Vec<Span>> {
    let resources = shared(rows.resources, resource)?;
    let scopes = shared(rows.scopes, scope)?;
    rows.spans
        .into_iter()
        .map(|row| {
            let name = rows.operations.get(&row.operation).cloned().unwrap_or_default();
            let resource = resources.get(&row.resource).context("a resource that is referred to")?;
            let scope = scopes.get(&row.scope).context("a scope that is referred to")?;
            span(rows.trace_id, row, name, Arc::clone(resource), Arc::clone(scope))
        })
        .collect()
}

/// Each once, however many spans refer to it.
fn shared<R, T>(
    rows: HashMap<i32, R>,
    make: fn(R) -> anyhow::Result<T>,
) -> anyhow::Result<HashMap<i32, Arc<T>>> {
    rows.into_iter().map(|(id, row)| Ok((id, Arc::new(make(row)?)))).collect()
}

fn resource(row: ResourceRow) -> anyhow::Result<Resource> {
    Ok(Resource {
        attributes: json(&row.attributes, "resource attributes")?,
        dropped_attributes_count: row.dropped_attributes_count,
        schema_url: row.schema_url,
    })
}

fn scope(row: ScopeRow) -> anyhow::Result<Scope> {
    Ok(Scope {
        name: row.name,
        version: row.version,
        attributes: json(&row.attributes, "scope attributes")?,
        dropped_attributes_count: row.dropped_attributes_count,
        schema_url: row.schema_url,
    })
}

fn span(
    trace_id: TraceId,
    row: SpanRow,
    name: String,
    resource: Arc<Resource>,
    scope: Arc<Scope>,
) -> anyhow::Result<Span> {
    let [dropped_attributes_count, dropped_events_count, dropped_links_count] = row.dropped;
    Ok(Span {
        trace_id,
        span_id: row.span_id,
        parent_span_id: row.parent_span_id,
        trace_state: row.trace_state.unwrap_or_default(),
        flags: row.flags,
        name,
        kind: row.kind,
        start_ns: row.start_ns,
        duration_ns: row.duration_ns,
        attributes: row.attributes.read()?,
        dropped_attributes_count,
        events: json_list(row.events.as_deref(), "events")?,
        dropped_events_count,
        links: json_list(row.links.as_deref(), "links")?,
        dropped_links_count,
        status: row.status,
        status_message: row.status_message.unwrap_or_default(),
        resource,
        scope,
    })
}
