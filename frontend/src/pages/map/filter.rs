//! What the map shows, as the URL of the page says it. Pure.

use spanloom_model::api::{DependencyEdge, DependencyKind};

use crate::state::query::Query;

/// The kinds by their names in the URL and on the page.
pub const KINDS: [(DependencyKind, &str, &str); 5] = [
    (DependencyKind::Http, "http", "HTTP"),
    (DependencyKind::Rpc, "rpc", "RPC"),
    (DependencyKind::Messaging, "messaging", "Messages"),
    (DependencyKind::Database, "database", "Databases"),
    (DependencyKind::External, "external", "External"),
];

/// The name of a kind on the page.
pub fn kind_label(kind: DependencyKind) -> &'static str {
    KINDS.iter().find(|(it, ..)| *it == kind).map_or("", |(_, _, label)| label)
}

/// What is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// A node by its id.
    Node(String),
    /// Calls of one node to another.
    Edge(String, String),
}

/// What the map shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MapFilter {
    /// Only what is around this node, an id.
    pub focus: String,
    /// Calls from the focus; none for all.
    pub depth: Option<u32>,
    /// Kinds that are not shown.
    pub hidden: Vec<DependencyKind>,
    /// The least share of errors, percent.
    pub errors_min: f64,
    /// The least rate, calls per second.
    pub rate_min: f64,
    /// What is selected.
    pub selection: Option<Selection>,
}

impl MapFilter {
    /// From the page's URL; what cannot be read is left out.
    pub fn parse(query: &Query) -> Self {
        let text = |key: &str| query.get(key).unwrap_or_default().to_owned();
        let number = |key: &str| {
            let number = query.get(key).and_then(|text| text.parse::<f64>().ok());
            number.filter(|number| number.is_finite() && *number > 0.0).unwrap_or(0.0)
        };
        let (caller, callee) = (text("caller"), text("callee"));
        Self {
            focus: text("focus"),
            depth: query.get("depth").and_then(|depth| depth.parse().ok()).filter(|depth| *depth > 0),
            hidden: query.all("hide").filter_map(kind_of).collect(),
            errors_min: number("errors"),
            rate_min: number("rate"),
            selection: match (caller.is_empty(), callee.is_empty()) {
                (_, true) => None,
                (true, false) => Some(Selection::Node(callee)),
                (false, false) => Some(Selection::Edge(caller, callee)),
            },
        }
    }

    /// Into the page's URL; what else is there stays.
    pub fn write(&self, query: &mut Query) {
        for key in ["focus", "depth", "hide", "errors", "rate", "caller", "callee"] {
            query.remove(key);
        }
        let number = |number: f64| if number > 0.0 { number.to_string() } else { String::new() };
        query.set("focus", self.focus.as_str());
        query.set("depth", self.depth.map(|depth| depth.to_string()).unwrap_or_default());
        for (kind, name, _) in KINDS {
            if self.hidden.contains(&kind) {
                query.push("hide", name);
            }
        }
        query.set("errors", number(self.errors_min));
        query.set("rate", number(self.rate_min));
        match &self.selection {
            None => {}
            Some(Selection::Node(id)) => query.set("callee", id.as_str()),
            Some(Selection::Edge(caller, callee)) => {
                query.set("caller", caller.as_str());
                query.set("callee", callee.as_str());
            }
        }
    }

    /// Whether calls of one kind are shown.
    pub fn shows(&self, edge: &DependencyEdge) -> bool {
        !self.hidden.contains(&edge.kind)
            && edge.red.error_rate * 100.0 >= self.errors_min
            && edge.red.rate_per_second >= self.rate_min
    }

    /// Whether anything is left out.
    pub fn narrows(&self) -> bool {
        !self.hidden.is_empty() || self.errors_min > 0.0 || self.rate_min > 0.0
    }
}

fn kind_of(text: &str) -> Option<DependencyKind> {
    KINDS.iter().find(|(_, name, _)| *name == text).map(|(kind, ..)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::RedSummary;

    // Catches a copied link that shows a colleague something else.
    #[test]
    fn what_is_shown_survives_the_url() {
        let filter = MapFilter {
            focus: "service:a&b".into(),
            depth: Some(2),
            hidden: vec![DependencyKind::Rpc, DependencyKind::Database],
            errors_min: 0.5,
            rate_min: 10.0,
            selection: Some(Selection::Edge("service:a".into(), "database:x/y".into())),
        };
        let mut query = Query::parse("from=now-2h&depth=9&hide=http&callee=z");
        filter.write(&mut query);
        let read = Query::parse(&query.encode());
        assert_eq!(MapFilter::parse(&read), filter);
        assert_eq!(read.get("from"), Some("now-2h"));
        MapFilter::default().write(&mut query);
        assert_eq!(query.encode(), "from=now-2h");
        let odd = MapFilter::parse(&Query::parse("depth=0&errors=NaN&rate=-1&hide=what&caller=x"));
        assert_eq!(odd, MapFilter::default());
    }

    // Catches percent taken for a share.
    #[test]
    fn calls_are_shown_by_kind_errors_and_rate() {
        let red = RedSummary { rate_per_second: 5.0, error_rate: 0.02, ..RedSummary::default() };
        let edge =
            DependencyEdge { caller: "a".into(), callee: "b".into(), kind: DependencyKind::Rpc, red };
        let shows = |change: fn(&mut MapFilter)| {
            let mut filter = MapFilter::default();
            change(&mut filter);
            filter.shows(&edge)
        };
        assert!(shows(|_| {}) && shows(|it| it.errors_min = 2.0) && shows(|it| it.rate_min = 5.0));
        assert!(!shows(|it| it.errors_min = 2.5));
        assert!(!shows(|it| it.rate_min = 6.0));
        assert!(!shows(|it| it.hidden.push(DependencyKind::Rpc)));
    }
}
