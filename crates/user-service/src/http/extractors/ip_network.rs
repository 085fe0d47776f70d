//! IP networks in CIDR notation.

use std::net::IpAddr;

/// A network of IP addresses. Bits of `base` after the prefix are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IpNetwork {
    base: IpAddr,
    prefix: u32,
}

impl IpNetwork {
    /// Parses an address or a CIDR network.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|it| it.is_ascii_digit()) => {
                (address, Some(prefix.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let width = as_number(base).1;
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then_some(Self { base, prefix })
    }

    /// Returns whether the network contains `address`, which must be of the same family.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let ((base, width), (address, other)) = (as_number(self.base), as_number(address));
        // `checked_shr` returns `None` only for /0, which contains every address of the family.
        let shift = width - self.prefix;
        width == other && base.checked_shr(shift) == address.checked_shr(shift)
    }
}

/// Returns an address as a number, and its width in bits.
fn as_number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(it) => (u32::from(it).into(), 32),
        IpAddr::V6(it) => (it.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let network = IpNetwork::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?}");
            assert!(!network.contains(outside.parse().unwrap()), "{network:?}");
        }
    }
}
