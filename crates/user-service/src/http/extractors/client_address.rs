//! Determines the address of the client behind proxies: from the one header that the operator configures, and only if a
//! trusted proxy sent it.

use std::{net::IpAddr, str::FromStr};

use actix_web::http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::forwarding_headers::{forwarded, joined_lines, parameter, single_address, x_forwarded_for};

/// The number of hops that are examined. No real proxy chain is longer.
const MAX_HOPS: usize = 32;
/// Headers that have another meaning in every request. To configure one of them is a mistake.
const NOT_ADDRESS_HEADERS: [&str; 20] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "host",
    "if-match",
    "if-none-match",
    "origin",
    "referer",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// The networks of the proxies that may report the address of a client (none by default), and the header in which they
/// report it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ClientAddressHeader,
}

/// The header that is read for the address of the client. No other header is read: a proxy forwards the headers that it
/// does not set itself, so the client can choose their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ClientAddressHeader {
    /// `X-Forwarded-For`, a list of addresses; the scheme is in `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), a list of elements with `for` and `proto`.
    Forwarded,
    /// A header that holds one address, such as `CF-Connecting-IP`; the scheme is in `X-Forwarded-Proto`.
    Single(HeaderName),
}

/// An entry of the list of trusted proxies that is neither an address nor a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct InvalidTrustedProxy(String);

/// A text that does not name a header with the address of a client.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a header that holds the address of a client, such as x-forwarded-for, forwarded or x-real-ip")]
pub struct InvalidAddressHeader(String);

impl FromStr for ClientAddressHeader {
    type Err = InvalidAddressHeader;

    fn from_str(text: &str) -> Result<Self, InvalidAddressHeader> {
        let invalid = || InvalidAddressHeader(text.to_owned());
        let name = HeaderName::from_str(text.trim()).map_err(|_| invalid())?;
        match name.as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            other if NOT_ADDRESS_HEADERS.contains(&other) => Err(invalid()),
            _ => Ok(Self::Single(name)),
        }
    }
}

impl TrustedProxies {
    /// Parses addresses and CIDR networks (`10.0.0.0/8`, `::1`). Bits after the prefix are ignored.
    ///
    /// # Errors
    /// Returns [`InvalidTrustedProxy`] with the first entry that is neither.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, InvalidTrustedProxy> {
        let parsed =
            |entry: S| parse_network(entry.as_ref()).ok_or_else(|| InvalidTrustedProxy(entry.as_ref().to_owned()));
        let networks = entries.into_iter().map(parsed).collect::<Result<_, _>>()?;
        Ok(Self { networks, header: ClientAddressHeader::default() })
    }

    /// Returns the same proxies, with `header` as the header that is read.
    #[must_use]
    pub fn with_header(self, header: ClientAddressHeader) -> Self {
        Self { header, ..self }
    }

    /// Returns the address of the client. That is the address of the peer, unless the peer is a trusted proxy. Then it is
    /// the address in the configured header; in a list, the rightmost address that is not a trusted proxy. If the header
    /// is missing, malformed, or repeated where one address is expected, the address of the peer is returned.
    #[must_use]
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        match &self.header {
            ClientAddressHeader::XForwardedFor => self.rightmost_untrusted(peer, x_forwarded_for(headers)),
            ClientAddressHeader::Forwarded => self.rightmost_untrusted(peer, forwarded(headers)),
            ClientAddressHeader::Single(name) => single_address(headers, name).unwrap_or(peer),
        }
    }

    /// Returns whether the client used TLS, as the nearest trusted proxy reports it: in `proto` of `Forwarded` if that is
    /// the configured header, else in `X-Forwarded-Proto`. The last entry is the one that the nearest proxy added.
    #[must_use]
    pub fn client_used_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        if !self.contains(peer.to_canonical()) {
            return false;
        }
        let name = match self.header {
            ClientAddressHeader::Forwarded => header::FORWARDED,
            ClientAddressHeader::XForwardedFor | ClientAddressHeader::Single(_) => header::X_FORWARDED_PROTO,
        };
        let Some(list) = joined_lines(headers, &name) else { return false };
        let last = list.rsplit(',').next().unwrap_or_default();
        match self.header {
            ClientAddressHeader::Forwarded => parameter(last, "proto").is_some_and(|proto| proto == "https"),
            _ => last.trim().eq_ignore_ascii_case("https"),
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns the first hop that is not a trusted proxy, counted from the nearest one.
    fn rightmost_untrusted(&self, peer: IpAddr, hops: Vec<Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for hop in hops.into_iter().rev().take(MAX_HOPS) {
            // The entry is obfuscated or malformed, so the last known proxy is taken as the client.
            let Some(hop) = hop else { break };
            nearest = hop;
            if !self.contains(hop) {
                break;
            }
        }
        nearest
    }
}

/// Parses an address or a CIDR network. The address is read by the standard library: `IpNet`'s own parser accepts leading
/// zeros, which other programs read as octal numbers.
fn parse_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    match text.split_once('/') {
        Some((_, prefix)) if prefix.starts_with('+') => None,
        Some((address, prefix)) => IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok(),
        None => Some(text.parse::<IpAddr>().ok()?.into()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, lines: &[(&str, &str)]) -> String {
        client_in("x-forwarded-for", peer, lines)
    }

    fn client_in(header: &str, peer: &str, lines: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8", "192.0.2.7"]).unwrap();
        let proxies = proxies.with_header(header.parse().unwrap());
        let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header(*line));
        proxies.client_address(peer.parse().unwrap(), request.to_http_request().headers()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_reports_https_and_only_in_the_kind_of_header_that_is_configured() {
        let used_https = |named: &str, peer: &str, lines: &[(&str, &str)]| {
            let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header(*line)).to_http_request();
            let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap().with_header(named.parse().unwrap());
            proxies.client_used_https(peer.parse().unwrap(), request.headers())
        };
        let (proto, standard) = (("x-forwarded-proto", "https"), ("forwarded", "for=192.0.2.1;proto=https"));
        for (named, lines) in [
            ("x-forwarded-for", &[proto][..]),
            ("x-forwarded-for", &[("x-forwarded-proto", "http, HTTPS")]),
            ("x-forwarded-for", &[proto, ("forwarded", "proto=http")]),
            ("x-real-ip", &[proto]),
            ("forwarded", &[standard]),
            ("forwarded", &[("forwarded", "proto=http, for=192.0.2.1;Proto=\"https\"")]),
            ("forwarded", &[standard, ("x-forwarded-proto", "http")]),
        ] {
            assert!(used_https(named, "10.1.2.3", lines), "{named}: {lines:?}");
            assert!(!used_https(named, "192.0.2.1", lines), "{named}: {lines:?}");
        }
        for (named, lines) in [
            ("x-forwarded-for", &[][..]),
            ("x-forwarded-for", &[("x-forwarded-proto", "http")]),
            ("x-forwarded-for", &[("x-forwarded-proto", "https, http")]),
            // The client can choose these headers.
            ("x-forwarded-for", &[standard]),
            ("cf-connecting-ip", &[standard]),
            ("forwarded", &[proto]),
            ("forwarded", &[("forwarded", "proto=https, for=192.0.2.1")]),
        ] {
            assert!(!used_https(named, "10.1.2.3", lines), "{named}: {lines:?}");
        }
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        assert_eq!(client("203.0.113.9", &[("x-forwarded-for", "198.51.100.1")]), "203.0.113.9");
        assert_eq!(client_in("forwarded", "203.0.113.9", &[("forwarded", "for=198.51.100.1")]), "203.0.113.9");
        assert_eq!(client_in("x-real-ip", "203.0.113.9", &[("x-real-ip", "198.51.100.1")]), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
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
        ] {
            assert_eq!(client("10.1.2.3", lines), expected, "{lines:?}");
        }
        for (line, expected) in [
            ("for=6.6.6.6, FOR=\"[2001:db8::1]:80\";proto=https, for=10.9.9.9", "2001:db8::1"),
            ("proto=https;by=10.0.0.1", "10.1.2.3"),
            ("for=_hidden", "10.1.2.3"),
        ] {
            assert_eq!(client_in("forwarded", "10.1.2.3", &[("forwarded", line)]), expected, "{line}");
        }
    }

    #[test]
    fn only_the_configured_header_is_read() {
        let all = [
            ("x-forwarded-for", "6.6.6.6, 198.51.100.1"),
            ("forwarded", "for=6.6.6.6, for=198.51.100.2"),
            ("x-real-ip", "198.51.100.3"),
            ("cf-connecting-ip", "2001:db8::4"),
        ];
        for (named, expected) in [
            ("x-forwarded-for", "198.51.100.1"),
            ("Forwarded", "198.51.100.2"),
            ("X-Real-IP", "198.51.100.3"),
            (" cf-connecting-ip ", "2001:db8::4"),
            ("true-client-ip", "10.1.2.3"),
        ] {
            assert_eq!(client_in(named, "10.1.2.3", &all), expected, "{named}");
        }
    }

    #[test]
    fn a_single_address_header_holds_exactly_one_address() {
        let of = |lines: &[(&str, &str)]| client_in("x-real-ip", "10.1.2.3", lines);
        assert_eq!(of(&[("x-real-ip", " ::ffff:198.51.100.1 ")]), "198.51.100.1");
        // A trusted proxy can be the client, too.
        assert_eq!(of(&[("x-real-ip", "10.9.9.9")]), "10.9.9.9");
        for broken in ["", "unknown", "6.6.6.6, 198.51.100.1", "<script>"] {
            assert_eq!(of(&[("x-real-ip", broken)]), "10.1.2.3", "{broken}");
        }
        assert_eq!(of(&[("x-real-ip", "6.6.6.6"), ("x-real-ip", "198.51.100.1")]), "10.1.2.3");
    }

    #[test]
    fn a_header_that_holds_no_address_is_refused_by_name() {
        for name in
            ["", "x forwarded for", "x-forwarded-for,forwarded", "host", "Authorization", "X-Forwarded-Proto", "ä"]
        {
            assert_eq!(name.parse::<ClientAddressHeader>(), Err(InvalidAddressHeader(name.to_owned())));
        }
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ] {
            let network = parse_network(network).unwrap();
            assert!(network.contains(&inside.parse::<IpAddr>().unwrap()), "{network:?}");
            assert!(!network.contains(&outside.parse::<IpAddr>().unwrap()), "{network:?}");
        }
    }

    #[test]
    fn an_invalid_network_is_refused_by_name() {
        for entry in [
            "010.0.0.0/8",
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "localhost",
            "10.0.0.1:80",
        ] {
            assert_eq!(TrustedProxies::parse(["::1", entry]), Err(InvalidTrustedProxy(entry.to_owned())));
        }
    }
}
