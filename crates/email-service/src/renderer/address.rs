//! Email addresses in messages and envelopes: the domain as an A-label; and their masked form.

use lettre::Address;

use super::RenderError;

/// Returns the address with its domain in ASCII (RFC 5890) and lower case. The local part is not
/// changed: non-ASCII characters in it need a server with SMTPUTF8.
pub(super) fn normalize(address: &str) -> Result<Address, RenderError> {
    // The user service allows 254 bytes with A-labels; a line of a mail must not exceed 998.
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

/// Masks an address for a reader who may not be its owner: `a•••@e•••.com`. The owner recognises
/// it; its length, and all but two characters and the top-level domain, stay hidden.
pub(super) fn mask(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let (domain, _) = idna::domain_to_unicode(domain.trim_end_matches('.'));
    let is_name = |label: &str| {
        (1..=63).contains(&label.chars().count()) && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let top = domain.rsplit_once('.').map(|(_, top)| top);
    let top = top.filter(|top| is_name(top) && !top.starts_with(|c: char| c.is_numeric()));
    format!(
        "{}•••@{}•••{}{}",
        first_alphanumeric(local),
        first_alphanumeric(&domain),
        top.map_or("", |_| "."),
        top.unwrap_or_default()
    )
}

/// Returns the first character if it is a letter or a digit.
fn first_alphanumeric(text: &str) -> String {
    text.chars().next().filter(|c| c.is_alphanumeric()).map(String::from).unwrap_or_default()
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
            // The user service accepts these.
            ("root@localhost", "root@localhost"),
            ("o'brien+x_{y}@example.org", "o'brien+x_{y}@example.org"),
            ("x--y@ab--cd.example", "x--y@ab--cd.example"),
            ("a@example.0x1", "a@example.0x1"),
            ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ] {
            assert_eq!(normalize(given).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn anything_but_one_address_is_refused() {
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
            assert!(normalize(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn a_masked_address_shows_two_characters_and_the_top_level_domain() {
        for (address, expected) in [
            ("ada.lovelace@example.com", "a•••@e•••.com"),
            ("ada.lovelace@mail.example.co.uk", "a•••@m•••.uk"),
            ("a@b.c", "a•••@b•••.c"),
            ("7@x.example", "7•••@x•••.example"),
            ("ada@localhost", "a•••@l•••"),
            ("ada@bücher.example", "a•••@b•••.example"),
            ("ada@xn--bcher-kva.example", "a•••@b•••.example"),
            ("李@例え.テスト", "李•••@例•••.テスト"),
            ("ada@example.com.", "a•••@e•••.com"),
        ] {
            assert_eq!(mask(address), expected, "{address}");
        }
    }

    #[test]
    fn a_hostile_or_invalid_address_is_masked_completely() {
        for (address, expected) in [
            ("", "•••@•••"),
            ("@", "•••@•••"),
            ("ada", "a•••@•••"),
            ("@@", "•••@•••"),
            ("\"<b> x\"@example.com", "•••@e•••.com"),
            ("\r\nBcc: eve@evil.example", "•••@e•••.example"),
            ("\u{202E}ada@\u{202E}evil.example", "•••@•••.example"),
            ("\u{301}a@example.com", "•••@e•••.com"),
            ("ada@[192.0.2.1]", "a•••@•••"),
            ("ada@192.0.2.1", "a•••@1•••"),
            ("ada@x.<script>", "a•••@x•••"),
            ("ada@x.com/?visit=evil.example/now", "a•••@x•••"),
            ("ada@x.\u{202E}moc", "a•••@x•••"),
        ] {
            assert_eq!(mask(address), expected, "{address:?}");
        }
        let long = mask(&format!("{}@{}.{}", "a".repeat(500), "b".repeat(500), "c".repeat(500)));
        assert_eq!(long, "a•••@b•••");
    }
}
