//! PasswordValidation: their bounds and their one normal form.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::invalid::Invalid;

/// In code points of the normal form.
pub const MAX_CHARS: usize = 256;
/// In bytes of the normal form, so that nobody feeds the hash a megabyte.
pub const MAX_BYTES: usize = 1024;
/// In bytes as typed: decomposed text is longer than its normal form, but not by more.
const MAX_INPUT_BYTES: usize = 4 * MAX_BYTES;

/// A password in NFKC, so that it is the same from every keyboard (NIST SP 800-63B asks
/// for one normalisation, before hashing; accents and full-width letters are typed in
/// several ways). Wiped when dropped, and never printed.
#[derive(Clone)]
pub struct Password {
    normal: SecretString,
    /// As it was typed, where that differs.
    typed: Option<SecretString>,
}

impl Password {
    /// A password that somebody chooses. `min_length` counts code points.
    ///
    /// # Errors
    /// `too-short` or `too-long`.
    pub fn parse_new(raw: String, min_length: usize) -> Result<Self, Invalid> {
        let password = Self::parse_attempt(raw)?;
        if password.expose().chars().count() < min_length {
            return Err(Invalid::new("too-short", format!("A password has at least {min_length} characters.")));
        }
        Ok(password)
    }

    /// A password that somebody claims to be theirs: only the upper bounds hold, because
    /// it may have been chosen under other rules.
    ///
    /// # Errors
    /// `too-long`.
    pub fn parse_attempt(raw: String) -> Result<Self, Invalid> {
        let raw = Zeroizing::new(raw);
        if raw.len() > MAX_INPUT_BYTES {
            return Err(too_long());
        }
        // Room for all of it from the start: a string that grows leaves its old bytes
        // behind in memory.
        let mut normal = Zeroizing::new(String::with_capacity(MAX_BYTES));
        for (index, c) in raw.nfkc().enumerate() {
            if index == MAX_CHARS || normal.len() + c.len_utf8() > MAX_BYTES {
                return Err(too_long());
            }
            normal.push(c);
        }
        let typed = (*raw != *normal).then(|| SecretString::from(raw.as_str()));
        Ok(Self { normal: SecretString::from(normal.as_str()), typed })
    }

    /// The normal form, for the hash alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.normal.expose_secret()
    }

    /// As it was typed, for hashes of systems that do not normalise.
    #[must_use]
    pub fn as_typed(&self) -> &str {
        self.typed.as_ref().unwrap_or(&self.normal).expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([REDACTED])")
    }
}

fn too_long() -> Invalid {
    Invalid::new("too-long", format!("A password has at most {MAX_CHARS} characters and {MAX_BYTES} bytes."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(raw: &str) -> &'static str {
        Password::parse_new(raw.to_owned(), 8).expect_err("it should be refused").code
    }

    #[test]
    fn it_is_the_same_password_from_every_keyboard() {
        let composed = Password::parse_new("Gr\u{FC}\u{DF}e aus K\u{F6}ln".into(), 8).unwrap();
        let decomposed = Password::parse_attempt("Gru\u{308}\u{DF}e aus Ko\u{308}ln".into()).unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.as_typed(), composed.expose());
        assert_eq!(decomposed.as_typed(), "Gru\u{308}\u{DF}e aus Ko\u{308}ln");
        let full_width = Password::parse_attempt("ｐａｓｓｗｏｒｄ".into()).unwrap();
        assert_eq!(full_width.expose(), "password");
    }

    #[test]
    fn nothing_is_trimmed() {
        assert_eq!(Password::parse_new("  spaces  ".into(), 8).unwrap().expose(), "  spaces  ");
    }

    #[test]
    fn the_length_is_counted_in_characters() {
        assert_eq!(code("seven77"), "too-short");
        assert_eq!(code("äöüäöüä"), "too-short");
        assert!(Password::parse_new("eight888".into(), 8).is_ok());
        assert!(Password::parse_new("a".repeat(256), 8).is_ok());
        assert_eq!(code(&"a".repeat(257)), "too-long");
        // 256 characters of four bytes are just 1024 bytes.
        assert!(Password::parse_new("😀".repeat(256), 8).is_ok());
        assert_eq!(code(&"x".repeat(1_000_000)), "too-long");
        // One character that normalises to eighteen.
        assert_eq!(code(&"\u{FDFA}".repeat(15)), "too-long");
    }

    #[test]
    fn decomposed_text_has_the_bounds_of_its_normal_form() {
        // 256 syllables, typed as three letters each.
        assert!(Password::parse_new("\u{1112}\u{1161}\u{11AB}".repeat(256), 8).is_ok());
    }

    #[test]
    fn an_attempt_may_be_short_but_not_long() {
        assert!(Password::parse_attempt(String::new()).is_ok());
        assert!(Password::parse_attempt("short".into()).is_ok());
        assert_eq!(Password::parse_attempt("a".repeat(257)).unwrap_err().code, "too-long");
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        assert_eq!(format!("{:?}", Password::parse_attempt("hunter2".into()).unwrap()), "Password([REDACTED])");
    }

    proptest! {
        #[test]
        fn parsing_again_changes_nothing(raw in any::<String>()) {
            if let Ok(password) = Password::parse_attempt(raw) {
                let again = Password::parse_attempt(password.expose().to_owned()).unwrap();
                prop_assert_eq!(again.expose(), password.expose());
            }
        }
    }
}
