//! bcrypt: `$2a$`, `$2b$` and `$2y$`, which are the same for every UTF-8 password, and Django's bcrypt of a SHA-256
//! digest.
//!
//! bcrypt reads 72 bytes of a password and, in C, stops at a NUL. Therefore only the beginning of a longer password is
//! compared, and a password with a NUL is refused.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::hashing::hash_error::UnusableHash;

/// The name, and so the prefix, of the stored format of bcrypt over the hexadecimal SHA-256 digest of the password.
pub(super) const SHA256_HEX_NAME: &str = "bcrypt-sha256-hex";
const MAX_READ_BYTES: usize = 72;
/// The number of Argon2 blocks that take as long as one of bcrypt's 2^cost rounds.
const BLOCKS_PER_ROUND: u64 = 64;

#[derive(Clone)]
pub(in crate::hashing) struct Bcrypt {
    /// The hash in bcrypt's own format: `$2b$12$…`.
    text: String,
    cost: u32,
    prehashed: bool,
}

impl Bcrypt {
    pub(super) fn parse(stored: &str) -> Result<Self, UnusableHash> {
        let prefixed = stored.strip_prefix('$').and_then(|rest| rest.strip_prefix(SHA256_HEX_NAME));
        Self::new(prefixed.unwrap_or(stored), prefixed.is_some())
    }

    pub(super) fn new(text: &str, prehashed: bool) -> Result<Self, UnusableHash> {
        let parts: bcrypt::HashParts = text.parse().map_err(|_| UnusableHash::Malformed)?;
        let cost = parts.get_cost();
        if !(4..=31).contains(&cost) {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { text: text.to_owned(), cost, prehashed })
    }

    pub(super) fn to_stored(&self) -> String {
        if self.prehashed { format!("${SHA256_HEX_NAME}{}", self.text) } else { self.text.clone() }
    }

    pub(super) fn cost(&self) -> u64 {
        BLOCKS_PER_ROUND << self.cost
    }

    pub(super) fn verify(&self, typed: &[u8]) -> bool {
        if self.prehashed {
            let digest = Zeroizing::new(hex::encode(Sha256::digest(typed)));
            return bcrypt::verify(digest.as_bytes(), &self.text).unwrap_or(false);
        }
        !typed.contains(&0) && bcrypt::verify(typed, &self.text).unwrap_or(false)
    }

    pub(super) fn compares_whole(&self, typed: &[u8]) -> bool {
        self.prehashed || typed.len() <= MAX_READ_BYTES
    }
}
