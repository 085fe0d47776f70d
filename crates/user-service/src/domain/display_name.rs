//! Display names: the name by which a user wants to be addressed.

use super::{invalid_value::Invalid, redacted::redacted_debug, single_line};

/// Maximum length in code points, in NFC.
pub const MAX_CHARS: usize = 100;

/// A name in NFC, on one line, with at least one visible character. It is free text, so code that prints it must escape
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses a name. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-short`, `too-long` or `invalid-character`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        single_line::parse(raw, "A display name", MAX_CHARS).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// A name is personal data, and debug output ends up in logs.
redacted_debug!(DisplayName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn names_in_many_scripts_are_accepted() {
        for raw in ["Ada", "Dr. Ada O’Brien-Lovelace, Countess", "李", "می\u{200C}نا", "👩\u{200D}🚀 Ada", "<b>x</b>"]
        {
            assert_eq!(DisplayName::parse(raw).unwrap().as_str(), raw);
        }
        assert_eq!(DisplayName::parse("  Zoe\u{308} ").unwrap().as_str(), "Zoë");
    }

    #[test]
    fn a_name_with_a_line_break_or_an_override_is_refused() {
        assert_refused(
            DisplayName::parse,
            "invalid-character",
            ["a\nb", "a\r\nBcc: x@example.org", "a\u{2028}b", "a\tb", "a\0", "\u{202E}gnp.exe", "a\u{2066}b"],
        );
    }

    #[test]
    fn an_invisible_name_is_refused() {
        assert_refused(DisplayName::parse, "too-short", ["", "   ", "\u{200B}", "\u{3164}\u{2060} \u{FEFF}"]);
    }

    #[test]
    fn a_name_is_at_most_a_hundred_characters() {
        assert!(DisplayName::parse(&"ä".repeat(100)).is_ok());
        assert_refused(DisplayName::parse, "too-long", ["ä".repeat(101).as_str(), "a".repeat(1_000_000).as_str()]);
    }

    proptest! {
        #[test]
        fn parsing_again_changes_nothing(raw in any::<String>()) {
            if let Ok(name) = DisplayName::parse(&raw) {
                prop_assert_eq!(&DisplayName::parse(name.as_str()).unwrap(), &name);
            }
        }
    }
}
