//! Stored password hashes, in a type that is never printed.

use secrecy::{ExposeSecret, SecretString};

use super::hash_error::HashError;
use crate::domain::redacted::redacted_debug;

/// Maximum length of a hash. No created or imported hash is longer.
const MAX_BYTES: usize = 512;

/// A PHC string (`$argon2id$v=19$…`), or another self-describing hash string that begins with `$`. It is wiped when
/// dropped.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Wraps a string from the database without checking it. If it is not a hash, no password matches it.
    #[must_use]
    pub fn from_stored(stored: String) -> Self {
        Self(SecretString::from(stored))
    }

    /// Parses a string from another source. Checks only its outer form: whether algorithm and parameters are usable is
    /// decided when a password is verified.
    ///
    /// # Errors
    /// Returns [`HashError::Malformed`] if the string cannot be a password hash.
    pub fn parse(stored: String) -> Result<Self, HashError> {
        let hash = Self::from_stored(stored);
        let text = hash.expose();
        if text.len() > MAX_BYTES || !text.starts_with('$') || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HashError::Malformed);
        }
        Ok(hash)
    }

    /// Returns the string for the database.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

redacted_debug!(PasswordHash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_describing_string_is_kept_unchanged() {
        for text in ["$argon2id$v=19$m=32,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNo", "$2b$10$abcdefghijklmnopqrstuv"] {
            assert_eq!(PasswordHash::parse(text.to_owned()).unwrap().expose(), text);
        }
    }

    #[test]
    fn a_string_that_cannot_be_a_hash_is_refused() {
        for text in ["", "hunter2", " $argon2id$", "$argon2id$\n", "$ä", &format!("${}", "a".repeat(512))] {
            assert_eq!(PasswordHash::parse(text.to_owned()).unwrap_err(), HashError::Malformed);
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_hash() {
        assert_eq!(format!("{:?}", PasswordHash::parse("$x$y".into()).unwrap()), "PasswordHash([REDACTED])");
    }
}
