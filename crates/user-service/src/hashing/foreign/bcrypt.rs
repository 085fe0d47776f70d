//! bcrypt: `$2a$`, `$2b$` and `$2y$`, which agree on every password that is UTF-8, and
//! Django's bcrypt of a SHA-256.
//!
//! bcrypt reads 72 bytes of a password and, in C, no further than a NUL. So a longer
//! password is compared in part only, and one with a NUL is refused.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::hashing::hash_error::UnusableHash;

/// Our name for bcrypt of the SHA-256 in hexadecimal digits, and its prefix.
pub(super) const OF_SHA256: &str = "bcrypt-sha256-hex";
const READ: usize = 72;
/// Argon2 blocks that take as long as one of bcrypt's 2^cost rounds.
const BLOCKS_A_ROUND: u64 = 64;

#[derive(Clone)]
pub(in crate::hashing) struct Bcrypt {
    /// `$2b$12$…`
    text: String,
    cost: u32,
    of_sha256: bool,
}

impl Bcrypt {
    pub(super) fn read(stored: &str) -> Result<Self, UnusableHash> {
        let prefixed = stored.strip_prefix('$').and_then(|rest| rest.strip_prefix(OF_SHA256));
        Self::new(prefixed.unwrap_or(stored), prefixed.is_some())
    }

    pub(super) fn new(text: &str, of_sha256: bool) -> Result<Self, UnusableHash> {
        let parts: bcrypt::HashParts = text.parse().map_err(|_| UnusableHash::Malformed)?;
        let cost = parts.get_cost();
        if !(4..=31).contains(&cost) {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { text: text.to_owned(), cost, of_sha256 })
    }

    pub(super) fn text(&self) -> String {
        if self.of_sha256 { format!("${OF_SHA256}{}", self.text) } else { self.text.clone() }
    }

    pub(super) fn cost(&self) -> u64 {
        BLOCKS_A_ROUND << self.cost
    }

    pub(super) fn accepts(&self, typed: &[u8]) -> bool {
        if self.of_sha256 {
            let digest = Zeroizing::new(hex::encode(Sha256::digest(typed)));
            return bcrypt::verify(digest.as_bytes(), &self.text).unwrap_or(false);
        }
        !typed.contains(&0) && bcrypt::verify(typed, &self.text).unwrap_or(false)
    }

    pub(super) fn compares_all_of(&self, typed: &[u8]) -> bool {
        self.of_sha256 || typed.len() <= READ
    }
}
