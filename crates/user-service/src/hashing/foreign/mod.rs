//! Hashes that other systems made: each is verified until its owner's first login, and
//! then replaced by one of ours.
//!
//! A file for each algorithm: the one form in which it is stored, its cost, its check.
//! `forms` and `keycloak` read the forms in which other systems write it.

mod bcrypt;
mod firebase_scrypt;
mod import_formats;
mod keycloak;
mod pbkdf2;
mod phc;
mod salted_sha;
mod scrypt;

pub(super) use self::import_formats::canonicalize;
pub(super) use self::keycloak::canonicalize as canonicalize_keycloak;

use self::{bcrypt::Bcrypt, firebase_scrypt::FirebaseScrypt, pbkdf2::Pbkdf2, salted_sha::SaltedSha, scrypt::Scrypt};
use super::hash_error::UnusableHash;

/// One foreign hash, ready to be checked.
#[derive(Clone)]
pub(super) enum ForeignHash {
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    FirebaseScrypt(FirebaseScrypt),
    Pbkdf2(Pbkdf2),
    SaltedSha(SaltedSha),
}

impl ForeignHash {
    /// Reads the form in which it is stored; `name` is what stands between its first two `$`.
    pub(super) fn parse(name: &str, stored: &str) -> Result<Self, UnusableHash> {
        match name {
            "2a" | "2b" | "2y" | bcrypt::SHA256_HEX_NAME => Bcrypt::parse(stored).map(Self::Bcrypt),
            "scrypt" => Scrypt::parse(stored).map(Self::Scrypt),
            "fbscrypt" => FirebaseScrypt::parse(stored).map(Self::FirebaseScrypt),
            _ if name.starts_with("pbkdf2-") => Pbkdf2::parse(stored).map(Self::Pbkdf2),
            _ if name.starts_with("salted-") => SaltedSha::parse(stored).map(Self::SaltedSha),
            _ => Err(UnusableHash::UnknownAlgorithm),
        }
    }

    /// The form in which it is stored.
    fn to_stored(&self) -> String {
        match self {
            Self::Bcrypt(hash) => hash.to_stored(),
            Self::Scrypt(hash) => hash.to_stored(),
            Self::FirebaseScrypt(hash) => hash.to_stored(),
            Self::Pbkdf2(hash) => hash.to_stored(),
            Self::SaltedSha(hash) => hash.to_stored(),
        }
    }

    /// The work of a check, in Argon2 blocks of 1 KiB times passes: about as long as
    /// those take on the same processor.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Bcrypt(hash) => hash.cost(),
            Self::Scrypt(hash) => hash.cost(),
            Self::FirebaseScrypt(hash) => hash.cost(),
            Self::Pbkdf2(hash) => hash.cost(),
            Self::SaltedSha(_) => 1,
        }
    }

    /// The memory that a check allocates.
    pub(super) fn memory_kib(&self) -> u64 {
        match self {
            Self::Bcrypt(_) | Self::Pbkdf2(_) | Self::SaltedSha(_) => 8,
            Self::Scrypt(hash) => hash.memory_kib(),
            Self::FirebaseScrypt(hash) => hash.memory_kib(),
        }
    }

    /// Computes, and compares in constant time. Other systems hash a password as it was typed.
    pub(super) fn verify(&self, typed: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.verify(typed),
            Self::Scrypt(hash) => hash.verify(typed),
            Self::FirebaseScrypt(hash) => hash.verify(typed),
            Self::Pbkdf2(hash) => hash.verify(typed),
            Self::SaltedSha(hash) => hash.verify(typed),
        }
    }

    /// Whether the whole of this password was compared, so that it may replace the hash.
    pub(super) fn compares_whole(&self, typed: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.compares_whole(typed),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
