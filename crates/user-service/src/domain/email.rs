//! Email addresses: which are valid, how they are shown, and when two of them are the same.

use std::{fmt, str::FromStr};

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use unicode_normalization::UnicodeNormalization;

use super::{
    allowed_characters::{is_blank, is_disruptive},
    invalid_value::Invalid,
    redacted::redacted_debug,
};

/// Maximum length of an address in bytes: a path has at most 256 octets, including its angle brackets (RFC 5321,
/// section 4.5.3.1.3).
pub const MAX_BYTES: usize = 254;
/// Maximum length of the local part in bytes (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_PART_BYTES: usize = 64;
/// Maximum length of the input in bytes. Longer input is refused before it is parsed. A Unicode domain can be longer
/// than its A-label form.
const MAX_INPUT_BYTES: usize = 1024;

/// An email address that mail can be sent to.
///
/// The accepted syntax is what mail systems accept in practice: a dot-atom (RFC 5322; with UTF-8, RFC 6532) before the
/// `@`, and after it a host name, which may be internationalised (UTS 46) or a single label such as `localhost`. Two
/// forms are refused although the RFCs allow them: quoted local parts (`"a b"@…`), which most providers refuse too and
/// which invite injection wherever an address is written without quotes; and address literals (`@[192.0.2.1]`), whose
/// ownership cannot be proved.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    address: String,
    key: String,
}

impl Email {
    /// Parses an address. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-long`, or `not-an-address`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let trimmed = raw.trim();
        if trimmed.len() > MAX_INPUT_BYTES {
            return Err(too_long());
        }
        if trimmed.chars().any(|c| is_disruptive(c) || is_blank(c)) {
            return Err(not_an_address("An email address has no spaces, line breaks or invisible characters."));
        }
        let (local, domain) = trimmed
            .rsplit_once('@')
            .ok_or_else(|| not_an_address("An email address has an @ between name and domain."))?;
        let local = local_part(local)?;
        let (shown_domain, a_label) = host_name(domain)?;

        let address = format!("{local}@{shown_domain}");
        let key = format!("{}@{a_label}", local.to_lowercase().nfc());
        if key.len() > MAX_BYTES || local.len() + 1 + a_label.len() > MAX_BYTES {
            return Err(too_long());
        }
        // The mail library decides last: it cannot send to an address that it cannot parse.
        lettre::Address::from_str(&address).map_err(|_| {
            not_an_address("The part before the @ contains a character or a dot that is not allowed there.")
        })?;
        Ok(Self { address, key })
    }

    /// Returns the address as it was typed: with its letter case, the part before the `@` in NFC, and a domain that is
    /// not ASCII in the Unicode form of UTS 46.
    ///
    /// Mail can be sent to it: it contains no space, quote, control character or angle bracket, and `lettre::Address`
    /// parses it. The email service converts its domain to A-labels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// Returns the key that decides uniqueness: the address in NFC and lower case, with its domain in A-label form. It
    /// has at most [`MAX_BYTES`] bytes.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the key of the mailbox that mail to this address most likely ends in: the key without `+tag`. It decides
    /// how many mails are sent, never whether two addresses are the same.
    #[must_use]
    pub fn mailbox(&self) -> String {
        let (local, domain) = self.key.rsplit_once('@').unwrap_or((&self.key, ""));
        // A local part that begins with `+` has no name before the tag.
        let name = local.split_once('+').map_or(local, |(name, _)| if name.is_empty() { local } else { name });
        format!("{name}@{domain}")
    }
}

/// Writes the address for mails and responses. Logs must use `{:?}`.
impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

// An address is personal data, and debug output ends up in logs.
redacted_debug!(Email);

/// Returns the prefix that the keys of all addresses beginning with this text have in common. Converts each label of
/// the domain to the form of the key, if it is a valid label.
pub(super) fn key_prefix(typed: &str) -> String {
    let (local, domain) = typed.rsplit_once('@').map_or((typed, None), |(local, domain)| (local, Some(domain)));
    let mut prefix: String = local.to_lowercase().nfc().collect();
    if let Some(domain) = domain {
        let labels: Vec<String> = domain.split('.').map(label_prefix).collect();
        prefix.push('@');
        prefix.push_str(&labels.join("."));
    }
    prefix
}

fn label_prefix(typed: &str) -> String {
    let a_label =
        Uts46::new().to_ascii(typed.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore);
    a_label.map_or_else(|_| typed.to_lowercase(), std::borrow::Cow::into_owned)
}

fn local_part(typed: &str) -> Result<String, Invalid> {
    if typed.starts_with('"') {
        return Err(not_an_address("An email address with a quoted name before the @ is not supported."));
    }
    let local: String = typed.nfc().collect();
    if local.len() > MAX_LOCAL_PART_BYTES {
        return Err(Invalid::new(
            "too-long",
            format!("The part before the @ has at most {MAX_LOCAL_PART_BYTES} bytes."),
        ));
    }
    Ok(local)
}

/// Returns the domain in the form that is shown, and in the form that DNS uses.
fn host_name(typed: &str) -> Result<(String, String), Invalid> {
    let invalid = || not_an_address("The part after the @ is not a domain name.");
    let uts46 = Uts46::new();
    let a_label = uts46
        .to_ascii(typed.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| invalid())?
        .into_owned();
    // No top-level domain consists of digits (RFC 3696 section 2), so this is an IPv4 address.
    if a_label.rsplit('.').next().is_none_or(|label| label.bytes().all(|b| b.is_ascii_digit())) {
        return Err(invalid());
    }
    if typed.is_ascii() {
        return Ok((typed.to_owned(), a_label));
    }
    let (unicode, valid) = uts46.to_unicode(typed.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    valid.map_err(|_| invalid())?;
    Ok((unicode.into_owned(), a_label))
}

fn not_an_address(detail: &str) -> Invalid {
    Invalid::new("not-an-address", detail)
}

fn too_long() -> Invalid {
    Invalid::new("too-long", format!("An email address has at most {MAX_BYTES} bytes."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn an_address_is_kept_as_typed_and_compared_without_case() {
        let email = Email::parse("  Ada.Lovelace+Post@Example.ORG ").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace+Post@Example.ORG");
        assert_eq!(email.key(), "ada.lovelace+post@example.org");
    }

    #[test]
    fn addresses_that_differ_in_a_tag_are_one_mailbox() {
        let mailbox = |raw: &str| Email::parse(raw).unwrap().mailbox();
        for raw in
            ["Ada+1@example.org", "ada+2@example.org", "ada+@example.org", "ada+1+2@example.org", "ADA@Example.org"]
        {
            assert_eq!(mailbox(raw), "ada@example.org", "{raw}");
        }
        assert_ne!(mailbox("ada.l@example.org"), mailbox("ada@example.org"));
        assert_ne!(mailbox("ada@example.org"), mailbox("ada@example.net"));
        // There is no name before the tag, so these are not aliases of one mailbox.
        assert_ne!(mailbox("+1@example.org"), mailbox("+2@example.org"));
    }

    #[test]
    fn both_forms_of_an_international_domain_are_the_same_address() {
        let unicode = Email::parse("info@Bücher.example").unwrap();
        let ascii = Email::parse("info@xn--bcher-kva.example").unwrap();
        assert_eq!(unicode.key(), "info@xn--bcher-kva.example");
        assert_eq!(unicode.key(), ascii.key());
        assert_eq!(unicode.as_str(), "info@bücher.example");
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same_address() {
        let composed = Email::parse("J\u{F6}rg@example.org").unwrap();
        let decomposed = Email::parse("jo\u{308}rg@example.org").unwrap();
        assert_eq!(composed.key(), decomposed.key());
    }

    #[test]
    fn common_forms_of_addresses_are_accepted() {
        for raw in
            ["root@localhost", "a@b.co", "o'brien@example.org", "x--y@ab--cd.example", "1@example.org", "用户@例え.jp"]
        {
            assert!(Email::parse(raw).is_ok(), "{raw}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused() {
        assert_refused(
            Email::parse,
            "not-an-address",
            [
                "",
                "@",
                "a",
                "a@",
                "@example.org",
                "a@@example.org",
                "a@b@example.org",
                "a b@example.org",
                "a@exa mple.org",
                ".a@example.org",
                "a.@example.org",
                "a..b@example.org",
                "\"a b\"@example.org",
                "\"a\"@example.org",
                "a@[192.0.2.1]",
                "a@192.0.2.1",
                "a@[IPv6:::1]",
                "a@-example.org",
                "a@example-.org",
                "a@example..org",
                "a@example.org.",
                "a@.example.org",
                "a@exa_mple.org",
                "<a@example.org>",
                "a@example.org>",
                "a,b@example.org",
                "Ada <a@example.org>",
                "a@xn--\u{FC}.example",
                "a@example.1",
                "a(c)@example.org",
                "a@example.org\u{202E}x.org",
            ],
        );
    }

    #[test]
    fn an_address_with_a_line_break_or_control_is_refused() {
        assert_refused(
            Email::parse,
            "not-an-address",
            ["a@example.org\r\nBcc: b@example.org", "a\r\n@example.org", "a\0@example.org", "a\u{2028}b@example.org"],
        );
    }

    #[test]
    fn the_length_limits_of_smtp_apply() {
        let local = "l".repeat(64);
        assert!(Email::parse(&format!("{local}@example.org")).is_ok());
        assert_refused(Email::parse, "too-long", [format!("{local}l@example.org").as_str()]);
        // 33 two-byte letters are 66 bytes.
        assert_refused(Email::parse, "too-long", [format!("{}@example.org", "ä".repeat(33)).as_str()]);

        let domain = format!("{0}.{0}.{1}.org", "d".repeat(60), "d".repeat(62));
        assert_eq!(domain.len(), 188);
        assert_eq!(Email::parse(&format!("{}@{domain}", "l".repeat(64))).unwrap().key().len(), 253);
        assert_eq!(Email::parse(&format!("{}@d{domain}", "l".repeat(64))).unwrap().key().len(), 254);
        assert_refused(
            Email::parse,
            "too-long",
            [format!("{}@dd{domain}", "l".repeat(64)).as_str(), "a".repeat(100_000).as_str()],
        );
    }

    #[test]
    fn debug_output_does_not_contain_the_address() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.org").unwrap()), "Email([REDACTED])");
    }

    proptest! {
        #[test]
        fn every_form_of_an_accepted_address_has_the_same_key(raw in "[a-zA-Zß-öΑ-Ως0-9.+\u{300}-\u{304}]{1,12}@([a-zA-Zà-ü0-9-]{1,10}\\.){0,2}[a-zA-Zäßа-я]{2,6}") {
            if let Ok(email) = Email::parse(&raw) {
                for form in [email.as_str(), email.key()] {
                    let again = Email::parse(form).unwrap();
                    prop_assert_eq!(again.key(), email.key());
                }
                let again = Email::parse(email.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), email.as_str());
                prop_assert!(email.key().len() <= MAX_BYTES);
            }
        }
    }
}
