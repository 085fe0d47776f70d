//! A stored password hash, as a string that nobody prints by accident.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::hash_error::HashError;

/// No hash that we make or import is longer.
const MAX_BYTES: usize = 512;

/// A PHC string (`$argon2id$v=19$…`), or another self-describing one that begins with
/// `$`. Wiped when dropped.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// What the database holds, unchecked: no password verifies against a string that is
    /// no hash.
    #[must_use]
    pub fn from_stored(stored: String) -> Self {
        Self(SecretString::from(stored))
    }

    /// Takes a string from elsewhere. Only its outer form is checked: whether its
    /// algorithm and parameters are usable is seen when a password is verified.
    ///
    /// # Errors
    /// [`HashError::Malformed`] when this cannot be the hash of a password.
    pub fn parse(stored: String) -> Result<Self, HashError> {
        let hash = Self::from_stored(stored);
        let text = hash.expose();
        if text.len() > MAX_BYTES || !text.starts_with('$') || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HashError::Malformed);
        }
        Ok(hash)
    }

    /// The string, for the database.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_describing_string_is_taken_as_it_is() {
        for text in ["$argon2id$v=19$m=32,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNo", "$2b$10$abcdefghijklmnopqrstuv"] {
            assert_eq!(PasswordHash::parse(text.to_owned()).unwrap().expose(), text);
        }
    }

    #[test]
    fn what_cannot_be_a_hash_is_refused() {
        for text in ["", "hunter2", " $argon2id$", "$argon2id$\n", "$ä", &format!("${}", "a".repeat(512))] {
            assert_eq!(PasswordHash::parse(text.to_owned()).unwrap_err(), HashError::Malformed);
        }
    }

    #[test]
    fn debug_does_not_tell_the_hash() {
        assert_eq!(format!("{:?}", PasswordHash::parse("$x$y".into()).unwrap()), "PasswordHash([REDACTED])");
    }
}
