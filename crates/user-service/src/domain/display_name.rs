//! Display names: the name by which a user wants to be addressed.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::{
    allowed_characters::{is_blank, is_disruptive},
    invalid_value::Invalid,
};

/// Maximum length in code points, in NFC.
pub const MAX_CHARS: usize = 100;
/// Maximum length of the input in bytes. Longer input is refused before it is normalised.
const MAX_INPUT_BYTES: usize = 4096;

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
        if raw.len() > MAX_INPUT_BYTES {
            return Err(too_long());
        }
        let name: String = raw.trim().nfc().collect();
        if name.chars().count() > MAX_CHARS {
            return Err(too_long());
        }
        if name.chars().any(is_disruptive) {
            return Err(Invalid::new(
                "invalid-character",
                "A display name has no line breaks, control characters or direction overrides.",
            ));
        }
        if name.chars().all(is_blank) {
            return Err(Invalid::new("too-short", "A display name has at least one visible character."));
        }
        Ok(Self(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name is personal data, and debug output ends up in logs.
impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName([REDACTED])")
    }
}

fn too_long() -> Invalid {
    Invalid::new("too-long", format!("A display name has at most {MAX_CHARS} characters."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(raw: &str) -> &'static str {
        DisplayName::parse(raw).expect_err("it should be refused").code
    }

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
        for raw in ["a\nb", "a\r\nBcc: x@example.org", "a\u{2028}b", "a\tb", "a\0", "\u{202E}gnp.exe", "a\u{2066}b"] {
            assert_eq!(code(raw), "invalid-character", "{raw:?}");
        }
    }

    #[test]
    fn an_invisible_name_is_refused() {
        for raw in ["", "   ", "\u{200B}", "\u{3164}\u{2060} \u{FEFF}"] {
            assert_eq!(code(raw), "too-short", "{raw:?}");
        }
    }

    #[test]
    fn a_name_is_at_most_a_hundred_characters() {
        assert!(DisplayName::parse(&"ä".repeat(100)).is_ok());
        assert_eq!(code(&"ä".repeat(101)), "too-long");
        assert_eq!(code(&"a".repeat(1_000_000)), "too-long");
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
