//! The names of clients, which administrators and operators read.

use crate::domain::{invalid_value::Invalid, single_line};

/// Maximum length in code points, in NFC.
const MAX_CHARS: usize = 100;

/// A name in NFC, on one line, with at least one visible character and without direction overrides. Two clients may have
/// the same name; only the id identifies a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName(String);

impl ClientName {
    /// Parses a name. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-short`, `too-long` or `invalid-character`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        single_line::parse(raw, "The name of a client", MAX_CHARS).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn a_name_is_one_line_of_bounded_length_with_a_visible_character() {
        assert_eq!(ClientName::parse(" billing \n").unwrap().as_str(), "billing");
        assert!(ClientName::parse(&"é".repeat(MAX_CHARS)).is_ok());
        assert_refused(ClientName::parse, "too-long", ["é".repeat(MAX_CHARS + 1).as_str()]);
        assert_refused(ClientName::parse, "too-short", ["", " \t", "\u{200B}"]);
        assert_refused(ClientName::parse, "invalid-character", ["a\nb", "a\u{202E}b", "a\u{0}"]);
    }
}
