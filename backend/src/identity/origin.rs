//! Where a request comes from: its origin (browsers), its address (log-ins), a proxy or not.
//!
//! Pure functions over header values; the rim hands them in.

use std::net::{IpAddr, Ipv6Addr};

use subtle::ConstantTimeEq;

/// Headers by which a proxy says that it speaks for somebody else. A request with one of them is
/// never taken for one of this machine, whatever its peer address.
pub const FORWARDING_HEADERS: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/// Entries of `X-Forwarded-For` that are looked at, from the right.
const FORWARDED_HOPS_MAX: usize = 16;

/// Whether a browser's `Origin` is the server's own or a trusted one. Without the header it is:
/// then no browser page sent the request, or one of ours.
///
/// `host` is the request's `Host`. With `https_only` (secure cookies) our own origin counts only as
/// `https`, so that a page smuggled in over plain HTTP has no say.
pub fn origin_allowed(
    origin: Option<&str>,
    host: Option<&str>,
    trusted: &[String],
    https_only: bool,
) -> bool {
    let Some(origin) = origin else { return true };
    if trusted.iter().any(|one| one.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "https" => ":443",
        "http" if !https_only => ":80",
        _ => return false,
    };
    let Some(host) = host else { return false };
    let without_default = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    without_default(authority) == without_default(host)
}

/// Whether the CSRF header equals the cookie, in constant time.
pub fn csrf_matches(header: Option<&str>, cookie: Option<&str>) -> bool {
    let (Some(header), Some(cookie)) = (header, cookie) else { return false };
    !header.is_empty() && bool::from(header.as_bytes().ct_eq(cookie.as_bytes()))
}

/// The address to hold responsible for a log-in: the peer, or, if the peer is a trusted proxy, the
/// nearest address in `X-Forwarded-For` that is not.
pub fn client_address(peer: IpAddr, forwarded_for: &[&str], trusted_proxies: &[IpAddr]) -> IpAddr {
    let trusted = |address: &IpAddr| trusted_proxies.iter().any(|proxy| proxy.to_canonical() == *address);
    let mut address = peer.to_canonical();
    let hops = forwarded_for.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(FORWARDED_HOPS_MAX) {
        if !trusted(&address) {
            break;
        }
        let Some(next) = parse_address(hop.trim()) else { break };
        address = next;
    }
    address
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|socket| socket.ip()))
        .or_else(|_| {
            text.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>().map(IpAddr::V6)
        });
    address.ok().map(|address| address.to_canonical())
}

/// What log-ins are counted by: the address, or the /64 that one IPv6 customer owns.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() >> 64 << 64;
            format!("{}/64", Ipv6Addr::from_bits(prefix))
        }
    }
}

/// The credentials in an `Authorization` header of the scheme `Bearer`. Other schemes belong to
/// somebody else, such as a proxy in front of us.
pub fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an origin check by substring or prefix, one that forgets the port, the opaque origin,
    /// or that secure cookies mean HTTPS.
    #[test]
    fn origins() {
        let trusted = vec!["https://traces.example.com/".to_owned()];
        let check = |origin, host| origin_allowed(Some(origin), Some(host), &trusted, false);
        assert!(origin_allowed(None, Some("localhost:8080"), &trusted, false));
        assert!(check("http://localhost:8080", "localhost:8080"));
        assert!(check("http://LOCALHOST:8080", "localhost:8080"));
        assert!(check("https://spans.example", "spans.example:443"));
        assert!(check("https://traces.example.com", "10.0.0.1:8080"));
        assert!(!check("http://localhost:8081", "localhost:8080"));
        assert!(!check("http://localhost:8080.evil.example", "localhost:8080"));
        assert!(!check("https://traces.example.com.evil.example", "localhost"));
        assert!(!check("http://traces.example.com", "localhost"), "trusted as https only");
        assert!(!check("null", "localhost"));
        assert!(!check("file://localhost", "localhost"));
        assert!(!origin_allowed(Some("http://localhost"), None, &trusted, false));
        assert!(!origin_allowed(Some("http://spans.example"), Some("spans.example"), &[], true));
        assert!(origin_allowed(Some("https://spans.example"), Some("spans.example"), &[], true));
    }

    /// Catches "both missing" or "both empty" taken for equal.
    #[test]
    fn csrf_needs_both_and_equal() {
        assert!(csrf_matches(Some("abc"), Some("abc")));
        assert!(!csrf_matches(Some("abc"), Some("abd")));
        assert!(!csrf_matches(Some("abc"), None));
        assert!(!csrf_matches(None, None));
        assert!(!csrf_matches(Some(""), Some("")));
    }

    /// Catches belief in a header that the client itself wrote.
    #[test]
    fn addresses_behind_proxies() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxies = [ip("10.0.0.1"), ip("10.0.0.2")];
        let direct = client_address(ip("198.51.100.7"), &["127.0.0.1"], &proxies);
        assert_eq!(direct, ip("198.51.100.7"), "the peer is no trusted proxy");
        let one = client_address(ip("10.0.0.1"), &["127.0.0.1, 198.51.100.7"], &proxies);
        assert_eq!(one, ip("198.51.100.7"), "what stands left of it is the client's own claim");
        let two = client_address(ip("10.0.0.1"), &["127.0.0.1", "198.51.100.7:1234, 10.0.0.2"], &proxies);
        assert_eq!(two, ip("198.51.100.7"));
        let nonsense = client_address(ip("10.0.0.1"), &["unknown"], &proxies);
        assert_eq!(nonsense, ip("10.0.0.1"));
        let mapped = client_address(ip("::ffff:10.0.0.1"), &["[2001:db8::1]:99"], &proxies);
        assert_eq!(mapped, ip("2001:db8::1"));
    }

    /// Catches a limit per IPv6 address, of which everybody has 2^64.
    #[test]
    fn networks() {
        assert_eq!(network("192.0.2.1".parse().unwrap()), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
    }

    /// Catches other schemes being taken for keys.
    #[test]
    fn bearer() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer  abc "), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
        assert_eq!(bearer_token("Bearer "), None);
        assert_eq!(bearer_token("Bearer"), None);
    }
}
