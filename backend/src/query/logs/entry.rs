//! Rows into what people get. Every log record that leaves the server passes [`entry`].

use std::collections::HashMap;

use anyhow::Context;
use chrono::DateTime;
use spanloom_model::LogLevel;
use spanloom_model::api::{ApiResource, ApiScope, LogEntry};
use sqlx::PgConnection;

use super::search_store::LogRow;
use crate::query::traces::assemble;
use crate::query::traces::store::{resources, scopes};

/// Records with what they refer to.
pub struct Entries {
    /// The records, in their order.
    pub logs: Vec<LogEntry>,
    /// Processes, referred to by index.
    pub resources: Vec<ApiResource>,
    /// Loggers, referred to by index.
    pub scopes: Vec<ApiScope>,
}

/// Reads what the rows refer to.
///
/// # Errors
/// If the database fails, or holds what is no JSON.
pub async fn entries(db: &mut PgConnection, rows: Vec<LogRow>) -> anyhow::Result<Entries> {
    let (resource_places, resource_ids) = places(rows.iter().map(|row| row.resource));
    let (scope_places, scope_ids) = places(rows.iter().map(|row| row.scope));
    let mut resource_rows = resources(db, &resource_ids).await?;
    let mut scope_rows = scopes(db, &scope_ids).await?;
    let missing = "a row that log records refer to is gone";
    Ok(Entries {
        logs: rows
            .into_iter()
            .map(|row| entry(row, &resource_places, &scope_places))
            .collect::<Result<_, _>>()?,
        resources: resource_ids
            .iter()
            .map(|id| assemble::resource(resource_rows.remove(id).context(missing)?))
            .collect::<Result<_, _>>()?,
        scopes: scope_ids
            .iter()
            .map(|id| assemble::scope(scope_rows.remove(id).context(missing)?))
            .collect::<Result<_, _>>()?,
    })
}

/// Each id once, in the order in which they came, and where it stands.
fn places(ids: impl Iterator<Item = i32>) -> (HashMap<i32, u32>, Vec<i32>) {
    let (mut places, mut distinct) = (HashMap::new(), Vec::new());
    for id in ids {
        places.entry(id).or_insert_with(|| {
            distinct.push(id);
            distinct.len() as u32 - 1
        });
    }
    (places, distinct)
}

/// One record.
fn entry(
    row: LogRow,
    resources: &HashMap<i32, u32>,
    scopes: &HashMap<i32, u32>,
) -> anyhow::Result<LogEntry> {
    let place = row.place;
    Ok(LogEntry {
        id: place.id.to_string(),
        time: DateTime::from_timestamp_nanos(place.time_us * 1_000 + i64::from(place.sub_ns)),
        observed_time: row.observed_time,
        level: LogLevel::of_number(row.severity),
        severity_number: row.severity,
        severity_text: row.severity_text.unwrap_or_default(),
        body: row.body,
        trace_id: row.trace_id,
        span_id: row.span_id,
        event_name: row.event_name.unwrap_or_default(),
        attributes: serde_json::from_str(&row.attributes).context("attributes of a log record")?,
        dropped_attributes_count: row.dropped_attributes_count,
        resource: resources.get(&row.resource).copied().unwrap_or_default(),
        scope: scopes.get(&row.scope).copied().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_told_once() {
        let (places, ids) = places([7, 3, 7, 9, 3].into_iter());
        assert_eq!(ids, [7, 3, 9]);
        assert_eq!([places[&7], places[&3], places[&9]], [0, 1, 2]);
    }
}
