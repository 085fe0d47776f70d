//! Where a request comes from, as coarse as throttles tell clients apart.

use std::{net::IpAddr, time::Duration};

/// So many networks of an account's logins are remembered, the latest.
pub const MAX_KNOWN_NETWORKS: usize = 8;
/// A network counts as known for so long after the last login from it.
pub const KNOWN_NETWORK_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A prefix of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpPrefix {
    base: IpAddr,
    prefix: u8,
}

impl IpPrefix {
    /// Whom a throttle holds: one IPv4 address, so that nobody is held for a neighbour;
    /// an IPv6 /56, because a single customer is given that much.
    #[must_use]
    pub fn for_rate_limit(address: IpAddr) -> Self {
        Self::from_address(address, 32, 56)
    }

    /// What is remembered of a login: /24 or /56. The person's address changes within it.
    #[must_use]
    pub fn for_known_networks(address: IpAddr) -> Self {
        Self::from_address(address, 24, 56)
    }

    /// Different for different networks.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        match self.base {
            IpAddr::V4(base) => {
                bytes[0] = 4;
                bytes[2..6].copy_from_slice(&base.octets());
            }
            IpAddr::V6(base) => {
                bytes[0] = 6;
                bytes[2..].copy_from_slice(&base.octets());
            }
        }
        bytes[1] = self.prefix;
        bytes
    }

    fn from_address(address: IpAddr, v4_bits: u8, v6_bits: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(v4_bits)).unwrap_or(0);
                Self { base: IpAddr::V4((u32::from(address) & mask).into()), prefix: v4_bits }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(v6_bits)).unwrap_or(0);
                Self { base: IpAddr::V6((u128::from(address) & mask).into()), prefix: v6_bits }
            }
        }
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
    fn an_ipv4_address_is_held_alone_and_remembered_with_its_24() {
        assert_ne!(rate_limit_prefix("203.0.113.7"), rate_limit_prefix("203.0.113.8"));
        assert_eq!(known_network("203.0.113.7"), known_network("203.0.113.200"));
        assert_ne!(known_network("203.0.113.7"), known_network("203.0.114.7"));
    }

    #[test]
    fn an_ipv6_address_stands_for_its_56() {
        for prefix_of in [rate_limit_prefix, known_network] {
            assert_eq!(prefix_of("2001:db8:0:1200::1"), prefix_of("2001:db8:0:12ff:ffff::"));
            assert_ne!(prefix_of("2001:db8:0:1200::1"), prefix_of("2001:db8:0:1300::1"));
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same() {
        assert_eq!(rate_limit_prefix("::ffff:203.0.113.7"), rate_limit_prefix("203.0.113.7"));
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
