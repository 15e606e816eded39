//! Records with what they refer to. Pure.

use std::sync::Arc;

use spanloom_model::api::{ApiResource, ApiScope, LogEntry};

/// A record and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct LogItem {
    /// As the server sent it.
    pub entry: LogEntry,
    /// The process.
    pub resource: Arc<ApiResource>,
    /// The logger.
    pub scope: Arc<ApiScope>,
}

impl LogItem {
    /// Name of the service.
    pub fn service(&self) -> &str {
        &self.resource.service
    }

    /// Nanoseconds since the epoch.
    pub fn time_ns(&self) -> i64 {
        self.entry.time.timestamp_nanos_opt().unwrap_or_default()
    }

    /// The body in one line, as long as a line of the screen can be.
    pub fn line(&self) -> String {
        const CHARS_MAX: usize = 400;
        let body = if self.entry.body.is_empty() { &self.entry.event_name } else { &self.entry.body };
        let mut line = String::with_capacity(body.len().min(CHARS_MAX * 4));
        for word in body.split_whitespace() {
            if line.chars().count() >= CHARS_MAX {
                break;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        line
    }
}

/// The records of an answer. An index that leads nowhere costs the name, not the record.
pub fn items(logs: &[LogEntry], resources: &[ApiResource], scopes: &[ApiScope]) -> Vec<Arc<LogItem>> {
    let nowhere = Arc::new(ApiResource {
        service: "unknown_service".to_owned(),
        attributes: spanloom_model::Attributes::default(),
        dropped_attributes_count: 0,
        schema_url: String::new(),
    });
    let no_scope = Arc::new(ApiScope {
        name: String::new(),
        version: String::new(),
        attributes: spanloom_model::Attributes::default(),
        dropped_attributes_count: 0,
        schema_url: String::new(),
    });
    let resources: Vec<Arc<ApiResource>> = resources.iter().cloned().map(Arc::new).collect();
    let scopes: Vec<Arc<ApiScope>> = scopes.iter().cloned().map(Arc::new).collect();
    logs.iter()
        .map(|entry| {
            Arc::new(LogItem {
                entry: entry.clone(),
                resource: resources.get(entry.resource as usize).unwrap_or(&nowhere).clone(),
                scope: scopes.get(entry.scope as usize).unwrap_or(&no_scope).clone(),
            })
        })
        .collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A record of this body.
    pub fn entry(id: u64, body: &str) -> LogEntry {
        serde_json::from_value(serde_json::json!({
            "id": id.to_string(), "time": "2026-11-25T09:00:00Z", "observedTime": "2026-11-25T09:00:00Z",
            "level": "info", "severityNumber": 9, "body": body, "resource": 0, "scope": 0
        }))
        .unwrap()
    }

    #[test]
    fn a_row_is_one_line() {
        let items = items(&[entry(1, "a\n\tb   c"), entry(2, &"word ".repeat(500))], &[], &[]);
        assert_eq!(items[0].line(), "a b c");
        assert!(items[1].line().len() < 410);
        assert_eq!(items[0].service(), "unknown_service");
    }
}
