//! What the page's URL asks for, as parameters of the API. Pure.

use crate::state::query::Query;

/// A choice of states: the name in the URL, the label, the states.
pub type StateChoice = (&'static str, &'static str, &'static [&'static str]);

/// The first is what is shown if the URL names none.
pub const STATES: &[StateChoice] = &[
    ("unresolved", "Unresolved", &["open", "regressed"]),
    ("regressed", "Regressed", &["regressed"]),
    ("resolved", "Resolved", &["resolved"]),
    ("ignored", "Ignored", &["ignored"]),
    ("all", "All", &[]),
];

/// A column that the list can be ordered by, the largest first: its name in the URL and in the API, the
/// heading, what hovering tells.
pub type OrderChoice = (&'static str, &'static str, &'static str);

/// The trend.
pub const TREND: OrderChoice =
    ("trend", "Trend", "How often over the time range. Sorted: what grows most comes first");
/// How often.
pub const COUNT: OrderChoice = ("count", "Count", "Spans with it in the time range");
/// When first.
pub const FIRST: OrderChoice = ("firstSeen", "First seen", "Sorted: the newest errors come first");
/// When last.
pub const LAST: OrderChoice = ("lastSeen", "Last seen", "When it occurred last");

/// Filters that the URL and the API call by the same name.
pub const SAME: [&str; 4] = ["service", "operation", "version", "text"];

/// The choice of states in the URL.
pub fn states(query: &Query) -> StateChoice {
    let name = query.get("state").unwrap_or_default();
    STATES.iter().copied().find(|choice| choice.0 == name).unwrap_or(STATES[0])
}

/// The order in the URL; the default is by count.
pub fn order(query: &Query) -> OrderChoice {
    let name = query.get("sort").unwrap_or_default();
    [TREND, COUNT, FIRST, LAST].into_iter().find(|choice| choice.0 == name).unwrap_or(COUNT)
}

/// The API's parameters without the window.
pub fn parameters(query: &Query) -> Query {
    let mut parameters = Query::default().with("order", order(query).0);
    for name in SAME {
        parameters.set(name, query.get(name).unwrap_or_default().trim());
    }
    for state in states(query).2 {
        parameters.push("state", *state);
    }
    parameters
}

/// Whether anything beside the states narrows the list.
pub fn is_narrowed(query: &Query) -> bool {
    SAME.iter().any(|name| query.get(name).is_some_and(|value| !value.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches filters that the page shows and the server does not get, and links with nonsense in them.
    #[test]
    fn the_url_becomes_the_apis_parameters() {
        let of = |url: &str| parameters(&Query::parse(url)).encode();
        assert_eq!(of(""), "order=count&state=open&state=regressed");
        assert_eq!(
            of("service=shop&state=all&sort=trend&text=time+out&from=now-1h"),
            "order=trend&service=shop&text=time%20out"
        );
        assert_eq!(of("state=nonsense&sort=nonsense"), "order=count&state=open&state=regressed");
        assert_eq!(of("state=resolved&version=1"), "order=count&version=1&state=resolved");
        assert!(!is_narrowed(&Query::parse("text=+&state=all")) && is_narrowed(&Query::parse("version=1")));
    }
}
