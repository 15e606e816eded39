//! Which attributes belong together. Pure.

use spanloom_model::{AttrValue, Attributes};

/// Title and key prefixes, in the order in which they are shown. What has no group comes last.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Exception", &["exception.", "error."]),
    ("HTTP", &["http.", "url.", "user_agent."]),
    ("Database", &["db."]),
    ("RPC", &["rpc.", "grpc."]),
    ("Messaging", &["messaging."]),
    ("GenAI", &["gen_ai."]),
    ("Network", &["network.", "net.", "server.", "client.", "peer.", "tls."]),
    ("Code", &["code.", "thread."]),
];

/// A group's title and its entries by key.
pub type Group<'a> = (&'static str, Vec<(&'a str, &'a AttrValue)>);

/// The attributes in groups; groups without entries are left out.
pub fn groups(attributes: &Attributes) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = GROUPS.iter().map(|&(title, _)| (title, Vec::new())).collect();
    groups.push(("Other", Vec::new()));
    for (key, value) in attributes.iter() {
        let known = |(_, prefixes): &(&str, &[&str])| prefixes.iter().any(|prefix| key.starts_with(prefix));
        let index = GROUPS.iter().position(known).unwrap_or(GROUPS.len());
        groups[index].1.push((key, value));
    }
    groups.retain(|(_, entries)| !entries.is_empty());
    groups
}

/// The text of `tag=` in a search for this attribute. Arrays, maps and bytes cannot be searched for.
pub fn searchable(value: &AttrValue) -> Option<String> {
    match value {
        AttrValue::String(_) | AttrValue::Bool(_) | AttrValue::Int(_) | AttrValue::Double(_) => {
            Some(value.to_string())
        }
        AttrValue::Null | AttrValue::Bytes(_) | AttrValue::Array(_) | AttrValue::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_decide_and_nothing_is_lost() {
        let keys = ["http.route", "url.path", "db.system.name", "dbx", "server.address", "cart.items"];
        let attributes: Attributes = keys.iter().map(|&key| (key.to_owned(), 1_i64.into())).collect();
        let titles: Vec<_> = groups(&attributes).into_iter().map(|(title, e)| (title, e.len())).collect();
        assert_eq!(titles, [("HTTP", 2), ("Database", 1), ("Network", 1), ("Other", 2)]);
        assert!(groups(&Attributes::default()).is_empty());
    }
}
