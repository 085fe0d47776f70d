//! IP prefixes: the network that a request comes from, in the sizes that rate limits and known networks use.

use std::{fmt, net::IpAddr, time::Duration};

use ipnet::IpNet;

/// The maximum number of networks that an account remembers, those of its latest logins.
pub const MAX_KNOWN_NETWORKS: usize = 8;
/// How long a network counts as known after the last login from it.
pub const KNOWN_NETWORK_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An IP prefix in CIDR terms. All bits after the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpPrefix(IpNet);

impl IpPrefix {
    /// Returns the prefix that a rate limit counts as one client: a single IPv4 address, so that no client pays for its
    /// neighbours, or an IPv6 /56, because providers assign that size to one customer.
    #[must_use]
    pub fn for_rate_limit(address: IpAddr) -> Self {
        Self::from_address(address, 32, 56)
    }

    /// Returns the prefix that is remembered of a login: an IPv4 /24 or an IPv6 /56. A user's address often changes
    /// within it.
    #[must_use]
    pub fn for_known_networks(address: IpAddr) -> Self {
        Self::from_address(address, 24, 56)
    }

    /// Returns the stored form, which differs for different prefixes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        match self.0.addr() {
            IpAddr::V4(base) => {
                bytes[0] = 4;
                bytes[2..6].copy_from_slice(&base.octets());
            }
            IpAddr::V6(base) => {
                bytes[0] = 6;
                bytes[2..].copy_from_slice(&base.octets());
            }
        }
        bytes[1] = self.0.prefix_len();
        bytes
    }

    fn from_address(address: IpAddr, v4_bits: u8, v6_bits: u8) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { v4_bits } else { v6_bits };
        Self(IpNet::new_assert(address, bits).trunc())
    }
}

impl fmt::Display for IpPrefix {
    /// Writes the prefix in CIDR notation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_limit_prefix(text: &str) -> IpPrefix {
        IpPrefix::for_rate_limit(text.parse().unwrap())
    }

    fn known_network(text: &str) -> IpPrefix {
        IpPrefix::for_known_networks(text.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_rate_limited_alone_and_remembered_as_its_24() {
        assert_ne!(rate_limit_prefix("203.0.113.7"), rate_limit_prefix("203.0.113.8"));
        assert_eq!(known_network("203.0.113.7"), known_network("203.0.113.200"));
        assert_ne!(known_network("203.0.113.7"), known_network("203.0.114.7"));
    }

    #[test]
    fn an_ipv6_address_counts_as_its_56() {
        for prefix_of in [rate_limit_prefix, known_network] {
            assert_eq!(prefix_of("2001:db8:0:1200::1"), prefix_of("2001:db8:0:12ff:ffff::"));
            assert_ne!(prefix_of("2001:db8:0:1200::1"), prefix_of("2001:db8:0:1300::1"));
        }
    }

    #[test]
    fn an_ipv4_mapped_ipv6_address_is_the_ipv4_address() {
        assert_eq!(rate_limit_prefix("::ffff:203.0.113.7"), rate_limit_prefix("203.0.113.7"));
    }

    #[test]
    fn a_prefix_is_written_in_cidr_notation() {
        assert_eq!(known_network("203.0.113.7").to_string(), "203.0.113.0/24");
        assert_eq!(known_network("2001:db8:12:34ff:1::1").to_string(), "2001:db8:12:3400::/56");
    }

    #[test]
    fn different_networks_have_different_bytes() {
        let networks = [
            rate_limit_prefix("0.0.0.0"),
            known_network("0.0.0.0"),
            rate_limit_prefix("::"),
            rate_limit_prefix("1.2.3.4"),
            rate_limit_prefix("2001:db8::"),
        ];
        for (i, one) in networks.iter().enumerate() {
            for other in &networks[i + 1..] {
                assert_ne!(one.to_bytes(), other.to_bytes());
            }
        }
    }
}
