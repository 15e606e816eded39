//! What a client's or producer's span says of its other end, by the semantic conventions of
//! OpenTelemetry, old names included.

use spanloom_model::Attributes;
use spanloom_model::api::DependencyKind;

/// Bytes of a name at most: it is part of keys.
const NAME_BYTES_MAX: usize = 255;

/// Attributes that name a host or a service, the most telling first.
const HOSTS: [&str; 3] = ["peer.service", "server.address", "net.peer.name"];

/// The kind and name of the node at the other end, if the span tells it.
pub fn peer(attributes: &Attributes) -> Option<(DependencyKind, String)> {
    if let Some(system) = first(attributes, &["db.system.name", "db.system"]) {
        let within = first(attributes, &["db.namespace", "db.name"]).or_else(|| host(attributes));
        return Some((DependencyKind::Database, name(system, within)));
    }
    if let Some(system) = first(attributes, &["messaging.system"]) {
        let within = first(attributes, &["messaging.destination.name", "messaging.destination"]);
        return Some((DependencyKind::Messaging, name(system, within.or_else(|| host(attributes)))));
    }
    Some((DependencyKind::External, name(host(attributes)?, None)))
}

/// The kind of a call that arrives as a server's or consumer's span.
pub fn kind_of_arrival(attributes: &Attributes, is_consumer: bool) -> DependencyKind {
    if is_consumer || attributes.get("messaging.system").is_some() {
        DependencyKind::Messaging
    } else if attributes.get("rpc.system").is_some() || attributes.get("rpc.system.name").is_some() {
        DependencyKind::Rpc
    } else {
        DependencyKind::Http
    }
}

fn first<'a>(attributes: &'a Attributes, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| attributes.get_str(key).filter(|value| !value.is_empty()))
}

fn host(attributes: &Attributes) -> Option<&str> {
    first(attributes, &HOSTS)
        .or_else(|| host_of_url(first(attributes, &["url.full", "http.url"])?))
        .or_else(|| first(attributes, &["network.peer.address", "net.peer.ip"]))
}

/// `host` of `scheme://user:password@host:port/path`.
fn host_of_url(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

fn name(outer: &str, within: Option<&str>) -> String {
    let mut name = within.map_or_else(|| outer.to_owned(), |within| format!("{outer}/{within}"));
    // The database holds no null characters.
    name.retain(|c| c != '\0');
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    name
}

#[cfg(test)]
mod tests {
    use spanloom_model::AttrValue;

    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    fn peer_of(pairs: &[(&str, &str)]) -> Option<(DependencyKind, String)> {
        let attributes = pairs.iter().map(|&(key, value)| (key.to_owned(), AttrValue::from(value)));
        peer(&attributes.collect())
    }

    // Catches a node that is named by the wrong attribute, or that two systems share.
    #[test]
    fn the_other_end_is_named_by_its_most_telling_attribute() {
        use DependencyKind::{Database, External, Messaging};
        let cases: &[(Pairs, DependencyKind, &str)] = &[
            (&[("db.system.name", "postgresql"), ("db.namespace", "shop")], Database, "postgresql/shop"),
            (&[("db.system", "redis"), ("server.address", "cache")], Database, "redis/cache"),
            (&[("db.system", "sqlite")], Database, "sqlite"),
            (
                &[("messaging.system", "kafka"), ("messaging.destination.name", "orders")],
                Messaging,
                "kafka/orders",
            ),
            (&[("server.address", "a.example"), ("peer.service", "pay")], External, "pay"),
            (
                &[("server.address", ""), ("url.full", "https://u:p@b.example:8443/x?y")],
                External,
                "b.example",
            ),
            (&[("http.url", "http://[::1]:80/")], External, "::1"),
        ];
        for (pairs, kind, name) in cases {
            assert_eq!(peer_of(pairs), Some((*kind, (*name).to_owned())), "{pairs:?}");
        }
        assert_eq!(peer_of(&[("http.route", "/x"), ("url.full", "nonsense")]), None);
    }

    // Catches names that the database refuses.
    #[test]
    fn names_are_short_and_without_null() {
        let long = "é".repeat(300);
        let (_, name) = peer_of(&[("peer.service", &format!("\0{long}"))]).unwrap();
        assert_eq!(name.len(), 254, "cut between characters");
        assert!(!name.contains('\0'));
    }
}
