//! The reason that an administrator or operator gives for an action. The audit log stores it.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::{
    allowed_characters::{is_blank, is_disruptive},
    invalid_value::Invalid,
};

/// Maximum length in code points, in NFC.
pub const MAX_CHARS: usize = 500;
/// Maximum length of the input in bytes. Longer input is refused before it is normalised.
const MAX_INPUT_BYTES: usize = 4096;

/// A reason: free text in NFC, on one line, with at least one visible character.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminReason(String);

impl AdminReason {
    /// Parses a reason. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-short`, `too-long` or `invalid-character`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        if raw.len() > MAX_INPUT_BYTES {
            return Err(too_long());
        }
        let text: String = raw.trim().nfc().collect();
        if text.chars().count() > MAX_CHARS {
            return Err(too_long());
        }
        if text.chars().any(is_disruptive) {
            return Err(Invalid::new(
                "invalid-character",
                "A reason has no line breaks, control characters or direction overrides.",
            ));
        }
        if text.chars().all(is_blank) {
            return Err(Invalid::new("too-short", "A reason has at least one visible character."));
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reason may name a person, and debug output ends up in logs.
impl fmt::Debug for AdminReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminReason([REDACTED])")
    }
}

fn too_long() -> Invalid {
    Invalid::new("too-long", format!("A reason has at most {MAX_CHARS} characters."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(raw: &str) -> &'static str {
        AdminReason::parse(raw).expect_err("it should be refused").code
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length_with_a_visible_character() {
        assert_eq!(
            AdminReason::parse(" lost phone, identity checked \n").unwrap().as_str(),
            "lost phone, identity checked"
        );
        assert_eq!(AdminReason::parse(&"é".repeat(MAX_CHARS)).unwrap().as_str().chars().count(), MAX_CHARS);
        assert_eq!(code(&"é".repeat(MAX_CHARS + 1)), "too-long");
        assert_eq!(code(&"x".repeat(1_000_000)), "too-long");
        for nothing in ["", "  \t\n", "\u{200B}", "\u{2060}"] {
            assert_eq!(code(nothing), "too-short", "{nothing:?}");
        }
        for disruptive in ["two\nlines", "a\u{0}b", "a\u{202E}b", "a\u{2028}b"] {
            assert_eq!(code(disruptive), "invalid-character", "{disruptive:?}");
        }
    }
}
