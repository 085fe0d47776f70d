//! Whose address a request has when proxies stand between: only what a trusted proxy says counts.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap, HeaderName};

/// More hops than this are nobody's real path.
const MAX_HOPS: usize = 32;

/// The networks whose word about a client's address is believed. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// An entry of the list of trusted proxies that is no address or network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct InvalidProxy(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    prefix: u32,
}

impl TrustedProxies {
    /// From addresses and CIDR networks (`10.0.0.0/8`, `::1`). Bits behind the prefix are ignored.
    ///
    /// # Errors
    /// The first entry that is neither.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, InvalidProxy> {
        entries
            .into_iter()
            .map(|entry| Network::parse(entry.as_ref()).ok_or_else(|| InvalidProxy(entry.as_ref().to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The client's address: the peer's, unless the peer is a trusted proxy; then the rightmost
    /// address in `X-Forwarded-For`, or `Forwarded` (RFC 7239), that is not one.
    ///
    /// A proxy writes one of the two headers and passes the other on. When both are there and
    /// disagree, one may be the client's invention, and the peer's address is the answer.
    #[must_use]
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let by_list = self.walk(peer, forwarded_for(headers));
        let by_standard = self.walk(peer, forwarded(headers));
        match (by_list, by_standard) {
            (Some(a), Some(b)) if a != b => peer,
            (a, b) => a.or(b).unwrap_or(peer),
        }
    }

    /// Whether the client came over TLS, as the trusted proxy next to us says in
    /// `X-Forwarded-Proto` or `Forwarded`; the last entry is that proxy's own.
    #[must_use]
    pub fn came_over_tls(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        if !self.contains(peer.to_canonical()) {
            return false;
        }
        let listed = joined(headers, &header::X_FORWARDED_PROTO);
        let by_list = listed.and_then(|list| list.rsplit(',').next().map(|last| last.trim().to_ascii_lowercase()));
        let standard = joined(headers, &header::FORWARDED);
        let by_standard = standard.and_then(|list| parameter(list.rsplit(',').next()?, "proto"));
        [by_list, by_standard].into_iter().flatten().map(|scheme| scheme == "https").reduce(|a, b| a && b) == Some(true)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// From the nearest hop outwards, as long as the one who reports is trusted. `None` without
    /// the header.
    fn walk(&self, peer: IpAddr, hops: Option<Vec<Option<IpAddr>>>) -> Option<IpAddr> {
        let mut nearest = peer;
        for hop in hops?.into_iter().rev().take(MAX_HOPS) {
            // An obfuscated or broken entry: the last proxy that is known stands for the client.
            let Some(hop) = hop else { break };
            nearest = hop;
            if !self.contains(hop) {
                break;
            }
        }
        Some(nearest)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|it| it.is_ascii_digit()) => {
                (address, Some(prefix.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let bits = bits(base).1;
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { base, prefix })
    }

    fn contains(self, address: IpAddr) -> bool {
        let ((base, width), (address, other)) = (bits(self.base), bits(address));
        // `checked_shr` is `None` only for /0, which holds every address of the family.
        let shift = width - self.prefix;
        width == other && base.checked_shr(shift) == address.checked_shr(shift)
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(it) => (u32::from(it).into(), 32),
        IpAddr::V6(it) => (it.into(), 128),
    }
}

/// The hops of all `X-Forwarded-For` lines, nearest last; `None` without the header.
fn forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    joined(headers, &header::X_FORWARDED_FOR).map(|list| list.split(',').map(node).collect())
}

/// The `for` of each element of all `Forwarded` lines, nearest last; `None` without the header.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let of_element = |element: &str| node(&parameter(element, "for")?);
    // Neither an address nor a port contains a comma or a semicolon, quoted or not.
    joined(headers, &header::FORWARDED).map(|list| list.split(',').map(of_element).collect())
}

/// A parameter of one element of `Forwarded`, in lower case.
fn parameter(element: &str, wanted: &str) -> Option<String> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case(wanted).then_some(value)
    })
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> = headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    address.parse::<IpAddr>().ok().map(|it| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, lines: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8", "192.0.2.7"]).unwrap();
        let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header(*line));
        proxies.client_address(peer.parse().unwrap(), request.to_http_request().headers()).to_string()
    }

    #[test]
    fn tls_is_what_the_trusted_proxy_says_and_nobody_else() {
        let over_tls = |peer: &str, lines: &[(&str, &str)]| {
            let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header(*line)).to_http_request();
            let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
            proxies.came_over_tls(peer.parse().unwrap(), request.headers())
        };
        let proto = "x-forwarded-proto";
        for lines in [
            &[(proto, "https")][..],
            &[(proto, "http, HTTPS")],
            &[("forwarded", "for=192.0.2.1;proto=https")],
            &[("forwarded", "proto=http, for=192.0.2.1;Proto=\"https\"")],
        ] {
            assert!(over_tls("10.1.2.3", lines), "{lines:?}");
            assert!(!over_tls("192.0.2.1", lines), "{lines:?}");
        }
        for lines in
            [&[][..], &[(proto, "http")], &[(proto, "https, http")], &[(proto, "https"), ("forwarded", "proto=http")]]
        {
            assert!(!over_tls("10.1.2.3", lines), "{lines:?}");
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("203.0.113.9", &[("x-forwarded-for", "198.51.100.1")]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &[("forwarded", "for=198.51.100.1")]), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy_is_the_client() {
        for (lines, expected) in [
            (&[][..], "10.1.2.3"),
            (&[("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
            (&[("x-forwarded-for", "6.6.6.6, 198.51.100.1")], "198.51.100.1"),
            (&[("x-forwarded-for", "6.6.6.6, 198.51.100.1, 10.9.9.9 , fd00::5")], "198.51.100.1"),
            (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
            (&[("x-forwarded-for", "198.51.100.1:4711")], "198.51.100.1"),
            (&[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1"),
            (&[("x-forwarded-for", "2001:db8::1")], "2001:db8::1"),
            (&[("x-forwarded-for", "::ffff:10.3.3.3, 10.4.4.4")], "10.3.3.3"),
            (&[("x-forwarded-for", "198.51.100.1, unknown, 10.9.9.9")], "10.9.9.9"),
            (&[("x-forwarded-for", "<script>")], "10.1.2.3"),
            (&[("x-forwarded-for", "")], "10.1.2.3"),
            (&[("forwarded", "for=6.6.6.6, FOR=\"[2001:db8::1]:80\";proto=https, for=10.9.9.9")], "2001:db8::1"),
            (&[("forwarded", "proto=https;by=10.0.0.1")], "10.1.2.3"),
            (&[("forwarded", "for=_hidden")], "10.1.2.3"),
        ] {
            assert_eq!(client("10.1.2.3", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn two_headers_that_disagree_are_both_ignored() {
        let agreeing = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        let disagreeing = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=6.6.6.6")];
        assert_eq!(client("10.1.2.3", &agreeing), "198.51.100.1");
        assert_eq!(client("10.1.2.3", &disagreeing), "10.1.2.3");
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?}");
            assert!(!network.contains(outside.parse().unwrap()), "{network:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for entry in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "localhost", "10.0.0.1:80"] {
            assert_eq!(TrustedProxies::parse(["::1", entry]), Err(InvalidProxy(entry.to_owned())));
        }
    }
}
