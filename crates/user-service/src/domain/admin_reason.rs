//! The reason that an administrator or operator gives for an action. The audit log stores it.

use super::{invalid_value::Invalid, redacted::redacted_debug, single_line};

/// Maximum length in code points, in NFC.
pub const MAX_CHARS: usize = 500;

/// A reason: free text in NFC, on one line, with at least one visible character.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminReason(String);

impl AdminReason {
    /// Parses a reason. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-short`, `too-long` or `invalid-character`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        single_line::parse(raw, "A reason", MAX_CHARS).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// A reason may name a person, and debug output ends up in logs.
redacted_debug!(AdminReason);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn a_reason_is_one_line_of_bounded_length_with_a_visible_character() {
        assert_eq!(
            AdminReason::parse(" lost phone, identity checked \n").unwrap().as_str(),
            "lost phone, identity checked"
        );
        assert_eq!(AdminReason::parse(&"é".repeat(MAX_CHARS)).unwrap().as_str().chars().count(), MAX_CHARS);
        assert_refused(
            AdminReason::parse,
            "too-long",
            ["é".repeat(MAX_CHARS + 1).as_str(), "x".repeat(1_000_000).as_str()],
        );
        assert_refused(AdminReason::parse, "too-short", ["", "  \t\n", "\u{200B}", "\u{2060}"]);
        assert_refused(AdminReason::parse, "invalid-character", ["two\nlines", "a\u{0}b", "a\u{202E}b", "a\u{2028}b"]);
    }
}
