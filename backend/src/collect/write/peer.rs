//! What a client's or producer's span says of its other end, by the semantic conventions of
//! OpenTelemetry, old names included.

use spanloom_model::api::DependencyKind;
use spanloom_model::{AttrValue, Attributes};

/// Bytes of a name at most: it is part of keys.
const NAME_BYTES_MAX: usize = 255;

/// Attributes that tell of the other end; empty ones tell nothing.
#[derive(Default)]
struct Told<'a> {
    db_system_name: Option<&'a str>,
    db_system: Option<&'a str>,
    db_namespace: Option<&'a str>,
    db_name: Option<&'a str>,
    messaging_system: Option<&'a str>,
    messaging_destination_name: Option<&'a str>,
    messaging_destination: Option<&'a str>,
    peer_service: Option<&'a str>,
    server_address: Option<&'a str>,
    net_peer_name: Option<&'a str>,
    url_full: Option<&'a str>,
    http_url: Option<&'a str>,
    network_peer_address: Option<&'a str>,
    net_peer_ip: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// In one pass: looking each key up would cost more than all the rest of counting.
    fn read(attributes: &'a Attributes) -> Self {
        let mut told = Self::default();
        for (key, value) in attributes.iter() {
            let place = match key {
                "db.system.name" => &mut told.db_system_name,
                "db.system" => &mut told.db_system,
                "db.namespace" => &mut told.db_namespace,
                "db.name" => &mut told.db_name,
                "messaging.system" => &mut told.messaging_system,
                "messaging.destination.name" => &mut told.messaging_destination_name,
                "messaging.destination" => &mut told.messaging_destination,
                "peer.service" => &mut told.peer_service,
                "server.address" => &mut told.server_address,
                "net.peer.name" => &mut told.net_peer_name,
                "url.full" => &mut told.url_full,
                "http.url" => &mut told.http_url,
                "network.peer.address" => &mut told.network_peer_address,
                "net.peer.ip" => &mut told.net_peer_ip,
                _ => continue,
            };
            if let AttrValue::String(text) = value
                && !text.is_empty()
            {
                *place = Some(text);
            }
        }
        told
    }

    /// The host or service, by the most telling attribute.
    fn host(&self) -> Option<&'a str> {
        self.peer_service
            .or(self.server_address)
            .or(self.net_peer_name)
            .or_else(|| host_of_url(self.url_full.or(self.http_url)?))
            .or(self.network_peer_address)
            .or(self.net_peer_ip)
    }
}

/// The kind and name of the node at the other end, if the span tells it.
pub fn peer(attributes: &Attributes) -> Option<(DependencyKind, String)> {
    let told = Told::read(attributes);
    if let Some(system) = told.db_system_name.or(told.db_system) {
        let within = told.db_namespace.or(told.db_name).or_else(|| told.host());
        return Some((DependencyKind::Database, name(system, within)));
    }
    if let Some(system) = told.messaging_system {
        let destination = told.messaging_destination_name.or(told.messaging_destination);
        return Some((DependencyKind::Messaging, name(system, destination.or_else(|| told.host()))));
    }
    Some((DependencyKind::External, name(told.host()?, None)))
}

/// The kind of a call that arrives as a server's or consumer's span.
pub fn kind_of_arrival(attributes: &Attributes, is_consumer: bool) -> DependencyKind {
    let mut kind = DependencyKind::Http;
    for (key, _) in attributes.iter() {
        match key {
            "messaging.system" => return DependencyKind::Messaging,
            "rpc.system" | "rpc.system.name" => kind = DependencyKind::Rpc,
            _ => {}
        }
    }
    if is_consumer { DependencyKind::Messaging } else { kind }
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
