//! Mail addresses as the wire wants them: the domain as an A-label.

use lettre::Address;

use super::RenderError;

/// The address with its domain in ASCII (RFC 5890) and lower case. The local part stays as it is:
/// one outside ASCII needs a server with SMTPUTF8.
pub(super) fn normalised(address: &str) -> Result<Address, RenderError> {
    // Ours are at most 254 bytes as A-labels; no line of a mail may have more than 998.
    if address.len() > 512 || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(RenderError::Recipient);
    }
    let (local, domain) = address.rsplit_once('@').ok_or(RenderError::Recipient)?;
    let domain = if domain.starts_with('[') {
        domain.to_owned()
    } else {
        idna::domain_to_ascii(domain).map_err(|_| RenderError::Recipient)?
    };
    Address::new(local, domain).map_err(|_| RenderError::Recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_becomes_an_a_label() {
        for (given, expected) in [
            ("ada@example.org", "ada@example.org"),
            ("Ada.L@EXAMPLE.org", "Ada.L@example.org"),
            ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("ädä@example.org", "ädä@example.org"),
            ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
        ] {
            assert_eq!(normalised(given).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_single_address_is_refused() {
        for given in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example.org, eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "Ada <ada@example.org>",
            "ada@example.org>",
            "\"a\r\nb\"@example.org",
            "ada\u{2028}@example.org",
        ] {
            assert!(normalised(given).is_err(), "{given:?}");
        }
    }
}
