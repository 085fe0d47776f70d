//! Which passwords may be chosen. The only place that decides it.

use secrecy::{ExposeSecret, SecretString};

use super::{Invalid, Password};

/// The rules for a new password.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    min_length: usize,
}

impl PasswordPolicy {
    /// `min_length` counts code points.
    #[must_use]
    pub fn new(min_length: usize) -> Self {
        Self { min_length }
    }

    /// In code points.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.min_length
    }

    /// Takes a password that somebody chooses. `own` are the words that are theirs:
    /// user name, address, display name.
    ///
    /// # Errors
    /// Why the password may not be chosen; never what it is.
    pub fn accept(&self, chosen: &SecretString, own: &[&str]) -> Result<Password, Invalid> {
        let _ = own;
        Password::parse_new(chosen.expose_secret().to_owned(), self.min_length)
    }
}
