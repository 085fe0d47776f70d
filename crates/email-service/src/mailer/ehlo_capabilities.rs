//! The capabilities of a server, read from its reply to EHLO (RFC 5321, 4.1.1.1).

use lettre::transport::smtp::response::Response;

/// The extensions that the service uses. Keywords are case-insensitive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EhloCapabilities {
    /// Addresses with non-ASCII characters (RFC 6531).
    pub smtp_utf8: bool,
    /// Bodies with non-ASCII bytes (RFC 6152).
    pub eight_bit_mime: bool,
    /// The maximum size of a mail (RFC 1870).
    pub size: SizeLimit,
    pub auth_plain: bool,
    pub auth_login: bool,
}

/// The extension SIZE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SizeLimit {
    /// The server does not offer it, and does not understand the parameter.
    #[default]
    Unknown,
    /// The server offers it without a fixed limit.
    Open,
    /// At most this number of bytes.
    Bytes(u64),
}

impl EhloCapabilities {
    #[must_use]
    pub fn from_reply(reply: &Response) -> Self {
        // The first line is the server's name.
        Self::parse(reply.message().skip(1))
    }

    fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut capabilities = Self::default();
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "SMTPUTF8" => capabilities.smtp_utf8 = true,
                "8BITMIME" => capabilities.eight_bit_mime = true,
                // An invalid number is treated as no limit.
                "SIZE" => match words.next().map_or(Ok(0), str::parse) {
                    Ok(0) | Err(_) => capabilities.size = SizeLimit::Open,
                    Ok(max) => capabilities.size = SizeLimit::Bytes(max),
                },
                "AUTH" => {
                    for mechanism in words {
                        capabilities.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                        capabilities.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        capabilities
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capabilities(lines: &[&str]) -> EhloCapabilities {
        EhloCapabilities::parse(lines.iter().copied())
    }

    #[test]
    fn keywords_are_parsed_in_any_case() {
        let all = capabilities(&["PIPELINING", "size 1000", "8bitMIME", "SMTPUTF8", "Auth CRAM-MD5 login plain", ""]);
        let expected = EhloCapabilities {
            smtp_utf8: true,
            eight_bit_mime: true,
            size: SizeLimit::Bytes(1000),
            auth_plain: true,
            auth_login: true,
        };
        assert_eq!(all, expected);
        assert_eq!(capabilities(&["HELP", "SMTPUTF8X", "X-SIZE 1"]), EhloCapabilities::default());
    }

    #[test]
    fn a_size_without_a_number_is_unlimited() {
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999"] {
            assert_eq!(capabilities(&[line]).size, SizeLimit::Open, "{line}");
        }
        assert_eq!(capabilities(&[]).size, SizeLimit::Unknown);
    }

    proptest! {
        #[test]
        fn any_reply_is_parsed(lines in proptest::collection::vec(".{0,80}", 0..8)) {
            let _ = EhloCapabilities::parse(lines.iter().map(String::as_str));
        }
    }
}
