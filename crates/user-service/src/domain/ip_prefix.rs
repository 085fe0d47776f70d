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
        Self::of(address, 32, 56)
    }

    /// What is remembered of a login: /24 or /56. The person's address changes within it.
    #[must_use]
    pub fn for_known_networks(address: IpAddr) -> Self {
        Self::of(address, 24, 56)
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

    fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
                Self { base: IpAddr::V4((u32::from(address) & mask).into()), prefix: v4 }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
                Self { base: IpAddr::V6((u128::from(address) & mask).into()), prefix: v6 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(text: &str) -> IpPrefix {
        IpPrefix::for_rate_limit(text.parse().unwrap())
    }

    fn remembered(text: &str) -> IpPrefix {
        IpPrefix::for_known_networks(text.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_held_alone_and_remembered_with_its_24() {
        assert_ne!(throttled("203.0.113.7"), throttled("203.0.113.8"));
        assert_eq!(remembered("203.0.113.7"), remembered("203.0.113.200"));
        assert_ne!(remembered("203.0.113.7"), remembered("203.0.114.7"));
    }

    #[test]
    fn an_ipv6_address_stands_for_its_56() {
        for of in [throttled, remembered] {
            assert_eq!(of("2001:db8:0:1200::1"), of("2001:db8:0:12ff:ffff::"));
            assert_ne!(of("2001:db8:0:1200::1"), of("2001:db8:0:1300::1"));
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same() {
        assert_eq!(throttled("::ffff:203.0.113.7"), throttled("203.0.113.7"));
    }

    #[test]
    fn different_networks_have_different_bytes() {
        let networks = [
            throttled("0.0.0.0"),
            remembered("0.0.0.0"),
            throttled("::"),
            throttled("1.2.3.4"),
            throttled("2001:db8::"),
        ];
        for (i, one) in networks.iter().enumerate() {
            for other in &networks[i + 1..] {
                assert_ne!(one.to_bytes(), other.to_bytes());
            }
        }
    }
}
