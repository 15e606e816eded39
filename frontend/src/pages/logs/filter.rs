//! What is searched for: as the URL of the page says it and as the API takes it. Pure.

use spanloom_model::{LogLevel, TraceId};

use crate::state::query::Query;
use crate::state::time_range::Window;

/// Records per page.
const LIMIT: u32 = 200;

/// Bars of the chart, about.
const BUCKETS: u32 = 120;

/// What is searched for. Empty texts ask for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Words of the body.
    pub text: String,
    /// Any of these services.
    pub services: Vec<String>,
    /// At least this severe.
    pub level: Option<LogLevel>,
    /// `key=value` of the record or its process.
    pub tags: Vec<String>,
    /// Only this trace's.
    pub trace: Option<TraceId>,
}

/// A change of the filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Other words.
    Text(String),
    /// One more service.
    AddService(String),
    /// One service less, by its place.
    RemoveService(usize),
    /// Another level.
    Level(Option<LogLevel>),
    /// One more tag.
    AddTag(String),
    /// One tag less, by its place.
    RemoveTag(usize),
    /// This trace's or every trace's.
    Trace(Option<TraceId>),
    /// Nothing but the time range.
    Clear,
}

impl Filter {
    /// From the page's URL.
    pub fn parse(query: &Query) -> Self {
        Self {
            text: query.get("text").unwrap_or_default().to_owned(),
            services: query.all("service").map(str::to_owned).collect(),
            level: query.get("level").and_then(LogLevel::named),
            tags: query.all("tag").map(str::to_owned).collect(),
            trace: query.get("trace").and_then(|id| id.parse().ok()),
        }
    }

    /// Into the page's URL; what else is there stays, but the record that was selected.
    pub fn write(&self, query: &mut Query) {
        for key in ["text", "service", "level", "tag", "trace", "log"] {
            query.remove(key);
        }
        query.set("text", self.text.trim());
        for service in &self.services {
            query.push("service", service.as_str());
        }
        query.set("level", self.level.map(LogLevel::name).unwrap_or_default());
        for tag in &self.tags {
            query.push("tag", tag.as_str());
        }
        query.set("trace", self.trace.map(|id| id.to_string()).unwrap_or_default());
    }

    /// Whether nothing narrows the search.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The filter after a change.
    #[must_use]
    pub fn changed(mut self, change: Change) -> Self {
        let add = |list: &mut Vec<String>, item: String| {
            if !list.contains(&item) {
                list.push(item);
            }
        };
        let remove = |list: &mut Vec<String>, at: usize| {
            if at < list.len() {
                list.remove(at);
            }
        };
        match change {
            Change::Text(text) => text.trim().clone_into(&mut self.text),
            Change::AddService(name) => add(&mut self.services, name),
            Change::RemoveService(at) => remove(&mut self.services, at),
            Change::Level(level) => self.level = level,
            Change::AddTag(tag) => add(&mut self.tags, tag),
            Change::RemoveTag(at) => remove(&mut self.tags, at),
            Change::Trace(trace) => self.trace = trace,
            Change::Clear => self = Self::default(),
        }
        self
    }

    /// The parameters of both the list and the chart.
    fn conditions(&self, window: Window) -> Query {
        let mut query = Query::default()
            .with("text", self.text.as_str())
            .with("severity", self.level.map(LogLevel::name).unwrap_or_default())
            .with("traceId", self.trace.map(|id| id.to_string()).unwrap_or_default());
        // Whoever looks at a trace's records wants all of them.
        if self.trace.is_none() {
            query.set("startTime", window.start_us().to_string());
            query.set("endTime", window.end_us().to_string());
        }
        for service in &self.services {
            query.push("serviceName", service.as_str());
        }
        for tag in &self.tags {
            query.push("tag", tag.as_str());
        }
        query
    }

    /// The API's parameters for the list.
    pub fn list_query(&self, window: Window) -> Query {
        self.conditions(window).with("limit", LIMIT.to_string())
    }

    /// The API's parameters for the chart; none where there is no range to draw.
    pub fn chart_query(&self, window: Window) -> Option<Query> {
        self.trace.is_none().then(|| self.conditions(window).with("buckets", BUCKETS.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Filter {
        Filter {
            text: "card declined".into(),
            services: vec!["cart".into(), "payment".into()],
            level: Some(LogLevel::Warn),
            tags: vec!["http.url=/a?b=c".into()],
            trace: TraceId::new(7).ok(),
        }
    }

    // Catches a link that shows a colleague something else.
    #[test]
    fn the_url_says_all_of_it() {
        let mut query = Query::parse("?from=now-1h&log=3&text=old");
        full().write(&mut query);
        assert_eq!(Filter::parse(&Query::parse(&query.encode())), full());
        assert_eq!((query.get("from"), query.get("log")), (Some("now-1h"), None));
        Filter::default().write(&mut query);
        assert_eq!(query.encode(), "from=now-1h");
    }

    #[test]
    fn a_trace_has_no_range() {
        let window = Window { from_ms: 1_000, to_ms: 2_000 };
        assert_eq!(full().list_query(window).get("startTime"), None);
        assert_eq!(full().chart_query(window), None);
        let open = full().changed(Change::Trace(None));
        assert_eq!(open.list_query(window).get("startTime"), Some("1000000"));
        assert_eq!(open.chart_query(window).unwrap().get("severity"), Some("warn"));
    }

    #[test]
    fn changes_add_once_and_clear_all() {
        let filter = full().changed(Change::AddService("cart".into())).changed(Change::RemoveTag(9));
        assert_eq!(filter, full());
        assert!(filter.changed(Change::RemoveService(0)).changed(Change::Clear).is_empty());
    }
}
