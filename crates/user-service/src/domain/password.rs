//! Passwords: their length limits and their normal form.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

use super::{invalid_value::Invalid, redacted::redacted_debug};

/// Maximum length of the normal form, in code points.
pub const MAX_CHARS: usize = 256;
/// Maximum length of the normal form, in bytes. It bounds the input of the hash.
pub const MAX_BYTES: usize = 1024;
/// Maximum length of the input, in bytes. Decomposed text is at most four times as long as its normal form.
const MAX_INPUT_BYTES: usize = 4 * MAX_BYTES;

/// A password in NFKC, so that every keyboard produces the same password (NIST SP 800-63B demands a normalisation
/// before hashing; accents and full-width letters can be typed in several ways). It is wiped when dropped, and never
/// printed.
#[derive(Clone)]
pub struct Password {
    normal: SecretString,
    /// The password as it was typed, if that differs from the normal form.
    typed: Option<SecretString>,
}

impl Password {
    /// Parses a password that a user chooses. `min_length` counts code points.
    ///
    /// # Errors
    /// Returns an error with the code `too-short` or `too-long`.
    pub fn parse_new(raw: &SecretString, min_length: usize) -> Result<Self, Invalid> {
        let password = Self::parse_attempt(raw)?;
        if password.expose().chars().count() < min_length {
            return Err(Invalid::new("too-short", format!("A password has at least {min_length} characters.")));
        }
        Ok(password)
    }

    /// Parses a password that is to be verified. Only the maximum lengths apply, because the password may have been
    /// chosen under other rules.
    ///
    /// # Errors
    /// Returns an error with the code `too-long`.
    pub fn parse_attempt(raw: &SecretString) -> Result<Self, Invalid> {
        let raw = raw.expose_secret();
        if raw.len() > MAX_INPUT_BYTES {
            return Err(too_long());
        }
        // Allocates the whole capacity at once: a string that grows leaves its old bytes in memory.
        let mut normal = Zeroizing::new(String::with_capacity(MAX_BYTES));
        for (index, c) in raw.nfkc().enumerate() {
            if index == MAX_CHARS || normal.len() + c.len_utf8() > MAX_BYTES {
                return Err(too_long());
            }
            normal.push(c);
        }
        let typed = (raw != normal.as_str()).then(|| SecretString::from(raw));
        Ok(Self { normal: SecretString::from(normal.as_str()), typed })
    }

    /// Returns the normal form. Only for hashing.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.normal.expose_secret()
    }

    /// Returns the password as it was typed, for hashes of systems that do not normalise.
    #[must_use]
    pub fn as_typed(&self) -> &str {
        self.typed.as_ref().unwrap_or(&self.normal).expose_secret()
    }

    /// Returns what was typed in the other normal form, for hashes of systems that do not normalise: another keyboard
    /// may have typed the same letters so. This is NFD if the password was typed in NFC, and NFC otherwise. Returns
    /// `None` if that is the same text, as for ASCII.
    #[must_use]
    pub fn in_other_form(&self) -> Option<SecretString> {
        let typed = self.as_typed();
        if typed.is_ascii() {
            return None;
        }
        // Allocates the whole capacity at once, as above. No normal form is longer than three times the text (UAX #15).
        let mut other = Zeroizing::new(String::with_capacity(3 * typed.len()));
        if is_nfc(typed) {
            other.extend(typed.nfd());
        } else {
            other.extend(typed.nfc());
        }
        (other.as_str() != typed).then(|| SecretString::from(other.as_str()))
    }
}

redacted_debug!(Password);

fn too_long() -> Invalid {
    Invalid::new("too-long", format!("A password has at most {MAX_CHARS} characters and {MAX_BYTES} bytes."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(raw: &str) -> &'static str {
        Password::parse_new(&raw.into(), 8).expect_err("it should be refused").code
    }

    #[test]
    fn every_keyboard_produces_the_same_password() {
        let composed = Password::parse_new(&"Gr\u{FC}\u{DF}e aus K\u{F6}ln".into(), 8).unwrap();
        let decomposed = Password::parse_attempt(&"Gru\u{308}\u{DF}e aus Ko\u{308}ln".into()).unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.as_typed(), composed.expose());
        assert_eq!(decomposed.as_typed(), "Gru\u{308}\u{DF}e aus Ko\u{308}ln");
        let full_width = Password::parse_attempt(&"ｐａｓｓｗｏｒｄ".into()).unwrap();
        assert_eq!(full_width.expose(), "password");
    }

    #[test]
    fn the_other_form_is_nfd_of_nfc_and_nfc_of_anything_else() {
        let other = |typed: &str| {
            Password::parse_attempt(&typed.into()).unwrap().in_other_form().map(|form| form.expose_secret().to_owned())
        };
        for (typed, expected) in [
            ("Gr\u{FC}\u{DF}e", Some("Gru\u{308}\u{DF}e")),
            ("Gru\u{308}\u{DF}e", Some("Gr\u{FC}\u{DF}e")),
            // Partly composed.
            ("\u{FC}u\u{308}", Some("\u{FC}\u{FC}")),
            ("\u{1100}\u{1161}", Some("\u{AC00}")),
            // These have no other form. NFKC would change the last one.
            ("correct horse", None),
            ("\u{DF}\u{20AC}\u{1F600}", None),
            ("m\u{B2}", None),
        ] {
            assert_eq!(other(typed).as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn white_space_is_kept() {
        assert_eq!(Password::parse_new(&"  spaces  ".into(), 8).unwrap().expose(), "  spaces  ");
    }

    #[test]
    fn the_length_is_counted_in_characters() {
        assert_eq!(code("seven77"), "too-short");
        assert_eq!(code("äöüäöüä"), "too-short");
        assert!(Password::parse_new(&"eight888".into(), 8).is_ok());
        assert!(Password::parse_new(&"a".repeat(256).into(), 8).is_ok());
        assert_eq!(code(&"a".repeat(257)), "too-long");
        // 256 characters of four bytes are exactly 1024 bytes.
        assert!(Password::parse_new(&"😀".repeat(256).into(), 8).is_ok());
        assert_eq!(code(&"x".repeat(1_000_000)), "too-long");
        // This character normalises to 18 characters.
        assert_eq!(code(&"\u{FDFA}".repeat(15)), "too-long");
    }

    #[test]
    fn the_length_of_decomposed_text_is_that_of_its_normal_form() {
        // 256 syllables, each typed as three letters.
        assert!(Password::parse_new(&"\u{1112}\u{1161}\u{11AB}".repeat(256).into(), 8).is_ok());
    }

    #[test]
    fn an_attempt_may_be_short_but_not_long() {
        assert!(Password::parse_attempt(&String::new().into()).is_ok());
        assert!(Password::parse_attempt(&"short".into()).is_ok());
        assert_eq!(Password::parse_attempt(&"a".repeat(257).into()).unwrap_err().code, "too-long");
    }

    #[test]
    fn debug_output_does_not_contain_the_password() {
        assert_eq!(format!("{:?}", Password::parse_attempt(&"hunter2".into()).unwrap()), "Password([REDACTED])");
    }

    proptest! {
        #[test]
        fn the_other_form_has_the_same_normal_form(raw in any::<String>()) {
            if let Ok(password) = Password::parse_attempt(&raw.into())
                && let Some(other) = password.in_other_form()
            {
                prop_assert!(other.expose_secret().len() <= 3 * password.as_typed().len(), "it was not moved in memory");
                prop_assert_eq!(other.expose_secret().nfkc().collect::<String>(), password.expose());
            }
        }

        #[test]
        fn parsing_again_changes_nothing(raw in any::<String>()) {
            if let Ok(password) = Password::parse_attempt(&raw.into()) {
                let again = Password::parse_attempt(&password.expose().into()).unwrap();
                prop_assert_eq!(again.expose(), password.expose());
            }
        }
    }
}
