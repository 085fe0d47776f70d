//! The network of a sign-in, as a shortened address that people can compare with their own.

use std::net::IpAddr;

/// Returns the shown form of a network in CIDR notation: `203.0.113.x` for an IPv4 /24, and `2001:db8:12:34xx:…` for an
/// IPv6 /56. Returns a network of another size as it is, and `None` for anything else.
pub(super) fn shortened_address(network: &str) -> Option<String> {
    let (address, size) = network.split_once('/')?;
    let (address, size): (IpAddr, u8) = (address.parse().ok()?, size.parse().ok()?);
    match (address, size) {
        (IpAddr::V4(address), 24) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{a}.{b}.{c}.x"))
        }
        (IpAddr::V6(address), 56) => {
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{:x}xx:…", d >> 8))
        }
        (IpAddr::V4(_), 0..=32) | (IpAddr::V6(_), 0..=128) => Some(format!("{address}/{size}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_shown_as_the_known_part_of_its_addresses() {
        for (network, expected) in [
            ("203.0.113.0/24", "203.0.113.x"),
            ("127.0.0.0/24", "127.0.0.x"),
            ("2001:db8:12:3400::/56", "2001:db8:12:34xx:…"),
            ("2001:db8::/56", "2001:db8:0:0xx:…"),
            ("fe80:0:0:a00::/56", "fe80:0:0:axx:…"),
            // A later version of the user service may choose another size.
            ("203.0.112.0/23", "203.0.112.0/23"),
            ("2001:db8::/48", "2001:db8::/48"),
        ] {
            assert_eq!(shortened_address(network).as_deref(), Some(expected), "{network}");
        }
    }

    #[test]
    fn anything_but_a_network_is_not_shown() {
        for text in
            ["", "/", "203.0.113.7", "203.0.113.0/33", "2001:db8::/129", "203.0.113.0/24 evil.example", "<b>/24"]
        {
            assert_eq!(shortened_address(text), None, "{text}");
        }
    }
}
